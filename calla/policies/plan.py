"""What the policies read from the tracker: the plan, and how far it has been carried out."""

from __future__ import annotations

from typing import Any, Optional

from rasa.shared.core.events import ActionExecuted, ActionExecutionRejected, BotUttered, Event, UserUttered
from rasa.shared.core.trackers import DialogueStateTracker

from calla.plan import PLAN, Plan, not_yet_given, owed_by


class Turn:
    """The latest user message and what has happened since.

    Attributes:
        plan: the plan of the message; ``None`` if understanding did not run.
        events: events after the message, oldest first.
    """

    def __init__(self, tracker: DialogueStateTracker) -> None:
        self.events: list[Event] = []
        self.message: Optional[UserUttered] = None
        for event in reversed(tracker.events):
            if isinstance(event, UserUttered):
                self.message = event
                break
            self.events.append(event)
        self.events.reverse()
        self._parsed: dict[str, Any] = dict(self.message.parse_data or {}) if self.message else {}
        self.plan = Plan.read(self._parsed.get(PLAN))

    def said(self) -> list[str]:
        """Names of the responses uttered since the message, in order."""
        names = (e.metadata.get("utter_action") for e in self.events if isinstance(e, BotUttered))
        return [str(name) for name in names if name]

    def actions(self) -> list[str]:
        """Names of the actions executed, or refused by the action server, since the message."""
        return [str(e.action_name) for e in self.events if isinstance(e, (ActionExecuted, ActionExecutionRejected))]

    def owed_referrals(self) -> list[str]:
        """Responses of the referrals that are owed and not yet given, most urgent first.

        A message without a plan (parsed elsewhere, or by another pipeline) is screened
        here, so that no way into the tracker goes around the guarantee.
        """
        if self.message is None:
            return []
        parsed = {"text": self.message.text, "intent": {"name": self._intent()}, **self._parsed}
        return not_yet_given(owed_by(parsed), self.said())

    def _intent(self) -> str:
        if self.message is None:
            return ""
        return str(self.message.intent.get("full_retrieval_intent_name") or self.message.intent_name or "")
