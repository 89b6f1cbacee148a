"""What the models make of a text: how certain, of which topic, which detail, how urgent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Collection, Optional, Sequence

import numpy as np

from calla.catalogue import FAQ, OUT_OF_SCOPE, REFERRAL
from calla.understanding.encoder import Encoder
from calla.understanding.topic_model import Scores, TopicModel
from calla.understanding.urgency_model import Urgencies, UrgencyModel
from calla.understanding.weights import Weights

FEATURES = ("bias", "best log-odds", "margin", "cosine", "outside log-odds", "cosine less outside cosine")
MAX_CANDIDATES = 3
# Probability of a detail below which it is not worth a button.
DETAIL_OFFER_FROM = 0.05
# Keeps what one of two wordings rules out from being ruled out altogether.
FLOOR = 1e-3


@dataclass(frozen=True)
class Models:
    """The trained models, and the encoder they share."""

    encoder: Encoder
    topics: TopicModel
    urgency: UrgencyModel


@dataclass(frozen=True)
class Judgement:
    """What the topic model makes of one text.

    Attributes:
        outcome: ``answer``, ``clarify`` or ``decline``.
        label: best label that can be answered (full retrieval intent), or out of scope.
        candidates: labels worth offering, best first.
        certainty: 0 to 1, how sure the gate is of ``label``.
        inside: 0 to 1, how sure the gate is that the text is about the field at all.
        wording: the text that best says what was chosen; its details are asked for.
    """

    outcome: str
    label: str
    candidates: tuple[str, ...]
    certainty: float
    inside: float
    wording: str


class Judging:
    """Judges the texts of one message, each of them once, all that are known at once in one batch.

    Args:
        models: the trained models.
        weights: fitted weights.
        earlier: ids of the topics that were spoken of before the last one.
    """

    def __init__(self, models: Models, weights: Weights, earlier: Collection[str] = ()) -> None:
        self.models = models
        self.earlier = earlier
        self.labels = models.topics.labels
        self.weights = weights
        self._certainty = weights.vector("certainty", FEATURES)
        self._inside = weights.vector("inside", FEATURES)
        # Which labels are dangers, ``[labels]``.
        self.dangers = np.array([label.startswith(f"{REFERRAL}/") for label in self.labels])
        self._outside = self.labels.index(OUT_OF_SCOPE) if OUT_OF_SCOPE in self.labels else None
        self._rows: dict[str, tuple[Scores, Urgencies]] = {}
        self._judged: dict[str, Judgement] = {}

    def learn(self, texts: Sequence[str]) -> None:
        """Encode and score texts in one batch; those that are known cost nothing."""
        new = [text for text in dict.fromkeys(texts) if text not in self._rows]
        if not new:
            return
        vectors = self.models.encoder.encode(new)
        scores = self.models.topics.score(new, vectors)
        urgencies = self.models.urgency.score(new, vectors)
        for i, text in enumerate(new):
            row = slice(i, i + 1)
            self._rows[text] = (
                Scores(*(part[row] for part in scores)),
                Urgencies(*(part[row] for part in urgencies)),
            )

    def one(self, text: str) -> Judgement:
        """Judge a text."""
        return self.all([text])[0]

    def all(self, texts: Sequence[str]) -> list[Judgement]:
        """Judge texts."""
        self.learn(texts)
        for text in texts:
            if text not in self._judged:
                self._judged[text] = self._judge(text)
        return [self._judged[text] for text in texts]

    def scores(self, text: str) -> Scores:
        """Return the scores of a text, one row each."""
        self.learn([text])
        return self._rows[text][0]

    def urgency(self, text: str) -> Urgencies:
        """Return what a text is owed, one row each."""
        self.learn([text])
        return self._rows[text][1]

    def share(self, text: str, label: str) -> float:
        """Return the probability of a label for a text."""
        return float(self.scores(text).probabilities[0, self.labels.index(label)])

    def details(self, text: str, label: str) -> dict[str, float]:
        """Return how probable each detail of a topic is for a text, most probable first."""
        return self.models.topics.details_of(label, self.scores(text).details[0])

    def _judge(self, text: str) -> Judgement:
        scores = self.scores(text)
        p = scores.probabilities[0]
        features, order = gate_features(p, scores.similarities[0], self._outside)
        certainty = logistic(float(features @ self._certainty))
        inside = logistic(float(features @ self._inside))
        likely = [i for i in order[: MAX_CANDIDATES + 3] if p[i] > 0.02 and self.labels[i].startswith(f"{FAQ}/")]
        candidates = tuple(self.labels[i] for i in likely[:MAX_CANDIDATES])
        if inside < self.weights.threshold("inside_from"):
            outcome = "decline"
        elif certainty >= self.weights.threshold("answer_from"):
            outcome = "answer"
        else:
            outcome = "clarify" if candidates else "decline"
        return Judgement(outcome, self.labels[int(order[0])], candidates, certainty, inside, text)


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
    nearest = float(np.max(np.delete(similarities, [] if outside is None else outside)))
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
