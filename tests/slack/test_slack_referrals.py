"""The guarantee in Slack: the same referrals, first, as over REST."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from fake_slack import FakeSlack
from slack_world import CallaServer, Workspace

from calla.channels.slack_identity import Place, conversation_id
from calla.settings import ROOT

SAFETY = ROOT / "tests" / "safety"


def sample(file: str, step: int) -> list[dict[str, Any]]:
    lines = (SAFETY / file).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines[::step] if line.strip()]


SAMPLE = sample("referral_messages.jsonl", 9) + sample("benign_messages.jsonl", 40)


def slack_text(text: str) -> str:
    """Write a text as Slack delivers what a person types."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def test_the_sample_is_large_enough() -> None:
    assert len([line for line in SAMPLE if "kind" in line]) >= 60


@pytest.mark.parametrize("line", SAMPLE, ids=lambda line: line["text"][:40].encode("ascii", "replace").decode())
def test_slack_gives_what_rest_gives(
    workspace: Workspace, fake: FakeSlack, server: CallaServer, line: dict[str, Any]
) -> None:
    sender = f"rest-{uuid.uuid4().hex}"
    answers = server.rest(line["text"], sender)
    assert answers
    # With a care channel, Slack can do more than say that no person reads the chat.
    expected = [name.replace("utter_chat/human_handoff", "utter_slack/handoff_noted") for name in server.names(sender)]
    user, channel = workspace.dm()
    workspace.deliver(workspace.message(user, channel, slack_text(line["text"])))
    posts = fake.wait_posts(channel, len(answers))
    workspace.settled()
    posts = fake.posts(channel)
    assert [name for call in posts for name in call.names] == expected
    # Whether a message owes a referral is tested in tests/safety; here, that Slack shows it first and marked.
    marked = [call.args["blocks"][0]["type"] == "header" for call in posts]
    assert marked == [name.startswith("utter_referral") for name in expected]
    assert marked == sorted(marked, reverse=True)


def test_the_text_of_a_referral_is_the_same(workspace: Workspace, fake: FakeSlack, server: CallaServer) -> None:
    text = "My report says BI-RADS 5, what now?"
    (first, *_) = server.rest(text, f"rest-{uuid.uuid4().hex}")
    user, channel = workspace.dm()
    workspace.deliver(workspace.message(user, channel, text))
    said = fake.wait_posts(channel)[0].words
    for line in first["text"].splitlines():
        assert slack_text(line.removeprefix("- ")) in said


def test_conversations_can_be_told_apart() -> None:
    places = [
        Place("T1", "C1", "U1", "shared", "1.1"),
        Place("T2", "C1", "U1", "shared", "1.1"),
        Place("T1", "C2", "U1", "shared", "1.1"),
        Place("T1", "C1", "U2", "shared", "1.1"),
        Place("T1", "C1", "U1", "shared", "1.2"),
        Place("T1", "C1", "U1", "private"),
        Place("T1", "D1", "U1", "im"),
        Place("T1", "D1", "U1", "im", "1.1"),
    ]
    ids = [conversation_id(place, "key") for place in places]
    assert len(set(ids)) == len(places)
    assert conversation_id(places[0], "another key") not in ids
    assert all(one.startswith("slack_") and "U1" not in one for one in ids)
