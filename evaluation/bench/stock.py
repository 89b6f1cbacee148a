"""The stock assistant: Rasa's default pipeline, trained on the same topics.

At its own 100 epochs and on all examples it would learn for hours. ``examples`` keeps the
first so many of each topic and detail, ``epochs`` shortens the learning: both change its
training time and its accuracy, neither what a message costs.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from calla.settings import ROOT

CONFIG = """
recipe: default.v1
language: en
assistant_id: stock
pipeline:
- name: WhitespaceTokenizer
- name: RegexFeaturizer
- name: LexicalSyntacticFeaturizer
- name: CountVectorsFeaturizer
- name: CountVectorsFeaturizer
  analyzer: char_wb
  min_ngram: 1
  max_ngram: 4
- name: DIETClassifier
  epochs: {epochs}
  constrain_similarities: true
  random_seed: 7
- name: ResponseSelector
  epochs: {epochs}
  constrain_similarities: true
  random_seed: 7
- name: FallbackClassifier
  threshold: 0.3
  ambiguity_threshold: 0.1
policies:
- name: MemoizationPolicy
- name: RulePolicy
- name: TEDPolicy
  max_history: 5
  epochs: {epochs}
  constrain_similarities: true
  random_seed: 7
"""
DOMAIN = """
intents: [faq, chat, referral, out_of_scope]
actions: [utter_faq, utter_chat, utter_referral]
"""
RULES = """
version: "3.1"
rules:
- rule: Answer a question
  steps: [{intent: faq}, {action: utter_faq}]
- rule: Small talk
  steps: [{intent: chat}, {action: utter_chat}]
- rule: Refer
  steps: [{intent: referral}, {action: utter_referral}]
- rule: Decline
  steps: [{intent: out_of_scope}, {action: utter_out_of_scope}]
"""
CREDENTIALS = "rest:\n"
MODEL = "stock.tar.gz"


def prepare(folder: Path, epochs: int, examples: int) -> None:
    """Write the stock assistant's project: config, domain, rules, credentials, and the topics cut short."""
    data = folder / "data"
    shutil.rmtree(data, ignore_errors=True)
    for part in ("topics", "conversation"):
        shutil.copytree(ROOT / "data" / part, data / part)
    shutil.copy(ROOT / "data" / "safety" / "referrals.yml", data)
    # The lines that follow "examples: |", no other list of the file.
    beyond = re.compile(rf"(examples: \|\n(?:    - .*\n){{{examples}}})(?:    - .*\n)+")
    for file in data.rglob("*.yml"):
        file.write_text(beyond.sub(r"\1", file.read_text()))
    (folder / "config.yml").write_text(CONFIG.format(epochs=epochs))
    (folder / "domain.yml").write_text(DOMAIN)
    (folder / "credentials.yml").write_text(CREDENTIALS)
    (data / "rules.yml").write_text(RULES)


def train(folder: Path, epochs: int, examples: int) -> dict[str, float]:
    """Train it into ``folder``/``MODEL``; return the seconds that took.

    Raises:
        subprocess.CalledProcessError: if that fails; the log is in the folder.
    """
    prepare(folder, epochs, examples)
    began = time.monotonic()
    with (folder / "training.log").open("wb") as log:
        subprocess.run(
            [sys.executable, "-m", "rasa", "train", "--out", ".", "--fixed-model-name", MODEL.removesuffix(".tar.gz")],
            cwd=folder,
            stdout=log,
            stderr=log,
            check=True,
        )
    return {"seconds": time.monotonic() - began}
