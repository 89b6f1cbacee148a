"""From an accepted question to an answer in the outbox."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Any, Awaitable, Callable, Optional

from rasa.core.channels.channel import UserMessage

from calla.channels.slack.audience import Audience
from calla.channels.slack.blocks import plain
from calla.channels.slack.care import Care
from calla.channels.slack.home import welcome
from calla.channels.slack.identity import ERASE, IM, STOP, Question
from calla.channels.slack.inbox import Inbox
from calla.channels.slack.lanes import Turn
from calla.channels.slack.outbox import Outbox
from calla.channels.slack.output import SlackOutput
from calla.channels.slack.privacy import Privacy
from calla.channels.slack.seen import Seen
from calla.channels.slack.words import SlackWords

logger = logging.getLogger(__name__)

ERROR_RESPONSE = "utter_error"
# Seconds that answering one message may take altogether, before its lane goes on.
ANSWER_DEADLINE = 60.0

OnNewMessage = Callable[[UserMessage], Awaitable[Any]]


class Answering:
    """Understands questions and hands the answers to the outbox.

    Args:
        handle: gives a message to the agent.
        inbox: knows what is open.
        outbox: sends the answers.
        seen: what this process, or another one, has answered.
        words: the texts.
        care: tells the care team.
        audience: knows who may ask.
        privacy: erases.
        again: takes a wish to erase that is not done yet.
        heard: says whether the agent has stored a message of a conversation, and so its answer.
    """

    def __init__(
        self,
        handle: OnNewMessage,
        inbox: Inbox,
        outbox: Outbox,
        seen: Seen,
        words: SlackWords,
        care: Care,
        audience: Audience,
        privacy: Privacy,
        again: Callable[[Question], None],
        heard: Callable[[str, str], Awaitable[bool]],
    ) -> None:
        self._handle = handle
        self._inbox = inbox
        self._outbox = outbox
        self._seen = seen
        self._words = words
        self._care = care
        self._audience = audience
        self._privacy = privacy
        self._again = again
        self._heard = heard

    async def answer(self, question: Question, left: bool, turn: Turn) -> None:
        """Answer one question (see ``Lanes``), unless that has been done.

        Args:
            question: the question.
            left: whether a process that is gone has left it.
            turn: what to hold while it is understood.
        """
        if not left and not await self._seen.claim(question.key):
            await self._inbox.done(question.key)
            return
        if not await self._inbox.is_open(question):
            return
        if question.wish == ERASE:
            if not await self._privacy.erase(question):
                # Still open, and so tried again after a restart too.
                self._again(question)
                return
        elif question.wish == STOP:
            if left:
                await self._inbox.leave(question.conversation)
            await self._say(question, "utter_slack/stopped")
        elif not question.urgent and not await self._audience.admits(question.place):
            await self._turn_away(question, left, turn)
        elif not question.text and question.unread:
            await self._say(question, "utter_slack/cannot_open")
        elif not question.text and question.place.kind != IM:
            await self._output(question).say(welcome(self._words))
        else:
            await self._understand(question, left, turn)
        await self._inbox.done(question.key)

    def _output(self, question: Question, *, only_owed: bool = False) -> SlackOutput:
        return SlackOutput(question, self._outbox, self._words, self._care, only_owed=only_owed)

    async def _say(self, question: Question, name: str, *, private: bool = False) -> None:
        await self._output(question).say(plain(name, self._words), private=private)

    async def _turn_away(self, question: Question, left: bool, turn: Turn) -> None:
        """Talk to members only; what somebody else is owed, a referral or an erasure, they get all the same."""
        output = await self._understand(question, left, turn, only_owed=True) if question.text else None
        if output is None or not output.names:
            await self._say(question, "utter_slack/outsider", private=True)

    async def _understand(self, question: Question, left: bool, turn: Turn, *, only_owed: bool = False) -> SlackOutput:
        output = self._output(question, only_owed=only_owed)
        # What the agent has stored was handed to the outbox before, whole. Understood again,
        # as the second message of its kind, it would be answered in other words.
        if not (left and await self._heard(question.conversation, question.key)):
            await self._handled(question, output, turn)
        if question.unread and not only_owed:
            # Last: nothing stands before a referral.
            await output.say(plain("utter_slack/cannot_open", self._words))
        if output.erase:
            wish = replace(question, key=f"{question.key}:erase", text="", wish=ERASE)
            await self._inbox.add(wish)
            await self.answer(wish, True, turn)
        return output

    async def _handled(self, question: Question, output: SlackOutput, turn: Turn) -> None:
        message = UserMessage(
            question.text,
            output,
            question.conversation,
            input_channel=output.name(),
            message_id=question.key,
        )
        async with turn(question):
            problem: Optional[Exception] = None
            try:
                await asyncio.wait_for(self._handle(message), ANSWER_DEADLINE)
            except Exception as error:
                logger.error("Understanding a Slack message failed: %s", type(error).__name__)
                problem = error
        if problem is not None and not output.names:
            await output.send_response(question.conversation, self._words.message(ERROR_RESPONSE))
