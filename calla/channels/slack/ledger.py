"""What the Slack channel keeps in the database, and how it writes there without ever waiting for it."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Any, Callable, Container, Optional, TypeVar

import sqlalchemy as sa

from calla.database import Database, DatabaseHangsError

logger = logging.getLogger(__name__)

METADATA = sa.MetaData()
# Questions that were accepted. The text goes when the answer is handed to the outbox.
QUESTIONS = sa.Table(
    "slack_questions",
    METADATA,
    sa.Column("key", sa.String(64), primary_key=True),
    # Question as JSON; null once it is answered.
    sa.Column("question", sa.Text, nullable=True),
    sa.Column("person", sa.String(64), nullable=False, index=True),
    sa.Column("team", sa.String(32), nullable=False),
    sa.Column("owner", sa.String(32), nullable=False),
    # Seconds since the epoch.
    sa.Column("accepted", sa.Float, nullable=False, index=True),
)
# Messages for Slack. The content goes when Slack has taken it; where it stands is kept,
# so that it can be deleted there.
LETTERS = sa.Table(
    "slack_letters",
    METADATA,
    sa.Column("id", sa.String(32), primary_key=True),
    # Hashed key of the question, and which part of its answer this is.
    sa.Column("question", sa.String(64), nullable=False),
    sa.Column("part", sa.String(160), nullable=False),
    sa.Column("person", sa.String(64), nullable=False, index=True),
    sa.Column("team", sa.String(32), nullable=False),
    # Letter as JSON; null once Slack has it, or nobody will try any more.
    sa.Column("letter", sa.Text, nullable=True),
    sa.Column("referral", sa.Boolean, nullable=False),
    sa.Column("lost", sa.Boolean, nullable=False),
    sa.Column("channel", sa.String(32), nullable=True),
    sa.Column("ts", sa.String(32), nullable=True),
    sa.Column("owner", sa.String(32), nullable=False),
    sa.Column("accepted", sa.Float, nullable=False, index=True),
    sa.UniqueConstraint("question", "part"),
)
# Which conversations a person has, and in which threads Calla takes part.
CONVERSATIONS = sa.Table(
    "slack_conversations",
    METADATA,
    sa.Column("conversation", sa.String(64), primary_key=True),
    sa.Column("person", sa.String(64), nullable=False, index=True),
    sa.Column("team", sa.String(32), nullable=False),
    sa.Column("adopted", sa.Boolean, nullable=False),
)
# Seconds between two attempts to write what the database did not take.
AGAIN = 2.0

T = TypeVar("T")


class Ledger:
    """The database of the channel, called in the order in which things happen.

    Args:
        url: SQLAlchemy address of the database.
    """

    def __init__(self, url: str) -> None:
        self._database = Database(url, threads=1)
        self.engine = self._database.engine
        self._late: deque[Callable[[], Any]] = deque()
        self._found: dict[str, list[Any]] = {}
        self._writing: Optional[asyncio.Task[None]] = None

    async def ask(self, function: Callable[[], T], otherwise: T) -> T:
        """Call the database; ``otherwise`` is the answer if it does not answer."""
        try:
            return await self._database.call(function)
        except (sa.exc.SQLAlchemyError, DatabaseHangsError) as error:
            logger.error("Slack's part of the database failed: %s", type(error).__name__)
            return otherwise

    async def keep(self, function: Callable[[], bool]) -> bool:
        """Write something down; ``False`` if it is there already.

        What the database does not take in time, because it hangs or because many write at once,
        is written later, and counts as new.
        """
        if not self._late:
            try:
                return await self._database.call(function)
            except (sa.exc.SQLAlchemyError, DatabaseHangsError) as error:
                logger.error("Slack's part of the database failed: %s", type(error).__name__)
        self._later(function)
        return True

    async def note(self, function: Callable[[], Any]) -> None:
        """Write something that may be written later, and must be written in the end."""
        if self._late or not await self._written(function):
            self._later(function)

    def _later(self, function: Callable[[], Any]) -> None:
        self._late.append(function)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write_late())

    async def sure(self, function: Callable[[], T]) -> T:
        """Call the database behind everything that was noted.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: if the database refuses.
            DatabaseHangsError: if it does not answer, or earlier writes are still to be made.
        """
        await self._catch_up()
        if self._late:
            raise DatabaseHangsError("earlier writes are still to be made")
        return await self._database.call(function)

    async def caught_up(self, _: str) -> None:
        """Make sure that nothing is still to be written (a forgetter of ``calla.peers``).

        Raises:
            DatabaseHangsError: if something is.
        """
        await self.sure(lambda: None)

    async def erase(self, function: Callable[[], Any]) -> None:
        """Delete something for good: when this returns, it is in no file of the database any more.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: if the database refuses.
            DatabaseHangsError: if it does not answer, or earlier writes are still to be made.
            NotScrubbedError: if it is deleted, but may still be in a file.
        """
        await self.sure(function)
        await self._database.call(self._database.scrub, QUESTIONS.name, LETTERS.name, CONVERSATIONS.name)

    async def take_over(
        self, content: sa.Column[Any], owner: str, alive: Container[str], since: float = 0.0
    ) -> list[str]:
        """Take the open rows of processes that are gone; returns their contents, oldest first.

        Args:
            content: the column that holds what is open, and null where nothing is.
            owner: name of the process that takes them.
            alive: owners that are still running and keep theirs.
            since: rows accepted before (seconds since the epoch) are left alone.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: if the database refuses.
            DatabaseHangsError: if it does not answer.
        """
        return await self.hand_out(content.table.name, lambda: self._take_over(content, owner, alive, since))

    async def hand_out(self, what: str, function: Callable[[], list[T]]) -> list[T]:
        """Call the database for what it tells once only; the next call returns what one found that was given up.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: if the database refuses.
            DatabaseHangsError: if it does not answer.
        """
        found = self._found.setdefault(what, [])
        await self._database.call(lambda: found.extend(function()))
        handed, found[:] = list(found), []
        return handed

    def _take_over(self, content: sa.Column[Any], owner: str, alive: Container[str], since: float) -> list[str]:
        table: sa.Table = content.table
        (key,) = table.primary_key.columns
        query = (
            sa.select((key.label("id"), content.label("content"), table.c.owner))
            .where(content.isnot(None))
            .where(table.c.owner != owner)
            .where(table.c.accepted > since)
            .order_by(table.c.accepted)
        )
        found: list[str] = []
        with self.engine.begin() as connection:
            for row in connection.execute(query).fetchall():
                if row.owner in alive:
                    continue
                # Another process may take it at the same moment: only one change counts.
                mine = table.update().where(key == row.id).where(table.c.owner == row.owner)
                if connection.execute(mine.values(owner=owner)).rowcount == 1:
                    found.append(row.content)
        return found

    async def _written(self, function: Callable[[], Any]) -> bool:
        def write() -> bool:
            function()
            return True

        return await self.ask(write, False)

    async def _write_late(self) -> None:
        while self._late:
            await asyncio.sleep(AGAIN)
            await self._catch_up()

    async def _catch_up(self) -> None:
        while self._late and await self._written(self._late[0]):
            self._late.popleft()

    async def close(self) -> None:
        """Try once more to write what is late; then stop."""
        if self._writing is not None:
            self._writing.cancel()
        await self._catch_up()
