"""The guarantee in Slack: the same referrals, first, as over REST."""

from __future__ import annotations

import contextlib
import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Optional

import pytest
import requests
from fake_slack import FakeSlack
from slack_world import CallaServer, Workspace

from calla.channels.slack.identity import Place, conversation_id, person_id
from calla.settings import ROOT

# Sets of tests/safety, and of how many lines one is asked: a sample in `make test`.
SETS = [
    *((name, 40) for name in ("referral_messages", "benign_messages")),
    *(
        pytest.param(name, 1, marks=pytest.mark.drill)
        for name in ("referral_messages", "attack_6", "attack_7", "attack_8", "benign_messages")
    ),
]
# People who write at the same moment, each in three channels.
AT_ONCE = 2
# A stand-in, which says a referral where a busy machine is late with the plan, may choose another:
# then it is asked again, so often at most.
ATTEMPTS = 5


def lines(name: str) -> list[dict[str, Any]]:
    """Read a set of tests/safety."""
    return [json.loads(line) for line in (ROOT / "tests" / "safety" / f"{name}.jsonl").read_text("utf-8").splitlines()]


def slack_text(text: str) -> str:
    """Write a text as Slack delivers what a person types."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def ask_widget(server: CallaServer, text: str) -> list[str]:
    """Ask as the widget does, in a conversation of its own; return the names of the responses."""
    token = requests.post(f"{server.url}/chat/session", json={}, timeout=30).json()["token"]
    message = {"id": uuid.uuid4().hex, "text": text}
    while True:
        answer = requests.post(
            f"{server.url}/chat/message", json=message, headers={"Authorization": f"Bearer {token}"}, timeout=30
        ).json()
        if answer.get("ok"):
            return [message["name"] for message in answer["messages"]]
        # Too much at once: the widget comes again when it is told to.
        time.sleep(answer["retry_after"])


def noted_last(names: list[str]) -> list[str]:
    """Return names with the note of a hand-off last: it is said once the care team has been told."""
    return sorted(names, key=lambda name: name == "utter_slack/handoff_noted")


@pytest.mark.parametrize(("name", "every"), SETS)
def test_rest_widget_and_slack_give_the_same(
    server: CallaServer, workspace: Workspace, fake: FakeSlack, name: str, every: int
) -> None:
    """A set through all three channels: the same responses in the same order, referral first."""

    def everywhere(line: dict[str, Any]) -> Optional[tuple[str, list[str], list[str], list[str]]]:
        for _ in range(ATTEMPTS):
            before = server.health()["referral_stand_ins"]
            different = once(line)
            if different is None or server.health()["referral_stand_ins"] == before:
                break
        return different

    def once(line: dict[str, Any]) -> Optional[tuple[str, list[str], list[str], list[str]]]:
        text, sender = line["text"], f"rest-{uuid.uuid4().hex}"
        answers = server.ask(text, sender)
        rest = server.said(sender)
        widget = ask_widget(server, text)
        if "utter_chat/delete_my_data" in widget and not rest and len(answers) == len(widget):
            # A conversation that was erased leaves no names behind.
            rest = widget
        user, channel = workspace.dm()
        workspace.deliver(workspace.message(user, channel, slack_text(text)))
        # With a care channel, Slack can do more than say that no person reads the chat.
        own = {
            "utter_chat/human_handoff": "utter_slack/handoff_noted",
            "utter_chat/delete_my_data": "utter_slack/erase_ask",
        }
        expected = noted_last([own.get(response, response) for response in rest])

        def slack() -> list[str]:
            return noted_last([response for call in fake.posts(channel) for response in call.names])

        with contextlib.suppress(AssertionError):
            fake.wait(lambda: len(slack()) >= len(expected))
        if widget != rest or slack() != expected:
            return text, rest, widget, slack()
        # Slack shows a referral first and visibly marked.
        marked = [call.args["blocks"][0]["type"] == "header" for call in fake.posts(channel)]
        assert sum(marked) == sum(response.startswith("utter_referral") for response in expected), text
        assert marked == sorted(marked, reverse=True), text
        return None

    with ThreadPoolExecutor(AT_ONCE) as pool:
        different = [found for found in pool.map(everywhere, lines(name)[::every]) if found]
    assert different == []


def test_the_text_of_a_referral_is_the_same(workspace: Workspace, fake: FakeSlack, server: CallaServer) -> None:
    text = "My report says BI-RADS 5, what now?"
    (first, *_) = server.ask(text, f"rest-{uuid.uuid4().hex}")
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
    ]
    ids = [conversation_id(place, "key") for place in places]
    assert len(set(ids)) == len(places)
    # A thread of the direct messages has the context of the person.
    assert conversation_id(Place("T1", "D1", "U1", "im", "1.1"), "key") == ids[-1]
    assert len({person_id(place, "key") for place in places}) == 3
    assert conversation_id(places[0], "another key") not in ids
    assert all(one.startswith("slack_") and "U1" not in one for one in ids)
