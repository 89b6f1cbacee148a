"""The sentence encoder as a Rasa featurizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.constants import FEATURIZER_CLASS_ALIAS
from rasa.nlu.featurizers.dense_featurizer.dense_featurizer import DenseFeaturizer
from rasa.nlu.tokenizers.tokenizer import Tokenizer
from rasa.shared.exceptions import InvalidConfigException
from rasa.shared.nlu.constants import FEATURE_TYPE_SENTENCE, TEXT
from rasa.shared.nlu.training_data.features import Features
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from calla.encoder import DEFAULT_ARTEFACT, load_encoder

ARTEFACT_KEY = "artefact"


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.MESSAGE_FEATURIZER, is_trainable=False)
class SentenceEncoder(DenseFeaturizer, GraphComponent):
    """Adds one sentence vector of shape ``[1, 384]`` per message.

    The weights are shared with every other component that encodes text, so they are in
    memory once per process.
    """

    @classmethod
    def required_components(cls) -> list[type]:
        """Components that must come before this one."""
        return [Tokenizer]

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        """Return the default config."""
        return {
            **DenseFeaturizer.get_default_config(),
            # Folder of the encoder artefact; empty means the one in the repository.
            ARTEFACT_KEY: "",
        }

    @staticmethod
    def required_packages() -> list[str]:
        """Extra packages this component needs."""
        return ["onnxruntime", "tokenizers"]

    def __init__(self, config: dict[str, Any], name: str) -> None:
        super().__init__(name, config)
        self._encoder = load_encoder(Path(config.get(ARTEFACT_KEY) or DEFAULT_ARTEFACT))

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> SentenceEncoder:
        """Create the component (see parent class)."""
        return cls(config, execution_context.node_name)

    def process(self, messages: list[Message]) -> list[Message]:
        """Add the sentence vector to each message that has text."""
        self._add(messages)
        return messages

    def process_training_data(self, training_data: TrainingData) -> TrainingData:
        """Add the sentence vectors to the training examples."""
        self._add(training_data.training_examples)
        return training_data

    def _add(self, messages: list[Message]) -> None:
        readable = [m for m in messages if (m.get(TEXT) or "").strip()]
        vectors = self._encoder.encode_many([m.get(TEXT) for m in readable])
        for message, vector in zip(readable, vectors, strict=True):
            message.add_features(
                Features(
                    np.asarray(vector[None, :]),
                    FEATURE_TYPE_SENTENCE,
                    TEXT,
                    self._config[FEATURIZER_CLASS_ALIAS],
                )
            )

    @classmethod
    def validate_config(cls, config: dict[str, Any]) -> None:
        """Check that a configured artefact folder exists.

        Raises:
            InvalidConfigException: if it does not.
        """
        artefact = config.get(ARTEFACT_KEY)
        if artefact and not Path(artefact).is_dir():
            raise InvalidConfigException(f"SentenceEncoder: the folder {artefact!r} does not exist.")


def sentence_vector(message: Message) -> np.ndarray | None:
    """Return the vector of shape ``[384]`` that ``SentenceEncoder`` added, or ``None``."""
    for features in message.features:
        if features.is_dense() and features.type == FEATURE_TYPE_SENTENCE and features.attribute == TEXT:
            vector: np.ndarray = features.features[0]
            return vector
    return None
