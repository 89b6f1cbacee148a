"""The measurements of ``make bench``, taken of an assistant that answers at once."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from evaluation.bench import speed, starting
from evaluation.bench.processes import System, family

SERVER = """
import json, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        sum(i * i for i in range(20_000))
        body = json.dumps([{"recipient_id": asked["sender"], "text": "yes"}]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

ThreadingHTTPServer.request_queue_size = 128
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


class Echo(System):
    name = "echo"

    def command(self) -> list[str]:
        return [sys.executable, "-c", SERVER, str(self.port)]

    def directory(self) -> Path:
        return self.folder


@pytest.fixture
def echo(tmp_path: Path) -> Iterator[Echo]:
    with Echo(tmp_path) as system:
        yield system


def test_time_and_processor_time_of_messages(echo: Echo) -> None:
    ticks: list[int] = []
    rows = speed.latency([echo], ["one question", "another question here"], ticks.append)
    assert len(rows) == len(ticks) == 2
    assert all(row["echo"]["ms"] > 0 and row["echo"]["cpu_ms"] > 0 for row in rows)
    assert [row["words"] for row in rows] == [2, 3]


def test_a_crowd_is_answered_to_the_last(echo: Echo) -> None:
    found = speed.crowd(echo, 8, ["hello"], 0.3)
    assert found["per_second"] > 8
    assert 0 < found["median"] <= found["p95"]


def test_long_conversations_say_how_long_they_became(
    echo: Echo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(speed, "TURNS", (2, 5))
    ticks: list[int] = []
    assert set(speed.conversations(echo, ["hello"] * 3, 60.0, ticks.append)) == {"2", "5"}
    assert sum(ticks) == 7


def test_memory_of_all_processes(echo: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "MESSAGES", 5)
    found = speed.memory(echo, ["hello"], lambda _: None)
    assert 5 < found["proportional"] <= found["resident"] < 200
    assert not found["tensorflow"]
    assert family(echo.pids[0]) == echo.pids


def test_a_start_is_measured_to_the_first_answer(tmp_path: Path) -> None:
    system = Echo(tmp_path)
    found = starting.start(system, busy=True)
    assert found["cpu_seconds"] > 0
    assert found["seconds"] > 0
    assert system.process is not None and system.process.poll() is not None


def test_a_system_that_ends_at_once_says_why(tmp_path: Path) -> None:
    class Broken(Echo):
        def command(self) -> list[str]:
            return [sys.executable, "-c", "raise SystemExit('no model')"]

    with pytest.raises(RuntimeError, match="no model"):
        Broken(tmp_path).start()
