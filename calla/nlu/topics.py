"""The topic classifier as a Rasa component."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional

import joblib
import numpy as np
from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.classifiers.classifier import IntentClassifier
from rasa.nlu.featurizers.featurizer import Featurizer
from rasa.shared.exceptions import InvalidConfigException
from rasa.shared.nlu.constants import INTENT, INTENT_RANKING_KEY, INTENT_RESPONSE_KEY, TEXT
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from calla.catalogue import OUT_OF_SCOPE, Catalogue
from calla.encoder import DEFAULT_ARTEFACT, load_encoder
from calla.nlu.encoder import sentence_vector
from calla.nlu.language import Reading
from calla.nlu.topic_model import Scores, TopicModel
from calla.text import clean

SCORER = "topic_scorer"
SCORES = "topic_scores"
RANKING_LENGTH = 10
# Words of the shortest sentence that says something alone.
MIN_REMARK = 4


def _remarks(text: str, label: str) -> list[str]:
    """Return the sentences of a story outside the field; nothing for other examples."""
    sentences = Reading(text).sentences() if label == OUT_OF_SCOPE else []
    return [s for s in sentences if len(s.split()) >= MIN_REMARK] if len(sentences) > 1 else []


class TopicScorer:
    """Scores any texts against the trained topics; handed to the gate on the message."""

    def __init__(self, model: TopicModel) -> None:
        self._model = model
        self._encoder = load_encoder(DEFAULT_ARTEFACT)
        self.labels = model.labels
        self._owing: tuple[Optional[Catalogue], np.ndarray] = (None, np.zeros(0, dtype=bool))

    def owing(self, catalogue: Catalogue) -> np.ndarray:
        """Return which labels are answered with a referral first: ``[labels]``, boolean."""
        known, owing = self._owing
        if known is not catalogue:
            topics = (catalogue.by_intent(label) for label in self.labels)
            owing = np.array([topic is not None and topic.referral == "always" for topic in topics])
            self._owing = (catalogue, owing)
        return owing

    def score(self, texts: list[str], vectors: Optional[np.ndarray] = None) -> Scores:
        """Score texts; their vectors ``[texts, dimension]`` may be given, if they are known."""
        return self._model.score(texts, self._encoder.encode(texts) if vectors is None else vectors)


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=True)
class TopicClassifier(GraphComponent, IntentClassifier):
    """Ranks all topics for a message with one model."""

    FILE = "topics.joblib"

    @classmethod
    def required_components(cls) -> list[type]:
        """Components that must come before this one."""
        return [Featurizer]

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        """Return the default config."""
        return {
            # Seed of the regressions.
            "seed": 7,
            # Inverse regularisation of the regressions.
            "strength": 20.0,
            # Columns that the character n-grams are condensed to.
            "spelling_dimensions": 300,
            # Weight of the spelling beside the meaning (whose weight is 1).
            "spelling_weight": 0.5,
            # Weight of the cosine to the nearest known question beside the log-probability.
            "similarity_weight": 10.0,
        }

    def __init__(
        self,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        model: TopicModel | None = None,
    ) -> None:
        self._config = config
        self._model_storage = model_storage
        self._resource = resource
        self._scorer = TopicScorer(model) if model else None

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> TopicClassifier:
        """Create an untrained component (see parent class)."""
        return cls(config, model_storage, resource)

    def train(self, training_data: TrainingData) -> Resource:
        """Train on all examples that have an intent and persist the model."""
        catalogue = Catalogue(training_data.responses)
        texts, labels, vectors = [], [], []
        for example in training_data.intent_examples:
            vector = sentence_vector(example)
            if example.get(TEXT) and vector is not None:
                texts.append(clean(example.get(TEXT)))
                labels.append(example.get(INTENT_RESPONSE_KEY) or example.get(INTENT))
                vectors.append(vector)
        if len(set(labels)) < 2:
            return self._resource
        # The detector looks at sentences one by one, so the model learns what harmless
        # ones look like alone: every sentence of a story outside the field is outside too.
        remarks = list(
            dict.fromkeys(r for text, label in zip(texts, labels, strict=True) for r in _remarks(text, label))
        )
        if remarks:
            texts.extend(remarks)
            labels.extend([OUT_OF_SCOPE] * len(remarks))
            vectors.extend(load_encoder(DEFAULT_ARTEFACT).encode_many(remarks))
        owes = [bool((topic := catalogue.by_intent(label)) and topic.referral == "always") for label in labels]
        if not any(owes):
            owes[0] = True
        model = TopicModel(
            seed=self._config["seed"],
            strength=self._config["strength"],
            spelling_dimensions=self._config["spelling_dimensions"],
            spelling_weight=self._config["spelling_weight"],
            similarity_weight=self._config["similarity_weight"],
        ).fit(texts, labels, np.vstack(vectors), owes)
        self._scorer = TopicScorer(model)
        with self._model_storage.write_to(self._resource) as folder:
            joblib.dump(model, Path(folder) / self.FILE, compress=3)
        return self._resource

    @classmethod
    def load(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> TopicClassifier:
        """Load the trained component (see parent class)."""
        try:
            with model_storage.read_from(resource) as folder:
                model = joblib.load(Path(folder) / cls.FILE)
        except ValueError:
            # Rasa's way to say that nothing was persisted: no training examples.
            return cls(config, model_storage, resource)
        return cls(config, model_storage, resource, model)

    def process(self, messages: list[Message]) -> list[Message]:
        """Set ``intent`` and ``intent_ranking`` (full retrieval names, best first)."""
        for message in messages:
            vector = sentence_vector(message)
            if self._scorer is None or vector is None:
                message.set(INTENT, {"name": None, "confidence": 0.0}, add_to_output=True)
                message.set(INTENT_RANKING_KEY, [], add_to_output=True)
                continue
            scores = self._scorer.score([message.get(TEXT)], vector[None, :])
            probabilities = scores.probabilities[0]
            order = np.argsort(-probabilities)[:RANKING_LENGTH]
            ranking = [{"name": self._scorer.labels[i], "confidence": float(probabilities[i])} for i in order]
            message.set(INTENT, dict(ranking[0]), add_to_output=True)
            message.set(INTENT_RANKING_KEY, ranking, add_to_output=True)
            message.set(SCORER, self._scorer)
            message.set(SCORES, scores)
        return messages

    @classmethod
    def validate_config(cls, config: dict[str, Any]) -> None:
        """Check the ranges of the settings.

        Raises:
            InvalidConfigException: if one is out of range.
        """
        for key in ("strength", "spelling_dimensions", "spelling_weight", "similarity_weight"):
            if config.get(key, 1) <= 0:
                raise InvalidConfigException(f"TopicClassifier: {key} must be above 0.")
