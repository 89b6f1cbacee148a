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
from calla.channels.web.desk import Desk
from calla.channels.web.refusals import RefusedError
from calla.keys import secret_key
from calla.policies.plan import Turn
from calla.safety.patterns import WINDOW
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
    memory = Memory().after(topic=None, offers=(), anew=["red_flag_symptom"], given={"red_flag_symptom": True}, said=())
    short = 0
    while "red_flag_symptom" in memory.aged().in_full:
        given = {"red_flag_symptom": False}
        memory = memory.aged().after(topic=None, offers=(), anew=given, given=given, said=())
        short += 1
        assert short <= SHORT_TURNS
    assert short == SHORT_TURNS


def test_the_secret_is_for_its_owner_alone(tmp_path: Path) -> None:
    config: Any = SimpleNamespace(secret=None, data_folder=tmp_path)
    assert secret_key(config) == secret_key(config)
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


# Said in one breath it is a result; cut anywhere it is nothing.
_SPREAD = "they put me down as a four b".split()


@pytest.mark.parametrize("before", range(WINDOW - len(_SPREAD) - 1, WINDOW + 2))
def test_a_finding_across_the_edge_of_a_window_is_found(before: int) -> None:
    """Dictation has no stops: wherever a window ends, the finding lies whole in one."""
    words = ["yes"] * before + _SPREAD + ["yes"] * WINDOW
    assert load_screen().find(" ".join(words)), before


async def _taken_twice(held: asyncio.Event, ids: tuple[str, str]) -> list[Any]:
    """Take two messages of one conversation that both wait for the limits at the same time."""
    config: Any = SimpleNamespace(
        session_hours=1,
        retention_days=1,
        messages_per_minute=60,
        address_messages_per_minute=60,
        sessions_per_hour=60,
        max_in_flight=9,
    )
    desk = Desk(config, "k" * 40, SimpleNamespace())  # type: ignore[arg-type]

    async def nothing_stored(*_: Any) -> list[Any]:
        return []

    async def wait(*_: Any) -> float:
        await held.wait()
        return 0.0

    store = SimpleNamespace(last_events=nothing_stored)
    agent = SimpleNamespace(expected_wait=lambda *_: 0.0, tracker_store=store)
    desk.app = SimpleNamespace(ctx=SimpleNamespace(agent=agent))  # type: ignore[assignment]
    desk.limits = SimpleNamespace(message=wait)  # type: ignore[assignment]
    session: Any = SimpleNamespace(sender="web-x")
    both = [asyncio.ensure_future(desk._take(session, turn, "a", "10.0.0.1")) for turn in ids]
    for _ in range(5):
        await asyncio.sleep(0)
    held.set()
    return await asyncio.gather(*both, return_exceptions=True)


@pytest.mark.asyncio
async def test_a_copy_that_came_while_the_limits_were_asked_is_the_same_turn() -> None:
    """The second look after the rate limit: a message that came both ways is answered once."""
    (first, new), (second, again) = await _taken_twice(asyncio.Event(), ("message-1", "message-1"))
    assert first is second and (new, again) == (True, False)


@pytest.mark.asyncio
async def test_another_message_that_came_while_the_limits_were_asked_waits() -> None:
    """Two messages of one conversation are never answered at the same time."""
    _, refused = await _taken_twice(asyncio.Event(), ("message-1", "message-2"))
    assert isinstance(refused, RefusedError) and refused.error == "busy"
