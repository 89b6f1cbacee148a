"""The plans of many messages without Rasa around them: for fitting, evaluation and tests.

The models come out of the trained model's archive and the catalogue out of the content, so
that a set of a thousand messages takes seconds, in as many processes as there are cores.
"""

from __future__ import annotations

import os
import pickle

# Two threads of linear algebra in each process would only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import tarfile
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Optional, Sequence

import yaml

from calla.catalogue import Catalogue
from calla.model import latest_model
from calla.plan import Plan
from calla.safety.screen import load_screen
from calla.settings import ROOT
from calla.understanding.answering import OVER
from calla.understanding.decision import after_danger, decide
from calla.understanding.encoder import load_encoder
from calla.understanding.judgement import Models
from calla.understanding.learning import Learned
from calla.understanding.memory import Memory
from calla.understanding.reading import Reading, read
from calla.understanding.weights import load_weights
from evaluation.replies import Reply


def responses() -> dict[str, list[dict[str, Any]]]:
    """Return all responses of the content and the domain."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found: dict[str, list[dict[str, Any]]] = {}
    for file in (*sorted((ROOT / "data").rglob("*.yml")), ROOT / "domain.yml"):
        found.update((yaml.load(file.read_text(), Loader=loader) or {}).get("responses") or {})
    return found


def learned_of(model: Path) -> Learned:
    """Return what a trained model has learned."""
    with tarfile.open(model) as archive:
        member = next(m for m in archive.getmembers() if m.name.endswith("learned.pickle"))
        file = archive.extractfile(member)
        assert file is not None
        learned: Learned = pickle.load(file)
        return learned


class Planner:
    """Plans messages with a trained model.

    Attributes:
        learned: the trained parts.
        models: the models with the encoder.
        catalogue: topics and details.
    """

    def __init__(self, model: Optional[Path] = None) -> None:
        self.learned = learned_of(model or latest_model())
        self.models = Models(load_encoder(), self.learned.topics, self.learned.urgency)
        self.catalogue = Catalogue(responses())

    def read(self, text: str) -> Reading:
        """Read a message as the bot does."""
        return read(text, self.learned.spelling)

    def plan(self, *turns: str) -> Plan:
        """Return the plan of the last message of a conversation."""
        memory, asked = Memory(), ""
        for turn in turns:
            reading, found, aged = self.read(turn), load_screen().find(turn), memory.aged()
            plan = decide(reading, found, self.models, load_weights(), self.catalogue, aged, asked)
            if plan.outcome == OVER and aged.acute():
                before, found = self.read(asked), load_screen().find(asked)
                plan = after_danger(plan, before, found, self.models, load_weights(), self.catalogue, aged)
            memory, asked = Memory.read(plan.memory), turn
        return plan


@lru_cache(maxsize=1)
def planner() -> Planner:
    """Return the planner of this process."""
    return Planner()


class PlannedBot:
    """A bot for ``evaluation.evaluate`` that answers with the names of what it would say.

    Args:
        lines: what will be asked (``evaluate.read_lines``); worked out beforehand on all cores.
    """

    def __init__(self, lines: Sequence[dict[str, Any]]) -> None:
        dialogues = [tuple(line.get("turns") or [line["text"]]) for line in lines]
        asked = list(dict.fromkeys(turns[: n + 1] for turns in dialogues for n in range(len(turns))))
        self._plans = dict(zip(asked, plans(asked), strict=True))
        self._said: dict[str, tuple[str, ...]] = {}

    def ask(self, text: str, conversation: Optional[str] = None) -> list[Reply]:
        """Return what is said; the buttons stand under the last of it."""
        turns = (*self._said.get(conversation or "", ()), text)
        if conversation:
            self._said[conversation] = turns
        plan, catalogue = self._plans[turns], planner().catalogue
        names = [*(referral.response for referral in plan.referrals), *plan.responses]
        titles = tuple(topic.title for id in plan.offers if (topic := catalogue.find(id)))
        return [Reply(name, "", titles if name == names[-1] else ()) for name in names]


def _plan(turns: Sequence[str]) -> Plan:
    return planner().plan(*turns)


def plans(dialogues: Sequence[Sequence[str]]) -> list[Plan]:
    """Return the plan of the last message of each conversation, worked out on all cores."""
    planner()
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("fork")) as pool:
        return list(pool.map(_plan, dialogues, chunksize=16))
