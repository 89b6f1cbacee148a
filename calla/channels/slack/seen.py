"""What has been seen already, in this process or in Redis; and which processes are alive."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from typing import Any, Awaitable, Callable, Optional, Protocol

import redis.asyncio
from redis.exceptions import RedisError

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
