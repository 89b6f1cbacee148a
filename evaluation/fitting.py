"""What fitting shares: the development sets, the thresholds, and what has been fitted so far."""

from __future__ import annotations

import json
import os
import subprocess
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from functools import partial
from multiprocessing import get_context
from typing import Any, Callable, Iterable, Iterator, NamedTuple, Optional, Sequence, TypeVar

from calla.settings import ROOT
from calla.understanding.judgement import Judging
from calla.understanding.memory import EARLIER
from calla.understanding.weights import FILE, Weights, load_weights
from evaluation.planner import Planner

T = TypeVar("T")
R = TypeVar("R")
DEVELOPMENT = ROOT / "tests" / "nlu" / "dev"
# How much a message of strangers counts beside one of our own sets.
STRANGERS_COUNT = 5.0
# Seed of what is put together by chance.
SEED = 7
THRESHOLDS = {
    # Certainty from which a topic is answered without asking back; the same beside a referral,
    # which should not stand alone.
    "answer_from": 0.5,
    "answer_beside_referral_from": 0.3,
    # Probability of being inside the field below which a message, or a part, is declined.
    "inside_from": 0.5,
    "inside_part_from": 0.25,
    # Probability from which a part is a question of its own.
    "question_from": 0.23,
    # Probability of a detail from which it is answered instead of its topic's overview.
    "detail_from": 0.45,
    # Probability from which a referral is owed; the same where the turn before has a part in it.
    "referral_from": 0.15,
    "told_from": 0.12,
    # The same if only a hint of a rule says what: "I can't go on".
    "hint_from": 0.4,
    # Log-odds from which a clause names a referral of its own beside the worst.
    "clause_from": 1.0,
    # Probability from which the model alone owes no more than an appointment.
    "planned_from": 0.5,
    # Probability of an emergency, or of a crisis, from which its text is given, if it is as probable
    # that anything is owed; probability of being outside the field from which what sounds like one
    # and is none owes nothing else.
    "acute_from": 0.3,
    "acute_owed_from": 0.15,
    "outside_from": 0.8,
    # Certainty from which it is clear what a general question asks; log-odds up to which no danger is
    # heard in one: in doubt, where it is clear, and where it is clear but somebody is spoken of.
    "general_sure_from": 0.9,
    "general_below": -4.0,
    "general_sure_below": -1.0,
    "general_person_below": -5.0,
}


def lines_of(name: str) -> list[dict[str, Any]]:
    """Read a development set: our own, and those of strangers that have been looked at."""
    files = sorted(DEVELOPMENT.parent.glob(f"*/{name}.jsonl"))
    return [
        json.loads(line) | {"counts": 1.0 if file.parent == DEVELOPMENT else STRANGERS_COUNT}
        for file in files
        for line in file.read_text().splitlines()
    ]


class FollowUp(NamedTuple):
    """A turn of a dialogue but the first.

    Attributes:
        line: the dialogue.
        before: the turn before.
        text: the turn.
        topic: what it asks.
        last: what the turn before asked.
        earlier: what the turns before that asked, the latest first.
    """

    line: dict[str, Any]
    before: str
    text: str
    topic: str
    last: str
    earlier: tuple[str, ...]


def follow_ups() -> Iterator[FollowUp]:
    """Yield each turn of the development dialogues but the first."""
    for line in lines_of("followups"):
        turns, topics = line["turns"][-len(line["topics"]) :], line["topics"]
        for n in range(1, len(topics)):
            earlier = tuple(topic for topic in dict.fromkeys(topics[n - 2 :: -1] if n > 1 else ()) if topic)
            yield FollowUp(line, turns[n - 1], turns[n], topics[n], topics[n - 1], earlier[:EARLIER])


def talks() -> Iterator[tuple[str, Optional[str], str]]:
    """Yield the turns of long talks that follow harmless ones only: the turn, the one before, what kind it owes."""
    for line in lines_of("followups"):
        for n, kind in enumerate(line.get("owes", ())):
            yield line["turns"][n], line["turns"][n - 1] if n else None, kind
            if kind != "none":
                # After a danger memory has the word.
                break


# What the processes of a pool find when they begin.
_FITTING: list[Fitting] = []


def in_pieces(function: Callable[[Fitting, T], R], items: Sequence[T]) -> list[R]:
    """Apply a function to items on all cores; it sees what is fitted so far."""
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("fork")) as pool:
        return list(pool.map(partial(_apply, function), items, chunksize=32))


def _apply(function: Callable[[Fitting, T], R], item: T) -> R:
    return function(_FITTING[0], item)


class Fitting:
    """The trained models, the catalogue, and what has been fitted so far."""

    def __init__(self, planner: Planner) -> None:
        self.models = planner.models
        self.reading = planner.read
        self.catalogue = planner.catalogue
        self.labels = self.models.topics.labels
        self.weights: dict[str, dict[str, float]] = {k: dict(v) for k, v in load_weights().weights.items()}
        _FITTING[:] = [self]

    def judging(self) -> Judging:
        """Return a judging with what is fitted so far."""
        return Judging(self.models, Weights(self.weights, THRESHOLDS))

    def keep(self, name: str, evidence: Iterable[str], weights: Iterable[float]) -> None:
        """Keep fitted weights."""
        self.weights[name] = {each: round(float(w), 3) for each, w in zip(evidence, weights, strict=True)}

    def write(self, sets: Iterable[str]) -> None:
        """Write everything with where it comes from."""
        commit = subprocess.run(["git", "describe", "--always", "--dirty=*"], cwd=ROOT, capture_output=True, text=True)
        fitted = {"commit": commit.stdout.strip(), "date": str(date.today()), "sets": sorted(sets)}
        FILE.write_text(
            json.dumps({"fitted": fitted, "thresholds": THRESHOLDS, "weights": self.weights}, indent=1) + "\n"
        )
