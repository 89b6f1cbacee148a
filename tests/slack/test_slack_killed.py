"""Killed between two steps of an answer: what was taken in is taken up again, and said once."""

from __future__ import annotations

import sqlite3
import threading
from typing import Any, Callable

import pytest
from fake_slack import FakeSlack
from here import ANSWER, LUMP, OTHER, QUESTION, Here
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import UserUttered
from rasa.shared.core.trackers import DialogueStateTracker
from test_slack_outbox import names

from calla.database import DatabaseHangsError
from calla.store import ConversationStore


def killed_at(here: Here, own_slack: FakeSlack, step: str, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Let the channel stand still for ever at a step; returns what tells that it is there."""
    reached = threading.Event()

    def stop_before(owner: Any, name: str) -> None:
        original: Callable[..., Any] = getattr(owner, name)

        async def stand_still(*arguments: Any, **named: Any) -> Any:
            if here.armed:
                reached.set()
                await here.forever()
            return await original(*arguments, **named)

        monkeypatch.setattr(owner, name, stand_still)

    app = here.app
    steps = {
        "before it is understood": (app._inbox, "is_open"),
        "before it is written to the outbox": (app._letters, "add"),
        "before it is sent": (app.outbox._sender, "send"),
        "before it is noted as sent": (app._letters, "sent"),
        "before the question is done": (app._inbox, "done"),
    }
    stop_before(*steps[step])
    return reached


def asked_and_killed(here: Here, own_slack: FakeSlack, step: str, text: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Ask in direct messages and kill the channel at a step; returns where it was asked."""
    here.ready()
    user, channel = here.dm()
    reached = killed_at(here, own_slack, step, monkeypatch)
    here.armed = True
    here.deliver(here.message(user, channel, text))
    assert reached.wait(10)
    here.kill()
    here.armed = False
    return channel


@pytest.mark.parametrize("text", [QUESTION, LUMP, "both"])
@pytest.mark.parametrize(
    "step",
    [
        "before it is understood",
        "before it is written to the outbox",
        "before it is sent",
        "before it is noted as sent",
        "before the question is done",
    ],
)
def test_killed_between_two_steps_everything_is_said_once(
    here: Here, own_slack: FakeSlack, monkeypatch: pytest.MonkeyPatch, step: str, text: str
) -> None:
    channel = asked_and_killed(here, own_slack, step, text, monkeypatch)
    here.start().ready()
    expected = 2 if text == "both" else 1
    own_slack.wait_posts(channel, expected)
    here.until(lambda: here.rows("SELECT 1 FROM slack_letters WHERE letter IS NOT NULL") == [])
    here.until(lambda: here.rows("SELECT 1 FROM slack_questions WHERE question IS NOT NULL") == [])
    here.settled()
    said = names(own_slack.posts(channel))
    assert len(said) == len(set(said)) == expected


def test_what_the_agent_has_stored_is_not_answered_anew(
    here: Here, own_slack: FakeSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked the same again, a real agent says it in other words: that would be a second answer."""
    here.ready()
    user, channel = here.dm()
    here.agent.tracker_store = store = ConversationStore(Domain.empty(), f"sqlite:///{here.folder / 'agent.db'}")
    reached = killed_at(here, own_slack, "before the question is done", monkeypatch)
    here.armed = True
    here.deliver(here.message(user, channel, QUESTION))
    assert reached.wait(10)
    (heard,) = here.agent.heard
    stored = [UserUttered(QUESTION, message_id=heard.message_id)]
    here.run(store.save(DialogueStateTracker.from_events(heard.sender_id, stored)))
    here.kill()
    here.armed = False
    here.agent.says[QUESTION] = [OTHER]
    here.start().ready()
    here.until(lambda: here.rows("SELECT 1 FROM slack_questions WHERE question IS NOT NULL") == [])
    assert names(own_slack.wait_posts(channel)) == [ANSWER] and here.agent.heard == [heard]


@pytest.mark.parametrize("text", [QUESTION, LUMP])
@pytest.mark.parametrize("step", ["before it is understood", "before it is sent"])
def test_what_was_left_is_taken_up_when_the_database_answers_again(
    here: Here,
    own_slack: FakeSlack,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    step: str,
    text: str,
) -> None:
    channel = asked_and_killed(here, own_slack, step, text, monkeypatch)
    monkeypatch.setattr("calla.channels.slack.app.AGAIN", 0.05)
    caplog.clear()
    other = sqlite3.connect(here.folder / "calla.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    here.start().ready()
    here.until(lambda: "What was left cannot be read" in caplog.text)
    other.execute("ROLLBACK")
    other.close()
    own_slack.wait_posts(channel)
    here.settled()
    assert len(own_slack.posts(channel)) == 1


def test_what_a_call_found_that_was_given_up_is_not_forgotten(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    here.ready()
    monkeypatch.setattr("calla.database.DEADLINE", 0.05)
    begun, going, once = threading.Event(), threading.Event(), ["left"]

    def slowly() -> list[str]:
        begun.set()
        going.wait(10)
        return [once.pop()]

    # Not even begun while the thread is busy with something else.
    while not begun.is_set():
        with pytest.raises(DatabaseHangsError):
            here.run(here.app._ledger.hand_out("some", slowly))
    going.set()
    # From here on nothing of the app's own is given up either.
    monkeypatch.setattr("calla.database.DEADLINE", 10.0)
    here.until(lambda: not once and not here.app._ledger._database._missing)
    assert here.run(here.app._ledger.hand_out("some", list)) == ["left"]
    assert here.run(here.app._ledger.hand_out("some", list)) == []


def test_the_note_that_points_to_a_message_survives_a_kill(
    here: Here, own_slack: FakeSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.ready()
    user, room = here.person(), here.channel()
    held = threading.Event()
    own_slack.trouble("chat.postEphemeral", "hang", held, about=room)
    here.deliver(here.mention(user, room, LUMP))
    own_slack.wait(lambda: [call for call in own_slack.calls if call.error == "hang"])
    here.kill()
    held.set()
    here.start().ready()
    (note,) = own_slack.wait(lambda: own_slack.posts(room, "chat.postEphemeral"))
    assert note.names == ["utter_slack/answered_privately"]
    here.settled()
    assert len(own_slack.posts(user, "chat.postMessage")) == 1
