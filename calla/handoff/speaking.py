"""Says something in a visitor's conversation that no message of theirs has asked for."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, AsyncIterator, Callable, Mapping, Optional, Protocol

from rasa.shared.core.events import BotUttered
from rasa.shared.core.trackers import DialogueStateTracker

from calla.handoff.notes import PREFIX, Notes

logger = logging.getLogger(__name__)

# Name under which a person's message stands in the conversation, where Calla's have their response.
PERSON = "utter_person"
LOCK_WAIT = 0.05


class Windows(Protocol):
    """The channel through which visitors read."""

    async def spoken(self, conversation: str, number: int) -> None:
        """Show the last messages of a conversation."""

    async def handoff_changed(self, conversation: str) -> None:
        """Show how things stand with the hand-off."""


def bot_event(message: Mapping[str, Any]) -> BotUttered:
    """Return a message as the tracker keeps those of the bot."""
    metadata = {"utter_action": message["utter_action"], "metadata": message["metadata"]}
    return BotUttered(message["text"], {"buttons": message.get("buttons")}, metadata)


class Speaker:
    """Speaks in conversations: stored first, then shown.

    Args:
        agent: gives the agent.
        notes: the texts.

    Attributes:
        windows: where visitors read; set by the channel.
    """

    def __init__(self, agent: Callable[[], Any], notes: Notes) -> None:
        self._agent = agent
        self._notes = notes
        self.windows: Optional[Windows] = None

    @asynccontextmanager
    async def tracker(self, conversation: str) -> AsyncIterator[DialogueStateTracker]:
        """Give a conversation to be added to, under its lock; it is stored afterwards."""
        agent = self._agent()
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(agent.lock_store.lock(conversation, wait_time_in_seconds=LOCK_WAIT))
            except Exception as error:
                # As for messages of the visitor: without a lock rather than not at all.
                logger.error("The lock store failed: %s", type(error).__name__)
            tracker = await agent.processor.get_tracker(conversation)
            yield tracker
            await agent.processor.save_tracker(tracker)

    async def say(self, conversation: str, name: str, **values: str) -> None:
        """Say a named text of the hand-off."""
        await self._add(conversation, self._notes.message(PREFIX + name, **values))

    async def person(self, conversation: str, name: str, text: str) -> None:
        """Pass a person's message on."""
        message = {"text": text, "utter_action": PERSON, "metadata": {"body": text, "person": name}}
        await self._add(conversation, message)

    async def _add(self, conversation: str, message: Mapping[str, Any]) -> None:
        async with self.tracker(conversation) as tracker:
            tracker.update(bot_event(message))
        if self.windows is not None:
            await self.windows.spoken(conversation, 1)

    async def changed(self, conversation: str) -> None:
        """Show how things stand now."""
        if self.windows is not None:
            await self.windows.handoff_changed(conversation)
