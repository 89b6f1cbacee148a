"""Erasing and exporting a conversation that a person was in."""

from __future__ import annotations

import uuid
from pathlib import Path

from tests.handoff.conftest import TEAM
from tests.handoff.fakes import AGREE, WISH, FakeWebhook, Visitor, person_does
from tests.running import ServerProcess


def test_an_erasure_reaches_the_inbox_and_says_what_it_cannot_reach(server: ServerProcess, inbox: FakeWebhook) -> None:
    visitor = Visitor(server)
    secret = f"marker-{uuid.uuid4().hex}"
    visitor.says(f"{WISH}, {secret}")
    visitor.says(AGREE)
    handoff = inbox.request_with(f"{WISH}, {secret}")["handoff"]
    person_does(server, "message", handoff, text=f"hello {secret}", person={"name": f"Kim {secret}"[:40]})
    visitor.comes_to_read("utter_person")
    visitor.says(f"thank you {secret}")
    inbox.wait(lambda: inbox.of(handoff, "message"))
    assert any(secret in str(turn) for turn in visitor.exports()["turns"])
    told = visitor.erases()["message"]
    assert told["name"] == "utter_erased_passed_on"
    assert TEAM in told["text"] and "cannot see" in told["text"]
    assert inbox.wait(lambda: inbox.of(handoff, "erase")) == [{"handoff": handoff}]
    # Nothing of it is in any file; what the person writes now reaches nobody.
    kept = [
        file.name for file in Path(server.folder).iterdir() if file.is_file() and secret.encode() in file.read_bytes()
    ]
    assert kept == []
    assert person_does(server, "message", handoff, text="hello?") == 410


def test_words_erase_too_while_a_person_has_the_conversation(server: ServerProcess, inbox: FakeWebhook) -> None:
    visitor = Visitor(server)
    words = f"{WISH}, {uuid.uuid4().hex}"
    visitor.says(words)
    visitor.says(AGREE)
    handoff = inbox.request_with(words)["handoff"]
    person_does(server, "joined", handoff, person={"name": "Kim"})
    visitor.comes_to_read("utter_handoff/joined")
    assert visitor.names("delete my data") == ["utter_chat/delete_my_data"]
    assert visitor.names("Yes, delete everything") == ["utter_erased_passed_on"]
    inbox.wait(lambda: inbox.of(handoff, "erase"))
    assert inbox.of(handoff, "message") == []


def test_who_never_talked_to_a_person_is_told_that_all_is_erased(server: ServerProcess) -> None:
    visitor = Visitor(server)
    visitor.says(WISH)
    assert visitor.erases()["message"]["name"] == "utter_erased"
