"""The inbox: questions that were accepted and are not answered yet, kept across restarts.

Slack is told "received" at once and does not send a message again after that. So the
question is written down before, and taken up again by whoever runs next. The text goes
when the answer is in the outbox; the hashed key stays a day, so that a copy that
arrives after a restart is known too.
"""

from __future__ import annotations

import hashlib
import json
import time
from typing import Container, Optional

import sqlalchemy as sa

from calla.channels.slack.identity import Question
from calla.channels.slack.ledger import CONVERSATIONS, QUESTIONS, Ledger

# Seconds for which an answered message is remembered, and after which a question that
# nobody could answer is given up. A day covers an outage.
REMEMBER = GIVE_UP = 24 * 3600
# Messages between two cleanings.
_CLEAN_EVERY = 200


def hashed_key(key: str) -> str:
    """Return the form in which the key of a question is kept."""
    return hashlib.sha256(key.encode()).hexdigest()


class Inbox:
    """Keeps questions until they are answered, and knows who takes part where.

    Args:
        ledger: the database.
        owner: name of this process.
    """

    def __init__(self, ledger: Ledger, owner: str) -> None:
        self._ledger = ledger
        self._engine = ledger.engine
        self.owner = owner
        self._added = 0

    async def add(self, question: Question, *, adopt: bool = False) -> bool:
        """Write a question down; ``False`` if it is there already.

        Args:
            question: the question.
            adopt: whether Calla takes part in its conversation from now on.
        """
        return await self._ledger.keep(lambda: self._add(question, adopt))

    def _add(self, question: Question, adopt: bool) -> bool:
        row = {
            "key": hashed_key(question.key),
            "question": json.dumps(question.as_dict()),
            "person": question.person,
            "team": question.place.team,
            "owner": self.owner,
            "accepted": time.time(),
        }
        try:
            with self._engine.begin() as connection:
                connection.execute(QUESTIONS.insert(), row)
                self._upsert(connection, question, adopt)
        except sa.exc.IntegrityError:
            return False
        self._added += 1
        if self._added % _CLEAN_EVERY == 1:
            self.clean()
        return True

    @staticmethod
    def _upsert(connection: sa.engine.Connection, question: Question, adopt: bool) -> None:
        mine = CONVERSATIONS.c.conversation == question.conversation
        known = connection.execute(sa.select((CONVERSATIONS.c.adopted,)).where(mine)).fetchone()
        if known is None:
            values = {"person": question.person, "team": question.place.team, "adopted": adopt}
            connection.execute(CONVERSATIONS.insert(), {"conversation": question.conversation, **values})
        elif adopt and not known.adopted:
            connection.execute(CONVERSATIONS.update().where(mine).values(adopted=True))

    async def met(self, question: Question) -> None:
        """Note that somebody did something in a conversation without asking, so that it is erased with theirs."""

        def note() -> None:
            with self._engine.begin() as connection:
                self._upsert(connection, question, False)

        await self._ledger.note(note)

    async def takes_part(self, conversation: str) -> bool:
        """Say whether Calla takes part in a conversation without being mentioned.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: if the database refuses.
            DatabaseHangsError: if it does not answer. Slack then delivers the message again.
        """
        return await self._ledger.sure(lambda: self._takes_part(conversation))

    def _takes_part(self, conversation: str) -> bool:
        query = sa.select((CONVERSATIONS.c.adopted,)).where(CONVERSATIONS.c.conversation == conversation)
        with self._engine.begin() as connection:
            row = connection.execute(query).fetchone()
        return bool(row is not None and row.adopted)

    async def leave(self, conversation: str) -> None:
        """Take part in a conversation no more, until the next mention."""
        query = CONVERSATIONS.update().where(CONVERSATIONS.c.conversation == conversation).values(adopted=False)
        await self._ledger.note(lambda: self._engine.execute(query))

    async def is_open(self, question: Question) -> bool:
        """Say whether a question still wants an answer: its message may have been deleted since."""
        query = sa.select((QUESTIONS.c.question,)).where(QUESTIONS.c.key == hashed_key(question.key))

        def look() -> bool:
            with self._engine.begin() as connection:
                row = connection.execute(query).fetchone()
            return row is None or row.question is not None

        return await self._ledger.ask(look, True)

    async def done(self, key: str) -> None:
        """Forget a question's content: it is answered, or withdrawn."""
        query = QUESTIONS.update().where(QUESTIONS.c.key == hashed_key(key)).values(question=None)
        await self._ledger.note(lambda: self._engine.execute(query))

    async def take_over(self, alive: Container[str] = ()) -> list[Question]:
        """Take the open questions of processes that are gone, oldest first.

        Args:
            alive: owners that are still running and keep theirs.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: if the database refuses.
            DatabaseHangsError: if it does not answer.
        """
        left = await self._ledger.take_over(QUESTIONS.c.question, self.owner, alive, time.time() - GIVE_UP)
        return [Question.from_dict(json.loads(question)) for question in left]

    async def give_up(self) -> list[tuple[Question, float]]:
        """Give up what nobody could answer for too long; returns it with the time when it was accepted.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: if the database refuses.
            DatabaseHangsError: if it does not answer.
        """

        def close() -> list[tuple[Question, float]]:
            old = (QUESTIONS.c.accepted <= time.time() - GIVE_UP) & QUESTIONS.c.question.isnot(None)
            given_up = []
            with self._engine.begin() as connection:
                for row in connection.execute(sa.select((QUESTIONS,)).where(old)).fetchall():
                    mine = QUESTIONS.update().where(QUESTIONS.c.key == row.key).where(QUESTIONS.c.question.isnot(None))
                    if connection.execute(mine.values(question=None)).rowcount == 1:
                        given_up.append((Question.from_dict(json.loads(row.question)), float(row.accepted)))
            return given_up

        return await self._ledger.hand_out("given up", close)

    def clean(self) -> None:
        """Delete what is answered and old."""
        old = QUESTIONS.c.accepted < time.time() - REMEMBER
        with self._engine.begin() as connection:
            connection.execute(QUESTIONS.delete().where(old & QUESTIONS.c.question.is_(None)))

    async def conversations(self, *, person: Optional[str] = None, team: Optional[str] = None) -> list[str]:
        """Return the conversations of a person, or of a workspace.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: if the database refuses.
            DatabaseHangsError: if it does not answer.
        """
        query = sa.select((CONVERSATIONS.c.conversation,))
        query = query.where(CONVERSATIONS.c.person == person if person else CONVERSATIONS.c.team == team)

        def look() -> list[str]:
            with self._engine.begin() as connection:
                return [str(row.conversation) for row in connection.execute(query).fetchall()]

        return await self._ledger.sure(look)
