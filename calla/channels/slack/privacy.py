"""Forgetting: everything of a person, a message they deleted, a workspace that took Calla out."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Awaitable, Callable, Mapping, Optional

from slack_sdk.web.async_client import AsyncWebClient

from calla.channels.slack.blocks import plain
from calla.channels.slack.errors import WAIT, classified, reason
from calla.channels.slack.forgetting import TableEraser
from calla.channels.slack.identity import Question
from calla.channels.slack.inbox import Inbox
from calla.channels.slack.letters import Letters, directly, letter_for
from calla.channels.slack.outbox import Outbox
from calla.channels.slack.words import SlackWords
from calla.database import DATABASE_FAILURES
from calla.erasure import RETRY_EVERY

logger = logging.getLogger(__name__)

# Slack's codes for a message that is not there any more.
_GONE = ("message_not_found", "channel_not_found", "is_inactive")
# Forgets a conversation; says whether that is certain now (else it is noted and retried).
Forget = Callable[[str], Awaitable[bool]]
# Forgets one message of a conversation by its id.
ForgetMessage = Callable[[str, str], Awaitable[None]]


class Privacy:
    """Forgets.

    Args:
        client: Slack's Web API; it waits when Slack limits the rate.
        words: the texts.
        inbox: questions and conversations.
        letters: messages, waiting and sent.
        tables: erases what the channel's own tables hold.
        outbox: sends the report.
        forget: forgets a conversation everywhere.
        forget_message: forgets one message of a conversation.
    """

    def __init__(
        self,
        client: AsyncWebClient,
        words: SlackWords,
        inbox: Inbox,
        letters: Letters,
        tables: TableEraser,
        outbox: Outbox,
        forget: Forget,
        forget_message: ForgetMessage,
    ) -> None:
        self._client = client
        self._words = words
        self._inbox = inbox
        self._letters = letters
        self._tables = tables
        self._outbox = outbox
        self._forget = forget
        self._forget_message = forget_message

    async def erase(self, wish: Question) -> bool:
        """Erase everything of a person, and tell them what could not be; returns whether it is done.

        Begun anew, after a restart or because it was not done, it goes on with what is left.
        """
        deleted = kept = 0
        conversations = [wish.conversation]
        try:
            known = await self._inbox.conversations(person=wish.person)
            conversations = list(dict.fromkeys([*known, wish.conversation]))
            done = all([await self._forget(one) for one in conversations])
            gone, deleted, kept = await self._delete_posts(wish.person)
            if done:
                await self._tables.forget_posts(wish.person, gone)
        except DATABASE_FAILURES as error:
            logger.error("Erasing in Slack's tables failed: %s", type(error).__name__)
            done = False
        name = "utter_slack/erased" if done else "utter_slack/erased_later"
        parts = [plain(name, self._words, conversations=str(len(conversations)), messages=str(deleted))]
        if kept:
            parts.append(plain("utter_slack/erased_not_all", self._words, messages=str(kept)))
        for post in parts:
            letter = letter_for(wish, post.name, post.text, post.blocks, directly(wish.place))
            await self._outbox.put(letter)
        return done

    async def _delete_posts(self, person: str) -> tuple[list[str], int, int]:
        """Delete Calla's messages to a person.

        Returns:
            the letters that need not be known any more, how many messages went, and how many stay.
        """
        gone: list[str] = []
        deleted = kept = 0
        for id, channel, ts in await self._letters.posted(person):
            try:
                if not ts:
                    kept += 1
                else:
                    await self._client.chat_delete(channel=channel, ts=ts)
                    deleted += 1
            except Exception as error:
                if classified(error).code not in _GONE:
                    logger.warning("Slack does not delete a message (%s).", reason(error))
                    kept += 1
                    if classified(error).way_on == WAIT:
                        # Known still, so that asking once more can delete it.
                        continue
            gone.append(id)
        return gone, deleted, kept

    async def message_deleted(self, key: str, conversation: str) -> None:
        """Forget a message that its author has deleted; a referral that it owed still arrives."""
        await self._inbox.done(key)
        await self._letters.withdraw(key)
        await self._forget_message(conversation, key)

    async def uninstalled(self, team: str) -> None:
        """Forget a workspace; what the database does not take now, it takes later."""
        conversations: list[str] = []
        while True:
            try:
                conversations = conversations or await self._inbox.conversations(team=team)
                for conversation in conversations:
                    await self._forget(conversation)
                await self._tables.forget_team(team)
                break
            except DATABASE_FAILURES as error:
                logger.error("Forgetting a workspace failed: %s; it is tried again.", type(error).__name__)
                await asyncio.sleep(RETRY_EVERY)
        logger.warning("Calla was taken out of a Slack workspace; its %d conversations are erased.", len(conversations))


def deleted_message(event: Mapping[str, Any]) -> Optional[tuple[str, str, str, Optional[str]]]:
    """Read a ``message_deleted`` event: channel, timestamp, author and thread of what was deleted."""
    before = event.get("previous_message") or {}
    ts = event.get("deleted_ts") or before.get("ts")
    if not (ts and event.get("channel") and before.get("user")):
        return None
    return str(event["channel"]), str(ts), str(before["user"]), before.get("thread_ts")
