"""What training reads is what Rasa's own importer would read, in a fraction of the time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rasa.shared.importers.importer import TrainingDataImporter
from rasa.shared.nlu.constants import ENTITIES, INTENT, INTENT_RESPONSE_KEY, METADATA, TEXT
from rasa.shared.nlu.training_data.training_data import TrainingData

from calla.importer import TopicImporter
from calla.understanding.learning import AFTER

FILES = {
    "config.yml": """
recipe: default.v1
assistant_id: test
language: en
pipeline: []
policies: []
""",
    "domain.yml": """
version: "3.1"
intents:
- out_of_scope
responses:
  utter_evidence/general:
  - text: General.
""",
    "data/topics/diet/oats.yml": """
version: "3.1"
nlu:
- intent: faq/oats
  examples: |
    - what are oats
    -  Oats: yes or no?
    - "quoted" and [bracketed] oats
- intent: faq/oats.dose
  examples: |
    - how many oats
- intent: faq/oats.dose
  metadata:
    owes: medicines
  examples: |
    - how many oats with my tablets
responses:
  utter_faq/oats:
  - text: |
      Oats are a grain.

      They are old.
    metadata:
      title: What are oats?
      reviewed: 2026-11-01
      yes: [yes, on]
      true: no
  utter_faq/oats.dose:
  - text: A bowl.
""",
    "data/topics/out_of_scope.yml": """
version: "3.1"
nlu:
- intent: out_of_scope
  examples: |
    - who won the match
""",
    "data/sources.yml": "sources: {}\n",
    "data/rules/decline.yml": """
version: "3.1"
rules:
- rule: Decline
  steps:
  - intent: out_of_scope
  - action: utter_out_of_scope
""",
}


TALK = """
version: "3.1"
talks:
- talk: oats
  steps:
  - user: "what are oats"
    intent: faq/oats
  - user: "a remark"
    intent: chat/remark
  - user: "how many of them with my tablets"
    intent: faq/oats.dose
    metadata: {owes: medicines}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def examples(data: TrainingData) -> list[tuple[Any, ...]]:
    return [
        tuple(m.get(key) for key in (TEXT, INTENT, INTENT_RESPONSE_KEY, ENTITIES, METADATA))
        for m in data.intent_examples
        if m.get(TEXT)
    ]


def test_it_reads_what_rasas_importer_reads(project: Path) -> None:
    own = TopicImporter(project)
    rasas = TrainingDataImporter.load_from_config(
        str(project / "config.yml"), str(project / "domain.yml"), [str(project / "data")]
    )
    assert len(examples(own.get_nlu_data())) == 6
    assert examples(own.get_nlu_data()) == examples(rasas.get_nlu_data())
    assert own.get_nlu_data().responses == rasas.get_nlu_data().responses
    assert own.get_domain().as_dict() == rasas.get_domain().as_dict()
    assert [step.events for step in own.get_stories().story_steps] == [
        step.events for step in rasas.get_stories().story_steps
    ]


def test_the_domain_knows_the_retrieval_intents_and_their_responses(project: Path) -> None:
    domain = TopicImporter(project).get_domain()
    assert "faq" in domain.retrieval_intents
    assert {"utter_faq/oats", "utter_faq/oats.dose", "utter_evidence/general"} <= set(domain.responses)
    assert "utter_faq" in domain.action_names_or_texts


def test_each_turn_of_a_talk_says_what_was_answered_before(project: Path) -> None:
    (project / "data" / "talks").mkdir()
    (project / "data" / "talks" / "oats.yml").write_text(TALK)
    data = TopicImporter(project).get_nlu_data()
    found = [(m.get(TEXT), m.get(METADATA)) for m in data.intent_examples if AFTER in (m.get(METADATA) or {})]
    assert found == [
        ("what are oats", {"intent": {}, AFTER: None}),
        ("a remark", {"intent": {}, AFTER: "faq/oats"}),
        ("how many of them with my tablets", {"intent": {"owes": "medicines"}, AFTER: "faq/oats"}),
    ]
