"""The models apart from the server: the encoder as floor, made-up topics, public data sets."""

from __future__ import annotations

import csv
import json
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from sklearn.linear_model import LogisticRegression

from calla.catalogue import OUT_OF_SCOPE
from calla.nlu.understanding import Understanding
from calla.settings import ROOT
from calla.text import clean
from calla.understanding.encoder import load_encoder
from calla.understanding.grams import letters_of_words
from calla.understanding.judgement import gate_features
from calla.understanding.spelling import Spelling
from calla.understanding.topic_model import Scores, TopicModel
from evaluation.bench.messages import class_of, realistic

TOPICS = (100, 300, 1_000)
EXAMPLES = 10
SHOTS, SEEDS = 10, (1, 2, 3)
# Texts scored at once.
_BATCH = 64


@dataclass(frozen=True)
class Pipeline:
    """Spelling, encoder and topic model as Calla trains them, on any texts."""

    spelling: Spelling
    topics: TopicModel
    seconds: dict[str, float]

    @classmethod
    def trained(cls, texts: Sequence[str], labels: Sequence[str]) -> Pipeline:
        """Train on texts and their labels."""
        began = time.perf_counter()
        spelling = Spelling([], texts)
        read = [spelling.corrected(clean(text)) for text in texts]
        at_reading = time.perf_counter()
        vectors = load_encoder().encode_many(read)
        at_encoding = time.perf_counter()
        letters = letters_of_words()
        settings = Understanding.get_default_config()
        topics = TopicModel(letters, **settings).fit(letters.fit(read), list(labels), vectors)
        at_end = time.perf_counter()
        return cls(
            spelling,
            topics,
            {"reading": at_reading - began, "encoding": at_encoding - at_reading, "learning": at_end - at_encoding},
        )

    def scores(self, texts: Sequence[str]) -> Scores:
        """Score texts."""
        read = [self.spelling.corrected(clean(text)) for text in texts]
        vectors = load_encoder().encode_many(read)
        found = [self.topics.score(read[n : n + _BATCH], vectors[n : n + _BATCH]) for n in range(0, len(read), _BATCH)]
        return Scores(*(np.vstack(parts) for parts in zip(*found, strict=True)))


# ------------------------------------------------------------------------------------- floor


def floor() -> dict[str, dict[str, float]]:
    """Return what the encoder alone takes for the whole text of each message, in ms, by class."""
    encoder = load_encoder()
    texts = realistic()
    encoder.encode(texts[:5])
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for text in texts:
        used, began = time.process_time(), time.perf_counter()
        encoder.encode([text])
        took = (1000 * (time.perf_counter() - began), 1000 * (time.process_time() - used))
        found[class_of(text)].append(took)
        found["all"].append(took)
    return {
        name: {"median": statistics.median(ms for ms, _ in times), "cpu_ms": statistics.mean(cpu for _, cpu in times)}
        for name, times in found.items()
    }


# ------------------------------------------------------------------------------ many topics


