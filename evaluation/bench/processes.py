"""Both assistants as an operator starts them, in processes of their own, and what those use."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from typing_extensions import Self

from calla.settings import ROOT
from evaluation.bench.stock import MODEL
from evaluation.services import free_port

# Seconds that a start may take on a busy machine.
PATIENCE = 900.0
FIRST = "what is vitamin k2"
_MEGABYTE = 1024.0


class Memory(NamedTuple):
    """Megabytes of all processes of a system, and whether TensorFlow is among what they loaded."""

    resident: float
    proportional: float
    tensorflow: bool


def family(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            found.extend(int(child) for child in task.read_text().split())
    return found


class System:
    """An assistant that answers over REST.

    Attributes:
        name: what the report calls it.
        port: where it listens.
        log: what it prints.
    """

    name = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.log = folder / f"{self.name}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.pids: list[int] = []
        self._connection: http.client.HTTPConnection | None = None

    def command(self) -> list[str]:
        """Return the command that starts it."""
        raise NotImplementedError

    def directory(self) -> Path:
        """Return where the command runs."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """Return its environment: nothing of whoever measures reaches it."""
        foreign = ("CALLA_", "SLACK_", "DATABASE_", "REDIS_", "OPENBLAS_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        return {**kept, "RASA_TELEMETRY_ENABLED": "false"}

    def start(self) -> float:
        """Start it; return the seconds to its first answer.

        Raises:
            RuntimeError: if it ends first or takes too long; with the end of its log.
        """
        began = time.monotonic()
        self.process = self.popen()
        while time.monotonic() < began + PATIENCE:
            if self.process.poll() is not None:
                break
            try:
                if self.ask(FIRST, "first"):
                    self.pids = family(self.process.pid)
                    return time.monotonic() - began
            except (OSError, http.client.HTTPException, ValueError):
                time.sleep(0.05)
        ended = self.log.read_text(errors="replace")[-3000:]
        self.stop()
        raise RuntimeError(f"{self.name} did not start: {ended}")

    def popen(self) -> subprocess.Popen[bytes]:
        """Start its process, which prints into the log."""
        with self.log.open("wb") as log:
            return subprocess.Popen(
                self.command(), cwd=self.directory(), env=self.environment(), stdout=log, stderr=log
            )

    def stop(self) -> None:
        """End it, in order."""
        self._disconnect()
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def address(self) -> str:
        """Return where messages are sent to."""
        return f"http://127.0.0.1:{self.port}/webhooks/rest/webhook"

    def ask(self, text: str, conversation: str) -> list[dict[str, Any]]:
        """Send a message over a connection that stays open; return the answers.

        Raises:
            OSError, http.client.HTTPException, ValueError: if there is none.
        """
        body = json.dumps({"sender": conversation, "message": text})
        for attempt in (1, 2):
            if self._connection is None:
                self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            try:
                self._connection.request("POST", "/webhooks/rest/webhook", body, {"Content-Type": "application/json"})
                answer = self._connection.getresponse()
                content = answer.read()
            except (OSError, http.client.HTTPException):
                # The server closes a connection that was silent for a while.
                self._disconnect()
                if attempt == 2:
                    raise
                continue
            if answer.status != 200:
                raise ValueError(f"{self.name} answered with status {answer.status}")
            return list(json.loads(content))
        raise AssertionError("unreachable")

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def cpu_seconds(self) -> float:
        """Return the processor time of all its processes so far, to the nanosecond."""
        # The clock of another process, as clock_getcpuclockid(3) makes its number.
        return sum(time.clock_gettime((~pid << 3) | 2) for pid in self.pids)

    def memory(self) -> Memory:
        """Return what its processes hold."""
        resident = proportional = 0.0
        tensorflow = False
        for pid in self.pids:
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                name, _, value = line.partition(":")
                resident += float(value.split()[0]) / _MEGABYTE if name == "Rss" else 0.0
                proportional += float(value.split()[0]) / _MEGABYTE if name == "Pss" else 0.0
            tensorflow |= "tensorflow" in Path(f"/proc/{pid}/maps").read_text()
        return Memory(resident, proportional, tensorflow)

    def memory_of_parts(self) -> dict[str, float]:
        """Return the resident megabytes of each of its processes by module."""
        found: dict[str, float] = {}
        for pid in self.pids:
            name = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[2].decode()
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            found[name] = pages * os.sysconf("SC_PAGE_SIZE") / _MEGABYTE**2
        return found


class Calla(System):
    """Calla as ``make run`` serves it, with the settings of development."""

    name = "Calla"
    module = "calla.run"

    def command(self) -> list[str]:
        """Return the command that starts it (see parent class)."""
        return [sys.executable, "-m", self.module]

    def directory(self) -> Path:
        """Return the project's root."""
        return ROOT

    def environment(self) -> dict[str, str]:
        """Return its environment: a data folder of its own, everything else as it is by default."""
        data = self.folder / f"calla-{secrets.token_hex(4)}"
        ports = {"CALLA_PORT": str(self.port), "CALLA_ACTION_PORT": str(free_port())}
        return {**super().environment(), **ports, "CALLA_DATA_FOLDER": str(data)}


class Stock(System):
    """Rasa's default pipeline as ``rasa run`` serves it, conversations in memory."""

    name = "stock"

    def command(self) -> list[str]:
        """Return the command that starts it (see parent class)."""
        port = ["--port", str(self.port), "--interface", "127.0.0.1"]
        return [sys.executable, "-m", "rasa", "run", "--model", MODEL, "--credentials", "credentials.yml", *port]

    def directory(self) -> Path:
        """Return the folder of its project."""
        return self.folder
