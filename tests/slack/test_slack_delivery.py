"""Exactly once, in order, across processes."""

from __future__ import annotations

import asyncio
import dataclasses
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from pathlib import Path
from typing import Iterator

import pytest
from fake_slack import FakeSlack
from slack_world import CallaServer, Workspace

from calla.channels.slack.identity import Place, Question
from calla.channels.slack.inbox import REMEMBER, Inbox
from calla.channels.slack.lanes import SLOTS, Lanes, Turn
from calla.channels.slack.ledger import Ledger
from calla.channels.slack.seen import MAX_KEYS, SeenInMemory, SeenInRedis, seen_store
from tests.running import free_port


def question(key: str, conversation: str = "c") -> Question:
    return Question(key, conversation, "text", Place("T", "D", "U", "im"), "person")


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    """A Redis of this module's own."""
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.fail("redis-server is missing: scripts/system-packages.sh installs it")
    port = free_port()
    process = subprocess.Popen(
        [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
        stdout=subprocess.DEVNULL,
    )
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield f"redis://127.0.0.1:{port}/0"
    process.terminate()
    process.wait(10)


# --------------------------------------------------------------------------- memory


def test_a_key_is_claimed_once_until_its_time_is_over() -> None:
    async def run() -> None:
        now = [0.0]
        seen = SeenInMemory(lambda: now[0])
        assert await seen.claim("a", 10)
        assert not await seen.claim("a", 10)
        assert await seen.known("a") and not await seen.known("b")
        now[0] = 11
        assert not await seen.known("a")
        assert await seen.claim("a", 10)
        await seen.forget("a")
        assert await seen.claim("a", 10)

    asyncio.run(run())


def test_memory_is_bounded() -> None:
    async def run() -> None:
        seen = SeenInMemory()
        for number in range(MAX_KEYS + 10):
            await seen.claim(str(number))
        assert not await seen.known("0")
        assert await seen.known(str(MAX_KEYS + 9))
        assert len(seen._until) == MAX_KEYS

    asyncio.run(run())


# ---------------------------------------------------------------------------- Redis


def test_two_processes_claim_a_key_once(redis_url: str) -> None:
    async def run() -> None:
        one, other = seen_store(redis_url), seen_store(redis_url)
        results = await asyncio.gather(*(seen.claim("x:1") for seen in (one, other) for _ in range(5)))
        assert sum(results) == 1
        assert await other.known("x:1")
        await one.forget("x:1")
        assert await SeenInRedis(redis_url).claim("x:1")
        assert set(await one.alive("one") or ()) == {"one"}
        assert set(await other.alive("other") or ()) == {"one", "other"}
        await one.close()
        await other.close()

    asyncio.run(run())


def test_a_key_in_redis_expires(redis_url: str) -> None:
    async def run() -> None:
        assert await SeenInRedis(redis_url).claim("short", 0.05)
        await asyncio.sleep(0.1)
        assert await SeenInRedis(redis_url).claim("short", 0.05)

    asyncio.run(run())


def test_without_redis_its_process_remembers_and_is_not_held_up() -> None:
    async def run() -> None:
        seen = SeenInRedis(f"redis://127.0.0.1:{free_port()}/0")
        started = time.monotonic()
        assert await seen.claim("a")
        assert not await seen.claim("a")
        for number in range(200):
            assert await seen.claim(str(number))
        assert time.monotonic() - started < 2
        assert await seen.alive("me") is None

    asyncio.run(run())


# ---------------------------------------------------------------------------- lanes


def test_a_conversation_is_in_order_and_others_do_not_wait_for_it() -> None:
    async def run() -> None:
        done: list[str] = []
        gate, others = asyncio.Event(), asyncio.Event()

        async def answer(asked: Question, left: bool, turn: Turn) -> None:
            async with turn(asked):
                await asyncio.sleep(0)
            if asked.key == "a0":
                await gate.wait()
            done.append(asked.key)
            if asked.key == "b2":
                others.set()

        lanes = Lanes(answer)
        for number in range(3):
            lanes.put(question(f"a{number}", "a"))
            lanes.put(question(f"b{number}", "b"))
        await others.wait()
        assert done == ["b0", "b1", "b2"]
        gate.set()
        await lanes.drain(5)
        assert done[3:] == ["a0", "a1", "a2"]
        assert lanes._lanes == {}

    asyncio.run(run())


def test_few_are_understood_at_a_time_and_a_failure_stops_nothing() -> None:
    async def run() -> None:
        now = most = finished = 0

        async def answer(asked: Question, left: bool, turn: Turn) -> None:
            nonlocal now, most, finished
            async with turn(asked):
                now += 1
                most = max(most, now)
                await asyncio.sleep(0)
                now -= 1
            finished += 1
            raise ValueError

        lanes = Lanes(answer)
        for number in range(50):
            lanes.put(question(str(number), f"c{number % 25}"))
        await lanes.drain(5)
        assert finished == 50
        assert most <= SLOTS

    asyncio.run(run())


def test_acknowledging_goes_before_understanding() -> None:
    async def run() -> None:
        order: list[str] = []

        async def answer(asked: Question, left: bool, turn: Turn) -> None:
            async with turn(asked):
                order.append("understood")

        lanes = Lanes(answer)
        with lanes.intake():
            lanes.put(question("1"))
            await asyncio.sleep(0.05)
            order.append("acknowledged")
        await lanes.drain(5)
        assert order == ["acknowledged", "understood"]
        # A flood that never ends does not stop the answers.
        with lanes.intake():
            lanes.put(question("2"))
            await lanes.drain(5)
        assert order[-1] == "understood" and len(order) == 3

    asyncio.run(run())


# ---------------------------------------------------------------------------- inbox


def test_what_is_urgent_waits_for_nobody() -> None:
    async def run() -> None:
        done: list[str] = []
        gate = asyncio.Event()

        async def answer(asked: Question, left: bool, turn: Turn) -> None:
            async with turn(asked):
                if not asked.urgent:
                    await gate.wait()
                done.append(asked.key)
                if asked.urgent:
                    gate.set()

        lanes = Lanes(answer)
        for number in range(SLOTS * 2):
            lanes.put(question(str(number), f"c{number % 5}"))
        lanes.put(dataclasses.replace(question("urgent", "c0"), urgent=True))
        await lanes.drain(5)
        assert done[0] == "urgent" and len(done) == SLOTS * 2 + 1

    asyncio.run(run())


def inboxes(folder: Path, *owners: str) -> list[Inbox]:
    ledger = Ledger(f"sqlite:///{folder / 'calla.db'}")
    return [Inbox(ledger, owner) for owner in owners]


def test_a_question_is_written_once_and_taken_up_by_the_next(tmp_path: Path) -> None:
    async def run() -> None:
        old, new = inboxes(tmp_path, "old", "new")
        first, second = question("1"), question("2")
        assert await old.add(first) and await old.add(second)
        assert not await old.add(first)
        await old.done(second.key)
        assert await old.take_over() == []
        assert await new.take_over(alive=["old"]) == []
        assert await new.take_over() == [first]
        assert await new.take_over() == []
        assert not await new.add(second)
        await new.done(first.key)
        assert not await new.is_open(first)
        kept = new._engine.execute("SELECT question FROM slack_questions").fetchall()
        assert [row[0] for row in kept] == [None, None]

    asyncio.run(run())


def test_the_inbox_forgets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        (inbox,) = inboxes(tmp_path, "one")
        await inbox.add(question("answered"))
        await inbox.done("answered")
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + REMEMBER + 1)
        inbox.clean()
        assert await inbox.add(question("answered"))

    asyncio.run(run())


