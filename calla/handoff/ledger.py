"""What hand-offs keep in the database, so that a restart loses nothing and several processes agree."""

from __future__ import annotations

import contextlib
import json
import time
import uuid
from dataclasses import dataclass
from typing import Any, Iterable, Mapping, Optional

import sqlalchemy as sa

from calla.database import Database

# A hand-off is offered, then waits for a person, is taken by one, and has ended.
OFFERED, WAITING, TAKEN, ENDED = "offered", "waiting", "taken", "ended"
OPEN = (WAITING, TAKEN)

METADATA = sa.MetaData()
HANDOFFS = sa.Table(
    "handoffs",
    METADATA,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("conversation", sa.String(128), nullable=False, index=True),
    sa.Column("state", sa.String(16), nullable=False, index=True),
    # Name of the person, as their inbox gives it.
    sa.Column("person", sa.String(80), nullable=True),
    # What the visitor was shown and may agree to pass on: JSON; null once it is in a letter.
    sa.Column("passed", sa.Text, nullable=True),
    # What the inbox needs to find it again: JSON; and the part by which the inbox names it.
    sa.Column("remote", sa.Text, nullable=True),
    sa.Column("remote_key", sa.String(128), nullable=True, index=True),
    sa.Column("delivered", sa.Boolean, nullable=False, default=False),
    # Whether the visitor has been told that the inbox does not answer.
    sa.Column("told", sa.Boolean, nullable=False, default=False),
    # Seconds since the epoch: offered or agreed to; last sign of the person.
    sa.Column("opened", sa.Float, nullable=False, index=True),
    sa.Column("heard", sa.Float, nullable=False),
)
# Events on their way to the inbox. The content goes when the inbox has taken it; the key stays,
# so that the same event is not written down twice.
LETTERS = sa.Table(
    "handoff_letters",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("handoff", sa.String(32), nullable=False),
    sa.Column("key", sa.String(96), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("body", sa.Text, nullable=True),
    sa.Column("created", sa.Float, nullable=False, index=True),
    sa.Column("next_try", sa.Float, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.UniqueConstraint("handoff", "key"),
)
# Keys of what the inbox has sent, so that a repeated message is shown once.
SEEN = sa.Table(
    "handoff_seen",
    METADATA,
    sa.Column("handoff", sa.String(32), primary_key=True),
    sa.Column("key", sa.String(96), primary_key=True),
)


@dataclass(frozen=True)
class Handoff:
    """A hand-off (see the columns of ``HANDOFFS``)."""

    id: str
    conversation: str
    state: str
    person: Optional[str]
    passed: list[str]
    remote: dict[str, Any]
    delivered: bool
    opened: float
    heard: float


@dataclass(frozen=True)
class Letter:
    """An event for the inbox (see the columns of ``LETTERS``)."""

    id: int
    handoff: str
    key: str
    kind: str
    body: dict[str, Any]
    created: float
    attempts: int


class HandoffLedger:
    """Reads and writes hand-offs. Every change names the states it starts from, so it happens once.

    Args:
        database: where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._engine = database.engine

    async def of(self, conversation: str, states: Iterable[str]) -> Optional[Handoff]:
        """Return the latest hand-off of a conversation in one of these states."""
        query = HANDOFFS.c.conversation == conversation, HANDOFFS.c.state.in_(list(states))
        found = await self._database.call(self._find, *query)
        return found[-1] if found else None

    async def get(self, handoff: str) -> Optional[Handoff]:
        """Return a hand-off by its id."""
        found = await self._database.call(self._find, HANDOFFS.c.id == handoff)
        return found[0] if found else None

    async def by_remote(self, key: str) -> Optional[Handoff]:
        """Return the hand-off that the inbox knows under this key."""
        found = await self._database.call(self._find, HANDOFFS.c.remote_key == key)
        return found[-1] if found else None

    async def in_states(self, *states: str) -> list[Handoff]:
        """Return all hand-offs in these states."""
        return await self._database.call(self._find, HANDOFFS.c.state.in_(states))

    def _find(self, *conditions: Any) -> list[Handoff]:
        query = sa.select(HANDOFFS).where(sa.and_(*conditions)).order_by(HANDOFFS.c.opened)
        with self._engine.connect() as connection:
            return [_handoff(row) for row in connection.execute(query)]

    # ----------------------------------------------------------------------------- changes

    async def offer(self, conversation: str, passed: list[str]) -> None:
        """Note what the visitor is shown; an earlier offer gives way."""
        await self._database.call(self._offer, conversation, json.dumps(passed))

    def _offer(self, conversation: str, passed: str) -> None:
        now = time.time()
        row = {"id": uuid.uuid4().hex, "conversation": conversation, "state": OFFERED, "passed": passed}
        with self._engine.begin() as connection:
            connection.execute(_offers_of(conversation))
            connection.execute(HANDOFFS.insert(), {**row, "opened": now, "heard": now})

    async def withdraw_offer(self, conversation: str) -> None:
        """Forget an offer that was declined."""
        await self._database.call(self._execute, _offers_of(conversation))

    async def change(
        self,
        handoff: str,
        states: Iterable[str],
        letter: Optional[tuple[str, str, Mapping[str, Any]]] = None,
        **values: Any,
    ) -> bool:
        """Change a hand-off that is in one of these states, and write an event for the inbox in the same step.

        Args:
            handoff: its id.
            states: states that it may be in.
            letter: key, kind and content of the event, if there is one.
            **values: new values.

        Returns:
            whether it was in such a state: of several that try the same, one succeeds.
        """
        return await self._database.call(self._change, handoff, list(states), letter, values)

    def _change(self, handoff: str, states: list[str], letter: Any, values: dict[str, Any]) -> bool:
        mine = HANDOFFS.update().where(HANDOFFS.c.id == handoff).where(HANDOFFS.c.state.in_(states))
        with self._engine.begin() as connection:
            if connection.execute(mine.values(**values)).rowcount != 1:
                return False
            if letter is not None:
                _write(connection, handoff, *letter)
            return True

    async def tell_once(self, handoff: str) -> bool:
        """Note that the visitor is told that the inbox does not answer; ``False`` if they have been."""

        def note() -> bool:
            mine = HANDOFFS.update().where(HANDOFFS.c.id == handoff).where(HANDOFFS.c.state.in_(OPEN))
            with self._engine.begin() as connection:
                return bool(connection.execute(mine.where(HANDOFFS.c.told.is_(False)).values(told=True)).rowcount)

        return await self._database.call(note)

    async def write(self, handoff: str, key: str, kind: str, body: Mapping[str, Any]) -> None:
        """Write an event for the inbox down; the same key again is the same event."""

        def write() -> None:
            # Another process may write the same at this moment.
            with contextlib.suppress(sa.exc.IntegrityError), self._engine.begin() as connection:
                _write(connection, handoff, key, kind, body)

        await self._database.call(write)

    async def is_new(self, handoff: str, key: str) -> bool:
        """Note something that came from the inbox; ``False`` if it came before."""

        def note() -> bool:
            try:
                with self._engine.begin() as connection:
                    connection.execute(SEEN.insert(), {"handoff": handoff, "key": key})
            except sa.exc.IntegrityError:
                return False
            return True

        return await self._database.call(note)

    async def forget_seen(self, handoff: str, key: str) -> None:
        """Take back ``is_new``: what came could not be shown, and will come again."""
        await self._database.call(
            self._execute, SEEN.delete().where(SEEN.c.handoff == handoff).where(SEEN.c.key == key)
        )

    def _execute(self, *statements: Any) -> None:
        with self._engine.begin() as connection:
            for statement in statements:
                connection.execute(statement)

    # ------------------------------------------------------------------- letters on their way

    async def due(self, lease: float) -> list[Letter]:
        """Take the oldest undelivered event of each hand-off whose time has come.

        Args:
            lease: seconds for which no other process takes them.
        """
        return await self._database.call(self._due, lease)

    def _due(self, lease: float) -> list[Letter]:
        now = time.time()
        first = sa.select(sa.func.min(LETTERS.c.id)).where(LETTERS.c.body.isnot(None)).group_by(LETTERS.c.handoff)
        query = sa.select(LETTERS).where(LETTERS.c.id.in_(first)).where(LETTERS.c.next_try <= now)
        taken = []
        with self._engine.begin() as connection:
            for row in connection.execute(query).fetchall():
                mine = LETTERS.update().where(LETTERS.c.id == row.id).where(LETTERS.c.next_try == row.next_try)
                if connection.execute(mine.values(next_try=now + lease)).rowcount == 1:
                    body = json.loads(row.body)
                    taken.append(Letter(row.id, row.handoff, row.key, row.kind, body, row.created, row.attempts))
        return taken

    async def delivered(self, letter: Letter) -> None:
        """Note that the inbox has an event."""
        mine = HANDOFFS.update().where(HANDOFFS.c.id == letter.handoff)
        waiting = sa.select(LETTERS.c.id).where(LETTERS.c.handoff == letter.handoff).where(LETTERS.c.body.isnot(None))
        await self._database.call(
            self._execute,
            LETTERS.update().where(LETTERS.c.id == letter.id).values(body=None),
            mine.values(delivered=True),
            # Only when all has arrived is the trouble over that the visitor was told of.
            mine.where(~waiting.exists()).values(told=False),
        )

    async def remember(self, handoff: str, remote: dict[str, Any], remote_key: Optional[str]) -> None:
        """Note under which name the inbox keeps a hand-off."""
        values = {"remote": json.dumps(remote), "remote_key": remote_key}
        await self._database.call(self._execute, HANDOFFS.update().where(HANDOFFS.c.id == handoff).values(**values))

    async def failed(self, letter: Letter, wait: float) -> None:
        """Note that an event was not taken, and in how many seconds it is tried again."""
        change = LETTERS.update().where(LETTERS.c.id == letter.id)
        await self._database.call(
            self._execute, change.values(next_try=time.time() + wait, attempts=letter.attempts + 1)
        )

    async def waits(self, letter: Letter) -> bool:
        """Say whether an event has not arrived yet."""

        def look() -> bool:
            query = sa.select(LETTERS.c.id).where(LETTERS.c.id == letter.id).where(LETTERS.c.body.isnot(None))
            with self._engine.connect() as connection:
                return connection.execute(query).fetchone() is not None

        return await self._database.call(look)

    async def drop(self, handoff: str) -> None:
        """Give up what has not arrived of a hand-off that has ended."""
        await self._database.call(self._execute, LETTERS.update().where(LETTERS.c.handoff == handoff).values(body=None))

    async def undelivered(self) -> int:
        """Return how many events wait for the inbox."""

        def count() -> int:
            query = sa.select(sa.func.count()).select_from(LETTERS).where(LETTERS.c.body.isnot(None))
            with self._engine.connect() as connection:
                return int(connection.execute(query).scalar() or 0)

        return await self._database.call(count)

    # ----------------------------------------------------------------------------- forgetting

    async def was_passed_on(self, conversation: str) -> bool:
        """Say whether anything of a conversation may have reached the inbox."""
        mine = HANDOFFS.c.conversation == conversation
        return bool(await self._database.call(self._find, mine, HANDOFFS.c.state != OFFERED))

    async def erase(self, conversation: str) -> None:
        """Forget all hand-offs of a conversation; what the inbox has is asked to be deleted there.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: if the database refuses.
            DatabaseHangsError: if it does not answer in time.
            NotScrubbedError: if it is deleted, but may still be in a file.
        """
        await self._database.call(self._erase, HANDOFFS.c.conversation == conversation, True)
        await self._database.call(self._database.scrub, HANDOFFS.name, LETTERS.name, SEEN.name)

    async def purge(self, before: float) -> None:
        """Delete what is older than a time (seconds since the epoch)."""
        await self._database.call(self._erase, HANDOFFS.c.opened < before, False)
        await self._database.call(self._execute, LETTERS.delete().where(LETTERS.c.created < before))

    def _erase(self, condition: Any, ask_inbox: bool) -> None:
        gone = self._find(condition)
        with self._engine.begin() as connection:
            for one in gone:
                connection.execute(LETTERS.delete().where(LETTERS.c.handoff == one.id))
                connection.execute(SEEN.delete().where(SEEN.c.handoff == one.id))
                connection.execute(HANDOFFS.delete().where(HANDOFFS.c.id == one.id))
                if ask_inbox and one.state != OFFERED:
                    _write(connection, one.id, "erase", "erase", {"remote": one.remote})


def _offers_of(conversation: str) -> Any:
    return HANDOFFS.delete().where(HANDOFFS.c.conversation == conversation).where(HANDOFFS.c.state == OFFERED)


def _write(connection: Any, handoff: str, key: str, kind: str, body: Mapping[str, Any]) -> None:
    known = sa.select(LETTERS.c.id).where(LETTERS.c.handoff == handoff).where(LETTERS.c.key == key)
    if connection.execute(known).fetchone() is None:
        row = {"handoff": handoff, "key": key, "kind": kind, "body": json.dumps(body), "created": time.time()}
        connection.execute(LETTERS.insert(), {**row, "next_try": 0.0, "attempts": 0})


def _handoff(row: Any) -> Handoff:
    return Handoff(
        row.id,
        row.conversation,
        row.state,
        row.person,
        json.loads(row.passed or "[]"),
        json.loads(row.remote or "{}"),
        bool(row.delivered),
        row.opened,
        row.heard,
    )
