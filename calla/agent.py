"""The agent with the last line of the guarantee around it."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from typing import Any, Optional

from rasa.core.agent import Agent
from rasa.core.channels.channel import OutputChannel, UserMessage
from rasa.utils.endpoints import EndpointConfig

from calla.answers import CallaNaturalLanguageGenerator
from calla.catalogue import REFERRAL_PREFIX
from calla.nlu.gate import PLAN
from calla.policies.plan import referral_name
from calla.policies.referral import ACTION as REFERRAL_ACTION
from calla.records import Records
from calla.safety.screen import load_screen
from calla.status import STATUS
from calla.store import ConversationStore

logger = logging.getLogger(__name__)

# Seconds the action server may take. Within the three seconds that the guarantee gives
# a referral, with room for the stand-in.
ACTION_DEADLINE = 1.5
# Seconds after which a message that is owed a referral gets it from here, whatever
# holds the ordinary way up.
MESSAGE_DEADLINE = 2.4
# Seconds between two looks at a conversation's lock (Rasa's default is a whole second).
LOCK_WAIT = 0.05
ERASE_RESPONSE = "utter_chat/delete_my_data"
ERROR_RESPONSE = "utter_error"


class NotAReferralError(RuntimeError):
    """The action server answered the referral action with rubbish."""


class DeadlineEndpoint(EndpointConfig):
    """The action server's address, with a time limit on every call.

    Rasa waits five minutes for a hanging action; a person waiting for a referral gets
    it within three seconds.
    """

    async def request(self, *args: Any, **kwargs: Any) -> Optional[Any]:
        """Call the action server (see parent class).

        Raises:
            asyncio.TimeoutError: after ``ACTION_DEADLINE`` seconds.
            NotAReferralError: if the referral action answers with anything but referrals.
        """
        try:
            result = await asyncio.wait_for(super().request(*args, **kwargs), ACTION_DEADLINE)
            if (kwargs.get("json") or {}).get("next_action") == REFERRAL_ACTION:
                self._check_referral(result)
            return result
        except Exception as error:
            STATUS.failed("action_failures", f"action server: {type(error).__name__}")
            raise

    @staticmethod
    def _check_referral(result: Any) -> None:
        """Refuse what is not a referral, so that it is never read before one."""
        responses = result.get("responses") if isinstance(result, dict) else None
        if not isinstance(responses, list) or not all(
            isinstance(r, dict) and str(r.get("response", "")).startswith(REFERRAL_PREFIX) for r in responses
        ):
            raise NotAReferralError("the referral action answered with something else")


class WatchedChannel(OutputChannel):
    """Passes messages on and remembers which named responses have gone out."""

    def __init__(self, channel: OutputChannel) -> None:
        self._channel = channel
        self.sent: list[str] = []
        self.count = 0

    def name(self) -> str:  # type: ignore[override]
        """Name of the channel behind."""
        return self._channel.name()

    async def send_response(self, recipient_id: str, message: dict[str, Any]) -> None:
        """Send a message once; a referral that has gone out already is not repeated."""
        name = str(message.get("utter_action") or "")
        if name.startswith(REFERRAL_PREFIX) and referral_name(name) in {referral_name(n) for n in self.sent}:
            return
        await self._channel.send_response(recipient_id, message)
        self.count += 1
        self.sent.append(name)

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._channel, attribute)


class GuardedAgent(Agent):
    """Rasa's agent, with the promises kept when something around it breaks.

    Attributes:
        records: the record of referrals; ``None`` in tools that keep none.
        conversations: the store that conversations are erased from.
    """

    records: Optional[Records] = None
    conversations: Optional[ConversationStore] = None

    async def handle_message(self, message: UserMessage) -> Optional[list[dict[str, Any]]]:
        """Handle a message; a referral that is owed arrives even if handling fails or hangs."""
        watched = WatchedChannel(message.output_channel or OutputChannel())
        channel_name = watched.name()
        message.output_channel = watched
        handling = asyncio.ensure_future(self._handle(message))
        try:
            done, _ = await asyncio.wait({handling}, timeout=MESSAGE_DEADLINE)
            if not done:
                await self._stand_in(message, watched)
            result = await handling
        except Exception as error:
            # The text stays out of the log: only what kind of failure it was.
            logger.error("Handling a message failed: %s", type(error).__name__)
            STATUS.failed("handling_failures", f"handling: {type(error).__name__}")
            await self._stand_in(message, watched)
            if not watched.count:
                await self._send(ERROR_RESPONSE, message, watched)
            result = None
        await self._record(watched, message.sender_id, channel_name)
        if ERASE_RESPONSE in watched.sent:
            await self.erase(message.sender_id)
        return result

    async def _handle(self, message: UserMessage) -> Optional[list[dict[str, Any]]]:
        """Process a message under its conversation's lock, or without one if locks fail."""
        if not self.is_ready():
            raise RuntimeError("no model is loaded")
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(self.lock_store.lock(message.sender_id, wait_time_in_seconds=LOCK_WAIT))
            except Exception as error:
                logger.error("The lock store failed: %s", type(error).__name__)
                STATUS.failed("lock_failures", f"lock store: {type(error).__name__}")
            return await self.processor.handle_message(message)  # type: ignore[union-attr]

    async def _stand_in(self, message: UserMessage, watched: WatchedChannel) -> None:
        """Send the referrals that a message is owed and that have not gone out."""
        given = {referral_name(name) for name in watched.sent if name.startswith(REFERRAL_PREFIX)}
        for name in await self._owed(message):
            if referral_name(name) not in given:
                STATUS.failed("referral_stand_ins", "referral given by the last line of the guarantee")
                await self._send(name, message, watched)

    async def _owed(self, message: UserMessage) -> list[str]:
        """Find what a message is owed without the conversation: understanding, else the screen."""
        try:
            parsed = await self.processor.parse_message(  # type: ignore[union-attr]
                UserMessage(message.text, sender_id="stand-in")
            )
            return [referral["response"] for referral in parsed[PLAN]["referrals"]]
        except Exception as error:
            logger.error("Understanding failed: %s", type(error).__name__)
            return [f"{REFERRAL_PREFIX}/{finding.topic}" for finding in load_screen().find(message.text or "")]

    async def _send(self, name: str, message: UserMessage, watched: WatchedChannel) -> None:
        if not isinstance(self.nlg, CallaNaturalLanguageGenerator):
            return
        rendered = self.nlg.render(name)
        if rendered is not None:
            rendered["utter_action"] = name
            await watched.send_response(message.sender_id, rendered)

    async def _record(self, watched: WatchedChannel, conversation: str, channel: str) -> None:
        if self.records is None or not isinstance(self.nlg, CallaNaturalLanguageGenerator):
            return
        for name in watched.sent:
            if not name.startswith(REFERRAL_PREFIX):
                continue
            try:
                await self.records.referral(
                    topic=referral_name(name), kind=self.nlg.kind_of(name), channel=channel, conversation=conversation
                )
            except Exception as error:
                logger.error("The record of referrals failed: %s", type(error).__name__)
                STATUS.failed("record_failures", f"records: {type(error).__name__}")

    async def erase(self, conversation: str) -> None:
        """Forget a conversation: its events and what was recorded of it.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: if the database refuses.
            DatabaseHangsError: if it does not answer in time.
        """
        if self.conversations is not None:
            await self.conversations.erase(conversation)
        if self.records is not None:
            await self.records.erase(conversation)
