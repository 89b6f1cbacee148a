"""Keep the bot and the action server running, until told to stop (``make run``).

Each is restarted when it ends or hangs; neither takes the other down, and neither stays
behind when this process is killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType
from typing import Iterator, Optional

from calla.keys import secret_key
from calla.settings import QUIET, ROOT, Settings, SettingsError, read_settings

# Seconds that a process gets to end by itself before it is killed.
GRACE = 20
# Seconds between restarts of a process that keeps ending, and after which one counts as well again.
BACK_OFF = (0.5, 1, 2, 5, 10, 30)
WELL_AFTER = 60
# Seconds without a sign of life after which a process is taken to hang.
WATCHDOG = 30
_PR_SET_PDEATHSIG = 1


def port_problem(host: str, port: int, variable: str) -> Optional[str]:
    """Return one sentence if a port cannot be bound, else ``None``."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return f"Port {port} on {host} is not free ({error.strerror}). Set {variable} to another port."
    return None


def _end_with_parent() -> None:
    """Ask the kernel to end this process when its parent ends, however that happens."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Child:
    """A process that is to run all the time.

    Args:
        name: what a person calls it.
        module: Python module that it runs.
        folder: for the socket on which it gives signs of life (systemd's protocol).
    """

    def __init__(self, name: str, module: str, folder: Path) -> None:
        self.name = name
        self.ready = False
        self._module = module
        self._address = folder / module
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self._address))
        self._socket.setblocking(False)
        self._process: Optional[subprocess.Popen[bytes]] = None
        self._started = self._heard = 0.0
        self._attempt = 0
        self._start_at = 0.0

    def start(self) -> None:
        """Start it."""
        watched = {"NOTIFY_SOCKET": str(self._address), "WATCHDOG_USEC": str(WATCHDOG * 1_000_000)}
        environment = {**os.environ, **QUIET, **watched}
        self.ready = False
        self._started = self._heard = time.monotonic()
        # A session of its own: Ctrl-C reaches the parent only, which then stops the others in order.
        self._process = subprocess.Popen(
            [sys.executable, "-m", self._module],
            cwd=ROOT,
            env=environment,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )

    def look(self) -> Optional[int]:
        """Read its signs of life and restart it if need be; return the status of one that never got ready."""
        self._listen()
        now = time.monotonic()
        if self._process is None:
            if now >= self._start_at:
                self.start()
            return None
        status = self._process.poll()
        if status is None:
            if self.ready and now - self._heard > WATCHDOG:
                print(f"The {self.name} gives no sign of life; it is started again.", file=sys.stderr, flush=True)
                self._process.kill()
            return None
        if not self.ready and self._attempt == 0:
            return status or 1
        if now - self._started > WELL_AFTER:
            self._attempt = 0
        wait = BACK_OFF[min(self._attempt, len(BACK_OFF) - 1)]
        print(f"The {self.name} has ended ({status}); it starts again in {wait} s.", file=sys.stderr, flush=True)
        self._process, self._start_at, self._attempt = None, now + wait, self._attempt + 1
        return None

    def _listen(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                said = self._socket.recv(1024)
                self._heard = time.monotonic()
                if said == b"READY=1":
                    self.ready = True

    def terminate(self) -> None:
        """Ask it to end."""
        if self._process is not None:
            self._process.terminate()

    def wait(self, until: float) -> None:
        """Wait for its end; kill it if it takes too long."""
        if self._process is not None:
            try:
                self._process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def children(config: Settings, folder: Path) -> list[Child]:
    """Return the processes to run, in the order of their start."""
    bot = Child("bot", "calla.server", folder)
    return [bot] if config.action_url else [Child("action server", "calla.action_server", folder), bot]


def problems(config: Settings) -> Iterator[str]:
    """Yield what stands in the way, a sentence each."""
    found = [port_problem(config.host, config.port, "CALLA_PORT")]
    if config.action_url is None:
        found.append(port_problem("127.0.0.1", config.action_port, "CALLA_ACTION_PORT"))
    yield from (problem for problem in found if problem)


def supervise(running: list[Child], address: str) -> int:
    """Start everything and keep it running; returns the status of one that cannot start."""
    print("Calla is starting (it takes about ten seconds) ...", flush=True)
    for child in running:
        child.start()
    told = False
    while True:
        for child in running:
            status = child.look()
            if status is not None:
                print(f"The {child.name} could not start (status {status}).", file=sys.stderr, flush=True)
                return status
        if not told and all(child.ready for child in running):
            print(f"\nCalla answers at {address}/  (stop with Ctrl-C)\n", flush=True)
            told = True
        time.sleep(0.2)


def main() -> int:
    """Run until interrupted; returns the exit status."""
    try:
        config = read_settings()
        # Both processes derive their common key from it, so it is there before either starts.
        secret_key(config)
    except (SettingsError, OSError) as problem:
        print(problem, file=sys.stderr)
        return 2
    if found := list(problems(config)):
        print("\n".join(found), file=sys.stderr)
        return 2

    def stop(_: int, __: Optional[FrameType]) -> None:
        raise KeyboardInterrupt

    # SIGINT too: started in the background by a script, it would be ignored.
    for request in (signal.SIGINT, signal.SIGTERM):
        signal.signal(request, stop)
    with tempfile.TemporaryDirectory(prefix="calla") as folder:
        running = children(config, Path(folder))
        try:
            return supervise(running, f"http://{config.host}:{config.port}")
        except KeyboardInterrupt:
            print("\nStopping ...", flush=True)
            return 0
        finally:
            for child in reversed(running):
                child.terminate()
            until = time.monotonic() + GRACE
            for child in running:
                child.wait(until)


if __name__ == "__main__":
    sys.exit(main())
