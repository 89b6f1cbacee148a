"""What the policies read from the tracker: the plan, and how far it has been carried out."""

from __future__ import annotations

from typing import Any, Optional

from rasa.shared.core.events import ActionExecuted, ActionExecutionRejected, BotUttered, Event, UserUttered
from rasa.shared.core.trackers import DialogueStateTracker

from calla.catalogue import REFERRAL_PREFIX, SHORT_REFERRAL_PREFIX
from calla.nlu.gate import PLAN
from calla.safety.screen import load_screen


def referral_name(response: str) -> str:
    """Return the name of a referral, whether its response is the full or the short form."""
    return response.replace(SHORT_REFERRAL_PREFIX, "").replace(f"{REFERRAL_PREFIX}/", "")


class Turn:
    """The latest user message and what has happened since.

    Attributes:
        plan: the gate's plan for the message; empty if understanding did not run.
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
        parse_data = (self.message.parse_data or {}) if self.message else {}
        self.plan: dict[str, Any] = parse_data.get(PLAN) or {}  # type: ignore[assignment]

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
        if self.plan:
            owed = [r["response"] for r in self.plan.get("referrals", [])]
        else:
            intent = str(self.message.intent.get("full_retrieval_intent_name") or self.message.intent_name or "")
            owed = [f"{REFERRAL_PREFIX}/{f.topic}" for f in load_screen().find(self.message.text or "")]
            if intent.startswith("referral") and not owed:
                owed = [f"{REFERRAL_PREFIX}/{intent.partition('/')[2] or 'suspicious_finding'}"]
        given = {referral_name(name) for name in self.said() if name.startswith(REFERRAL_PREFIX)}
        return [name for name in owed if referral_name(name) not in given]
