"""The policy that carries out the gate's plan."""

from __future__ import annotations

from typing import Any, Optional

from rasa.core.policies.policy import Policy, PolicyPrediction, SupportedData
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.shared.core.constants import ACTION_LISTEN_NAME
from rasa.shared.core.domain import Domain
from rasa.shared.core.generator import TrackerWithCachedStates
from rasa.shared.core.trackers import DialogueStateTracker

from calla.policies.plan import Turn

FALLBACK_RESPONSE = "utter_out_of_scope"


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.POLICY_WITHOUT_END_TO_END_SUPPORT, is_trainable=False)
class AnswerPolicy(Policy):
    """Utters the planned responses one after another, then listens."""

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        """Return the default config."""
        return {
            # Below the referral policy.
            "priority": 10,
        }

    @staticmethod
    def supported_data() -> SupportedData:
        """Rules and stories alike; nothing is learned from them."""
        return SupportedData.ML_AND_RULE_DATA

    def train(self, training_trackers: list[TrackerWithCachedStates], domain: Domain, **kwargs: Any) -> Resource:
        """Learn nothing: the plan says what to do."""
        return self._resource

    def predict_action_probabilities(
        self,
        tracker: DialogueStateTracker,
        domain: Domain,
        rule_only_data: Optional[dict[str, Any]] = None,
        **kwargs: Any,
    ) -> PolicyPrediction:
        """Predict the next planned response, or listen when all are said."""
        turn = Turn(tracker)
        planned = list(turn.plan.responses) if turn.plan else []
        if turn.message is not None and turn.plan is None and not turn.said():
            planned = [FALLBACK_RESPONSE]
        done = turn.actions()
        remaining = [name for name in planned if name not in done and name in domain.action_names_or_texts]
        action = remaining[0] if remaining else ACTION_LISTEN_NAME
        probabilities = self._default_predictions(domain)
        probabilities[domain.index_for_action(action)] = 1.0
        return self._prediction(probabilities)
