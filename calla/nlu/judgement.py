"""What the topic model makes of a text: how certain, of which topic, how dangerous."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Sequence

import numpy as np

from calla.catalogue import FAQ, OUT_OF_SCOPE, REFERRAL, Catalogue
from calla.nlu.topic_model import Scores
from calla.nlu.topics import TopicScorer

FEATURES = ("bias", "best log-odds", "margin", "cosine", "outside log-odds", "cosine less outside cosine")
MAX_CANDIDATES = 3
# Probability from which the topic model believes in an emergency or a crisis.
ACUTE_FROM = 0.8
# Keeps what one of two wordings rules out from being ruled out altogether.
FLOOR = 1e-3
_ACUTE = frozenset({f"{REFERRAL}/emergency", f"{REFERRAL}/emotional_crisis"})


@dataclass(frozen=True)
class Judgement:
    """What the topic model makes of one text.

    Attributes:
        outcome: ``answer``, ``clarify`` or ``decline``.
        label: best label that can be answered (full retrieval intent), or out of scope.
        candidates: labels worth offering, best first.
        certainty: 0 to 1, how sure the gate is of ``label``.
        inside: 0 to 1, how sure the gate is that the text is about the field at all.
        mass: probability of all labels together that owe a referral.
        wording: probability that the text owes a referral, by its words alone.
        neighbours: share of the nearest known questions that owe a referral.
        danger: the most probable label that owes a referral.
    """

    outcome: str
    label: str
    candidates: tuple[str, ...]
    certainty: float
    inside: float
    mass: float
    wording: float
    neighbours: float
    danger: str


@dataclass(frozen=True)
class Gate:
    """Thresholds and weights of the three outcomes (see ``AnswerGate``)."""

    certainty_weights: np.ndarray
    inside_weights: np.ndarray
    answer_from: float
    inside_from: float
    inside_part_from: float


class Judging:
    """Judges the texts of one message, each of them once.

    Args:
        scorer: the trained topic model.
        gate: thresholds.
        catalogue: topics and what they owe.
        known: texts that have been scored already, a row of scores each.
    """

    def __init__(
        self, scorer: TopicScorer, gate: Gate, catalogue: Catalogue, known: Optional[dict[str, Scores]] = None
    ) -> None:
        self.scorer = scorer
        self.gate = gate
        self._owing = scorer.owing(catalogue)
        self._acute = np.array([label in _ACUTE for label in scorer.labels])
        self._outside = scorer.labels.index(OUT_OF_SCOPE) if OUT_OF_SCOPE in scorer.labels else None
        self._scored: dict[str, Scores] = dict(known or {})
        self._judged = {text: self.of(scores)[0] for text, scores in self._scored.items()}

    def one(self, text: str) -> Judgement:
        """Judge a text."""
        return self.all([text])[0]

    def all(self, texts: Sequence[str]) -> list[Judgement]:
        """Judge texts; those judged before cost nothing."""
        new = [text for text in dict.fromkeys(texts) if text not in self._judged]
        if new:
            scores = self.scorer.score(new)
            self._judged.update(zip(new, self.of(scores), strict=True))
            self._scored.update({text: Scores(*(part[i : i + 1] for part in scores)) for i, text in enumerate(new)})
        return [self._judged[text] for text in texts]

    def scores(self, text: str) -> Scores:
        """Return the scores of a text, one row each."""
        self.one(text)
        return self._scored[text]

    def share(self, text: str, label: str) -> float:
        """Return the probability of a label for a text."""
        self.one(text)
        return float(self._scored[text].probabilities[0, self.scorer.labels.index(label)])

    def of(self, scores: Scores) -> list[Judgement]:
        """Judge scored texts one by one (``scores``: a row each)."""
        labels, owing, gate = self.scorer.labels, self._owing, self.gate
        judged = []
        for p, similarity, wording, neighbours in zip(*scores, strict=True):
            features, order = gate_features(p, similarity, self._outside)
            best = int(order[0])
            certainty = logistic(features @ gate.certainty_weights)
            likely = [i for i in order[: MAX_CANDIDATES + 3] if p[i] > 0.02 and labels[i].startswith(f"{FAQ}/")]
            candidates = tuple(labels[i] for i in likely[:MAX_CANDIDATES])
            inside = logistic(features @ gate.inside_weights)
            if inside < gate.inside_from:
                outcome = "decline"
            elif certainty >= gate.answer_from:
                outcome = "answer"
            else:
                outcome = "clarify" if candidates else "decline"
            mass, danger = 0.0, ""
            if owing.any() and not owing.all():
                mass = float(p[owing].sum())
                # An emergency or crisis ends the conversation, so a small share does not suggest it.
                danger = labels[int(np.argmax(np.where(owing & ~(self._acute & (p < ACUTE_FROM)), p, 0.0)))]
            judged.append(
                Judgement(
                    outcome,
                    labels[best],
                    candidates,
                    certainty,
                    inside,
                    mass,
                    float(wording),
                    float(neighbours),
                    danger,
                )
            )
        return judged


def gate_features(
    probabilities: np.ndarray, similarities: np.ndarray, outside: Optional[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Compute what the gate weighs.

    Args:
        probabilities: ``[labels]``, one row of ``Scores.probabilities``.
        similarities: ``[labels]``, one row of ``Scores.similarities``.
        outside: index of the out-of-scope label, ``None`` if there is none.

    Returns:
        the features (``FEATURES``) and the indices of the labels inside the field, most
        probable first.
    """
    inside = probabilities.copy()
    p_outside, cosine_outside = 0.0, 0.0
    if outside is not None:
        p_outside, cosine_outside = float(probabilities[outside]), float(similarities[outside])
        inside[outside] = -1
    order = np.argsort(-inside)
    best, second = order[0], order[1]
    nearest = max(float(c) for i, c in enumerate(similarities) if i != outside)
    features = np.array(
        [
            1.0,
            log_odds(inside[best]),
            inside[best] - inside[second],
            similarities[best],
            log_odds(p_outside),
            nearest - cosine_outside,
        ]
    )
    return features, order


def logistic(x: float) -> float:
    """Return the probability of log-odds."""
    return float(1 / (1 + np.exp(-x)))


def log_odds(p: float) -> float:
    """Return the log-odds of a probability, within what floats can tell apart from 0 and 1."""
    p = min(max(float(p), 1e-4), 1 - 1e-4)
    return float(np.log(p / (1 - p)))
