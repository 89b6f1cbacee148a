"""What is kept of people in Slack, and forgotten: the channel's own tables, a conversation, one message."""

from __future__ import annotations

import json
import logging
import time
from typing import Iterable

import sqlalchemy as sa
from rasa.shared.core.events import UserUttered

from calla.agent import GuardedAgent
from calla.channels.slack.identity import ERASE
from calla.channels.slack.ledger import CONVERSATIONS, LETTERS, QUESTIONS, Ledger
from calla.store import ConversationStore

logger = logging.getLogger(__name__)

# What tells a person how far an erasure got; it holds nothing of theirs.
REPORT_PREFIX = "utter_slack/erased"


class TableEraser:
    """Erases what the tables of this channel hold of people.

    Every method raises unless what it deletes is in no file of the database any more (see
    ``Ledger.erase``).

    Args:
        ledger: the database.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        # When each erasure was asked for that is not done: what is said later is not meant.
        self._asked: dict[str, float] = {}

    async def erase(self, conversation: str) -> None:
        """Erase what is kept of whoever speaks in a conversation (an eraser of ``calla.erasure``).

        A wish to erase everything is for the person, whose conversations are all named one by
        one. What stays until it is done: the wish itself, the report about it, a referral that
        Slack has not taken yet, and where Calla's messages stand in Slack, to be deleted there.
        """
        before = self._asked.setdefault(conversation, time.time())
        await self._ledger.erase(lambda: self._erase(conversation, before))
        del self._asked[conversation]

    def _erase(self, conversation: str, before: float) -> None:
        mine = CONVERSATIONS.c.conversation == conversation
        with self._ledger.engine.begin() as connection:
            known = connection.execute(sa.select((CONVERSATIONS.c.person,)).where(mine)).fetchone()
            if known is None:
                return
            if not self._erase_questions(connection, known.person, before):
                connection.execute(CONVERSATIONS.delete().where(mine))
            self._erase_letters(connection, known.person, before)

    @staticmethod
    def _erase_questions(connection: sa.engine.Connection, person: str, before: float) -> bool:
        """Delete questions; returns whether a wish to erase is among them, which stays until it is done."""
        theirs = (QUESTIONS.c.person == person) & (QUESTIONS.c.accepted <= before)
        open_ones = connection.execute(
            sa.select((QUESTIONS.c.key, QUESTIONS.c.question)).where(theirs).where(QUESTIONS.c.question.isnot(None))
        ).fetchall()
        wishes = [row.key for row in open_ones if json.loads(row.question)["wish"] == ERASE]
        connection.execute(QUESTIONS.delete().where(theirs).where(QUESTIONS.c.key.notin_(wishes)))
        return bool(wishes)

    @staticmethod
    def _erase_letters(connection: sa.engine.Connection, person: str, before: float) -> None:
        """Delete letters, their texts and which answers they were."""
        theirs = (LETTERS.c.person == person) & (LETTERS.c.accepted <= before)
        waiting = LETTERS.c.letter.isnot(None)
        stays = waiting & (LETTERS.c.referral | LETTERS.c.part.startswith(REPORT_PREFIX, autoescape=True))
        placed = LETTERS.c.ts.isnot(None)
        connection.execute(LETTERS.delete().where(theirs & ~waiting & ~placed))
        # The outbox sees by the empty row that a letter is withdrawn.
        nameless = LETTERS.update().values(letter=None, part=LETTERS.c.id)
        connection.execute(nameless.where(theirs & placed))
        connection.execute(nameless.where(theirs & waiting & ~stays).values(person=""))

    async def forget_posts(self, person: str, ids: Iterable[str]) -> None:
        """Delete where messages stood in Slack, and which conversations a person had; the end of an erasure."""
        gone = list(ids)

        def delete() -> None:
            with self._ledger.engine.begin() as connection:
                connection.execute(LETTERS.delete().where(LETTERS.c.id.in_(gone)))
                connection.execute(CONVERSATIONS.delete().where(CONVERSATIONS.c.person == person))

        await self._ledger.erase(delete)

    async def forget_team(self, team: str) -> None:
        """Delete everything of a workspace."""

        def delete() -> None:
            with self._ledger.engine.begin() as connection:
                for table in (CONVERSATIONS, QUESTIONS, LETTERS):
                    connection.execute(table.delete().where(table.c.team == team))

        await self._ledger.erase(delete)

    async def purge(self, before: float) -> None:
        """Delete what was accepted before a moment (seconds since the epoch), which ends deleting it in Slack too.

        Also what was answered since goes from the write-ahead log, where its text stands still.
        """

        def delete() -> None:
            with self._ledger.engine.begin() as connection:
                for table in (QUESTIONS, LETTERS):
                    connection.execute(table.delete().where(table.c.accepted < before))

        await self._ledger.erase(delete)


async def forget_conversation(agent: GuardedAgent, conversation: str) -> bool:
    """Forget a conversation; say whether that is certain. If not, it is noted and retried."""
    try:
        return await agent.erase(conversation)
    except Exception as error:
        logger.error("Erasing a conversation failed: %s", type(error).__name__)
        return False


async def forget_message(agent: GuardedAgent, conversation: str, message: str) -> None:
    """Delete the event that holds what a person wrote in one message."""
    if isinstance(agent.tracker_store, ConversationStore):
        await agent.tracker_store.erase_message(conversation, message)
    if agent.journal is not None:
        await agent.journal.erase_message(conversation, message)


async def is_stored(agent: GuardedAgent, conversation: str, message: str) -> bool:
    """Say whether the agent has stored one message of a conversation; it does so when it has answered it."""
    if not isinstance(agent.tracker_store, ConversationStore):
        return False
    events = await agent.tracker_store.last_events(conversation)
    return any(isinstance(event, UserUttered) and event.message_id == message for event in events)