def many_topics(number: int) -> dict[str, float]:
    """Train on so many topics of ten examples each, and measure what grows with them.

    Beyond Calla's own, topics are made up of its texts: the first half of a question of one
    topic and the second half of one of another.

    Returns:
        seconds of each stage of training; milliseconds to read and to score a message.
    """
    own = _questions()
    names = list(own)
    texts: list[str] = []
    labels: list[str] = []
    for n in range(number):
        first, second = own[names[n % len(names)]], own[names[(n + n // len(names) * 7) % len(names)]]
        texts.extend(_halves(a, b) if n >= len(names) else a for a, b in zip(first, second, strict=True))
        labels.extend([f"faq/topic_{n}"] * len(first))
    pipeline = Pipeline.trained(texts, labels)
    asked = [text for text in realistic() if len(text.split()) <= 40][:100]
    vectors = load_encoder().encode(asked)
    took: dict[str, list[float]] = {"reading": [], "scoring": []}
    for text, vector in zip(asked, vectors, strict=True):
        began = time.process_time()
        read = pipeline.spelling.corrected(clean(text))
        at_reading = time.process_time()
        pipeline.topics.score([read], vector[None])
        took["scoring"].append(1000 * (time.process_time() - at_reading))
        took["reading"].append(1000 * (at_reading - began))
    stages = {f"{stage} (training, s)": seconds for stage, seconds in pipeline.seconds.items()}
    return {**stages, **{f"{stage} (a message, ms)": statistics.median(times) for stage, times in took.items()}}


def _questions() -> dict[str, list[str]]:
    """Return ten questions of each topic, details apart."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found: dict[str, list[str]] = {}
    for file in sorted((ROOT / "data" / "topics").rglob("*.yml")):
        for block in yaml.load(file.read_text(), Loader=loader).get("nlu") or []:
            examples = [line.removeprefix("- ") for line in block.get("examples", "").splitlines()]
            if "." not in block.get("intent", ".") and len(examples) >= EXAMPLES:
                found[block["intent"]] = examples[:EXAMPLES]
    return found


def _halves(first: str, second: str) -> str:
    one, two = first.split(), second.split()
    return " ".join([*one[: (len(one) + 1) // 2], *two[len(two) // 2 :]])


# ------------------------------------------------------------------------- public data sets


def banking77(folder: Path) -> dict[str, Any]:
    """Return the accuracy on BANKING77 (Casanueva et al. 2020) with ten examples of each intent."""
    train, test = _rows(folder / "train.csv"), _rows(folder / "test.csv")
    accuracies = []
    for seed in SEEDS:
        draw = random.Random(seed)
        by_label: dict[str, list[str]] = defaultdict(list)
        for text, label in train:
            by_label[label].append(text)
        chosen = [(t, label) for label, texts in sorted(by_label.items()) for t in draw.sample(texts, SHOTS)]
        pipeline = Pipeline.trained(*zip(*chosen, strict=True))
        best = pipeline.scores([text for text, _ in test]).probabilities.argmax(axis=1)
        right = [pipeline.topics.labels[i] == label for i, (_, label) in zip(best, test, strict=True)]
        accuracies.append(sum(right) / len(right))
    return {"accuracy": statistics.mean(accuracies), "of_each_draw": accuracies, "examples": SHOTS, "test": len(test)}


def _rows(file: Path) -> list[tuple[str, str]]:
    with file.open(newline="") as lines:
        return [(row["text"], row["category"]) for row in csv.DictReader(lines)]


def clinc150(folder: Path) -> dict[str, Any]:
    """Return accuracy inside and recall outside on CLINC150 (Larson et al. 2019), all its training examples.

    What is outside is learned as a topic, as Calla's is; the gate's features are weighed anew
    on the validation part, which also gives the threshold. Two of them are reported: that
    with the best sum, and the highest that keeps 95 % of the validation part inside right.
    """
    data = json.loads((folder / "data_full.json").read_text())
    known = [*data["train"], *((text, OUT_OF_SCOPE) for text, _ in data["oos_train"])]
    pipeline = Pipeline.trained([text for text, _ in known], [label for _, label in known])
    gate = LogisticRegression(class_weight="balanced", max_iter=1_000)
    features, _ = _gate(pipeline, [text for text, _ in [*data["val"], *data["oos_val"]]])
    gate.fit(features, [1] * len(data["val"]) + [0] * len(data["oos_val"]))

    def judged(inside: list[list[str]], outside: list[list[str]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        of_inside, labels = _gate(pipeline, [text for text, _ in inside])
        right = np.array([label == own for label, (_, own) in zip(labels, inside, strict=True)])
        of_outside, _ = _gate(pipeline, [text for text, _ in outside])
        return right, gate.predict_proba(of_inside)[:, 1], gate.predict_proba(of_outside)[:, 1]

    right, inside, outside = judged(data["val"], data["oos_val"])
    levels = np.unique(np.concatenate([inside, outside]))
    figures = [(float(np.mean(right & (inside >= t))), float(np.mean(outside < t)), float(t)) for t in levels]
    best = max(figures, key=lambda one: one[0] + one[1])
    kept = max((one for one in figures if one[0] >= 0.95), key=lambda one: one[1], default=best)
    right, inside, outside = judged(data["test"], data["oos_test"])

    def at(level: float) -> dict[str, float]:
        return {"inside": float(np.mean(right & (inside >= level))), "outside": float(np.mean(outside < level))}

    return {"best_sum": at(best[2]), "inside_kept": at(kept[2]), "no_gate": float(np.mean(right)), "test": len(right)}


def _gate(pipeline: Pipeline, texts: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Return the gate's features of texts and the best label inside for each."""
    scores, labels = pipeline.scores(texts), pipeline.topics.labels
    outside = labels.index(OUT_OF_SCOPE)
    found = [gate_features(p, s, outside) for p, s in zip(scores.probabilities, scores.similarities, strict=True)]
    return np.stack([features for features, _ in found]), [labels[int(order[0])] for _, order in found]
