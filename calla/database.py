"""The database: an engine, and threads that call it, so that nobody waits for it for ever."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Optional, TypeVar

import sqlalchemy as sa
from sqlalchemy.pool import QueuePool, StaticPool

from calla.migrations import migrate
from calla.status import STATUS

logger = logging.getLogger(__name__)
T = TypeVar("T")
# Seconds a call may take. A referral is due within three, and a message calls before it is sent.
DEADLINE = 1.0
# Threads and connections of one database.
THREADS = 4
# What a PostgreSQL connection is told: to notice a dead network, and to hold nothing for ever.
_POSTGRESQL = {
    "application_name": "calla",
    "connect_timeout": 2,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "options": "-c statement_timeout=60s -c lock_timeout=1s -c idle_in_transaction_session_timeout=60s",
}
# In what PostgreSQL tells of a rewritten table: how many deleted rows it had to keep.
_DEAD_ROWS = re.compile(r"\n\D*(\d+)")


class DatabaseHangsError(RuntimeError):
    """The database does not answer in time; the call was given up or not made at all."""


class NotScrubbedError(RuntimeError):
    """Deleted content may still be in the database's files."""


# What a call may raise when the database does not do what it was asked.
DATABASE_FAILURES = (sa.exc.SQLAlchemyError, DatabaseHangsError, NotScrubbedError)


