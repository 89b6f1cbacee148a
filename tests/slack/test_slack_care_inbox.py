"""The care channel as inbox: visitors of the chat on a website are talked to in its threads."""

from __future__ import annotations

import uuid
from typing import Any, Iterator

import pytest
from fake_slack import BOT_USER, FakeSlack
from slack_world import CallaServer, Workspace

from tests.handoff.fakes import AGREE, BACK, WISH, Visitor

CARE = "C0CARE"


@pytest.fixture(scope="module")
def slack() -> Iterator[FakeSlack]:
    fake = FakeSlack()
    fake.members.add(CARE)
    fake.users["U0KIM"] = {"profile": {"display_name": "Kim Lee"}}
    yield fake
    fake.stop()


@pytest.fixture(scope="module")
def team(model: None, slack: FakeSlack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """The care team's workspace, and the server behind it."""
    settings = {"CALLA_HANDOFF": "slack", "SLACK_CARE_CHANNEL": CARE, "CALLA_SESSIONS_PER_HOUR": "5000"}
    with CallaServer(tmp_path_factory.mktemp("care"), slack, **settings) as running:
        yield Workspace(running, slack)


@pytest.fixture
def visitor(team: Workspace) -> Visitor:
    return Visitor(team.server)


def noted(visitor: Visitor, slack: FakeSlack) -> Any:
    """Ask for a person; return the note in the care channel."""
    words = f"{WISH}, {uuid.uuid4().hex}"
    visitor.says(words)
    visitor.says(AGREE)

    def find() -> Any:
        return next((p for p in slack.posts(CARE) if words in str(p.args.get("text")) and p.ts), None)

    note = slack.wait(find)
    visitor.until(lambda: "has arrived" in (visitor.status() or {}).get("text", ""))
    return note


def replies(team: Workspace, note: Any, text: str, user: str = "U0KIM", **extra: Any) -> None:
    event = team.message(user, CARE, text, thread_ts=note.ts, **extra)
    assert team.deliver(event).status_code == 200


def test_a_reply_in_the_thread_reaches_the_visitor(team: Workspace, slack: FakeSlack, visitor: Visitor) -> None:
    note = noted(visitor, slack)
    assert "has agreed that you see this" in note.args["text"]
    replies(team, note, "Hello &amp; welcome")
    message = visitor.comes_to_read("utter_person")
    assert (message["person"], message["text"]) == ("Kim Lee", "Hello & welcome")
    # Nothing but the talk: Calla does not answer the team.
    assert len([p for p in slack.posts(CARE) if p.args.get("thread_ts") == note.ts]) == 0


def test_what_the_visitor_writes_stands_in_the_thread_with_its_referral(
    team: Workspace, slack: FakeSlack, visitor: Visitor
) -> None:
    note = noted(visitor, slack)
    replies(team, note, "Hello")
    visitor.comes_to_read("utter_person")
    assert visitor.says("there is a new lump in my breast <!here>")[0]["kind"] == "urgent"

    def in_thread() -> Any:
        found = [p.args["text"] for p in slack.posts(CARE) if p.args.get("thread_ts") == note.ts]
        return found if len(found) == 2 else None

    said, referral = slack.wait(in_thread)
    # Nobody is called together by what a visitor writes.
    assert said == "there is a new lump in my breast &lt;!here&gt;"
    assert "the program has told them at once" in referral


def test_the_team_ends_the_talk_with_a_word(team: Workspace, slack: FakeSlack, visitor: Visitor) -> None:
    note = noted(visitor, slack)
    replies(team, note, "Hello")
    visitor.comes_to_read("utter_person")
    replies(team, note, "Done")
    visitor.comes_to_read("utter_handoff/left")
    replies(team, note, "and one more thing")
    slack.wait(lambda: [p for p in slack.posts(CARE) if "did not reach them" in str(p.args.get("text"))])
    assert "and one more thing" not in [m["text"] for m in visitor.reads()]


def test_the_visitor_ends_the_talk(slack: FakeSlack, visitor: Visitor) -> None:
    note = noted(visitor, slack)
    visitor.says(BACK)
    slack.wait(
        lambda: [
            p
            for p in slack.posts(CARE)
            if p.args.get("thread_ts") == note.ts and "They have ended it" in str(p.args.get("text"))
        ]
    )


def test_an_erasure_deletes_what_calla_has_posted(slack: FakeSlack, visitor: Visitor) -> None:
    note = noted(visitor, slack)
    assert visitor.erases()["message"]["name"] == "utter_erased_passed_on"
    slack.wait(lambda: note.ts not in [one["ts"] for one in slack.history[CARE] if one.get("user") == BOT_USER])


def test_other_threads_of_the_care_channel_are_left_alone(team: Workspace, slack: FakeSlack) -> None:
    before = len(slack.posts(CARE))
    assert team.deliver(team.message("U0KIM", CARE, "lunch?", thread_ts=slack.now())).status_code == 200
    team.settled()
    assert len(slack.posts(CARE)) == before
