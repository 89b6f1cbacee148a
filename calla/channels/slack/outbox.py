"""The outbox: every message goes out in the end, in order, referrals first, or is counted as lost.

A letter is written down before it is sent and is done only when Slack has taken it: at
least once. Where an attempt ended without an answer, Slack is asked whether the message
is there before it is sent again; messages that Slack shows to one person alone cannot be
looked up and may come twice.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from typing import Callable, Container, Optional

from calla.channels.slack.errors import BLOCKS, ELSEWHERE, REFUSED, WAIT, DeliveryError, classified
from calla.channels.slack.letters import Letter, Letters, Way
from calla.channels.slack.sending import Sender, plainer
from calla.status import STATUS

logger = logging.getLogger(__name__)

# Seconds after which a letter is given up and counted as lost.
GIVE_UP = 24 * 3600
# Seconds before the second attempt, and at most between two; doubled from one to the other.
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0


class Lane:
    """Letters to one place, one after another; a referral goes before what waits.

    Attributes:
        letters: those that wait.
        news: set when a letter comes, or Slack is well again.
        current: the letter whose turn it is.
        failures: attempts in a row that failed.
        waiting: whether it pauses after a failure.
    """

    def __init__(self) -> None:
        self.referrals: deque[Letter] = deque()
        self.others: deque[Letter] = deque()
        self.current: Optional[Letter] = None
        self.news = asyncio.Event()
        self.failures = 0
        self.waiting = False

    def put(self, letter: Letter, *, first: bool = False) -> None:
        """Queue a letter behind those of its kind, or before them."""
        queue = self.referrals if letter.referral else self.others
        if first:
            queue.appendleft(letter)
        else:
            queue.append(letter)

    def next(self) -> Optional[Letter]:
        """Return the letter whose turn it is, and take it out."""
        queue = self.referrals or self.others
        self.current = queue.popleft() if queue else None
        return self.current

    def waiting_letters(self) -> list[Letter]:
        """Return all letters that have not arrived."""
        current = [self.current] if self.current is not None else []
        return list({letter.id: letter for letter in (*current, *self.referrals, *self.others)}.values())


class Outbox:
    """Sends letters.

    Args:
        letters: keeps them.
        sender: hands them to Slack.
        refused: told when Slack refuses the token.

    Attributes:
        lost_referrals: referrals that could not be delivered, also before a restart.
    """

    def __init__(self, letters: Letters, sender: Sender, refused: Callable[[str], None]) -> None:
        self._letters = letters
        self._sender = sender
        self._refused = refused
        self._lanes: dict[str, Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = self._closed = False
        self.lost_referrals = 0

    def counts(self) -> dict[str, int]:
        """Return how many messages wait, how many of them are referrals, and how many referrals were lost."""
        waiting = [letter for lane in self._lanes.values() for letter in lane.waiting_letters()]
        return {
            "messages_waiting": len(waiting),
            "referrals_waiting": sum(letter.referral for letter in waiting),
            "referrals_lost": self.lost_referrals,
        }

    async def put(self, letter: Letter) -> bool:
        """Write a letter down and queue it; ``False`` if the same part is there already."""
        if not await self._letters.add(letter):
            return False
        self._queue(letter)
        return True

    async def take_over(self, alive: Container[str] = ()) -> int:
        """Queue the letters of processes that are gone; returns how many.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: if the database refuses.
            DatabaseHangsError: if it does not answer.
        """
        self.lost_referrals = max(self.lost_referrals, await self._letters.lost_referrals())
        letters = await self._letters.take_over(alive)
        for letter in letters:
            self._queue(letter)
        return len(letters)

    def kick(self) -> None:
        """Try everything again now: Slack is well."""
        for lane in self._lanes.values():
            lane.failures = 0
            lane.news.set()

    async def drain(self, seconds: float) -> None:
        """Send what can be sent, at most so long; what waits stays written down."""
        self._stopping = True
        until = time.monotonic() + seconds
        for lane in self._lanes.values():
            lane.news.set()
        # Again, because a letter that arrives may bring another one.
        while self._tasks and (left := until - time.monotonic()) > 0:
            await asyncio.wait(set(self._tasks), timeout=left)
        self._closed = True
        late = set(self._tasks)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)

    def _queue(self, letter: Letter) -> None:
        if self._closed:
            # It is written down; whoever runs next sends it.
            return
        lane = self._lanes.get(letter.lane)
        if lane is not None:
            lane.put(letter)
            if letter.referral:
                lane.news.set()
            return
        lane = self._lanes[letter.lane] = Lane()
        lane.put(letter)
        task = asyncio.get_running_loop().create_task(self._run(letter.lane, lane))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, name: str, lane: Lane) -> None:
        try:
            while letter := lane.next():
                try:
                    done = await self._try(letter)
                    lane.failures = 0
                    if not done:
                        lane.put(letter, first=True)
                except DeliveryError as problem:
                    lane.put(letter, first=True)
                    if self._stopping:
                        return
                    lane.waiting = True
                    await self._pause(lane, problem)
                    lane.waiting = False
                except Exception as error:
                    # A fault of ours: the letter stays written down, the others go on.
                    logger.error("Sending %s to Slack failed: %s", letter.name, type(error).__name__)
        finally:
            del self._lanes[name]

    async def _pause(self, lane: Lane, problem: DeliveryError) -> None:
        lane.failures += 1
        seconds = min(FIRST_PAUSE * 2 ** min(lane.failures - 1, 10), LONGEST_PAUSE)
        limited = problem.after is not None
        lane.news.clear()
        until = time.monotonic() + (problem.after if problem.after is not None else seconds)
        while (left := until - time.monotonic()) > 0 and not self._stopping:
            try:
                await asyncio.wait_for(lane.news.wait(), left)
            except asyncio.TimeoutError:
                return
            lane.news.clear()
            if not limited:
                return

    async def _try(self, letter: Letter) -> bool:
        """Make one attempt; ``False`` if the letter shall be tried again at once, in another form or way.

        Raises:
            DeliveryError: if it shall be tried again later.
        """
        if await self._letters.withdrawn(letter):
            return True
        if time.time() - letter.accepted > GIVE_UP:
            await self._lost(letter, "too old")
            return True
        way = letter.ways[0]
        try:
            channel, ts = await self._once(letter, way)
        except DeliveryError as problem:
            return await self._failed(letter, problem)
        except Exception as error:
            return await self._failed(letter, classified(error))
        await self._letters.sent(letter, channel, ts)
        if letter.then is not None:
            self._queue(letter.then)
        return True

    async def _once(self, letter: Letter, way: Way) -> tuple[Optional[str], Optional[str]]:
        if letter.uncertain:
            found = await self._sender.arrived(letter, way)
            letter.uncertain = False
            if found is not None:
                return found
        letter.attempts += 1
        return await self._sender.send(letter, way)

    async def _failed(self, letter: Letter, problem: DeliveryError) -> bool:
        # Asked in vain whether it had arrived, it is as uncertain as before.
        letter.uncertain = letter.uncertain or problem.uncertain
        if problem.way_on == WAIT:
            if problem.code in REFUSED:
                self._refused(problem.code)
            if letter.attempts == 1:
                logger.warning("Slack does not take %s now (%s); it waits.", letter.name, problem)
            raise problem
        if problem.way_on == BLOCKS and plainer(letter):
            logger.error("Slack finds fault with the blocks of %s (%s); sent with less.", letter.name, problem)
            return False
        if problem.way_on in (ELSEWHERE, BLOCKS) and len(letter.ways) > 1:
            logger.warning("Slack does not take %s there (%s); it goes another way.", letter.name, problem)
            del letter.ways[0]
            letter.attempts, letter.then = 0, None
            await self._letters.changed(letter)
            return False
        await self._lost(letter, problem.code)
        return True

    async def _lost(self, letter: Letter, why: str) -> None:
        logger.error("Slack did not take %s: %s", letter.name, why)
        if letter.referral:
            self.lost_referrals += 1
            STATUS.failed("undelivered_referrals", f"Slack did not take a referral: {why}")
        await self._letters.lost(letter)
        if letter.otherwise is not None:
            self._queue(letter.otherwise)
