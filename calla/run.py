"""Start the bot and the action server together; stop both on Ctrl-C (``make run``)."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from types import FrameType
from typing import Optional

from calla.settings import QUIET, ROOT, Settings, SettingsError, read_settings

# Seconds that a process gets to end by itself before it is killed.
GRACE = 10


def port_problem(host: str, port: int, variable: str) -> Optional[str]:
    """Return one sentence if a port cannot be bound, else ``None``."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return f"Port {port} on {host} is not free ({error.strerror}). Set {variable} to another port."
    return None


def commands(config: Settings) -> dict[str, list[str]]:
    """Return the command lines of the processes to start, by name."""
    started = {}
    if config.action_url is None:
        started["action server"] = [
            sys.executable, "-m", "rasa_sdk", "--actions", "actions", "--port", str(config.action_port),
        ]  # fmt: skip
    started["bot"] = [sys.executable, "-m", "calla.server"]
    return started


def _wait_until_ready(url: str, bot: subprocess.Popen[bytes]) -> bool:
    """Wait for ``/health`` to say ok; ``False`` if the bot ends before."""
    while bot.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    return False


def main() -> int:
    """Run until interrupted or until a process ends; returns the exit status."""
    try:
        config = read_settings()
    except SettingsError as problem:
        print(problem, file=sys.stderr)
        return 2
    problems = [port_problem(config.host, config.port, "CALLA_PORT")]
    if config.action_url is None:
        problems.append(port_problem("127.0.0.1", config.action_port, "CALLA_ACTION_PORT"))
    if any(problems):
        print("\n".join(p for p in problems if p), file=sys.stderr)
        return 2

    def stop(_: int, __: Optional[FrameType]) -> None:
        raise KeyboardInterrupt

    # SIGINT too: started in the background by a script, it would be ignored.
    for request in (signal.SIGINT, signal.SIGTERM):
        signal.signal(request, stop)
    # SANIC_HOST: Rasa's action server would answer everybody on the network.
    environment = {**os.environ, **QUIET, "SANIC_HOST": "127.0.0.1"}
    running: dict[str, subprocess.Popen[bytes]] = {}
    status = 0
    try:
        for name, command in commands(config).items():
            # A session of its own: Ctrl-C reaches this process only, which then stops
            # the others in order.
            running[name] = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True)
        address = f"http://{config.host}:{config.port}"
        print("Calla is starting ...", flush=True)
        if _wait_until_ready(f"{address}/health", running["bot"]):
            print(f"\nCalla answers at {address}/  (stop with Ctrl-C)\n", flush=True)
        while all(process.poll() is None for process in running.values()):
            time.sleep(0.5)
        ended = next(name for name, process in running.items() if process.poll() is not None)
        status = running[ended].returncode or 1
        print(f"The {ended} has ended (status {running[ended].returncode}); stopping.", file=sys.stderr)
    except KeyboardInterrupt:
        print("\nStopping ...", flush=True)
    finally:
        for process in reversed(list(running.values())):
            process.terminate()
        for process in running.values():
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
    return status


if __name__ == "__main__":
    sys.exit(main())
