"""An inbox that is down, hangs or refuses; a server that is killed: nothing is lost, nobody waits untold."""

from __future__ import annotations

import sqlite3
import uuid
from pathlib import Path
from typing import Callable, Iterator

import pytest

from calla.handoff.delivery import LEASE
from tests.handoff.conftest import server_with, webhook_settings
from tests.handoff.fakes import AGREE, PATIENCE, WISH, FakeWebhook, Visitor, person_does
from tests.running import ServerProcess


@pytest.fixture(scope="module")
def impatient(model: None, inbox: FakeWebhook, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server whose visitors wait, and whose people may be silent, for twelve seconds."""
    soon = {"CALLA_HANDOFF_WAIT_MINUTES": "0.2", "CALLA_HANDOFF_IDLE_MINUTES": "0.2"}
    with server_with(tmp_path_factory.mktemp("impatient"), **webhook_settings(inbox), **soon) as running:
        yield running


@pytest.fixture(autouse=True)
def mended(inbox: FakeWebhook) -> Iterator[None]:
    """Every test begins and ends with an inbox that works."""
    yield
    inbox.hangs.clear()
    inbox.status, inbox.secret = 200, SECRET_OF_TESTS


SECRET_OF_TESTS = FakeWebhook.__init__.__globals__["SECRET"]


def agrees(server: ServerProcess) -> tuple[Visitor, str]:
    visitor, words = Visitor(server), f"{WISH}, {uuid.uuid4().hex}"
    visitor.says(words)
    assert [m["name"] for m in visitor.says(AGREE)] == ["utter_handoff/waiting"]
    return visitor, words


def fails(inbox: FakeWebhook) -> None:
    inbox.status = 500


def hangs(inbox: FakeWebhook) -> None:
    inbox.hangs.set()


def knows_another_secret(inbox: FakeWebhook) -> None:
    inbox.secret = "another secret that is long enough"


@pytest.mark.parametrize("breaks", [fails, hangs, knows_another_secret])
def test_a_broken_inbox_loses_nothing_and_the_visitor_is_told(
    server: ServerProcess, inbox: FakeWebhook, breaks: Callable[[FakeWebhook], None]
) -> None:
    breaks(inbox)
    visitor, words = agrees(server)
    assert "has not arrived yet" in visitor.status()["text"]  # type: ignore[index]
    told = visitor.comes_to_read("utter_handoff/not_reached")
    assert "kept" in told["text"]
    # The program answers meanwhile, and referrals go out.
    assert visitor.names("what is MK-7?") == ["utter_faq/what_is_mk7"]
    assert visitor.says("there is a new lump in my breast")[0]["kind"] == "urgent"
    assert server.health()["handoff"]["inbox_works"] is False
    inbox.hangs.clear()
    inbox.status, inbox.secret = 200, SECRET_OF_TESTS
    handoff = inbox.request_with(words)["handoff"]
    inbox.wait(lambda: len(inbox.of(handoff, "message")) == 2)
    assert [m["text"] for m in inbox.of(handoff, "message")] == ["what is MK-7?", "there is a new lump in my breast"]
    assert len(inbox.of(handoff, "requested")) == 1
    visitor.until(lambda: "has arrived" in (visitor.status() or {}).get("text", ""))
    assert [m["name"] for m in visitor.reads()].count("utter_handoff/not_reached") == 1


def test_nobody_comes_and_that_is_said(impatient: ServerProcess, inbox: FakeWebhook) -> None:
    visitor, words = agrees(impatient)
    handoff = inbox.request_with(words)["handoff"]
    told = visitor.comes_to_read("utter_handoff/nobody_came")
    assert "within 0.2 minutes" in told["text"]
    assert inbox.wait(lambda: inbox.of(handoff, "returned")) == [{"handoff": handoff, "reason": "nobody_came"}]
    assert visitor.status() is None
    assert person_does(impatient, "message", handoff, text="too late") == 410


def test_nobody_comes_because_the_inbox_is_down_and_that_is_said_too(
    impatient: ServerProcess, inbox: FakeWebhook
) -> None:
    inbox.status = 500
    visitor, words = agrees(impatient)
    visitor.comes_to_read("utter_handoff/nobody_came")
    assert "utter_handoff/not_reached" in [m["name"] for m in visitor.reads()]
    inbox.status = 200
    visitor.until(lambda: impatient.health()["handoff"]["undelivered"] == 0)
    # What was given up does not turn up later as if somebody still waited.
    assert not any(words in event["data"].get("passed", ()) for event in inbox.events)


def test_a_silent_person_gives_way_to_the_program(impatient: ServerProcess, inbox: FakeWebhook) -> None:
    visitor, words = agrees(impatient)
    handoff = inbox.request_with(words)["handoff"]
    person_does(impatient, "message", handoff, text="One moment", person={"name": "Kim"})
    told = visitor.comes_to_read("utter_handoff/gone_quiet")
    assert "Kim has not written for 0.2 minutes" in told["text"]
    assert inbox.wait(lambda: inbox.of(handoff, "returned")) == [{"handoff": handoff, "reason": "went_quiet"}]
    assert visitor.names("what is MK-7?") == ["utter_faq/what_is_mk7"]


def test_a_kill_loses_nothing(model: None, inbox: FakeWebhook, tmp_path: Path) -> None:
    with server_with(tmp_path, **webhook_settings(inbox)) as server:
        inbox.status = 500
        waiting, waiting_words = agrees(server)
        waiting.says("what is MK-4?")
        inbox.status = 200
        handoff = inbox.request_with(waiting_words)["handoff"]
        inbox.wait(lambda: inbox.of(handoff, "message"))
        person_does(server, "joined", handoff, person={"name": "Kim"})
        waiting.comes_to_read("utter_handoff/joined")
        inbox.status = 500
        assert waiting.names("which foods have magnesium?") == []
        server.kill()
        server.start()
        # Whose the conversation is has survived, and so has what waits.
        assert waiting.status() == {
            "state": "taken",
            "text": "You are talking to a person: Kim",
            "button": "Back to the program",
        }
        assert waiting.names("what is vitamin K2?") == []
        inbox.status = 200
        # What the killed process had in its hands is free again when its lease ends.
        inbox.wait(lambda: len(inbox.of(handoff, "message")) == 3, LEASE + PATIENCE)
        assert [m["text"] for m in inbox.of(handoff, "message")] == [
            "what is MK-4?",
            "which foods have magnesium?",
            "what is vitamin K2?",
        ]
        person_does(server, "message", handoff, text="still with you", person={"name": "Kim"})
        assert waiting.comes_to_read("utter_person")["text"] == "still with you"


def test_a_database_that_does_not_write_passes_nothing_on_in_silence(
    model: None, inbox: FakeWebhook, tmp_path: Path
) -> None:
    with server_with(tmp_path, **webhook_settings(inbox)) as server:
        visitor, words = agrees(server)
        handoff = inbox.request_with(words)["handoff"]
        person_does(server, "joined", handoff, person={"name": "Kim"})
        visitor.comes_to_read("utter_handoff/joined")
        lock = sqlite3.connect(server.folder / "calla.db")
        lock.execute("BEGIN IMMEDIATE")
        try:
            names = visitor.names("there is a new lump in my breast")
            assert names[0].startswith("utter_referral")
            assert names[-1] == "utter_handoff/not_passed_on"
        finally:
            lock.rollback()
            lock.close()
        assert visitor.names("thank you Kim") == []
        inbox.wait(lambda: inbox.of(handoff, "message"))
