"""The other server processes, met in Redis: what one holds, what one tells the others.

Redis keeps nothing that must last. While it is away every process goes on by itself, and no call
waits for it: a thread looks twice a second whether it is there, and calls ask only then.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import threading
import uuid
from collections import defaultdict, deque
from typing import Any, AsyncIterator, Awaitable, Callable, Optional, TypeVar

import async_timeout
import redis
import redis.asyncio
from redis.exceptions import RedisError
from throttled.exceptions import StoreUnavailableError

from calla.status import STATUS, gauge

logger = logging.getLogger(__name__)
T = TypeVar("T")
# Seconds that a call may take, once: after that nobody asks until Redis answers again.
DEADLINE = 0.8
# Seconds after which what a dead process holds is free, and between two renewals.
LEASE, RENEW = 3.0, 0.5
# Seconds after which a process that gives no sign is taken to be gone.
ALIVE_FOR = 15
# Seconds that the others get to say that they have forgotten.
FORGET_DEADLINE = 3.0
# Messages to the others that wait to be sent.
MAX_OUTGOING = 10_000
PREFIX = "calla:"
FORGET = "forget"
# What Redis may answer instead of an answer.
REDIS_FAILURES = (RedisError, OSError, asyncio.TimeoutError, StoreUnavailableError)

# Take what nobody holds; the answer is who does, if that is somebody else.
_TAKE = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return holder end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return false
"""
_GIVE_UP = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"
# A sign of life, and everything that this process holds, also after Redis has lost it.
_RENEW = """
local now = redis.call('TIME')[1]
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], 0, now - ARGV[2])
for i = 2, #KEYS do
  local holder = redis.call('GET', KEYS[i])
  if not holder or holder == ARGV[i + 2] then redis.call('SET', KEYS[i], ARGV[i + 2], 'PX', ARGV[3]) end
end
"""
_ALIVE = PREFIX + "alive"

Forgetter = Callable[[str], Awaitable[None]]


class PeersError(RuntimeError):
    """The other processes cannot be reached, or have not all confirmed."""


