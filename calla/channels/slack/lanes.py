"""Questions in order: one lane per conversation, few understood at the same time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from contextlib import asynccontextmanager, contextmanager
from typing import Any, AsyncContextManager, AsyncIterator, Awaitable, Callable, Coroutine, Iterator

from calla.channels.slack.identity import Question

logger = logging.getLogger(__name__)

# Messages in the making at the same time; the others wait in their lanes.
SLOTS = 4
# Understanding blocks the event loop for some milliseconds. Before each message the
# loop gets time to take in what has arrived and to acknowledge it: until nothing new has
# come for QUIET seconds, at most PATIENCE seconds (Slack waits three).
QUIET = 0.005
PATIENCE = 0.5

Turn = Callable[[Question], AsyncContextManager[None]]


class Lanes:
    """Answers questions one after another per conversation, conversations side by side.

    Args:
        answer: understands and answers one question; gets whether it was left by a
            process that is gone, and the turn to take while it understands.
    """

    def __init__(self, answer: Callable[[Question, bool, Turn], Awaitable[None]]) -> None:
        self._answer = answer
        self._lanes: dict[str, deque[tuple[Question, bool]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(SLOTS)
        self._next = asyncio.Lock()
        self._arrivals = 0
        self._taking_in = 0

    def put(self, question: Question, *, left: bool = False) -> None:
        """Queue a question behind the others of its conversation; what is urgent waits for none."""
        if question.urgent:
            self._start(self._one(question, left))
            return
        lane = self._lanes.get(question.conversation)
        if lane is not None:
            lane.append((question, left))
            return
        lane = self._lanes[question.conversation] = deque([(question, left)])
        self._start(self._run(question.conversation, lane))

    def _start(self, job: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def arrived(self) -> None:
        """Tell that something came in, read or not."""
        self._arrivals += 1

    @contextmanager
    def intake(self) -> Iterator[None]:
        """Hold while something is taken in and acknowledged: understanding gives it the way."""
        self._arrivals += 1
        self._taking_in += 1
        try:
            yield
        finally:
            self._taking_in -= 1

    @asynccontextmanager
    async def turn(self, question: Question) -> AsyncIterator[None]:
        """Wait for a slot, then until what has arrived is taken in; what is urgent waits for nothing."""
        if question.urgent:
            yield
            return
        async with self._slots:
            async with self._next:
                until = time.monotonic() + PATIENCE
                known = -1
                while (self._taking_in or known != self._arrivals) and time.monotonic() < until:
                    known = self._arrivals
                    await asyncio.sleep(QUIET)
            yield

    async def _run(self, conversation: str, lane: deque[tuple[Question, bool]]) -> None:
        try:
            while lane:
                await self._one(*lane.popleft())
        finally:
            del self._lanes[conversation]

    async def _one(self, question: Question, left: bool) -> None:
        try:
            await self._answer(question, left, self.turn)
        except Exception as error:
            # The text stays out of the log: only what kind of failure it was.
            logger.error("Answering in Slack failed: %s", type(error).__name__)

    async def drain(self, seconds: float) -> None:
        """Wait until everything is answered, at most so long; then stop."""
        if self._tasks:
            _, late = await asyncio.wait(set(self._tasks), timeout=seconds)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
