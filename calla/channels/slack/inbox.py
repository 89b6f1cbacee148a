"""The inbox: questions that were accepted and are not answered yet, kept across restarts.

Slack is told "received" at once and does not send a message again after that. So the
question is written down before, and taken up again by whoever runs next. The text goes
when the answer is out; the hashed key stays a while, so that a copy that arrives after
a restart is known too.
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from typing import Container, Optional

import sqlalchemy as sa

from calla.channels.slack.identity import Question
from calla.database import Database

_METADATA = sa.MetaData()
INBOX = sa.Table(
    "slack_inbox",
    _METADATA,
    sa.Column("key", sa.String(64), primary_key=True),
    # Question as JSON; null once it is answered.
    sa.Column("question", sa.Text, nullable=True),
    # Messages of the answer that are out.
    sa.Column("sent", sa.Integer, nullable=False),
    sa.Column("owner", sa.String(32), nullable=False),
    # Seconds since the epoch.
    sa.Column("accepted", sa.Float, nullable=False, index=True),
)
# Seconds for which an answered message is remembered; Slack's last retry comes after five minutes.
REMEMBER = 15 * 60
# Seconds after which an unanswered question is given up. A day covers an outage.
GIVE_UP = 24 * 3600
# Messages between two cleanings.
_CLEAN_EVERY = 200


class Inbox:
    """Keeps questions until they are answered.

    The methods wait for the database: in the event loop, hand them to ``database.call``.

    Args:
        url: SQLAlchemy address of the database.
        owner: name of this process; made up if not given.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: from every method, if the database does not answer.
    """

    def __init__(self, url: str, owner: Optional[str] = None) -> None:
        self.owner = owner or uuid.uuid4().hex
        # In the order they come: questions queue in the order in which they were written down.
        self.database = Database(url, threads=1)
        self._engine = self.database.engine
        self._added = 0
        _METADATA.create_all(self._engine)

    @staticmethod
    def _hash(key: str) -> str:
        return hashlib.sha256(key.encode()).hexdigest()

    def add(self, question: Question) -> bool:
        """Write a question down; ``False`` if it is there already."""
        row = {
            "key": self._hash(question.key),
            "question": json.dumps(question.as_dict()),
            "sent": 0,
            "owner": self.owner,
            "accepted": time.time(),
        }
        try:
            with self._engine.begin() as connection:
                connection.execute(INBOX.insert(), row)
        except sa.exc.IntegrityError:
            return False
        self._added += 1
        if self._added % _CLEAN_EVERY == 1:
            self.clean()
        return True

    def sent(self, question: Question, number: int) -> None:
        """Note how many messages of the answer are out."""
        with self._engine.begin() as connection:
            connection.execute(INBOX.update().where(INBOX.c.key == self._hash(question.key)).values(sent=number))

    def done(self, question: Question) -> None:
        """Forget a question's content: it is answered."""
        with self._engine.begin() as connection:
            connection.execute(INBOX.update().where(INBOX.c.key == self._hash(question.key)).values(question=None))

    def take_over(self, alive: Container[str] = ()) -> list[tuple[Question, int]]:
        """Take the open questions of processes that are gone.

        Args:
            alive: owners that are still running and keep theirs.

        Returns:
            questions with the number of messages already out, oldest first.
        """
        found = []
        with self._engine.begin() as connection:
            columns = (INBOX.c.key, INBOX.c.question, INBOX.c.sent, INBOX.c.owner)
            rows = connection.execute(
                sa.select(columns)
                .where(INBOX.c.question.isnot(None))
                .where(INBOX.c.owner != self.owner)
                .where(INBOX.c.accepted > time.time() - GIVE_UP)
                .order_by(INBOX.c.accepted)
            ).fetchall()
            for row in rows:
                if row.owner in alive:
                    continue
                # Another process may take it at the same moment: only one change counts.
                taken = connection.execute(
                    INBOX.update()
                    .where(INBOX.c.key == row.key)
                    .where(INBOX.c.owner == row.owner)
                    .values(owner=self.owner)
                )
                if taken.rowcount == 1:
                    found.append((Question.from_dict(json.loads(row.question)), int(row.sent)))
        return found

    def open(self) -> int:
        """Return how many questions are not answered yet."""
        with self._engine.begin() as connection:
            query = sa.select([sa.func.count()]).select_from(INBOX).where(INBOX.c.question.isnot(None))
            return int(connection.execute(query).scalar() or 0)

    def clean(self) -> None:
        """Delete what is answered and old, and what nobody will answer any more."""
        now = time.time()
        answered = sa.and_(INBOX.c.question.is_(None), INBOX.c.accepted < now - REMEMBER)
        with self._engine.begin() as connection:
            connection.execute(INBOX.delete().where(sa.or_(answered, INBOX.c.accepted < now - GIVE_UP)))