class Peers:
    """This process among the others.

    Args:
        url: address of Redis.

    Attributes:
        url: address of Redis.
        name: name of this process.
        works: whether Redis answered when it was last asked.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.name = uuid.uuid4().hex
        self.works = False
        options = {"socket_connect_timeout": DEADLINE, "decode_responses": True}
        self._redis = redis.asyncio.from_url(url, **options)
        self._listening = redis.asyncio.from_url(url, **options, health_check_interval=5)
        self._keeping = redis.from_url(url, **options, socket_timeout=DEADLINE)
        self._held: dict[str, str] = {}
        self._ended = threading.Event()
        self._outgoing: deque[tuple[str, str]] = deque(maxlen=MAX_OUTGOING)
        self._more = asyncio.Event()
        self._listeners: dict[str, list[asyncio.Queue[str]]] = defaultdict(list)
        self._forgetters: list[Forgetter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        STATUS.facts["redis_works"] = lambda: self.works
        gauge("calla_redis_works", "1 if Redis just answered", lambda: float(self.works))

    # ---------------------------------------------------------------------- start and stop

    async def start(self) -> None:
        """Look for Redis once, then keep in touch."""
        await asyncio.get_running_loop().run_in_executor(None, self._renew)
        threading.Thread(target=self._keep, name="peers", daemon=True).start()
        for job in (self._send(), self._listen(), self._forget_when_told()):
            self._beside(job)

    def _beside(self, job: Any) -> None:
        task = asyncio.get_running_loop().create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Leave: nothing is held any more, nobody waits for this process."""
        self._ended.set()
        for task in list(self._tasks):
            task.cancel()
        await self.ask(lambda r: r.zrem(_ALIVE, self.name), None)
        for name, value in list(self._held.items()):
            await self.give_up(name, value)
        for client in (self._redis, self._listening):
            with contextlib.suppress(*REDIS_FAILURES):
                await client.close()

    def _keep(self) -> None:
        """Renew in a thread of its own: a busy event loop must not look like a dead process."""
        while not self._ended.wait(RENEW):
            self._renew()

    def _renew(self) -> None:
        held = list(self._held.items())
        keys = [_ALIVE, *(name for name, _ in held)]
        values = [self.name, ALIVE_FOR, int(LEASE * 1000), *(value for _, value in held)]
        try:
            self._keeping.eval(_RENEW, len(keys), *keys, *values)
        except (RedisError, OSError) as error:
            self._failed(error)
        else:
            if not self.works:
                logger.info("Redis answers.")
            self.works = True

    def _failed(self, error: Exception) -> None:
        if self.works:
            logger.error("Redis failed (%s); this process goes on by itself.", type(error).__name__)
            STATUS.last_failure = f"Redis: {type(error).__name__}"
        self.works = False

    # ------------------------------------------------------------------------------ asking

    async def ask(self, command: Callable[[Any], Awaitable[T]], away: T) -> T:
        """Call Redis; ``away`` is the answer while it is not there."""
        if not self.works:
            return away
        try:
            # Not ``wait_for``, nor the client's own limit, which uses it: in Python 3.10 it may swallow a
            # cancellation, and who waits for a lock would then wait for ever.
            async with async_timeout.timeout(DEADLINE):
                return await command(self._redis)
        except REDIS_FAILURES as error:
            self._failed(error)
            return away

    async def take(self, name: str, value: str) -> Optional[str]:
        """Take something for this process until it is given up, or the process ends.

        Returns:
            the value of whoever holds it; ``None`` if it is ours, or nobody can know.
        """
        key = PREFIX + name
        # Held before the answer comes: an answer that is lost must not leave it to run out.
        self._held[key] = value
        holder = await self.ask(lambda r: r.eval(_TAKE, 1, key, value, int(LEASE * 1000)), None)
        if holder is not None and self._held.get(key) == value:
            del self._held[key]
        return holder

    async def give_up(self, name: str, value: str) -> None:
        """Let go of what was taken."""
        key = name if name.startswith(PREFIX) else PREFIX + name
        if self._held.get(key) == value:
            del self._held[key]
        await self.ask(lambda r: r.eval(_GIVE_UP, 1, key, value), None)

    def holds(self, name: str, value: str) -> None:
        """Keep something that a script of the caller's own has taken."""
        self._held[PREFIX + name] = value

    # ----------------------------------------------------------------------------- telling

    def tell(self, channel: str, data: str) -> None:
        """Send something to the others, in order, without waiting for it."""
        if self.works:
            self._outgoing.append((PREFIX + channel, data))
            self._more.set()

    async def _send(self) -> None:
        while True:
            await self._more.wait()
            self._more.clear()
            while self._outgoing:
                channel, data = self._outgoing.popleft()
                await self.ask(lambda r, channel=channel, data=data: r.publish(channel, data), None)  # type: ignore[misc]

    async def hear(self, channel: str) -> AsyncIterator[str]:
        """Give what the others send on a channel, from now on."""
        queue: asyncio.Queue[str] = asyncio.Queue(MAX_OUTGOING)
        self._listeners[PREFIX + channel].append(queue)
        while True:
            yield await queue.get()

    async def _listen(self) -> None:
        while True:
            try:
                async with self._listening.pubsub(ignore_subscribe_messages=True) as subscription:
                    await subscription.psubscribe(f"{PREFIX}*")
                    async for message in subscription.listen():
                        for queue in self._listeners[message["channel"]]:
                            with contextlib.suppress(asyncio.QueueFull):
                                queue.put_nowait(message["data"])
            except REDIS_FAILURES:
                await asyncio.sleep(RENEW)

    # -------------------------------------------------------------------------- forgetting

    def on_forget(self, forgetter: Forgetter) -> None:
        """Have something called when another process erases a conversation; it raises unless all is gone."""
        self._forgetters.append(forgetter)

    async def forget(self, conversation: str) -> None:
        """Have all other processes forget a conversation (an eraser of ``calla.erasure``).

        Raises:
            PeersError: if one has not confirmed, or nobody can know who is there.
        """
        number = uuid.uuid4().hex
        others = set(await self.ask(lambda r: r.zrange(_ALIVE, 0, -1), None) or ()) - {self.name}
        if not self.works:
            raise PeersError("Redis is away")
        if not others:
            return
        self.tell(FORGET, json.dumps({"number": number, "from": self.name, "conversation": conversation}))
        answers = f"{PREFIX}forgot:{number}"
        until = asyncio.get_running_loop().time() + FORGET_DEADLINE
        while others:
            if asyncio.get_running_loop().time() > until:
                raise PeersError("another process has not confirmed")
            if (name := await self.ask(lambda r: r.lpop(answers), None)) is None:
                await asyncio.sleep(0.02)
            others.discard(name)

    async def _forget_when_told(self) -> None:
        async for said in self.hear(FORGET):
            told = json.loads(said)
            if told["from"] != self.name:
                self._beside(self._forget(told["number"], told["conversation"]))

    async def _forget(self, number: str, conversation: str) -> None:
        try:
            for forgetter in self._forgetters:
                await forgetter(conversation)
        except Exception as error:
            # Whoever asked hears nothing and asks again.
            logger.error("Forgetting for another process failed: %s", type(error).__name__)
            return
        answers = f"{PREFIX}forgot:{number}"
        await self.ask(lambda r: r.rpush(answers, self.name), 0)
        await self.ask(lambda r: r.expire(answers, 60), False)
