"""Rasa's message processor, with understanding beside the event loop."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, Awaitable, Callable, Optional

from rasa.core.channels.channel import OutputChannel, UserMessage
from rasa.core.processor import MessageProcessor
from rasa.shared.core.events import SlotSet
from rasa.shared.core.trackers import DialogueStateTracker

from calla.fair_pool import FairPool
from calla.plan import PLAN, Plan
from calla.understanding.memory import SLOT

# Whose share of the threads a message takes. Channels that know the network address set it, so
# that many conversations of one machine count as one; else a conversation stands for itself.
SHARE_OF: ContextVar[Optional[str]] = ContextVar("share_of", default=None)


# Looks at what was understood, and may change what is planned.
Revise = Callable[[UserMessage, DialogueStateTracker, dict[str, Any]], Awaitable[None]]


class CallaProcessor(MessageProcessor):
    """Processes messages with a bounded pool of threads for understanding.

    Args:
        pool: the threads.
        revise: told what was understood of each message.
        **kwargs: see parent class.
    """

    def __init__(self, pool: FairPool, revise: Optional[Revise] = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pool = pool
        self._revise = revise

    async def parse_message(
        self,
        message: UserMessage,
        tracker: Optional[DialogueStateTracker] = None,
        only_output_properties: bool = True,
    ) -> dict[str, Any]:
        """Understand a message in a thread; what was understood also stays on the message."""
        if tracker is None:
            tracker = DialogueStateTracker.from_events(message.sender_id, [])
        share = SHARE_OF.get() or str(message.sender_id)
        size = len(message.text or "")
        parsed: dict[str, Any] = await self.pool.run(
            share, size, self._parse_message_with_graph, message, tracker, only_output_properties
        )
        self._update_full_retrieval_intent(parsed)
        # Should anything fail later, the last line of the guarantee finds the plan here.
        message.parse_data = parsed
        if self._revise is not None:
            await self._revise(message, tracker, parsed)
        return parsed

    async def run_action_extract_slots(
        self, output_channel: OutputChannel, tracker: DialogueStateTracker
    ) -> DialogueStateTracker:
        """Put the memory of the latest message's plan into its slot, instead of extracting slots."""
        parsed = (tracker.latest_message.parse_data or {}) if tracker.latest_message else {}
        plan = Plan.read(parsed.get(PLAN))  # type: ignore[arg-type]
        if plan is not None and plan.memory:
            tracker.update(SlotSet(SLOT, plan.memory))
        return tracker
