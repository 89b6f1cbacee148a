"""What Slack's own tables hold of a person is erased too: no file has a trace, and "done" is not said before."""

from __future__ import annotations

import sqlite3
from typing import Iterator

import pytest
from fake_slack import FakeSlack
from here import ANSWER, LUMP, OTHER, OTHER_QUESTION, Here

NEEDLE = "is it the marmalade"
# Long enough that nothing which waits goes out during a test.
OUTAGE = 10_000


def in_files(here: Here, *needles: str) -> list[str]:
    """Those of the needles that some file of the data folder holds."""
    everything = b"".join(file.read_bytes() for file in sorted(here.folder.rglob("*")) if file.is_file())
    return [needle for needle in needles if needle.encode() in everything]


def asked_everywhere(here: Here, slack: FakeSlack) -> tuple[str, str, list[str]]:
    """A person with an answer in direct messages and one that Slack does not take in a channel.

    Returns:
        user, direct messages, and what the files hold of the person.
    """
    user, channel = here.dm()
    room = here.channel()
    slack.trouble("chat.postMessage", "status", 503, about=room, times=OUTAGE)
    here.deliver(here.mention(user, room, f"{NEEDLE} in the channel"))
    here.deliver(here.message(user, channel, NEEDLE))
    slack.wait_posts(channel)
    slack.wait(lambda: [call for call in slack.calls if call.error == "status"])
    here.settled()
    in_channel, direct = (
        next(m.sender_id for m in here.agent.heard if m.text == text) for text in (f"{NEEDLE} in the channel", NEEDLE)
    )
    letters = [row.letter for row in here.rows("SELECT letter FROM slack_letters WHERE letter IS NOT NULL")]
    assert any(room in letter for letter in letters)
    held = [NEEDLE, f"{ANSWER}#0", room, in_channel]
    assert in_files(here, *held, direct) == [*held, direct]
    return user, channel, held


def erase(here: Here, slack: FakeSlack, user: str, channel: str) -> None:
    """Ask to erase everything, and confirm it."""
    here.deliver(here.message(user, channel, "delete my data"))
    (question,) = slack.wait(lambda: [c for c in slack.posts(channel) if c.names == ["utter_slack/erase_ask"]])
    here.press(user, question, "Erase everything", channel=channel)


def reported(slack: FakeSlack, channel: str, name: str) -> None:
    slack.wait(lambda: [call for call in slack.posts(channel) if call.names == [name]])


def test_no_file_holds_a_trace_and_nobody_else_loses_anything(here: Here, own_slack: FakeSlack) -> None:
    other, elsewhere = here.dm()
    here.deliver(here.message(other, elsewhere, OTHER_QUESTION))
    own_slack.wait_posts(elsewhere)
    user, channel, held = asked_everywhere(here, own_slack)
    erase(here, own_slack, user, channel)
    reported(own_slack, channel, "utter_slack/erased")
    here.settled()
    assert in_files(here, *held) == []
    # The answer that waited is withdrawn; nothing but the report is left in any table.
    here.until(lambda: here.health()["messages_waiting"] == 0)
    theirs = here.rows("SELECT person FROM slack_conversations")
    assert len(theirs) == 1
    parts = [row.part for row in here.rows("SELECT part FROM slack_letters WHERE ts IS NOT NULL")]
    assert sorted(parts) == sorted([f"{OTHER}#0", "utter_slack/erased#0"])
    assert own_slack.history[elsewhere]


def test_a_referral_that_slack_has_not_taken_is_erased_when_it_has(here: Here, own_slack: FakeSlack) -> None:
    user, room = here.person(), here.channel()
    here.ready()
    own_slack.trouble("chat.postMessage", "status", 503, about=user, times=3)
    here.deliver(here.mention(user, room, LUMP))
    own_slack.wait(lambda: [call for call in own_slack.calls if call.error == "status"])
    (conversation,) = [row.conversation for row in here.rows("SELECT conversation FROM slack_conversations")]
    here.run(here.agent.erase(conversation))
    (referral,) = own_slack.wait(lambda: own_slack.posts(user, "chat.postMessage"))
    assert referral.names[0].startswith("utter_referral/")
    here.until(lambda: here.rows("SELECT 1 FROM slack_letters WHERE letter IS NOT NULL") == [])


@pytest.fixture
def locked(here: Here) -> Iterator[sqlite3.Connection]:
    """Another program that holds the database."""
    here.ready()
    other = sqlite3.connect(here.folder / "calla.db", isolation_level=None, check_same_thread=False)
    yield other
    other.close()


@pytest.mark.parametrize("killed", [False, True])
def test_a_database_that_is_in_use_means_noted_and_done_is_said_later(
    here: Here, own_slack: FakeSlack, locked: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch, killed: bool
) -> None:
    monkeypatch.setattr("calla.channels.slack.app.RETRY_EVERY", 3600.0 if killed else 0.05)
    user, channel, held = asked_everywhere(here, own_slack)
    # A reader in the write-ahead log: rows can be deleted, but their text stays in the log.
    locked.execute("BEGIN")
    locked.execute("SELECT COUNT(*) FROM slack_letters").fetchone()
    erase(here, own_slack, user, channel)
    reported(own_slack, channel, "utter_slack/erased_later")
    assert in_files(here, NEEDLE) == [NEEDLE] and here.agent.erasure.number_pending
    assert not [call for call in own_slack.posts(channel) if call.names == ["utter_slack/erased"]]
    if killed:
        here.kill()
    locked.execute("ROLLBACK")
    if killed:
        here.start().ready()
    reported(own_slack, channel, "utter_slack/erased")
    here.settled()
    here.run(here.agent.erasure.retry())
    assert in_files(here, *held) == [] and not here.agent.erasure.number_pending


def test_what_is_too_old_goes_from_the_files(here: Here, own_slack: FakeSlack) -> None:
    _, channel, held = asked_everywhere(here, own_slack)
    # Which conversations somebody has is known until it is erased; that is a hash, and no text.
    *held, conversation = held
    days = here.settings.retention_days * 24 * 3600
    before = "UPDATE slack_letters SET accepted = accepted - ?", "UPDATE slack_questions SET accepted = accepted - ?"
    with sqlite3.connect(here.folder / "calla.db") as database:
        for statement in before:
            database.execute(statement, (days + 60,))
    database.close()
    young = here.dm()
    here.deliver(here.message(*young, OTHER_QUESTION))
    own_slack.wait_posts(young[1])
    here.settled()
    here.run(here.app._purge())
    assert in_files(here, *held, conversation) == [conversation]
    assert len(here.rows("SELECT 1 FROM slack_questions")) == len(here.rows("SELECT 1 FROM slack_letters")) == 1
    assert own_slack.history[channel]
