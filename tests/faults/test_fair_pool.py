"""Understanding is shared fairly: a flood waits for itself, others pass it."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from calla.fair_pool import FairPool

pytestmark = pytest.mark.asyncio


class Gates:
    """Jobs that end when the test says so, and the order in which they began."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.let_go = threading.Semaphore(0)

    def job(self, name: str) -> str:
        """Begin, and wait to be let go."""
        self.began.append(name)
        self.let_go.acquire(timeout=20)
        return name


async def finish(gates: Gates, jobs: list[asyncio.Future[Any]]) -> None:
    for _ in jobs:
        gates.let_go.release()
    await asyncio.wait_for(asyncio.gather(*jobs), 20)


async def enter(pool: FairPool, gates: Gates, key: str, size: int, name: str) -> asyncio.Future[Any]:
    job = asyncio.ensure_future(pool.run(key, size, gates.job, name))
    await asyncio.sleep(0)
    return job


async def test_somebody_new_overtakes_a_flood() -> None:
    pool, gates = FairPool(1), Gates()
    jobs = [await enter(pool, gates, "flood", 2_000, f"flood {n}") for n in range(10)]
    jobs.append(await enter(pool, gates, "person", 40, "person"))
    await finish(gates, jobs)
    assert gates.began.index("person") <= 2


async def test_two_people_take_turns_and_each_keeps_the_order() -> None:
    pool, gates = FairPool(1), Gates()
    jobs = [await enter(pool, gates, "a", 100, f"a{n}") for n in range(4)]
    jobs += [await enter(pool, gates, "b", 100, f"b{n}") for n in range(4)]
    await finish(gates, jobs)
    assert [name for name in gates.began if name[0] == "a"] == ["a0", "a1", "a2", "a3"]
    assert [name for name in gates.began if name[0] == "b"] == ["b0", "b1", "b2", "b3"]
    assert gates.began.index("b3") < 8 and gates.began.index("b0") <= 2


async def test_no_more_run_at_once_than_there_are_threads() -> None:
    pool, gates = FairPool(2), Gates()
    jobs = [await enter(pool, gates, f"person {n}", 40, str(n)) for n in range(6)]
    assert pool.queued == 4
    assert pool.wait("one more", 40) > 0
    await finish(gates, jobs)
    assert pool.queued == 0 and pool.wait("one more", 40) == 0


async def test_who_gives_up_waiting_leaves_the_queue_and_costs_no_thread() -> None:
    pool, gates = FairPool(1), Gates()
    first = await enter(pool, gates, "a", 40, "first")
    second = await enter(pool, gates, "b", 40, "second")
    second.cancel()
    third = await enter(pool, gates, "c", 40, "third")
    await finish(gates, [first, third])
    assert gates.began == ["first", "third"]
    assert await asyncio.wait_for(pool.run("d", 40, lambda: "free"), 5) == "free"


async def test_a_job_that_fails_gives_its_thread_back() -> None:
    pool = FairPool(1)

    def broken() -> None:
        raise ValueError

    for _ in range(3):
        with pytest.raises(ValueError):
            await pool.run("a", 40, broken)
    assert await asyncio.wait_for(pool.run("a", 40, lambda: "free"), 5) == "free"


async def test_the_estimate_follows_what_is_observed() -> None:
    pool = FairPool(1)
    before = pool.cost(1_000)
    for _ in range(60):
        await pool.run("a", 1_000, lambda: None)
    assert pool.cost(1_000) < before / 4
    assert pool.cost(2_000) > pool.cost(100)
