"""Understanding as one Rasa component: trains the models, and plans each message."""

from __future__ import annotations

import contextlib
import pickle
from pathlib import Path
from typing import Any, Optional, Sequence

from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.classifiers.classifier import IntentClassifier
from rasa.nlu.tokenizers.tokenizer import Tokenizer
from rasa.shared.core.domain import Domain
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.shared.exceptions import InvalidConfigException
from rasa.shared.nlu.constants import INTENT, INTENT_RESPONSE_KEY, METADATA, METADATA_INTENT, RESPONSE_SELECTOR, TEXT
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from calla.catalogue import CHAT, FAQ, OUT_OF_SCOPE, REFERRAL, Catalogue, CatalogueReader
from calla.model import BEFORE, MODELS, fingerprint
from calla.nlu.reader import RAW_TEXT
from calla.plan import PLAN, Plan
from calla.safety.screen import load_screen
from calla.understanding.answering import OVER
from calla.understanding.decision import after_danger, decide
from calla.understanding.encoder import load_encoder
from calla.understanding.judgement import Models
from calla.understanding.learning import AFTER, Example, Learned, Responses, learn
from calla.understanding.memory import SLOT, Memory
from calla.understanding.reading import read
from calla.understanding.vectors import VectorCache
from calla.understanding.weights import load_weights


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=True)
class Understanding(GraphComponent, IntentClassifier):
    """Reads, judges and plans each message; leaves the plan, the intent and the selection on it."""

    FILE = "learned.pickle"

    @classmethod
    def required_components(cls) -> list[type]:
        """Components that must come before this one."""
        return [Tokenizer]

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        """Return the default config."""
        return {
            # Seed of the models.
            "seed": 7,
            # Units of the hidden layer of the topics' network, its quadratic penalty, and how
            # often it goes through the examples.
            "hidden": 512,
            "penalty": 1e-3,
            "passes": 8,
            # Columns that the character n-grams are condensed to.
            "spelling_dimensions": 300,
            # Weight of the spelling beside the meaning (whose weight is 1).
            "spelling_weight": 0.5,
            # Weight of the cosine to the nearest known question beside the log-probability.
            "similarity_weight": 24.0,
        }

    def __init__(
        self,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        learned: Optional[Learned] = None,
    ) -> None:
        self._config = config
        self._model_storage = model_storage
        self._resource = resource
        self._catalogues = CatalogueReader()
        self.learned = learned
        self.models = Models(load_encoder(), learned.topics, learned.urgency) if learned else None

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> Understanding:
        """Create an untrained component (see parent class)."""
        return cls(config, model_storage, resource)

    def train(self, training_data: TrainingData) -> Resource:
        """Train on all examples that have an intent and persist the models."""
        examples = examples_of(training_data)
        if len({example.label for example in examples}) < 2:
            return self._resource
        MODELS.mkdir(exist_ok=True)
        vectors = VectorCache(load_encoder(), MODELS)
        kept = MODELS / f"{BEFORE}{fingerprint(content=False)}.pickle"
        before = learned_before(kept, examples, training_data.responses)
        learned = learn(examples, training_data.responses, vectors.encode, self._config, before)
        vectors.save()
        if before is None:
            for old in MODELS.glob(f"{BEFORE}*.pickle"):
                old.unlink()
            kept.write_bytes(pickle.dumps(learned, protocol=pickle.HIGHEST_PROTOCOL))
        with self._model_storage.write_to(self._resource) as folder, (Path(folder) / self.FILE).open("wb") as file:
            pickle.dump(learned, file, protocol=pickle.HIGHEST_PROTOCOL)
        return self._resource

    @classmethod
    def load(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> Understanding:
        """Load the trained component (see parent class)."""
        try:
            with model_storage.read_from(resource) as folder, (Path(folder) / cls.FILE).open("rb") as file:
                return cls(config, model_storage, resource, pickle.load(file))
        except ValueError:
            # Rasa's way to say that nothing was persisted: no training examples.
            return cls(config, model_storage, resource)

    def process(
        self, messages: list[Message], domain: Domain, tracker: Optional[DialogueStateTracker] = None
    ) -> list[Message]:
        """Leave the plan, the intent and Rasa's response selection on each message."""
        catalogue = self._catalogues.of(domain)
        memory = Memory.read(tracker.get_slot(SLOT) if tracker else None).aged()
        # The message is not among the tracker's yet: the latest there is the one before it.
        asked = (tracker.latest_message.text if tracker and tracker.latest_message else None) or ""
        for message in messages:
            spelling = self.learned.spelling if self.learned else None
            reading = read(message.get(RAW_TEXT) or "", spelling)
            message.set(TEXT, reading.text)
            if self.models is None:
                plan = Plan("decline", responses=["utter_out_of_scope"])
            else:
                found = message.get("screened") or []
                plan = decide(reading, found, self.models, load_weights(), catalogue, memory, asked)
                if plan.outcome == OVER and memory.acute():
                    before, found = read(asked, spelling), load_screen().find(asked)
                    plan = after_danger(plan, before, found, self.models, load_weights(), catalogue, memory)
            message.set(PLAN, plan.as_dict(), add_to_output=True)
            _select(message, plan, catalogue)
        return messages

    @classmethod
    def validate_config(cls, config: dict[str, Any]) -> None:
        """Check the ranges of the settings.

        Raises:
            InvalidConfigException: if one is out of range.
        """
        for key in ("hidden", "penalty", "passes", "spelling_dimensions", "spelling_weight", "similarity_weight"):
            if config.get(key, 1) <= 0:
                raise InvalidConfigException(f"Understanding: {key} must be above 0.")


def learned_before(file: Path, examples: Sequence[Example], responses: Responses) -> Optional[Learned]:
    """Return what a whole training left behind, if little has changed since; ``None`` if all must be learned anew."""
    with contextlib.suppress(OSError, pickle.UnpicklingError, EOFError):
        learned: Learned = pickle.loads(file.read_bytes())
        return learned if learned.is_near(examples, responses) else None
    return None


def examples_of(training_data: TrainingData) -> list[Example]:
    """Return what the messages of the training data teach."""
    found = []
    for message in training_data.intent_examples:
        if text := message.get(TEXT):
            said = message.get(METADATA) or {}
            owes = (said.get(METADATA_INTENT) or {}).get("owes")
            found.append(Example(text, message.get(INTENT_RESPONSE_KEY) or message.get(INTENT), owes, said.get(AFTER)))
    return found


def _select(message: Message, plan: Plan, catalogue: Catalogue) -> None:
    """Report the decision in the places where Rasa's tools look for it."""
    first = next((topic for name in plan.responses if (topic := catalogue.by_response(name))), None)
    if plan.outcome == "decline":
        name: Optional[str] = OUT_OF_SCOPE
    elif first is not None:
        name = first.group
    else:
        name = REFERRAL if plan.referrals else None
    confidence = 1.0 if name else 0.0
    message.set(INTENT, {"name": name, "confidence": confidence}, add_to_output=True)
    if first is not None:
        selected = {"intent_response_key": first.intent, "utter_action": first.response, "confidence": confidence}
        message.set(
            RESPONSE_SELECTOR,
            {"all_retrieval_intents": [FAQ, CHAT, REFERRAL], first.group: {"response": selected}},
            add_to_output=True,
        )
