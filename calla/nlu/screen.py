"""The safety screen as a Rasa component."""

from __future__ import annotations

from typing import Any

from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.classifiers.classifier import IntentClassifier
from rasa.shared.nlu.constants import TEXT
from rasa.shared.nlu.training_data.message import Message

from calla.nlu.gate import FINDINGS
from calla.safety.screen import load_screen


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=False)
class SafetyScreen(GraphComponent, IntentClassifier):
    """Leaves what the screen found on each message: ``{"topic", "by", "rule", "hint"}`` each."""

    def __init__(self) -> None:
        self._screen = load_screen()

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> SafetyScreen:
        """Create the component (see parent class)."""
        return cls()

    def process(self, messages: list[Message]) -> list[Message]:
        """Screen the raw text of each message, before any cleaning for understanding."""
        for message in messages:
            raw = message.get("raw_text")
            findings = self._screen.find(raw if raw is not None else message.get(TEXT) or "")
            message.set(
                FINDINGS,
                [{"topic": f.topic, "by": "screen", "rule": f.rule, "hint": f.hint} for f in findings],
                add_to_output=True,
            )
        return messages
