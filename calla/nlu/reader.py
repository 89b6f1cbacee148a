"""Reads each message once: the reading and what the screen's rules find in it."""

from __future__ import annotations

from typing import Any

from rasa.engine.graph import ExecutionContext
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.tokenizers.tokenizer import Token, Tokenizer
from rasa.shared.nlu.constants import TEXT
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from calla.intake import screened
from calla.safety.screen import load_screen
from calla.understanding.reading import english

RAW_TEXT, FINDINGS = "raw_text", "findings"


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.MESSAGE_TOKENIZER, is_trainable=False)
class SafetyScreen(Tokenizer):
    """Screens the raw text of each message before anything else looks at it.

    It also takes the leading slash away from typed ``/intent{...}`` payloads, so that
    Rasa's shortcut around understanding, and with it around the screen, is closed on
    every channel. Payloads that name a topic are answered by the plan.
    """

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        """Return Rasa's defaults for tokenizers (see parent class)."""
        return {"intent_tokenization_flag": False, "intent_split_symbol": "_", "token_pattern": None}

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> SafetyScreen:
        """Create the component (see parent class)."""
        # Now, not while the first visitor waits.
        load_screen()
        return cls(config)

    def process(self, messages: list[Message]) -> list[Message]:
        """Leave the raw text and the findings on each message: ``{"topic", "rule", "hint"}`` each."""
        for message in messages:
            raw = message.get(TEXT)
            text = raw if isinstance(raw, str) else ""
            message.set(RAW_TEXT, text)
            found = screened(text)
            message.set("screened", found)
            message.set(
                FINDINGS, [{"topic": f.topic, "rule": f.rule, "hint": f.hint} for f in found], add_to_output=True
            )
        return messages

    def process_training_data(self, training_data: TrainingData) -> TrainingData:
        """Leave the training examples as they are.

        Nothing is trained on tokens, and Rasa would spend more than half of the training
        time on fingerprints of them.
        """
        return training_data

    def tokenize(self, message: Message, attribute: str) -> list[Token]:
        """Return the tokens of a text."""
        doc = english().make_doc(message.get(attribute))
        return [Token(token.text, token.idx, lemma=token.text) for token in doc if not token.is_space]
