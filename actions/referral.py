"""The medical referral in the normal case: with the operator's own contacts."""

from __future__ import annotations

from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.executor import CollectingDispatcher

from calla.plan import owed_by
from calla.settings import settings


class ActionMedicalReferral(Action):
    """Says whom to call, how soon and what to bring, before anything else is said.

    The sentences are named responses (``data/topics/safety``, ``data/safety``); this
    action chooses them and fills in the contacts of the clinic that runs Calla. If it
    fails, the referral policy gives the same responses without it.
    """

    def name(self) -> str:
        """Name of the action in the domain."""
        return "action_medical_referral"

    async def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """Utter every owed referral."""
        for response in owed_by(tracker.latest_message):
            dispatcher.utter_message(response=response, **settings().contacts)
        return []