def test_what_the_database_does_not_take_now_is_written_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        monkeypatch.setattr("calla.channels.slack.ledger.AGAIN", 0.01)
        (inbox,) = inboxes(tmp_path, "one")
        await inbox.add(question("1"))
        trouble = sqlite3.connect(tmp_path / "calla.db", isolation_level=None)
        trouble.execute("BEGIN IMMEDIATE")
        await inbox.done("1")
        assert await inbox.is_open(question("1"))
        # Taken in all the same, and not only in memory.
        assert await inbox.add(question("2"))
        trouble.execute("ROLLBACK")
        writing = inbox._ledger._writing
        assert writing is not None
        await asyncio.wait_for(writing, 10)
        assert not await inbox.is_open(question("1"))
        assert not await inbox.add(question("2"))

    asyncio.run(run())


# ------------------------------------------------------- two processes, the real thing


def test_two_processes_answer_once_and_one_takes_over_from_the_other(
    model: None, redis_url: str, tmp_path: Path
) -> None:
    fake = FakeSlack()
    settings = {"REDIS_URL": redis_url, "DATABASE_URL": f"sqlite:///{tmp_path / 'shared.db'}", "CALLA_SECRET": "shared"}
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    one, two = (CallaServer(folder, fake, SLACK_APP_TOKEN="", **settings).start() for folder in folders)
    try:
        at_one, at_two = Workspace(one, fake), Workspace(two, fake)
        people = [at_one.dm() for _ in range(10)]
        for user, channel in people:
            event = at_one.message(user, channel, "What are breast calcifications?")
            at_one.deliver(event)
            at_two.deliver(event)
        at_one.settled()
        at_two.settled()
        assert all(len(fake.wait_posts(channel)) == 1 for _, channel in people)
        # A question that a killed process has left is answered by the other.
        user, channel = at_one.dm()
        held = threading.Event()
        fake.trouble("chat.postMessage", "hang", held, about=channel, times=1)
        at_one.deliver(at_one.message(user, channel, "What are breast calcifications?"))
        fake.wait(lambda: [c for c in fake.calls if c.args.get("channel") == channel])
        one.stop(signal.SIGKILL)
        held.set()
        assert len(fake.wait_posts(channel, timeout=75)) == 1
    finally:
        one.stop()
        two.stop()
        fake.stop()
