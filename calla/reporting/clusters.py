"""Questions without an answer, put together where they ask the same, each group with the file to edit."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

import numpy as np
from sklearn.cluster import AgglomerativeClustering

from calla.catalogue import OUT_OF_SCOPE
from calla.content.files import Entry
from calla.understanding.encoder import Encoder
from calla.understanding.vectors import VectorCache

# Different questions that are put together at most, the most frequent first.
MOST = 2_000
# Mean cosine distance up to which two groups ask the same.
SAME_UP_TO = 0.45
# Known questions nearest to a group that say where it belongs.
NEAREST = 12
# Questions of a group that are shown.
SHOWN = 5
# Share of the nearest known questions below which a topic is not named.
NAMED_FROM = 0.25


@dataclass(frozen=True)
class Place:
    """A topic or detail near to a group, and how near: the cosine of its nearest known question."""

    entry: Entry
    nearness: float


@dataclass(frozen=True)
class Cluster:
    """Questions that ask the same.

    Attributes:
        number: how many people's questions are in it.
        questions: some of them, the most frequent first.
        places: topics and details near to it, the nearest first; the file of the first is the one to edit.
            Never one of safety.
        outside: whether what is nearest is known to be outside the field.
        safety: whether a text of safety is nearest, which only the clinician changes.
    """

    number: int
    questions: tuple[str, ...]
    places: tuple[Place, ...]
    outside: bool
    safety: bool = False

    @property
    def file(self) -> str:
        """The file to edit, with the line; empty if nothing is near."""
        return f"{self.places[0].entry.path}:{self.places[0].entry.line}" if self.places else ""


class Map:
    """All known questions with their vectors: where a new one belongs.

    Args:
        encoder: turns texts into vectors.
        entries: the topics and details.
        models: folder in which training keeps the vectors of examples.
    """

    def __init__(self, encoder: Encoder, entries: Sequence[Entry], models: Path) -> None:
        self._encoder = encoder
        known = [(example.text, entry) for entry in entries for example in entry.examples]
        if not any(models.glob(f"vectors-{encoder.fingerprint[:16]}.npz")):
            # Nothing was trained here: the titles must do, all examples would take minutes.
            known = [(entry.value("title"), entry) for entry in entries if entry.value("title")]
        self._entries = [entry for _, entry in known]
        self._vectors = VectorCache(encoder, models).encode([text for text, _ in known])

    def clusters(self, questions: Sequence[str]) -> list[Cluster]:
        """Return the groups of questions, the largest first."""
        counted = Counter(questions).most_common(MOST)
        if not counted:
            return []
        texts = [text for text, _ in counted]
        vectors = self._encoder.encode_many(texts)
        labels = np.zeros(1, dtype=int)
        if len(texts) > 1:
            grouping = AgglomerativeClustering(
                n_clusters=None, distance_threshold=SAME_UP_TO, affinity="cosine", linkage="average"
            )
            labels = grouping.fit_predict(vectors)
        groups = [np.flatnonzero(labels == label) for label in range(int(labels.max()) + 1)]
        found = [self._cluster([counted[row] for row in rows], vectors[rows]) for rows in groups]
        return sorted(found, key=lambda cluster: (cluster.outside, -cluster.number))

    def _cluster(self, counted: Sequence[tuple[str, int]], vectors: np.ndarray) -> Cluster:
        centre = vectors.mean(axis=0)
        likeness = self._vectors @ (centre / (np.linalg.norm(centre) or 1.0))
        order = [(self._entries[row], float(likeness[row])) for row in np.argsort(-likeness)]
        votes, best = _nearest(order)
        outside = votes[OUT_OF_SCOPE] > NEAREST / 2
        safety = not outside and bool(best) and best[0].entry.is_safety
        votes, best = _nearest([(entry, near) for entry, near in order if not entry.is_safety])
        inside = [p for p in best if p.entry.name != OUT_OF_SCOPE]
        named = [p for p in inside if votes[p.entry.name] >= NAMED_FROM * NEAREST] or inside[:1]
        questions = tuple(text for text, _ in counted[:SHOWN])
        return Cluster(sum(number for _, number in counted), questions, tuple(named[:3]), outside, safety)


def _nearest(order: Sequence[tuple[Entry, float]]) -> tuple[Counter[str], list[Place]]:
    """Return how often each entry is among the nearest known questions, and the entries by that."""
    votes: Counter[str] = Counter(entry.name for entry, _ in order[:NEAREST])
    best: dict[str, Place] = {}
    for entry, nearness in order[:NEAREST]:
        best.setdefault(entry.name, Place(entry, nearness))
    return votes, sorted(best.values(), key=lambda place: (-votes[place.entry.name], -place.nearness))
