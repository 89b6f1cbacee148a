"""Chatwoot as inbox: its application API, and the signed webhooks of its API channel."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.handoff.fakes import AGREE, BACK, WISH, FakeChatwoot, Visitor
from tests.running import ServerProcess


@pytest.fixture
def visitor(joined: ServerProcess) -> Visitor:
    return Visitor(joined)


def begun(visitor: Visitor, chatwoot: FakeChatwoot) -> int:
    """Bring a visitor into Chatwoot; return the conversation there."""
    words = f"{WISH}, {uuid.uuid4().hex}"
    (offer,) = visitor.says(words)
    assert offer["name"] == "utter_handoff/offer_open"
    visitor.says(AGREE)
    return chatwoot.conversation_with(words)


def test_known_hours_are_named(visitor: Visitor) -> None:
    (offer,) = visitor.says(WISH)
    assert "Their hours today end at 24:00 (Europe/London)" in offer["text"]


def test_a_wish_becomes_a_conversation_of_one_contact(visitor: Visitor, chatwoot: FakeChatwoot) -> None:
    conversation = begun(visitor, chatwoot)
    note, words = chatwoot.wait(lambda: len(chatwoot.messages[conversation]) == 2 and chatwoot.messages[conversation])
    assert note["private"] and "has agreed that you see this" in note["content"] and words["content"] in note["content"]
    assert words["message_type"] == "incoming" and not words["private"]
    assert set(chatwoot.contacts[chatwoot.conversations[conversation]["contact"]]) == {"id", "identifier", "source"}


def test_an_agent_answers_and_reads(visitor: Visitor, chatwoot: FakeChatwoot, joined: ServerProcess) -> None:
    conversation = begun(visitor, chatwoot)
    assert chatwoot.tells(joined, chatwoot.message(conversation, "Hello, how can I help?")) == 200
    message = visitor.comes_to_read("utter_person")
    assert (message["person"], message["text"]) == ("Kim Lee", "Hello, how can I help?")
    assert visitor.says("I found a new lump in my breast")[0]["kind"] == "urgent"
    chatwoot.wait(lambda: len(chatwoot.messages[conversation]) >= 4)
    said, note = chatwoot.messages[conversation][2:4]
    assert (said["content"], said["message_type"]) == ("I found a new lump in my breast", "incoming")
    assert note["private"] and "the program has told them at once" in note["content"]


def test_who_takes_it_is_told_before_the_first_word(
    visitor: Visitor, chatwoot: FakeChatwoot, joined: ServerProcess
) -> None:
    conversation = begun(visitor, chatwoot)
    assigned = {"id": 9, "name": "Sam Roy", "available_name": "Sam"}
    event = {"event": "conversation_updated", "id": conversation, "status": "open", "meta": {"assignee": assigned}}
    assert chatwoot.tells(joined, event) == 200
    assert "Sam has joined" in visitor.comes_to_read("utter_handoff/joined")["text"]
    assert visitor.status()["state"] == "taken"  # type: ignore[index]


@pytest.mark.parametrize(
    "changes",
    [
        {"private": True},
        {"message_type": "incoming"},
        {"message_type": "template"},
        {"sender": {"id": 1, "name": "Bot", "type": "agent_bot"}},
        {"sender": None},
        {"conversation": {"id": 999_999}},
    ],
)
def test_only_what_a_person_wrote_to_the_visitor_is_shown(
    visitor: Visitor, chatwoot: FakeChatwoot, joined: ServerProcess, changes: dict[str, Any]
) -> None:
    conversation = begun(visitor, chatwoot)
    assert chatwoot.tells(joined, chatwoot.message(conversation, "not for you", **changes)) == 200
    assert chatwoot.tells(joined, chatwoot.message(conversation, "for you")) == 200
    visitor.comes_to_read("utter_person")
    assert "not for you" not in [m["text"] for m in visitor.reads()]


def test_resolving_gives_the_conversation_back(visitor: Visitor, chatwoot: FakeChatwoot, joined: ServerProcess) -> None:
    conversation = begun(visitor, chatwoot)
    chatwoot.tells(joined, chatwoot.message(conversation, "Goodbye"))
    event = {"event": "conversation_status_changed", "id": conversation, "status": "resolved", "timestamp": 1}
    assert chatwoot.tells(joined, event) == 200
    visitor.comes_to_read("utter_handoff/left")
    # Chatwoot marks a message that is not taken as failed.
    assert chatwoot.tells(joined, chatwoot.message(conversation, "One more thing")) == 410


def test_the_way_back_resolves_the_conversation(visitor: Visitor, chatwoot: FakeChatwoot) -> None:
    conversation = begun(visitor, chatwoot)
    visitor.until(lambda: "has arrived" in (visitor.status() or {}).get("text", ""))
    visitor.says(BACK)
    chatwoot.wait(lambda: chatwoot.conversations[conversation]["status"] == "resolved")


def test_an_erasure_deletes_the_contact(visitor: Visitor, chatwoot: FakeChatwoot) -> None:
    conversation = begun(visitor, chatwoot)
    contact = chatwoot.conversations[conversation]["contact"]
    visitor.until(lambda: "has arrived" in (visitor.status() or {}).get("text", ""))
    assert visitor.erases()["message"]["name"] == "utter_erased_passed_on"
    chatwoot.wait(lambda: contact not in chatwoot.contacts)


def test_a_forged_event_is_refused(visitor: Visitor, chatwoot: FakeChatwoot, joined: ServerProcess) -> None:
    conversation = begun(visitor, chatwoot)
    forged = chatwoot.message(conversation, "believe me")
    assert chatwoot.tells(joined, forged, secret="not the secret of the inbox") == 401
    assert "believe me" not in [m["text"] for m in visitor.reads()]


def test_an_outage_in_the_middle_makes_nothing_twice(visitor: Visitor, chatwoot: FakeChatwoot) -> None:
    begun(visitor, chatwoot)
    chatwoot.status = 502
    other = Visitor(visitor.server)
    words = f"{WISH}, {uuid.uuid4().hex}"
    other.says(words)
    other.says(AGREE)
    other.comes_to_read("utter_handoff/not_reached")
    contacts = len(chatwoot.contacts)
    chatwoot.status = 200
    conversation = chatwoot.conversation_with(words)
    assert len(chatwoot.contacts) == contacts + 1
    assert (
        sum(c["contact"] == chatwoot.conversations[conversation]["contact"] for c in chatwoot.conversations.values())
        == 1
    )
