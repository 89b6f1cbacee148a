"""Threads for understanding, shared fairly between the people who write.

Understanding is the one expensive step, so it runs beside the event loop, a few messages at a
time. Who waits is served by start-time fair queueing: each message gets a tag, the virtual
time at which its sender would be done if all senders shared the threads evenly, and the
smallest tag goes first. A short question of somebody new overtakes the long ones of a flood.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any, Callable, TypeVar

T = TypeVar("T")

# What understanding a message costs before any has been seen: seconds, and seconds a character.
BASE_SECONDS = 0.05
SECONDS_PER_CHARACTER = 0.0005
# Share of the newest observation in the estimate.
_LEARN = 0.1


@dataclass(order=True)
class _Waiting:
    tag: float
    number: int
    cost: float = field(compare=False)
    turn: asyncio.Future[None] = field(compare=False)


class FairPool:
    """A bounded pool of threads with a fair queue before it.

    Args:
        threads: how many functions run at the same time.
    """

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="understanding")
        self._free = threads
        self._threads = threads
        self._waiting: list[_Waiting] = []
        self._numbers = itertools.count()
        self._virtual = 0.0
        self._done_at: dict[str, float] = {}
        self._running = 0.0
        # Seconds observed for each second of the nominal cost.
        self._factor = 1.0

    def cost(self, size: int) -> float:
        """Return the seconds that a message of ``size`` characters will probably take."""
        return self._factor * (BASE_SECONDS + SECONDS_PER_CHARACTER * size)

    def wait(self, key: str, size: int) -> float:
        """Return the seconds that a message would probably wait before its turn."""
        if self._free and not self._waiting:
            return 0.0
        tag = self._tag(key, self.cost(size))
        ahead = sum(one.cost for one in self._waiting if one.tag <= tag)
        return (ahead + self._running / 2) / self._threads

    @property
    def queued(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def _tag(self, key: str, cost: float) -> float:
        return max(self._virtual, self._done_at.get(key, 0.0)) + cost

    async def run(self, key: str, size: int, function: Callable[..., T], *arguments: Any) -> T:
        """Run a function in a thread when it is its turn.

        Args:
            key: who asks; each gets an even share.
            size: characters of the message, from which the cost is estimated.
            function: what to run.
            *arguments: its arguments.
        """
        cost = self.cost(size)
        if self._free and not self._waiting:
            self._free -= 1
            self._done_at[key] = self._tag(key, cost)
        else:
            await self._my_turn(key, cost)
        self._running += cost
        started = time.monotonic()
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._pool, copy_context().run, function, *arguments
            )
        finally:
            self._running -= cost
            self._learn(size, time.monotonic() - started)
            self._pass_on()

    async def _my_turn(self, key: str, cost: float) -> None:
        """Wait; on return a thread is free for this message."""
        tag = self._done_at[key] = self._tag(key, cost)
        waiting = _Waiting(tag, next(self._numbers), cost, asyncio.get_running_loop().create_future())
        heapq.heappush(self._waiting, waiting)
        try:
            await waiting.turn
        except asyncio.CancelledError:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
                heapq.heapify(self._waiting)
            else:
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        """Give a thread that has become free to the next in the queue."""
        while self._waiting:
            following = heapq.heappop(self._waiting)
            if not following.turn.done():
                self._virtual = max(self._virtual, following.tag - following.cost)
                following.turn.set_result(None)
                return
        self._free += 1
        if self._free == self._threads:
            # Nobody is here: nobody's past counts.
            self._done_at.clear()
            self._virtual = 0.0

    def _learn(self, size: int, seconds: float) -> None:
        observed = seconds / (BASE_SECONDS + SECONDS_PER_CHARACTER * size)
        self._factor += _LEARN * (min(max(observed, 0.05), 20.0) - self._factor)

    def close(self) -> None:
        """Take nothing new."""
        self._pool.shutdown(wait=False)
