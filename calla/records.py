"""The records: what was referred, what was found helpful, when and where; never what was written."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timezone
from typing import Any, Optional

import sqlalchemy as sa

from calla.database import Database

_METADATA = sa.MetaData()
REFERRALS = sa.Table(
    "referrals",
    _METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("time", sa.DateTime, nullable=False),
    sa.Column("topic", sa.String(64), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("channel", sa.String(32), nullable=False),
    sa.Column("conversation", sa.String(64), nullable=False, index=True),
)

FEEDBACK = sa.Table(
    "feedback",
    _METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("time", sa.DateTime, nullable=False),
    # Which message, so that a second thumb replaces the first; hashed like the conversation.
    sa.Column("message", sa.String(64), nullable=False, index=True),
    sa.Column("response", sa.String(128), nullable=False),
    sa.Column("value", sa.Integer, nullable=False),
    sa.Column("channel", sa.String(32), nullable=False),
    sa.Column("conversation", sa.String(64), nullable=False, index=True),
)


def utc(seconds: Optional[float] = None) -> datetime:
    """Return a time as the tables keep it, UTC without a zone: now, or that of seconds since the epoch."""
    moment = datetime.now(timezone.utc) if seconds is None else datetime.fromtimestamp(seconds, timezone.utc)
    return moment.replace(tzinfo=None)


def hashed(conversation: str, key: str) -> str:
    """Return the keyed hash (HMAC-SHA-256, hex) under which a conversation is recorded."""
    return hmac.new(key.encode(), conversation.encode(), hashlib.sha256).hexdigest()


class Records:
    """Writes and erases the record.

    Args:
        database: where it is kept.
        key: key of the hash over conversation ids.
    """

    def __init__(self, database: Database, key: str) -> None:
        self._database = database
        self._key = key

    async def referral(self, *, topic: str, kind: str, channel: str, conversation: str) -> None:
        """Record one referral, now (UTC).

        Raises:
            sqlalchemy.exc.SQLAlchemyError: if the database does not take it.
            DatabaseHangsError: if it does not answer in time.
        """
        row = {
            "time": utc(),
            "topic": topic,
            "kind": kind,
            "channel": channel,
            "conversation": hashed(conversation, self._key),
        }
        await self._database.call(self._write, [(REFERRALS.insert(), row)])

    async def feedback(self, *, message: str, response: str, value: int, channel: str, conversation: str) -> None:
        """Record a thumb on an answer; a later one on the same message replaces it.

        Args:
            message: id of the message within the conversation.
            response: name of the response.
            value: 1 for helpful, -1 for not helpful, 0 to take it back.
            channel: name of the channel.
            conversation: id of the conversation.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: if the database does not take it.
            DatabaseHangsError: if it does not answer in time.
        """
        hashed_message = hashed(f"{conversation} {message}", self._key)
        row = {
            "time": utc(),
            "message": hashed_message,
            "response": response,
            "value": value,
            "channel": channel,
            "conversation": hashed(conversation, self._key),
        }
        statements: list[tuple[Any, dict[str, Any]]] = [
            (FEEDBACK.delete().where(FEEDBACK.c.message == hashed_message), {})
        ]
        if value:
            statements.append((FEEDBACK.insert(), row))
        await self._database.call(self._write, statements)

    async def erase(self, conversation: str) -> None:
        """Delete everything recorded for a conversation, from the files of the database too.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: if the database refuses.
            DatabaseHangsError: if it does not answer in time.
            NotScrubbedError: if it is deleted, but may still be in a file.
        """
        name = hashed(conversation, self._key)
        await self._database.call(
            self._write, [(table.delete().where(table.c.conversation == name), {}) for table in (REFERRALS, FEEDBACK)]
        )
        await self._database.call(self._database.scrub, REFERRALS.name, FEEDBACK.name)

    async def purge(self, before: float) -> None:
        """Delete what was recorded before a time (seconds since the epoch)."""
        limit = utc(before)
        await self._database.call(
            self._write, [(table.delete().where(table.c.time < limit), {}) for table in (REFERRALS, FEEDBACK)]
        )

    async def of(self, conversation: str) -> dict[str, list[dict[str, Any]]]:
        """Return what is recorded for a conversation, for an export.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: if the database refuses.
            DatabaseHangsError: if it does not answer in time.
        """
        return await self._database.call(self._of, hashed(conversation, self._key))

    def _of(self, name: str) -> dict[str, list[dict[str, Any]]]:
        columns = {
            "referrals": (REFERRALS.c.time, REFERRALS.c.topic, REFERRALS.c.kind, REFERRALS.c.channel),
            "feedback": (FEEDBACK.c.time, FEEDBACK.c.response, FEEDBACK.c.value, FEEDBACK.c.channel),
        }
        with self._database.engine.connect() as connection:
            return {
                what: [
                    {key: str(value) if key == "time" else value for key, value in row._mapping.items()}
                    for row in connection.execute(sa.select(*chosen).where(chosen[0].table.c.conversation == name))
                ]
                for what, chosen in columns.items()
            }

    def _write(self, statements: list[tuple[Any, dict[str, Any]]]) -> None:
        with self._database.engine.begin() as connection:
            for statement, values in statements:
                connection.execute(statement, values)
