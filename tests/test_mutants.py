"""What earlier tests let live: the guarantee without a plan, a short referral for ever, a secret that others read."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rasa.core.channels.channel import UserMessage
from rasa.shared.core.events import UserUttered
from rasa.shared.core.trackers import DialogueStateTracker
from rasa_sdk.executor import CollectingDispatcher

from actions.referral import ActionMedicalReferral
from calla.agent import GuardedAgent
from calla.keys import secret_key
from calla.policies.plan import Turn
from calla.safety.patterns import OVERLAP, WINDOW
from calla.safety.screen import load_screen
from calla.understanding.memory import SHORT_TURNS, Memory

FINDING, REFERRAL = "my report says BI-RADS 5", "utter_referral/suspicious_finding"


def test_the_policy_owes_without_a_plan() -> None:
    """A message that was parsed elsewhere is screened by the policy itself."""
    tracker = DialogueStateTracker.from_events("x", [UserUttered(FINDING)])
    assert Turn(tracker).owed_referrals() == [REFERRAL]


def test_the_action_owes_without_a_plan() -> None:
    """The action server says what the rules find where no plan came with the message."""
    dispatcher = CollectingDispatcher()
    tracker: Any = SimpleNamespace(latest_message={"text": FINDING})
    asyncio.run(ActionMedicalReferral().run(dispatcher, tracker, {}))
    assert [message["response"] for message in dispatcher.messages] == [REFERRAL]


def test_the_agent_owes_without_a_plan() -> None:
    """The last line says what the screen finds where understanding made no plan, hints at the end too."""
    assert GuardedAgent._owed(UserMessage(FINDING)) == [REFERRAL]
    hint = "i have a secret under my blouse"
    assert GuardedAgent._owed(UserMessage(hint)) == []
    assert GuardedAgent._owed(UserMessage(hint), hints=True) == ["utter_referral/red_flag_symptom"]


def test_a_referral_is_not_short_for_ever() -> None:
    """However often the short form is given, the full text is due again after some turns."""
    memory = Memory().after(topic=None, offers=(), given={"red_flag_symptom": True}, said=())
    short = 0
    while "red_flag_symptom" in memory.aged().in_full:
        memory = memory.aged().after(topic=None, offers=(), given={"red_flag_symptom": False}, said=())
        short += 1
        assert short <= SHORT_TURNS
    assert short == SHORT_TURNS


def test_the_secret_is_for_its_owner_alone(tmp_path: Path) -> None:
    config: Any = SimpleNamespace(secret=None, data_folder=tmp_path)
    assert secret_key(config) == secret_key(config)
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("before", range(WINDOW - OVERLAP - 4, WINDOW + 5))
def test_a_finding_across_the_edge_of_a_window_is_found(before: int) -> None:
    """Dictation has no stops: wherever a window ends, the finding lies whole in one."""
    words = ["yes"] * before + "found in the shower last week a hard lump".split() + ["yes"] * WINDOW
    assert load_screen().find(" ".join(words)), before
