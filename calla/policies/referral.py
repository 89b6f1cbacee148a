"""The policy that owes the medical referral."""

from __future__ import annotations

from typing import Any, Optional

from rasa.core.policies.policy import Policy, PolicyPrediction, SupportedData
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.shared.core.domain import Domain
from rasa.shared.core.generator import TrackerWithCachedStates
from rasa.shared.core.trackers import DialogueStateTracker

from calla.policies.plan import Turn
from calla.status import STATUS

ACTION = "action_medical_referral"


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.POLICY_WITHOUT_END_TO_END_SUPPORT, is_trainable=False)
class ReferralPolicy(Policy):
    """Predicts the referral for as long as one is owed, whatever else is going on.

    First through ``action_medical_referral``; if that did not bring the text (action
    server down, hanging, wrong), through the response inside this process. It claims
    "no user prediction", the strongest claim a Rasa policy can make: it overrules every
    other policy, loop and form.
    """

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        """Return the default config."""
        return {
            # Higher than any policy of Rasa's, should two predictions ever tie.
            "priority": 100,
        }

    @staticmethod
    def supported_data() -> SupportedData:
        """Rules and stories alike; nothing is learned from them."""
        return SupportedData.ML_AND_RULE_DATA

    def train(self, training_trackers: list[TrackerWithCachedStates], domain: Domain, **kwargs: Any) -> Resource:
        """Learn nothing: the guarantee does not depend on training."""
        return self._resource

    def predict_action_probabilities(
        self,
        tracker: DialogueStateTracker,
        domain: Domain,
        rule_only_data: Optional[dict[str, Any]] = None,
        **kwargs: Any,
    ) -> PolicyPrediction:
        """Predict the referral that is owed, else nothing."""
        turn = Turn(tracker)
        owed = turn.owed_referrals()
        if not owed:
            return self._prediction(self._default_predictions(domain))
        action = ACTION
        if ACTION in turn.actions():
            action = owed[0]
            STATUS.failed("referral_stand_ins", f"{ACTION} did not bring the referral")
        if action not in domain.action_names_or_texts:
            action = owed[0]
        probabilities = self._default_predictions(domain)
        probabilities[domain.index_for_action(action)] = 1.0
        return self._prediction(probabilities, is_no_user_prediction=True)
