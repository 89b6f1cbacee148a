"""The real server and the loaded bot, for all tests."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOKEN = "test-token"
# Seconds that a server may take to be ready on a busy machine.
START_LIMIT = 120


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A running bot, spoken to as a client would.

    Args:
        folder: its data folder.
        environment: further settings.
    """

    def __init__(self, folder: Path, **environment: str) -> None:
        self.port = free_port()
        self.folder = folder
        self.environment = {
            **os.environ,
            "CALLA_PORT": str(self.port),
            "CALLA_DATA_FOLDER": str(folder),
            "CALLA_API_TOKEN": TOKEN,
            **environment,
        }
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "server.log"

    def start(self) -> Server:
        """Start and wait until it is healthy."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "calla.server"], cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_LIMIT
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"The server ended:\n{self.log.read_text()[-3000:]}")
            try:
                self.health()
                return self
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        raise RuntimeError(f"The server was not ready in {START_LIMIT} s:\n{self.log.read_text()[-3000:]}")

    def stop(self) -> None:
        """Stop it."""
        self.process.terminate()
        self.process.wait(20)

    def health(self) -> dict[str, Any]:
        """Return what /health says."""
        with urllib.request.urlopen(f"{self.url}/health", timeout=5) as answer:
            return dict(json.load(answer))

    def ask(self, text: str, sender: str | None = None) -> list[dict[str, Any]]:
        """Send a message over REST; return what a client gets."""
        body = json.dumps({"sender": sender or uuid.uuid4().hex, "message": text}).encode()
        request = urllib.request.Request(
            f"{self.url}/webhooks/rest/webhook", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return list(json.load(answer))

    def said(self, sender: str) -> list[str]:
        """Return the names of all responses in a conversation's tracker."""
        query = urllib.parse.urlencode({"token": TOKEN})
        with urllib.request.urlopen(f"{self.url}/conversations/{sender}/tracker?{query}", timeout=30) as answer:
            events = json.load(answer)["events"]
        return [e["metadata"].get("utter_action") for e in events if e["event"] == "bot"]


@pytest.fixture(scope="session")
def model() -> None:
    """A model of the present state, trained if there is none."""
    done = subprocess.run([sys.executable, "-m", "calla.train"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="session")
def action_server() -> Iterator[str]:
    """The real action server; gives its address."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "rasa_sdk", "--actions", "actions", "--port", str(port)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + START_LIMIT
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2).close()
            break
        except (urllib.error.URLError, OSError):
            assert process.poll() is None and time.monotonic() < deadline, "the action server did not start"
            time.sleep(0.2)
    yield f"http://127.0.0.1:{port}/webhook"
    process.terminate()
    process.wait(20)


@pytest.fixture(scope="session")
def server(model: None, action_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The whole bot: server and action server."""
    running = Server(
        tmp_path_factory.mktemp("server"),
        CALLA_ACTION_URL=action_server,
        CALLA_BREAST_CLINIC_CONTACT="Breast Clinic at Elm Street",
    ).start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def bot(model: None) -> Any:
    """The trained model in this process."""
    from evaluation.bot import LoadedBot

    return LoadedBot()
