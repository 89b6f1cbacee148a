"""The database: an engine, and threads that call it, so that nobody waits for it for ever."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, TypeVar

import sqlalchemy as sa
from sqlalchemy.pool import StaticPool

from calla.status import STATUS

T = TypeVar("T")
# Seconds a call may take. A referral is due within three, and a message calls before it is sent.
DEADLINE = 1.0
# Seconds for which a database that missed a deadline is not called again.
PAUSE = 5.0


class DatabaseHangsError(RuntimeError):
    """The database does not answer in time; the call was given up or not made at all."""


def engine_for(url: str) -> sa.engine.Engine:
    """Create an engine.

    SQLite gets one shared connection with a write-ahead log: opening the file for every
    message would cost more than answering it. Errors never repeat the values of a
    statement: they would carry messages into the log.
    """
    if not url.startswith("sqlite"):
        return sa.create_engine(url, pool_pre_ping=True, hide_parameters=True)
    engine = sa.create_engine(
        url,
        poolclass=StaticPool,
        connect_args={"timeout": DEADLINE, "check_same_thread": False},
        hide_parameters=True,
    )

    @sa.event.listens_for(engine, "connect")
    def _fast(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    return engine


class Database:
    """One database, called from the event loop without holding the loop up.

    Args:
        url: SQLAlchemy address.
        threads: calls at the same time; with one, calls are made in the order they come.

    Attributes:
        engine: the engine, for the functions that are handed to ``call``.
    """

    def __init__(self, url: str, threads: int = 8) -> None:
        self.engine = engine_for(url)
        if url.startswith("sqlite"):
            # Its one connection takes one call at a time.
            threads = 1
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="database")
        self._paused_until = 0.0

    async def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run a function that uses the engine in a thread.

        Raises:
            DatabaseHangsError: after ``DEADLINE`` seconds, and at once for ``PAUSE``
                seconds after that.
            sqlalchemy.exc.SQLAlchemyError: if the database refuses.
        """
        if time.monotonic() < self._paused_until:
            raise DatabaseHangsError("the database did not answer a moment ago")
        loop = asyncio.get_running_loop()
        try:
            return await asyncio.wait_for(loop.run_in_executor(self._pool, function, *arguments), DEADLINE)
        except asyncio.TimeoutError:
            self._paused_until = time.monotonic() + PAUSE
            STATUS.failed("database_failures", "the database does not answer")
            raise DatabaseHangsError(f"the database did not answer within {DEADLINE} s") from None
