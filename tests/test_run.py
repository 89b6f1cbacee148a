"""`make run` says in one sentence what is wrong, keeps both processes running, and stops what it started."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from calla import run as supervisor
from calla.keys import KEY_HEADER
from tests.running import API_TOKEN, ROOT, ServerProcess, free_port

FINDING = "my report says BI-RADS 5"


def run(tmp_path: Path, *command: str, **environment: str) -> subprocess.Popen[str]:
    settings = {
        "CALLA_DATA_FOLDER": str(tmp_path),
        "PYTHONUNBUFFERED": "1",
        "CALLA_API_TOKEN": API_TOKEN,
        **environment,
    }
    return subprocess.Popen(
        command or [sys.executable, "-m", "calla.run"],
        cwd=ROOT,
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def refused(tmp_path: Path, **environment: str) -> str:
    process = run(tmp_path, **environment)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "Traceback" not in output
    return output


def test_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        output = refused(tmp_path, CALLA_PORT=str(port), CALLA_ACTION_PORT=str(free_port()))
    assert f"Port {port}" in output and "CALLA_PORT" in output


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"CALLA_PORT": "seventy"}, "CALLA_PORT"),
        ({"CALLA_PORT": "5999", "CALLA_ACTION_PORT": "5999"}, "must differ"),
        ({"CALLA_ACTION_PROT": "5999"}, "Do you mean CALLA_ACTION_PORT?"),
        ({"CALLA_ENVIRONMENT": "production", "CALLA_SECRET": "change-me"}, "too easy to guess"),
    ],
)
def test_wrong_settings_are_refused_with_a_sentence(tmp_path: Path, settings: dict[str, str], named: str) -> None:
    output = refused(tmp_path, **settings)
    assert named in output
    assert "change-me" not in output


@pytest.mark.parametrize(("module", "file"), [("calla.server", "erasures"), ("calla.action_server", "secret")])
def test_a_file_that_cannot_be_read_is_named_in_a_sentence(module: str, file: str, model: None, tmp_path: Path) -> None:
    """Root may read everything, so a link to itself stands for what another user owns."""
    (tmp_path / file).symlink_to(file)
    process = run(tmp_path, sys.executable, "-m", module, CALLA_ACTION_PORT=str(free_port()))
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 2
    assert f"{tmp_path / file} cannot be used" in output and "Traceback" not in output


def eventually(what: Callable[[], Any], seconds: float = 120) -> Any:
    """Wait until something is true; return it."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if answer := what():
                return answer
        except OSError:
            pass
        time.sleep(0.1)
    raise AssertionError("it did not happen in time")


def children_of(process: int) -> dict[str, int]:
    """Return the children of a process by the module that they run."""
    found = {}
    for child in Path(f"/proc/{process}/task/{process}/children").read_text().split():
        words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        found[words[2].decode() if len(words) > 2 else ""] = int(child)
    return found


class Running:
    """`make run` as an operator has it."""

    def __init__(self, folder: Path) -> None:
        self.port, self.action_port = free_port(), free_port()
        self.make = run(
            folder, "make", "run", CALLA_PORT=str(self.port), CALLA_ACTION_PORT=str(self.action_port), CALLA_PROXIES=""
        )
        self.said: list[str] = []
        assert self.make.stdout is not None
        for line in self.make.stdout:
            self.said.append(line)
            if "Calla answers at" in line:
                break
        self.supervisor = children_of(self.make.pid)["calla.run"]
        self.bot = ServerProcess(folder, self.port)

    def child(self, module: str) -> int:
        """Return the process that runs a module now, 0 if there is none."""
        return children_of(self.supervisor).get(module, 0)

    def is_open(self, port: int, host: str = "127.0.0.1") -> bool:
        """Say whether somebody listens on a port."""
        with socket.socket() as probe:
            return probe.connect_ex((host, port)) == 0


