"""The journal: what became of each message, without text; and, if switched on, the questions without an answer.

Writing happens after the answer and beside the event loop; nobody waits for it. What cannot be
written is tried again for a while and then given up: it is a statistic.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Callable, Optional

import sqlalchemy as sa

from calla.database import Database
from calla.records import hashed, utc
from calla.status import STATUS

logger = logging.getLogger(__name__)

METADATA = sa.MetaData()
TURNS = sa.Table(
    "turns",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("time", sa.DateTime, nullable=False),
    sa.Column("channel", sa.String(32), nullable=False),
    sa.Column("outcome", sa.String(32), nullable=False),
    # Names of the responses and of the referrals that were said, and ids that were offered; by spaces.
    sa.Column("answers", sa.String(400), nullable=False),
    sa.Column("offers", sa.String(400), nullable=False),
    # Each referral as "name:kind:way".
    sa.Column("referrals", sa.String(400), nullable=False),
    sa.Column("seconds_to_referral", sa.Float),
    sa.Column("seconds_to_end", sa.Float, nullable=False),
    sa.Column("conversation", sa.String(64), nullable=False, index=True),
)
UNANSWERED = sa.Table(
    "unanswered",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    # The day alone: with the second, a question could be found in other logs.
    sa.Column("time", sa.DateTime, nullable=False),
    sa.Column("outcome", sa.String(32), nullable=False),
    sa.Column("text", sa.String(500), nullable=False),
    # Keyed hashes, emptied when the conversation itself is deleted by age.
    sa.Column("message", sa.String(64), nullable=False, index=True),
    sa.Column("conversation", sa.String(64), nullable=False, index=True),
)
# What Calla had no answer to: she said so, or asked back.
WITHOUT_ANSWER = frozenset({"decline", "clarify"})
# Turns that wait to be written, and those written at once.
MAX_WAITING = 2_000
BATCH = 50
# Seconds between two attempts while the database refuses.
BACK_OFF = 5.0


@dataclass(frozen=True)
class Turn:
    """What became of one message.

    Attributes:
        conversation: id of the conversation.
        message: id of the message.
        channel: name of the channel.
        outcome: that of the plan, ``failed`` without one.
        answers: names of the responses that were said after the referrals.
        offers: ids of topics and details that were offered.
        referrals: ``name:kind:way`` of each referral that was said.
        to_referral: seconds to the first referral, ``None`` without one.
        to_end: seconds to the end of the answer.
        question: the text, if it is to be logged as unanswered; else ``None``.
    """

    conversation: str
    message: str
    channel: str
    outcome: str
    answers: tuple[str, ...]
    offers: tuple[str, ...]
    referrals: tuple[str, ...]
    to_referral: Optional[float]
    to_end: float
    question: Optional[str] = None


class Journal:
    """Writes the journal, and forgets.

    Args:
        database: where it is kept.
        key: key of the hash over conversation ids.
        erased: says of a conversation whether it is still to be erased; nothing of it is written.
        cleaner: makes the function that cleans a question (``calla.reporting.cleaning``), called once in the
            thread that cleans; ``None``: no questions are kept.
    """

    def __init__(
        self,
        database: Database,
        key: str,
        erased: Callable[[str], bool] = lambda _: False,
        cleaner: Optional[Callable[[], Callable[[str], str]]] = None,
    ) -> None:
        self._database = database
        # To its end, however long that takes: a call that was given up and made again would be written twice.
        self._writer = database.in_order()
        self._key = key
        self._erased = erased
        self._make_cleaner = cleaner
        self._clean: Optional[Callable[[str], str]] = None
        self._waiting: deque[Turn] = deque(maxlen=MAX_WAITING)
        self._more = asyncio.Event()
        # Nothing is written while a conversation is being erased.
        self._writing = asyncio.Lock()
        # One thread: cleaning takes what the answers leave of the processor.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")

    @property
    def keeps_questions(self) -> bool:
        """Whether questions without an answer are kept."""
        return self._make_cleaner is not None

    def note(self, turn: Turn) -> None:
        """Have a turn written; returns at once."""
        self._waiting.append(turn)
        self._more.set()

    async def write(self) -> None:
        """Write what waits, for as long as the server runs."""
        await self.prepare()
        while True:
            await self._more.wait()
            self._more.clear()
            while self._waiting:
                try:
                    await self.flush()
                except Exception as error:
                    logger.error("The journal failed: %s", type(error).__name__)
                    STATUS.failed("record_failures", f"journal: {type(error).__name__}")
                    await asyncio.sleep(BACK_OFF)

    async def prepare(self) -> None:
        """Make the cleaner before the first question needs it."""
        if self._make_cleaner is not None and self._clean is None:
            try:
                self._clean = await asyncio.get_running_loop().run_in_executor(self._thread, self._make_cleaner)
            except Exception as error:
                # Rather no log than one that is not clean.
                logger.error("No questions are kept; the cleaner failed: %s", type(error).__name__)
                STATUS.failed("record_failures", f"cleaner: {type(error).__name__}")

    async def flush(self) -> None:
        """Write one batch of what waits.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: if the database refuses; then nothing is lost.
        """
        async with self._writing:
            batch = [self._waiting[n] for n in range(min(BATCH, len(self._waiting)))]
            kept = [turn for turn in batch if not self._erased(turn.conversation)]
            rows = await asyncio.get_running_loop().run_in_executor(self._thread, self._rows, kept)
            await self._writer.run(self._write, *rows)
            for turn in batch:
                if self._waiting and self._waiting[0] is turn:
                    self._waiting.popleft()

    def _rows(self, turns: list[Turn]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return the rows of both tables; questions are cleaned here, in the thread."""
        now = utc()
        rows, questions = [], []
        for turn in turns:
            conversation = hashed(turn.conversation, self._key)
            rows.append(
                {
                    "time": now,
                    "channel": turn.channel[:32],
                    "outcome": turn.outcome[:32],
                    "answers": " ".join(turn.answers)[:400],
                    "offers": " ".join(turn.offers)[:400],
                    "referrals": " ".join(turn.referrals)[:400],
                    "seconds_to_referral": turn.to_referral,
                    "seconds_to_end": turn.to_end,
                    "conversation": conversation,
                }
            )
            if turn.question and self._clean is not None and (text := self._clean(turn.question)):
                questions.append(
                    {
                        "time": now.replace(hour=0, minute=0, second=0, microsecond=0),
                        "outcome": turn.outcome[:32],
                        "text": text[:500],
                        "message": self._message(turn.conversation, turn.message),
                        "conversation": conversation,
                    }
                )
        return rows, questions

    def _message(self, conversation: str, message: str) -> str:
        return hashed(f"{conversation} {message}", self._key)

    def _write(self, rows: list[dict[str, Any]], questions: list[dict[str, Any]]) -> None:
        with self._database.engine.begin() as connection:
            if rows:
                connection.execute(TURNS.insert(), rows)
            if questions:
                connection.execute(UNANSWERED.insert(), questions)

    # ----------------------------------------------------------------------------- forgetting

    async def erase(self, conversation: str) -> None:
        """Delete everything noted of a conversation (an eraser of ``calla.erasure``).

        Raises:
            sqlalchemy.exc.SQLAlchemyError: if the database refuses.
            NotScrubbedError: if it is deleted, but may still be in a file.
        """
        self._drop(lambda turn: turn.conversation == conversation)
        name = hashed(conversation, self._key)
        async with self._writing:
            await self._delete([table.delete().where(table.c.conversation == name) for table in (TURNS, UNANSWERED)])

    async def erase_message(self, conversation: str, message: str) -> None:
        """Delete the question of one message; raises as ``erase`` does."""
        self._drop(lambda turn: (turn.conversation, turn.message) == (conversation, message))
        name = self._message(conversation, message)
        async with self._writing:
            await self._delete([UNANSWERED.delete().where(UNANSWERED.c.message == name)])

    async def let_go(self, conversation: str) -> None:
        """Write nothing any more of a conversation that another process erases; returns when nothing is on its way."""
        self._drop(lambda turn: turn.conversation == conversation)
        async with self._writing:
            return

    def _drop(self, unwanted: Callable[[Turn], bool]) -> None:
        kept = [turn for turn in self._waiting if not unwanted(turn)]
        self._waiting.clear()
        self._waiting.extend(kept)

    async def purge(self, before: float) -> None:
        """Delete turns noted before a time, and what links older questions to their conversation."""
        limit = utc(before)
        unlink = UNANSWERED.update().where(UNANSWERED.c.time < limit).values(message="", conversation="")
        await self._writer.run(self._execute, [TURNS.delete().where(TURNS.c.time < limit), unlink])

    async def purge_questions(self, before: float) -> None:
        """Delete questions noted before a time."""
        limit = utc(before)
        await self._delete([UNANSWERED.delete().where(UNANSWERED.c.time < limit)])

    async def _delete(self, statements: list[Any]) -> None:
        await self._writer.run(self._execute, statements)
        await self._writer.run(self._database.scrub, TURNS.name, UNANSWERED.name)

    def _execute(self, statements: list[Any]) -> None:
        with self._database.engine.begin() as connection:
            for statement in statements:
                connection.execute(statement)

    async def of(self, conversation: str) -> dict[str, list[dict[str, Any]]]:
        """Return what is noted of a conversation, for an export.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: if the database refuses.
            DatabaseHangsError: if it does not answer in time.
        """
        return await self._database.call(self._of, hashed(conversation, self._key))

    def _of(self, name: str) -> dict[str, list[dict[str, Any]]]:
        hidden = ("id", "conversation", "message")
        with self._database.engine.connect() as connection:
            return {
                table.name: [
                    {key: str(value) if key == "time" else value for key, value in row._mapping.items()}
                    for row in connection.execute(
                        sa.select([c for c in table.c if c.name not in hidden]).where(table.c.conversation == name)
                    )
                ]
                for table in (TURNS, UNANSWERED)
            }
