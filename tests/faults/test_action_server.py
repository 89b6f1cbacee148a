"""The referral arrives first and in time, whatever the action server does."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.running import ServerProcess

FINDING = "My report says clustered pleomorphic microcalcifications, BI-RADS 4C. What is MK-7?"
LIMIT = 3.0


class BrokenActionServer:
    """An action server that fails in a chosen way."""

    def __init__(self) -> None:
        self.mood = "500"
        self.let_go = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if outer.mood == "hang":
                    outer.let_go.wait(30)
                    return
                if outer.mood == "cut":
                    self.connection.close()
                    return
                status, body = {
                    "500": (500, b"Internal Server Error"),
                    "400": (400, json.dumps({"action_name": "action_medical_referral", "error": "no"}).encode()),
                    "invalid json": (200, b"{not json"),
                    "empty list": (200, json.dumps({"events": [], "responses": []}).encode()),
                    "wrong shape": (200, b"[1, 2, 3]"),
                    "other text": (200, json.dumps({"events": [], "responses": [{"text": "All is fine."}]}).encode()),
                }[outer.mood]
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}/webhook"


@pytest.fixture(scope="module")
def broken() -> Iterator[BrokenActionServer]:
    server = BrokenActionServer()
    yield server
    server.let_go.set()
    server.http.shutdown()


@pytest.fixture(scope="module")
def calla(model: None, broken: BrokenActionServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("broken-actions"), CALLA_ACTION_URL=broken.url) as running:
        yield running


@pytest.mark.parametrize("mood", ["500", "400", "invalid json", "empty list", "wrong shape", "cut", "hang"])
def test_referral_comes_first_within_three_seconds(calla: ServerProcess, broken: BrokenActionServer, mood: str) -> None:
    broken.mood = mood
    sender = f"patient-{mood.replace(' ', '-')}"
    before = calla.health()["referral_stand_ins"]
    started = time.monotonic()
    replies = calla.ask(FINDING, sender)
    took = time.monotonic() - started
    said = calla.said(sender)
    assert said[0] == "utter_referral/suspicious_finding"
    assert "today" in replies[0]["text"] and "clinic" in replies[0]["text"].lower()
    assert said.count("utter_referral/suspicious_finding") == 1
    assert "utter_faq/what_is_mk7" in said, "the harmless question is answered after the referral"
    assert took < LIMIT, f"took {took:.1f} s"
    # A hanging server is noticed twice: by the clock of intake, then by the policy.
    assert before < calla.health()["referral_stand_ins"] <= before + 2, "the failure is visible in /health"


def test_failures_are_counted_and_logged_without_the_text(calla: ServerProcess, broken: BrokenActionServer) -> None:
    broken.mood = "500"
    calla.ask("my birads is 5 and my name is Wilhelmina Unverwechselbar", "named")
    health = calla.health()
    assert health["action_failures"] > 0
    log = calla.log.read_text()
    assert "action_medical_referral" in log
    assert "Unverwechselbar" not in log


def test_a_reassuring_action_is_not_heard(calla: ServerProcess, broken: BrokenActionServer) -> None:
    """Rubbish from the action server is text too; it must not be read, least of all first."""
    broken.mood = "other text"
    replies = calla.ask("They found DCIS in my biopsy", "reassured")
    assert calla.said("reassured")[0] == "utter_referral/suspicious_finding"
    assert not any("All is fine" in reply.get("text", "") for reply in replies)


def test_stopped_action_server(model: None, tmp_path: Path) -> None:
    with ServerProcess(tmp_path, CALLA_ACTION_URL="http://127.0.0.1:9/webhook") as running:
        started = time.monotonic()
        replies = running.ask("I found a lump in my breast this morning", "lump")
        assert time.monotonic() - started < LIMIT
        assert running.said("lump")[0] == "utter_referral/red_flag_symptom"
        assert "doctor" in replies[0]["text"].lower()
