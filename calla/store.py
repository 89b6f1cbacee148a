"""Where conversations are kept, with bounded reads, saves that are not lost, and erasure."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Callable, Iterable, Optional

import orjson
import sqlalchemy as sa
from rasa.core.brokers.broker import EventBroker
from rasa.core.tracker_store import SQLTrackerStore, TrackerStore
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import Event, SessionStarted, UserUttered
from rasa.shared.core.trackers import DialogueStateTracker

from calla.database import DEADLINE, Database
from calla.status import STATUS

logger = logging.getLogger(__name__)

# Rasa's own table, so that its tools can read what Calla stores.
EVENTS: sa.Table = SQLTrackerStore.SQLEvent.__table__
# Events read for a message: about fifteen turns. A long conversation costs what a short one does.
RECENT = 120
# Events read to show a conversation again.
SHOWN = 300
# What is kept of the understanding of a message. Ranking, tokens and a second copy of the text are not.
KEPT = ("intent", "entities", "plan", "findings")
# Bytes of events that wait for the database, and conversations written at once.
MAX_WAITING = 64 * 1024 * 1024
BATCH = 200
# Seconds for reading a conversation from its beginning; nobody's answer waits for that.
WHOLE_DEADLINE = 20.0
# Seconds between attempts while the database refuses.
BACK_OFF = (0.2, 0.5, 1.0, 2.0, 5.0)
_STORED = "_stored_events"
# What will fail again however often it is tried: the fault is in the row.
_HOPELESS = (sa.exc.DataError, TypeError, ValueError)


@dataclass(eq=False)
class _Save:
    """New events of a conversation that are not in the database yet."""

    sender: str
    rows: list[dict[str, Any]]
    size: int
    done: asyncio.Future[None]


class ConversationStore(TrackerStore):
    """Keeps conversations in an SQL database.

    Every call runs in a thread and is given up in time (``calla.database``). New events wait in
    memory until they are written, in order, and are read from there meanwhile; so an outage of
    the database loses nothing that is not older than it.

    Args:
        domain: domain of the loaded model.
        url: SQLAlchemy address, for example ``sqlite:///var/calla.db``.
        event_broker: where Rasa would publish events.
        erased: says of a conversation whether it is still to be erased; nothing of it is read or stored.
    """

    def __init__(
        self,
        domain: Optional[Domain] = None,
        url: str = "sqlite://",
        event_broker: Optional[EventBroker] = None,
        erased: Callable[[str], bool] = lambda _: False,
        **kwargs: Any,
    ) -> None:
        super().__init__(domain, event_broker, **kwargs)
        self.database = Database(url)
        self._writer = self.database.in_order()
        self._whole = self.database.in_order()
        self.erased = erased
        self._waiting: deque[_Save] = deque()
        self._bytes = 0
        self._writing: Optional[asyncio.Task[None]] = None
        STATUS.facts["unsaved_messages"] = lambda: self.unsaved

    @property
    def unsaved(self) -> int:
        """How many turns wait to be written."""
        return len(self._waiting)

    # ----------------------------------------------------------------------------- reading

    async def retrieve(self, sender_id: str) -> Optional[DialogueStateTracker]:
        """Return the recent part of a conversation's latest session, ``None`` if there is none.

        A database that fails is no reason not to answer: then what waits to be written is all.
        """
        rows = _latest_session(await self._rows(sender_id, RECENT))
        return self._tracker(sender_id, rows)

    async def retrieve_full_tracker(self, conversation_id: str) -> Optional[DialogueStateTracker]:
        """Return a conversation with all its sessions (see parent class)."""
        return self._tracker(conversation_id, await self._rows(conversation_id, None))

    async def last_events(self, sender_id: str, number: Optional[int] = SHOWN) -> list[Event]:
        """Return the last events of a conversation, across its sessions, oldest first.

        Args:
            sender_id: the conversation.
            number: how many; ``None`` for all, which takes long for a long conversation, so it is
                done beside the event loop, and half of one is never taken for the whole.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: if all are asked for and the database refuses.
            asyncio.TimeoutError: if it does not answer in time.
        """
        if number is None:
            return await asyncio.to_thread(events_of, await self._rows(sender_id, None, whole=True))
        return events_of(await self._rows(sender_id, number))

    async def keys(self) -> Iterable[str]:
        """Return the ids of all conversations (see parent class)."""
        return await self.database.call(self._keys)

    def _keys(self) -> list[str]:
        with self.database.engine.connect() as connection:
            return [row[0] for row in connection.execute(sa.select(EVENTS.c.sender_id).distinct())]

    def _tracker(self, sender_id: str, rows: list[dict[str, Any]]) -> Optional[DialogueStateTracker]:
        if not rows:
            return None
        tracker = DialogueStateTracker.from_events(sender_id, events_of(rows), self.domain.slots)
        setattr(tracker, _STORED, len(tracker.events))
        return tracker

    async def _rows(self, sender_id: str, number: Optional[int], *, whole: bool = False) -> list[dict[str, Any]]:
        """Return events as dictionaries, oldest first, those that wait to be written among them.

        Args:
            sender_id: the conversation.
            number: how many; ``None`` for all.
            whole: whether it is an error if the database cannot be read; else what waits is all.
        """
        if self.erased(sender_id):
            return []
        mine = [save.done for save in self._waiting if save.sender == sender_id]
        if mine:
            # Mostly a matter of milliseconds; in an outage, both halves are put together below.
            await asyncio.wait(mine, timeout=DEADLINE / 4)
        waiting = [save for save in self._waiting if save.sender == sender_id]
        try:
            if whole:
                reading = self._whole.run(self._read, sender_id, number)
                stored = await asyncio.wait_for(reading, WHOLE_DEADLINE)
            else:
                stored = await self.database.call(self._read, sender_id, number)
        except Exception as error:
            logger.error("Reading a conversation failed: %s", type(error).__name__)
            if whole:
                raise
            stored = []
        if waiting and waiting[0].done.done():
            # Written while the database was read: the answer may hold them, or not.
            return await self._rows(sender_id, number, whole=whole)
        rows = stored
        rows.extend(orjson.loads(row["data"]) for save in waiting for row in save.rows)
        return rows[-number:] if number else rows

    def _read(self, sender_id: str, number: Optional[int]) -> list[dict[str, Any]]:
        query = sa.select(EVENTS.c.data).where(EVENTS.c.sender_id == sender_id).order_by(EVENTS.c.id.desc())
        with self.database.engine.connect() as connection:
            found = connection.execute(query.limit(number) if number else query).fetchall()
        return [orjson.loads(row[0]) for row in reversed(found)]

    # ----------------------------------------------------------------------------- writing

    async def save(self, tracker: DialogueStateTracker) -> None:
        """Store the new events of a conversation.

        Returns when they are written, or after a second: then they are kept and written when
        the database takes them.
        """
        events = list(tracker.events)[getattr(tracker, _STORED, 0) :]
        setattr(tracker, _STORED, len(tracker.events))
        if not events or self.erased(tracker.sender_id):
            return
        rows = [_row(tracker.sender_id, event) for event in events]
        save = _Save(tracker.sender_id, rows, sum(len(row["data"]) for row in rows), _future())
        self._waiting.append(save)
        self._bytes += save.size
        while self._bytes > MAX_WAITING and len(self._waiting) > BATCH:
            self._drop(self._waiting[0], "memory for unsaved events is full")
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write_all())
        await asyncio.wait({save.done}, timeout=DEADLINE)

    async def flush(self) -> None:
        """Wait until everything is written; for the end of the process."""
        if self._writing is not None:
            await self._writing

    async def _write_all(self) -> None:
        """Write what waits, in order, until nothing does."""
        attempt, size = 0, BATCH
        while self._waiting:
            batch = [self._waiting[n] for n in range(min(size, len(self._waiting)))]
            try:
                if saves := [save.rows for save in batch if save.rows]:
                    await self._writer.run(self._write, saves, attempt > 0)
            except _HOPELESS as error:
                if len(batch) == 1:
                    self._drop(batch[0], f"events could not be stored: {type(error).__name__}")
                size = 1
                continue
            except Exception as error:
                logger.error("Storing events failed: %s", type(error).__name__)
                STATUS.failed("save_failures", f"storing events: {type(error).__name__}")
                await asyncio.sleep(BACK_OFF[min(attempt, len(BACK_OFF) - 1)])
                attempt += 1
                continue
            attempt, size = 0, BATCH
            for save in batch:
                self._forget(save)

    def _write(self, saves: list[list[dict[str, Any]]], again: bool) -> None:
        with self.database.engine.begin() as connection:
            if again:
                # A database that went away as it was told to keep them may have done so.
                saves = [rows for rows in saves if not _is_there(connection, rows[0])]
            if rows := [row for save in saves for row in save]:
                connection.execute(EVENTS.insert(), rows)

    def _drop(self, save: _Save, why: str) -> None:
        STATUS.failed("lost_saves", why)
        self._forget(save)

    def _forget(self, save: _Save) -> None:
        # An erasure may have been quicker.
        if save in self._waiting:
            self._waiting.remove(save)
            self._bytes -= save.size
        if not save.done.done():
            save.done.set_result(None)

    # ----------------------------------------------------------------------------- erasing

    async def erase(self, sender_id: str) -> None:
        """Delete a conversation, from memory, database and its files.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: if the database refuses.
            NotScrubbedError: if it is deleted, but may still be in a file.
        """
        self._drop_waiting(sender_id)
        # Behind whatever is being written just now: nothing of it comes after.
        await self._writer.run(self._erase, sender_id)

    async def let_go(self, sender_id: str) -> None:
        """Keep nothing of a conversation that another process erases; when this returns, nothing more is written."""
        self._drop_waiting(sender_id)
        await self._writer.run(lambda: None)

    def _drop_waiting(self, sender_id: str) -> None:
        for save in [save for save in self._waiting if save.sender == sender_id]:
            self._forget(save)

    def _erase(self, sender_id: str) -> None:
        with self.database.engine.begin() as connection:
            connection.execute(EVENTS.delete().where(EVENTS.c.sender_id == sender_id))
        self.database.scrub(EVENTS.name)

    async def erase_message(self, sender_id: str, message_id: str) -> None:
        """Delete one message of a conversation and what was understood of it; its answers stay.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: if the database refuses.
            NotScrubbedError: if it is deleted, but may still be in a file.
        """
        for save in self._waiting:
            if save.sender == sender_id:
                save.rows = [row for row in save.rows if not _is_message(row["type_name"], row["data"], message_id)]
        await self._writer.run(self._erase_message, sender_id, message_id)

    def _erase_message(self, sender_id: str, message_id: str) -> None:
        mine = sa.and_(EVENTS.c.sender_id == sender_id, EVENTS.c.type_name == UserUttered.type_name)
        with self.database.engine.begin() as connection:
            rows = connection.execute(sa.select(EVENTS.c.id, EVENTS.c.type_name, EVENTS.c.data).where(mine)).fetchall()
            for row in rows:
                if _is_message(row.type_name, row.data, message_id):
                    connection.execute(EVENTS.delete().where(EVENTS.c.id == row.id))
        self.database.scrub(EVENTS.name)

    async def purge(self, before: float) -> int:
        """Delete events older than ``before`` (seconds since the epoch), a few at a time; return how many."""
        number = 0
        while removed := await self._writer.run(self._purge, before):
            number += removed
        if number:
            await self._writer.run(self.database.scrub, EVENTS.name)
        return number

    def _purge(self, before: float) -> int:
        some = sa.select(EVENTS.c.id).where(EVENTS.c.timestamp < before).limit(1_000)
        with self.database.engine.begin() as connection:
            return int(connection.execute(EVENTS.delete().where(EVENTS.c.id.in_(some))).rowcount)


def events_of(rows: Iterable[dict[str, Any]]) -> list[Event]:
    """Return the events that dictionaries describe.

    Rasa's own function looks through all kinds of events, there and then, for each single one,
    which takes longer than understanding the message that the conversation is read for.
    """
    kinds = ((_kind(row["event"]), row) for row in rows if "event" in row)
    found = (kind._from_parameters(row) for kind, row in kinds if kind is not None)
    return [event for event in found if event is not None]


@lru_cache(maxsize=256)
def _kind(name: str) -> Optional[type[Event]]:
    kind: Optional[type[Event]] = Event.resolve_by_type(name)
    return kind


def _is_message(type_name: str, data: str, message_id: str) -> bool:
    return type_name == UserUttered.type_name and orjson.loads(data).get("message_id") == message_id


def _is_there(connection: sa.engine.Connection, row: dict[str, Any]) -> bool:
    mine = sa.and_(*(EVENTS.c[name] == row[name] for name in ("sender_id", "timestamp", "type_name", "data")))
    return connection.execute(sa.select(EVENTS.c.id).where(mine)).first() is not None


def _future() -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()


def _row(sender_id: str, event: Event) -> dict[str, Any]:
    """Return an event as a row of the table."""
    data = event.as_dict()
    if isinstance(event, UserUttered):
        data["parse_data"] = {key: value for key, value in (data.get("parse_data") or {}).items() if key in KEPT}
    intent = (data.get("parse_data") or {}).get("intent") or {}
    return {
        "sender_id": sender_id,
        "type_name": event.type_name,
        "timestamp": event.timestamp,
        "intent_name": intent.get("name"),
        "action_name": data.get("name"),
        "data": orjson.dumps(data, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS).decode(),
    }


def _latest_session(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the events from the latest start of a session on; else from the first message that is there whole."""
    for at in range(len(rows) - 1, -1, -1):
        if rows[at].get("event") == SessionStarted.type_name:
            # With the action that started it.
            return rows[max(0, at - 1) :]
    for at, row in enumerate(rows):
        if row.get("event") == UserUttered.type_name:
            return rows[at:]
    return rows