def engine_for(url: str, connections: int = THREADS) -> sa.engine.Engine:
    """Create an engine.

    SQLite gets connections that stay open (opening the file for every message would cost more
    than answering it), a write-ahead log, so that who reads need not wait for who writes, and
    overwrites what it deletes. Errors never repeat the values of a statement: they would
    carry messages into the log.
    """
    if url.startswith("postgresql"):
        return sa.create_engine(
            url,
            pool_size=connections,
            max_overflow=1,
            pool_timeout=DEADLINE,
            pool_pre_ping=True,
            connect_args=_POSTGRESQL,
            hide_parameters=True,
        )
    arguments: dict[str, Any] = {"timeout": DEADLINE, "check_same_thread": False}
    if in_memory(url):
        engine = sa.create_engine(url, poolclass=StaticPool, connect_args=arguments, hide_parameters=True)
    else:
        engine = sa.create_engine(
            url,
            poolclass=QueuePool,
            pool_size=connections,
            max_overflow=1,
            pool_timeout=DEADLINE,
            connect_args=arguments,
            hide_parameters=True,
        )

    @sa.event.listens_for(engine, "connect")
    def _settle(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA secure_delete=ON")

    return engine


def in_memory(url: str) -> bool:
    """Say whether an address is that of an SQLite database without a file."""
    return url.startswith("sqlite") and sa.engine.make_url(url).database in (None, "", ":memory:")


class Database:
    """One database, called from the event loop without holding the loop up.

    A call that takes too long is given up by whoever waits for it; its thread is missing until
    it comes back. Only while all threads are missing are calls refused, so one slow call costs
    nobody else anything.

    Args:
        url: SQLAlchemy address.
        threads: calls at the same time; with one, calls are made in the order they come.

    Attributes:
        engine: the engine, for the functions that are handed to ``call``.
    """

    def __init__(self, url: str, threads: int = THREADS) -> None:
        self.engine = engine_for(url, threads)
        self._is_file = url.startswith("sqlite") and not in_memory(url)
        # A database without a file is one connection, which takes one call at a time.
        self._threads = 1 if in_memory(url) else threads
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="database")
        self._missing = 0
        self._is_postgresql = url.startswith("postgresql")
        self._up_to_date = False
        self._migrating = threading.Lock()

    async def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run a function that uses the engine in a thread.

        Raises:
            DatabaseHangsError: after ``DEADLINE`` seconds, or at once if no thread is left.
            sqlalchemy.exc.SQLAlchemyError: if the database refuses.
        """
        if self._missing >= self._threads:
            STATUS.failed("database_failures", "the database does not answer")
            raise DatabaseHangsError("no thread is left for the database")
        job = self._pool.submit(self._run, function, *arguments)
        loop = asyncio.get_running_loop()
        done, _ = await asyncio.wait({waiting := asyncio.wrap_future(job, loop=loop)}, timeout=DEADLINE)
        if not done:
            if not job.cancel():
                self._missing += 1
                job.add_done_callback(lambda _: self._came_back(loop))
            waiting.add_done_callback(_taken_note_of)
            STATUS.failed("database_failures", "the database does not answer")
            raise DatabaseHangsError(f"the database did not answer within {DEADLINE} s")
        try:
            return waiting.result()
        except Exception as error:
            STATUS.failed("database_failures", f"database: {type(error).__name__}")
            raise

    def _came_back(self, loop: asyncio.AbstractEventLoop) -> None:
        def count() -> None:
            self._missing -= 1

        if not loop.is_closed():
            loop.call_soon_threadsafe(count)

    def _run(self, function: Callable[..., T], *arguments: Any) -> T:
        if not self._up_to_date:
            # As soon as the database can be reached one thread makes its tables; the others wait for that.
            with self._migrating:
                if not self._up_to_date:
                    migrate(self.engine)
                    self._up_to_date = True
        return function(*arguments)

    def in_order(self) -> OrderedCalls:
        """Return calls of this database that are made one after the other, each to its end."""
        return OrderedCalls(self._run)

    def scrub(self, *tables: str) -> None:
        """Make sure that what was deleted is in no file any more; blocks.

        SQLite overwrites deleted rows in the database file, but the write-ahead log still has
        what was written before. It is emptied here. PostgreSQL leaves deleted rows in place:
        the tables are written anew without them, and the log before that is dropped.

        Args:
            tables: from which something was deleted.

        Raises:
            NotScrubbedError: if somebody else is reading from the log or the tables just now.
        """
        if self._is_postgresql:
            with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                for table in tables:
                    _rewrite(connection, table)
                _drop_log(connection)
        if not self._is_file:
            return
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy is None or busy[0] != 0:
            raise NotScrubbedError("the write-ahead log is in use")


def _rewrite(connection: sa.engine.Connection, table: str) -> None:
    """Write a table of PostgreSQL's anew, without its deleted rows.

    Raises:
        NotScrubbedError: if an open transaction may still look at one of them.
    """
    # SQLAlchemy would throw away what the database tells.
    try:
        with connection.connection.cursor() as cursor:
            cursor.execute(f'VACUUM (FULL, VERBOSE) "{table}"')
            told = list(cursor.connection.notices)
            cursor.connection.notices.clear()
    except connection.dialect.dbapi.Error as error:
        raise NotScrubbedError(f"a table could not be written anew ({type(error).__name__})") from None
    found = [match for notice in told if (match := _DEAD_ROWS.search(notice))]
    if not found or any(int(match.group(1)) for match in found):
        raise NotScrubbedError("deleted rows are still in use")


def _drop_log(connection: sa.engine.Connection) -> None:
    """Begin a new file of PostgreSQL's write-ahead log and have those before it dropped.

    That needs two rights and one setting (``deploy/postgresql/setup.sql``); ``make doctor`` says
    if they are missing, and ``/health`` that the log keeps what was deleted until it is reused.
    """
    try:
        connection.execute(sa.select(sa.func.pg_switch_wal()))
        connection.exec_driver_sql("CHECKPOINT")
    except sa.exc.ProgrammingError:
        STATUS.facts["log_keeps_deleted"] = lambda: True


class OrderedCalls:
    """Calls made one after the other in a thread of their own.

    Args:
        run: runs a function with its arguments.
    """

    def __init__(self, run: Callable[..., Any]) -> None:
        self._call = run
        self._pool: Optional[ThreadPoolExecutor] = None

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run a function, however long it takes."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="writing")
        result: T = await asyncio.get_running_loop().run_in_executor(self._pool, self._call, function, *arguments)
        return result


def _taken_note_of(future: asyncio.Future[Any]) -> None:
    """Look at the exception of a call that was given up, so that nobody complains that none did."""
    if not future.cancelled():
        future.exception()
