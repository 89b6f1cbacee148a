"""Reads what a model is trained on: domain, topics and rules, each file once.

Rasa's own importer reads each file several times, checks it against a schema, and copies and
hashes all examples at every merge of two files: 40 s for our 47,000 examples. What an editor
may have mistyped is said by ``make check-content``, in her words.
"""

from __future__ import annotations

import itertools
import re
from functools import cached_property
from pathlib import Path
from typing import Any, Iterator, Optional

import yaml
from rasa.shared.core.domain import Domain
from rasa.shared.core.training_data.structures import StoryGraph
from rasa.shared.importers.importer import ResponsesSyncImporter, TrainingDataImporter
from rasa.shared.importers.utils import story_graph_from_paths
from rasa.shared.nlu.constants import METADATA, METADATA_INTENT
from rasa.shared.nlu.training_data.entities_parser import parse_training_example
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData
from rasa.shared.utils.io import read_model_configuration

from calla.catalogue import FAQ
from calla.content.sources import LOADER
from calla.understanding.learning import AFTER


class _Loader(LOADER):  # type: ignore[misc,valid-type]
    """YAML 1.2, as Rasa reads it: "yes", "no" and "on" are words."""


_BOOLEAN = "tag:yaml.org,2002:bool"
_Loader.yaml_implicit_resolvers = {
    first: [(tag, regex) for tag, regex in pairs if tag != _BOOLEAN]
    for first, pairs in LOADER.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_BOOLEAN, re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


class TopicImporter(ResponsesSyncImporter):
    """Gives Rasa the training data of a project, retrieval intents and their responses in the domain.

    Args:
        root: folder of ``config.yml``, ``domain.yml`` and ``data``.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(_Files(root))

    def get_nlu_data(self, language: Optional[str] = "en") -> TrainingData:
        """Return the examples, and the responses of topics and domain."""
        return self._importer.get_nlu_data(language)


class _Files(TrainingDataImporter):
    """What the files hold, as it stands there."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def get_config(self) -> dict[str, Any]:
        """Return the pipeline and the policies."""
        return dict(read_model_configuration(self.get_config_file_for_auto_config()))

    def get_config_file_for_auto_config(self) -> str:
        """Return the path of the configuration."""
        return str(self._root / "config.yml")

    def get_stories(self, exclusion_percentage: Optional[int] = None) -> StoryGraph:
        """Return the rules."""
        files = [str(file) for file in sorted((self._root / "data" / "rules").glob("*.yml"))]
        return story_graph_from_paths(files, self.get_domain(), exclusion_percentage)

    def get_conversation_tests(self) -> StoryGraph:
        """Return none: dialogues are tested with pytest."""
        return StoryGraph([])

    def get_nlu_data(self, language: Optional[str] = "en") -> TrainingData:
        """Return the examples and the responses."""
        return self._training_data

    def get_domain(self) -> Domain:
        """Return the domain without the topics."""
        return self._domain

    @cached_property
    def _domain(self) -> Domain:
        return Domain.load(str(self._root / "domain.yml"))

    @cached_property
    def _training_data(self) -> TrainingData:
        messages: list[Message] = []
        responses: dict[str, Any] = {}
        for file in sorted((self._root / "data").rglob("*.yml")):
            content = yaml.load(file.read_text(encoding="utf-8"), Loader=_Loader) or {}
            messages.extend(itertools.chain.from_iterable(_messages(block) for block in content.get("nlu") or []))
            messages.extend(itertools.chain.from_iterable(_turns(talk) for talk in content.get("talks") or []))
            responses.update(content.get("responses") or {})
        # Those of the domain that are written like a topic's belong to them for Rasa.
        return TrainingData(messages, responses=responses | self._domain.retrieval_intent_responses)


def _messages(block: dict[str, Any]) -> list[Message]:
    """Return the examples of an intent, or those of them that owe a referral."""
    lines = (line.strip() for line in str(block["examples"]).splitlines())
    found = [parse_training_example(line.removeprefix("-").strip(), block["intent"]) for line in lines if line]
    if "metadata" in block:
        for message in found:
            message.set(METADATA, {METADATA_INTENT: block["metadata"]})
    return found


def _turns(talk: dict[str, Any]) -> Iterator[Message]:
    """Yield the turns of a talk, each with what it owes and what was answered before it."""
    after = None
    for step in talk["steps"]:
        message = parse_training_example(step["user"], step["intent"])
        message.set(METADATA, {METADATA_INTENT: step.get("metadata") or {}, AFTER: after})
        yield message
        if step["intent"].startswith(f"{FAQ}/"):
            after = step["intent"]
