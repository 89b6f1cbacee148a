"""What the server does beside answering: look after its database, its age, and its supervisor."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import socket
import time
from pathlib import Path
from typing import Any, Awaitable, Callable

import aiohttp
import sqlalchemy as sa

from calla.database import Database
from calla.status import STATUS, gauge

logger = logging.getLogger(__name__)

_METADATA = sa.MetaData()
PROBE = sa.Table(
    "health_probe",
    _METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("written", sa.Float, nullable=False),
)
# Seconds between two looks at database and action server, and between two deletions by age.
PROBE_EVERY = 15.0
PURGE_EVERY = 3600.0
DAY = 24 * 3600

Purge = Callable[[float], Awaitable[Any]]


async def repeat(what: str, job: Callable[[], Awaitable[Any]], every: float) -> None:
    """Do something now and from time to time; a failure is logged by its kind and tried again."""
    while True:
        try:
            await job()
        except Exception as error:
            logger.error("%s failed: %s", what, type(error).__name__)
        await asyncio.sleep(every)


class Probes:
    """Knows whether what the server depends on works, by using it.

    Args:
        database: the database.
        action_health: address at which the action server says that it is well.
        folder: the data folder, for its free space.
    """

    def __init__(self, database: Database, action_health: str, folder: Path) -> None:
        self._database = database
        self._action_health = action_health
        self.database_works = False
        self.action_server_works = False
        STATUS.facts["database_works"] = lambda: self.database_works
        STATUS.facts["action_server_works"] = lambda: self.action_server_works
        STATUS.facts["free_disk_megabytes"] = lambda: shutil.disk_usage(folder).free // 2**20
        gauge("calla_database_works", "1 if a write and a read just worked", lambda: float(self.database_works))
        gauge("calla_action_server_works", "1 if the action server answered", lambda: float(self.action_server_works))
        gauge("calla_free_disk_bytes", "Free space for data", lambda: float(shutil.disk_usage(folder).free))

    async def look(self) -> None:
        """Write and read in the database, and ask the action server."""
        try:
            now = time.time()
            self.database_works = await self._database.call(self._write_and_read, now) == now
        except Exception:
            self.database_works = False
        try:
            limit = aiohttp.ClientTimeout(total=2)
            async with aiohttp.ClientSession(timeout=limit) as client, client.get(self._action_health) as answer:
                self.action_server_works = answer.status == 200
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError):
            self.action_server_works = False

    def _write_and_read(self, now: float) -> float:
        with self._database.engine.begin() as connection:
            mine = PROBE.c.id == os.getpid()
            connection.execute(PROBE.delete().where(mine | (PROBE.c.written < now - PURGE_EVERY)))
            connection.execute(PROBE.insert(), {"id": os.getpid(), "written": now})
            return float(connection.execute(sa.select(PROBE.c.written).where(mine)).scalar() or 0.0)


class Retention:
    """Deletes by age.

    Args:
        days: how long anything is kept.
        purges: functions that delete what is older than a time (seconds since the epoch).
        shown: whether ``/health`` says when it last worked.
    """

    def __init__(self, days: int, *purges: Purge, shown: bool = True) -> None:
        self._days = days
        self._purges = purges
        self.last = 0.0
        if shown:
            STATUS.facts["last_deletion_by_age"] = lambda: round(self.last)

    async def purge(self) -> None:
        """Delete what is too old, everywhere."""
        for purge in self._purges:
            await purge(time.time() - self._days * DAY)
        self.last = time.time()


def notify(state: str) -> None:
    """Tell the supervisor (systemd, or ``make run``) something, if there is one (sd_notify)."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        try:
            sender.sendto(state.encode(), address)
        except OSError as error:
            logger.warning("The supervisor cannot be told anything: %s", error.strerror)


async def signs_of_life() -> None:
    """Tell the supervisor that the event loop turns, twice within the time that it allows."""
    allowed = int(os.environ.get("WATCHDOG_USEC") or 0) / 1e6
    while allowed:
        notify("WATCHDOG=1")
        await asyncio.sleep(allowed / 2)
