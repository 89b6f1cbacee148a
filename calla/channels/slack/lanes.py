"""Exactly once and in order: what has been seen, and one lane per conversation."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict, deque
from contextlib import asynccontextmanager, contextmanager
from typing import Any, AsyncContextManager, AsyncIterator, Awaitable, Callable, Iterator, Optional, Protocol

import redis.asyncio
from redis.exceptions import RedisError

from calla.channels.slack.identity import Question

logger = logging.getLogger(__name__)

# Seconds for which a delivered message is remembered; Slack's last retry comes after
# five minutes.
REMEMBER = 15 * 60
# Most keys held in memory; the oldest go first.
MAX_KEYS = 100_000
# Seconds that Redis may take. Slack wants its acknowledgement within three.
REDIS_DEADLINE = 0.5
# Seconds for which Redis is left alone after it has failed.
REDIS_PAUSE = 5.0
# Seconds after which a process that gives no sign counts as gone, and between two signs.
ALIVE_FOR, ALIVE_EVERY = 30, 10
# Messages in the making at the same time; the others wait in their lanes.
SLOTS = 4
# Understanding blocks the event loop for some milliseconds. Before each message the
# loop gets time to take in what has arrived and to acknowledge it: until nothing new has
# come for QUIET seconds, at most PATIENCE seconds (Slack waits three).
QUIET = 0.005
PATIENCE = 0.5
_PREFIX = "calla:slack:"


class Seen(Protocol):
    """Remembers keys for a while."""

    async def claim(self, key: str, seconds: float = REMEMBER) -> bool:
        """Remember a key; ``False`` if it is remembered already."""

    async def known(self, key: str) -> bool:
        """Say whether a key is remembered."""

    async def forget(self, key: str) -> None:
        """Forget a key."""

    async def alive(self, owner: str) -> Optional[list[str]]:
        """Give a sign of life; returns who else gave one, ``None`` if nobody can know."""

    async def close(self) -> None:
        """Let go of connections."""


class SeenInMemory:
    """Remembers keys in this process, at most ``MAX_KEYS``."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._until: OrderedDict[str, float] = OrderedDict()
        self._clock = clock

    async def claim(self, key: str, seconds: float = REMEMBER) -> bool:
        """Remember a key (see ``Seen``)."""
        if await self.known(key):
            return False
        self._until.pop(key, None)
        self._until[key] = self._clock() + seconds
        while len(self._until) > MAX_KEYS:
            self._until.popitem(last=False)
        return True

    async def known(self, key: str) -> bool:
        """Say whether a key is remembered."""
        return self._until.get(key, float("-inf")) > self._clock()

    async def forget(self, key: str) -> None:
        """Forget a key."""
        self._until.pop(key, None)

    async def alive(self, owner: str) -> Optional[list[str]]:
        """Without Redis there is one process only: itself."""
        return [owner]

    async def close(self) -> None:
        """Nothing to let go."""


class SeenInRedis:
    """Remembers keys in Redis, for several processes; in memory while Redis is away.

    Args:
        url: address of Redis.
    """

    def __init__(self, url: str) -> None:
        self._redis = redis.asyncio.from_url(
            url, socket_timeout=REDIS_DEADLINE, socket_connect_timeout=REDIS_DEADLINE, decode_responses=True
        )
        self._memory = SeenInMemory()
        self._away_until = float("-inf")

    async def claim(self, key: str, seconds: float = REMEMBER) -> bool:
        """Remember a key (see ``Seen``)."""
        if not await self._memory.claim(key, seconds):
            return False
        return bool(await self._ask(self._redis.set, _PREFIX + key, "1", nx=True, px=int(seconds * 1000), away=True))

    async def known(self, key: str) -> bool:
        """Say whether a key is remembered."""
        return await self._memory.known(key) or bool(await self._ask(self._redis.exists, _PREFIX + key, away=False))

    async def forget(self, key: str) -> None:
        """Forget a key."""
        await self._memory.forget(key)
        await self._ask(self._redis.delete, _PREFIX + key, away=None)

    async def alive(self, owner: str) -> Optional[list[str]]:
        """Give a sign of life (see ``Seen``)."""
        prefix = f"{_PREFIX}alive:"
        if not await self._ask(self._redis.set, prefix + owner, "1", ex=ALIVE_FOR, away=None):
            return None
        keys = await self._ask(self._redis.keys, f"{prefix}*", away=None)
        return None if keys is None else [key[len(prefix) :] for key in keys]

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.close()

    async def _ask(self, command: Callable[..., Awaitable[Any]], *args: Any, away: Any, **kwargs: Any) -> Any:
        """Call Redis; ``away`` is the answer while it is not there."""
        if time.monotonic() < self._away_until:
            return away
        try:
            return await command(*args, **kwargs)
        except (RedisError, OSError, asyncio.TimeoutError) as error:
            self._away_until = time.monotonic() + REDIS_PAUSE
            logger.error("Redis failed (%s); Slack messages are remembered in this process.", type(error).__name__)
            return away


def seen_store(redis_url: Optional[str]) -> Seen:
    """Return Redis where it is configured, else this process's memory."""
    return SeenInRedis(redis_url) if redis_url else SeenInMemory()


Turn = Callable[[], AsyncContextManager[None]]


class Lanes:
    """Answers questions one after another per conversation, conversations side by side.

    Args:
        answer: understands and answers one question; gets the number of messages that
            were out before a restart (``None`` for a new question), and the turn to
            take while it understands.
    """

    def __init__(self, answer: Callable[[Question, Optional[int], Turn], Awaitable[None]]) -> None:
        self._answer = answer
        self._lanes: dict[str, deque[tuple[Question, Optional[int]]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(SLOTS)
        self._next = asyncio.Lock()
        self._arrivals = 0
        self._taking_in = 0

    def put(self, question: Question, sent: Optional[int] = None) -> None:
        """Queue a question behind the others of its conversation."""
        lane = self._lanes.get(question.conversation)
        if lane is not None:
            lane.append((question, sent))
            return
        lane = self._lanes[question.conversation] = deque([(question, sent)])
        task = asyncio.get_running_loop().create_task(self._run(question.conversation, lane))
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
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a slot, then until what has arrived is taken in."""
        async with self._slots:
            async with self._next:
                until = time.monotonic() + PATIENCE
                known = -1
                while (self._taking_in or known != self._arrivals) and time.monotonic() < until:
                    known = self._arrivals
                    await asyncio.sleep(QUIET)
            yield

    async def _run(self, conversation: str, lane: deque[tuple[Question, Optional[int]]]) -> None:
        try:
            while lane:
                question, sent = lane.popleft()
                try:
                    await self._answer(question, sent, self.turn)
                except Exception as error:
                    # The text stays out of the log: only what kind of failure it was.
                    logger.error("Answering in Slack failed: %s", type(error).__name__)
        finally:
            del self._lanes[conversation]

    async def drain(self, seconds: float) -> None:
        """Wait until everything is answered, at most so long; then stop."""
        if self._tasks:
            _, late = await asyncio.wait(set(self._tasks), timeout=seconds)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
