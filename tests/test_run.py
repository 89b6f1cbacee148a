"""`make run` says in one sentence what is wrong, and stops what it started."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

from tests.running import ROOT, free_port


def run(tmp_path: Path, **environment: str) -> subprocess.Popen[str]:
    settings = {"CALLA_DATA_FOLDER": str(tmp_path), "PYTHONUNBUFFERED": "1", **environment}
    return subprocess.Popen(
        [sys.executable, "-m", "calla.run"],
        cwd=ROOT,
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = run(tmp_path, CALLA_PORT=str(port), CALLA_ACTION_PORT=str(free_port()))
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert f"Port {port}" in output and "CALLA_PORT" in output
    assert "Traceback" not in output


def test_wrong_setting_is_named(tmp_path: Path) -> None:
    process = run(tmp_path, CALLA_PORT="seventy")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "CALLA_PORT" in output and "Traceback" not in output


def test_both_processes_stop_together(model: None, tmp_path: Path) -> None:
    port, action_port = free_port(), free_port()
    process = run(tmp_path, CALLA_PORT=str(port), CALLA_ACTION_PORT=str(action_port))
    assert process.stdout is not None
    for line in process.stdout:
        if "Calla answers at" in line:
            break
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
        assert answer.status == 200
    with socket.socket() as probe:
        # The action server is for the bot on this machine; bound to all addresses it would answer here too.
        assert probe.connect_ex(("127.0.0.2", action_port)) != 0
    process.send_signal(signal.SIGINT)
    process.wait(30)
    for ended in (port, action_port):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", ended)) != 0
