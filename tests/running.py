"""The real server as a process, for every test that speaks to it from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
import uuid
from pathlib import Path
from typing import Any, Optional

from typing_extensions import Self

from evaluation.services import free_port

__all__ = ["API_TOKEN", "NOBODY", "ROOT", "SECRET", "START_LIMIT", "ServerProcess", "free_port", "wait_until_healthy"]
ROOT = Path(__file__).resolve().parents[1]
API_TOKEN = "test-api-token"
SECRET = "a secret for tests, long enough to sign with"
# User id of nobody, who owns no file of ours.
NOBODY = 65534
# Seconds from start to the first answer on a busy machine.
START_LIMIT = 480
# Settings of whoever runs the tests must not reach the servers under test.
_FOREIGN = ("CALLA_", "SLACK_", "REDIS_", "DATABASE_")


class ServerProcess:
    """``python -m calla.server`` with a data folder of its own.

    Args:
        folder: data folder; the same folder again is the same conversations.
        port: port to listen on; a free one by default.
        environment: settings beside port, folder and token; an empty one is as good as
            unset.
    """

    def __init__(self, folder: Path, port: Optional[int] = None, **environment: str) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "server.log"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)},
            "CALLA_PORT": str(self.port),
            "CALLA_DATA_FOLDER": str(folder),
            "CALLA_API_TOKEN": API_TOKEN,
            "CALLA_SECRET": SECRET,
            # Nobody listens there: referrals come from inside the process.
            "CALLA_ACTION_PORT": str(free_port()),
            **environment,
        }
        # What Python runs.
        self.program = ["-m", "calla.server"]
        self.process: Optional[subprocess.Popen[bytes]] = None

    def start(self) -> Self:
        """Start and wait until it is healthy.

        Raises:
            RuntimeError: if it ends, or is not healthy in time; with the end of its log.
        """
        self.begin()
        return self.wait()

    def begin(self) -> None:
        """Start without waiting."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.program], cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )

    def wait(self) -> Self:
        """Wait until it is healthy.

        Raises:
            RuntimeError: if it ends, or is not healthy in time; with the end of its log.
        """
        assert self.process is not None
        try:
            wait_until_healthy(self.process, f"{self.url}/health", self.log)
        except RuntimeError:
            # Nobody else would end it: the test never gets hold of it.
            self.kill()
            raise
        return self

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the process, in order by default."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(40)

    def kill(self) -> None:
        """End the process at once, as a crash would."""
        self.stop(signal.SIGKILL)

    @property
    def resident(self) -> int:
        """Resident memory in bytes."""
        assert self.process is not None
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def health(self) -> dict[str, Any]:
        """Return what /health says."""
        with urllib.request.urlopen(f"{self.url}/health", timeout=5) as answer:
            return dict(json.load(answer))

    def ask(self, text: str, sender: Optional[str] = None) -> list[dict[str, Any]]:
        """Send a message over REST (in a new conversation unless one is named); return what a client gets."""
        body = json.dumps({"sender": sender or uuid.uuid4().hex, "message": text}).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/webhooks/rest/webhook", body, headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return list(json.load(answer))

    def events(self, conversation: str) -> list[dict[str, Any]]:
        """Return the events of a conversation."""
        query = urllib.parse.urlencode({"token": API_TOKEN})
        with urllib.request.urlopen(f"{self.url}/conversations/{conversation}/tracker?{query}", timeout=30) as answer:
            return list(json.load(answer)["events"])

    def said(self, conversation: str) -> list[str]:
        """Return the names of the responses in a conversation, in order."""
        return [e["metadata"].get("utter_action") for e in self.events(conversation) if e["event"] == "bot"]


def wait_until_healthy(process: subprocess.Popen[bytes], url: str, log: Optional[Path] = None) -> None:
    """Wait until ``url`` answers.

    Raises:
        RuntimeError: if the process ends first or ``START_LIMIT`` passes.
    """
    until = time.monotonic() + START_LIMIT
    while time.monotonic() < until:
        said = log.read_text()[-3000:] if log else ""
        if process.poll() is not None:
            raise RuntimeError(f"The process ended: {said}")
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"The process was not ready in {START_LIMIT} s.")