@pytest.fixture(scope="module")
def running(model: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    started = Running(tmp_path_factory.mktemp("run"))
    yield started
    if started.make.poll() is None:
        os.kill(started.supervisor, signal.SIGKILL)
        started.make.wait(20)


def ask(running: Running, text: str) -> list[dict[str, Any]]:
    return running.bot.ask(text, uuid.uuid4().hex)


def test_the_action_server_is_for_calla_alone(running: Running) -> None:
    assert running.is_open(running.action_port)
    # Bound to all addresses it would answer here too.
    assert not running.is_open(running.action_port, "127.0.0.2")
    body = b'{"next_action": "action_medical_referral", "tracker": {"sender_id": "x", "latest_message": {}}}'
    for path, key in itertools.product(("/webhook", "/actions"), ("", "a key", "\u00ff")):
        request = urllib.request.Request(
            f"http://127.0.0.1:{running.action_port}{path}", body if path == "/webhook" else None, {KEY_HEADER: key}
        )
        with pytest.raises(urllib.error.HTTPError) as problem:
            urllib.request.urlopen(request, timeout=5)
        assert problem.value.code == 403


def test_the_ordinary_referral_comes_from_the_action_server(running: Running) -> None:
    def nobody_stood_in() -> bool:
        counters = ("referral_stand_ins", "action_failures")
        before = running.bot.health()
        assert "today" in ask(running, FINDING)[0]["text"]
        after = running.bot.health()
        return all(after[name] == before[name] for name in counters)

    # On a machine that is busy with something else, a stand-in may be quicker now and then.
    eventually(nobody_stood_in)


def test_without_the_action_server_the_bot_goes_on_and_it_comes_back(running: Running) -> None:
    bot, actions = running.child("calla.server"), running.child("calla.action_server")
    os.kill(actions, signal.SIGKILL)
    started = time.monotonic()
    assert "today" in ask(running, FINDING)[0]["text"]
    assert time.monotonic() - started < 5
    eventually(
        lambda: running.child("calla.action_server") not in (0, actions) and running.is_open(running.action_port)
    )
    assert running.child("calla.server") == bot


def test_a_bot_that_ends_comes_back_and_knows_its_conversations(running: Running) -> None:
    running.bot.ask("what is mk-7", "before-the-crash")
    bot, actions = running.child("calla.server"), running.child("calla.action_server")
    os.kill(bot, signal.SIGKILL)
    eventually(lambda: running.child("calla.server") not in (0, bot))
    eventually(lambda: running.bot.health()["status"] == "ok")
    assert running.child("calla.action_server") == actions
    assert "utter_faq/what_is_mk7" in running.bot.said("before-the-crash")


def test_nothing_stays_behind_when_it_is_killed(running: Running) -> None:
    os.kill(running.supervisor, signal.SIGKILL)
    eventually(lambda: not running.is_open(running.port) and not running.is_open(running.action_port), 40)


def test_both_stop_together_in_order(model: None, tmp_path: Path) -> None:
    port, action_port = free_port(), free_port()
    process = run(tmp_path, CALLA_PORT=str(port), CALLA_ACTION_PORT=str(action_port))
    assert process.stdout is not None
    for line in process.stdout:
        if "Calla answers at" in line:
            break
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=40)
    assert process.returncode == 0
    assert "Traceback" not in output
    for ended in (port, action_port):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", ended)) != 0


def test_a_process_that_hangs_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setattr(supervisor, "WATCHDOG", 3)
    for name, value in {"CALLA_ACTION_PORT": str(port), "CALLA_DATA_FOLDER": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    child = supervisor.Child("action server", "calla.action_server", tmp_path)
    child.start()
    try:
        eventually(lambda: child.look() or child.ready)
        assert child._process is not None
        first = child._process.pid
        os.kill(first, signal.SIGSTOP)
        eventually(lambda: child.look() or (child._process is not None and child._process.pid != first))
        eventually(lambda: child.look() or child.ready)
    finally:
        child.terminate()
        child.wait(time.monotonic() + 20)
