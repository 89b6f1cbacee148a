"""Brings events to the inbox: in order for each hand-off, again and again until they have arrived."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any, Awaitable, Callable, Optional
from weakref import WeakValueDictionary

from calla.handoff.inboxes import CALL_DEADLINE, Inbox, InboxError
from calla.handoff.ledger import HandoffLedger, Letter

logger = logging.getLogger(__name__)

# Seconds between two looks, should nobody say that there is something new.
LOOK_EVERY = 2.0
# Seconds for which an event is one process's: longer than all the calls of one event may take.
LEASE = 8 * CALL_DEADLINE
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
# Seconds after which an event that has not arrived counts as late.
LATE = 5.0
# Seconds without an answer after which an inbox counts as hanging, however late the event is.
HANGS = 2.0


class Delivery:
    """Delivers what is written down.

    Args:
        ledger: where events wait.
        inbox: gives the inbox; ``None`` as long as it is not connected.
        arrived: told when an event has arrived.
        late: told when one has not, for some seconds.

    Attributes:
        works: whether the last attempt succeeded; ``None`` before the first.
        problem: what was wrong with the last attempt that failed.
    """

    def __init__(
        self,
        ledger: HandoffLedger,
        inbox: Callable[[], Optional[Inbox]],
        arrived: Callable[[Letter], Awaitable[Any]],
        late: Callable[[Letter], Awaitable[Any]],
    ) -> None:
        self._ledger = ledger
        self._inbox = inbox
        self._arrived = arrived
        self._late = late
        self._news = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        # What is erased may be on its way still: its wish to erase must come after it.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self.works: Optional[bool] = None
        self.problem = ""

    def kick(self) -> None:
        """Look at once: there is something new."""
        self._news.set()

    async def run(self) -> None:
        """Deliver for as long as the server runs."""
        while True:
            try:
                for letter in await self._ledger.due(LEASE):
                    # Each in a task of its own: who waits for a slow call holds up no other visitor.
                    task = asyncio.get_running_loop().create_task(self._deliver(letter))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
            except Exception as error:
                logger.error("Looking for events of hand-offs failed: %s", type(error).__name__)
            try:
                await asyncio.wait_for(self._news.wait(), LOOK_EVERY)
            except asyncio.TimeoutError:
                continue
            self._news.clear()

    async def _deliver(self, letter: Letter) -> None:
        late = asyncio.get_running_loop().call_later(
            max(HANGS, letter.created + LATE - time.time()), lambda: self._task(self._hangs(letter))
        )
        try:
            async with self._turns.setdefault(letter.handoff, asyncio.Lock()):
                await self._once(letter)
        except InboxError as problem:
            self.works, self.problem = False, str(problem)
            logger.error("The inbox did not take an event (%s).", problem)
            wait = min(FIRST_PAUSE * 2 ** min(letter.attempts, 8), LONGEST_PAUSE)
            await self._noted(self._ledger.failed(letter, wait))
            if time.time() - letter.created > LATE:
                await self._noted(self._late(letter))
        except Exception as error:
            # A fault of ours, or the database: the lease ends, and it is tried again.
            logger.error("Delivering an event failed: %s", type(error).__name__)
            self.works, self.problem = False, type(error).__name__
        else:
            self.works = True
            await self._noted(self._arrived(letter))
            self.kick()
        finally:
            late.cancel()

    async def _hangs(self, letter: Letter) -> None:
        if await self._ledger.waits(letter):
            self.works, self.problem = False, "no answer"
            await self._late(letter)

    def _task(self, job: Awaitable[Any]) -> None:
        task = asyncio.ensure_future(self._noted(job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @staticmethod
    async def _noted(job: Awaitable[Any]) -> None:
        try:
            await job
        except Exception as error:
            logger.error("Noting what became of an event failed: %s", type(error).__name__)

    async def _once(self, letter: Letter) -> None:
        inbox = self._inbox()
        if inbox is None:
            raise InboxError("not connected")
        handoff = await self._ledger.get(letter.handoff)

        async def remember(remote: dict[str, Any], key: Optional[str]) -> None:
            await self._ledger.remember(letter.handoff, remote, key)

        await asyncio.wait_for(inbox.deliver(letter, handoff, remember), LEASE - 1)
        await self._ledger.delivered(letter)
