"""What server processes hold and tell each other in a real Redis, and what they do without it."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from calla.channels.web.elsewhere import Elsewhere
from calla.channels.web.limits import Limit
from calla.channels.web.shared_turns import BUSY, NEW, UNKNOWN, SharedTurns
from calla.channels.web.turns import Conversation, Turn
from calla.locks import SharedLockStore
from calla.peers import DEADLINE, LEASE, Peers, PeersError
from evaluation.services import Redis


@pytest.fixture
def redis() -> Iterator[Redis]:
    with Redis() as running:
        yield running


def together(redis: Redis, what: Callable[[Peers, Peers], Awaitable[Any]], limit: float = 30) -> Any:
    """Run something with two processes' peers."""

    async def run() -> Any:
        one, other = Peers(redis.url), Peers(redis.url)
        await asyncio.gather(one.start(), other.start())
        try:
            return await asyncio.wait_for(what(one, other), limit)
        finally:
            await asyncio.gather(one.close(), other.close())

    return asyncio.run(run())


def die(peers: Peers) -> None:
    """Give no sign any more, as a killed process does."""
    peers._ended.set()
    for task in peers._tasks:
        task.cancel()


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 (a thread makes it true)
        await asyncio.sleep(0.02)


def test_a_lock_is_one_processes_and_free_after_its_death(redis: Redis) -> None:
    async def run(one: Peers, other: Peers) -> None:
        inside = most = entered = 0
        stores = [SharedLockStore(one), SharedLockStore(other)]

        async def work(number: int) -> None:
            nonlocal inside, most, entered
            async with stores[number % 2].lock("conversation", wait_time_in_seconds=0.01):
                inside += 1
                most, entered = max(most, inside), entered + 1
                await asyncio.sleep(0.01)
                inside -= 1

        await asyncio.gather(*(work(number) for number in range(30)))
        assert (most, entered) == (1, 30)
        # Kept for longer than it lasts, by a process that lives.
        assert await one.take("kept", "a") is None
        await asyncio.sleep(LEASE * 1.2)
        assert await other.take("kept", "b") == "a"
        die(one)
        began = time.monotonic()
        while await other.take("kept", "b") is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        assert time.monotonic() - began <= LEASE + 0.5

    together(redis, run)


def test_who_stops_waiting_for_a_lock_does_not_get_it_for_ever(redis: Redis) -> None:
    async def run(one: Peers, other: Peers) -> None:
        assert await one.take("lock:conversation", "holder") is None

        async def wait() -> None:
            async with SharedLockStore(other).lock("conversation", wait_time_in_seconds=0.01):
                raise AssertionError("not free")

        waiting = asyncio.ensure_future(wait())
        await asyncio.sleep(0.3)
        waiting.cancel()
        await asyncio.wait({waiting})
        assert not other._held
        await one.give_up("lock:conversation", "holder")
        assert await one.take("lock:conversation", "again") is None

    together(redis, run)


def test_what_is_held_is_held_after_redis_was_killed(redis: Redis) -> None:
    async def run(one: Peers, other: Peers) -> None:
        assert await one.take("kept", "a") is None
        redis.kill()
        await until(lambda: not one.works and not other.works)
        # Nobody can know: everybody goes on.
        assert await other.take("free", "b") is None
        redis.start()
        await until(lambda: one.works and other.works)
        assert await other.take("kept", "b") == "a"

    together(redis, run)


def test_a_redis_that_hangs_is_waited_for_once(redis: Redis) -> None:
    async def run(one: Peers, other: Peers) -> None:
        assert redis.process is not None
        limit = Limit("test", 2, 60, 2, one)
        redis.process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        await one.take("anything", "a")
        assert time.monotonic() - began < DEADLINE + 0.5
        began = time.monotonic()
        for _ in range(20):
            await one.take("anything", "a")
            one.tell("windows", "{}")
        # The limits go on in the process.
        assert [bool(await limit.wait_for("x")) for _ in range(3)] == [False, False, True]
        assert time.monotonic() - began < 0.2
        redis.process.send_signal(signal.SIGCONT)
        await until(lambda: one.works)

    together(redis, run)


def test_limits_are_shared(redis: Redis) -> None:
    async def run(one: Peers, other: Peers) -> None:
        limits = [Limit("test", 4, 60, 4, peers) for peers in (one, other)]
        waits = [await limits[number % 2].wait_for("x") for number in range(6)]
        assert [bool(wait) for wait in waits] == [False] * 4 + [True] * 2

    together(redis, run)


def test_an_erasure_waits_until_all_others_have_forgotten(redis: Redis) -> None:
    async def run(one: Peers, other: Peers) -> None:
        forgotten: list[str] = []
        broken = True

        async def forget(conversation: str) -> None:
            if broken:
                raise OSError("not now")
            forgotten.append(conversation)

        other.on_forget(forget)
        with pytest.raises(PeersError, match="not confirmed"):
            await one.forget("web_1")
        broken = False
        await one.forget("web_1")
        assert forgotten == ["web_1"]
        redis.kill()
        await until(lambda: not one.works)
        with pytest.raises(PeersError, match="away"):
            await one.forget("web_1")

    together(redis, run)


def test_a_message_is_one_processes_to_answer(redis: Redis) -> None:
    async def run(one: Peers, other: Peers) -> None:
        mine, theirs = SharedTurns(one), SharedTurns(other)
        first = Turn("turn-0001", "a question")
        assert await mine.begin("web_1", first) == UNKNOWN
        assert await theirs.begin("web_1", Turn("turn-0002", "another")) == BUSY
        assert await theirs.begin("web_2", Turn("turn-0001", "of somebody else")) == UNKNOWN
        first.messages.append({"id": "1", "name": "utter_x"})
        await mine.progress("web_1", first)
        seen = await theirs.begin("web_1", Turn("turn-0001", "a question"))
        assert isinstance(seen, Turn) and seen.running and seen.messages == first.messages
        await mine.end("web_1", first)
        seen = await theirs.begin("web_1", Turn("turn-0001", "a question"))
        assert isinstance(seen, Turn) and not seen.running and seen.messages == first.messages
        assert await theirs.begin("web_1", Turn("turn-0002", "another")) == NEW
        await theirs.forget("web_1")
        assert await mine.look("web_1") == {}

    together(redis, run)


@pytest.mark.parametrize("stored", [True, False])
def test_what_a_killed_process_began_is_answered_by_another_unless_it_was_done(redis: Redis, stored: bool) -> None:
    async def run(one: Peers, other: Peers) -> None:
        taken: list[str] = []
        answer = {"id": "turn-0001", "text": "a question", "messages": [{"id": "1", "name": "utter_x"}]}

        async def database(_: str) -> list[Any]:
            return [answer] if stored else []

        async def nothing(_: str) -> list[Any]:
            return []

        def take_over(sender: str, turn: Turn) -> None:
            taken.append(turn.text)
            turn.finished.set()

        dead = Elsewhere(one, nothing, take_over)
        assert await dead.begin("web_1", Turn("turn-0001", "a question")) is True
        living = Elsewhere(other, database, take_over)
        # As a window that comes back asks: nobody has sent the message again.
        conversation = Conversation()
        await living.adopt("web_1", conversation)
        turn = conversation.turn("turn-0001")
        assert turn is not None and turn.running and not taken
        die(one)
        await asyncio.wait_for(turn.finished.wait(), LEASE + 3)
        if stored:
            assert not taken and turn.messages == answer["messages"]
        else:
            assert taken == ["a question"]

    together(redis, run)
