"""Rasa's message processor, with understanding beside the event loop."""

from __future__ import annotations

import os
import tarfile
import tempfile
from contextvars import ContextVar, copy_context
from pathlib import Path
from typing import Any, Awaitable, Callable, Optional, Union

from rasa.core.actions.action import Action, RemoteAction
from rasa.core.channels.channel import OutputChannel, UserMessage
from rasa.core.nlg.generator import NaturalLanguageGenerator
from rasa.core.policies.policy import PolicyPrediction
from rasa.core.processor import MessageProcessor
from rasa.engine import loader
from rasa.engine.runner.interface import GraphRunner
from rasa.engine.storage.local_model_storage import LocalModelStorage
from rasa.engine.storage.storage import ModelMetadata
from rasa.exceptions import ModelNotFound
from rasa.shared.core.events import ActionExecutionRejected, Event, SlotSet
from rasa.shared.core.trackers import DialogueStateTracker

from calla.action_endpoint import LeanAction
from calla.fair_pool import FairPool
from calla.graph import OrderedGraphRunner
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

    @staticmethod
    def _load_model(model_path: Union[str, Path]) -> tuple[str, ModelMetadata, GraphRunner]:
        """Unpack a model (see parent class); its graph runs in a fixed order."""
        with tempfile.TemporaryDirectory() as folder:
            try:
                metadata, runner = loader.load_predict_graph_runner(
                    Path(folder), Path(model_path), LocalModelStorage, OrderedGraphRunner
                )
            except (OSError, tarfile.ReadError) as error:
                raise ModelNotFound(f"Model {model_path} can not be loaded.") from error
        return os.path.basename(model_path), metadata, runner

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
            share, size, copy_context().run, self._parse_message_with_graph, message, tracker, only_output_properties
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

    async def _run_action(
        self,
        action: Action,
        tracker: DialogueStateTracker,
        output_channel: OutputChannel,
        nlg: NaturalLanguageGenerator,
        prediction: PolicyPrediction,
    ) -> bool:
        """Run an action (see parent class)."""
        if type(action) is RemoteAction:
            action = LeanAction(action.name(), action.action_endpoint)
        again: bool = await super()._run_action(action, tracker, output_channel, nlg, prediction)
        return again

    def _log_action_on_tracker(
        self,
        tracker: DialogueStateTracker,
        action: Action,
        events: Optional[list[Event]],
        prediction: PolicyPrediction,
    ) -> None:
        """Log an action and its events (see parent class, which copies all of it for debug lines that are off)."""
        events = events or []
        if not any(isinstance(event, ActionExecutionRejected) for event in events):
            tracker.update_with_events(prediction.events, self.domain)
            tracker.update(action.event_for_successful_execution(prediction))
        tracker.update_with_events(events, self.domain)
