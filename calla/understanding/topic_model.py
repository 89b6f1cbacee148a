"""The model behind understanding: which topic does a question belong to, and which of its details?"""

from __future__ import annotations

import warnings
from typing import NamedTuple, Sequence

import numpy as np
from scipy.special import softmax
from sklearn.decomposition import TruncatedSVD
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import normalize

# More passes over the examples cost time and change little on unseen questions
# (docs/evaluation.md).
EPOCHS = 12
# How much of the prior of a detail within its topic is taken back (1: all).
BALANCE = 0.75
# Questions that the n-grams are condensed by; more take longer and change nothing either.
CONDENSED_BY = 6000
# Keeps the logarithm of what the network rules out finite.
_FLOOR = 1e-9


class Scores(NamedTuple):
    """How well some texts fit each topic and each detail.

    Attributes:
        probabilities: ``[texts, topics]``; rows sum to 1; columns in the order of
            ``TopicModel.labels``. That of a topic is the sum over its overview and details.
        similarities: ``[texts, topics]``; cosine to the nearest known question of each
            topic, from -1 to 1.
        details: ``[texts, details]``; columns in the order of ``TopicModel.details``.
    """

    probabilities: np.ndarray
    similarities: np.ndarray
    details: np.ndarray


class TopicModel:
    """One small network over the sentence vector and condensed character n-grams.

    The sentence vector carries meaning, character n-grams carry spelling ("mk-7",
    typos). The n-grams are condensed by a truncated SVD (latent semantic analysis,
    Deerwester et al. 1990).

    The network draws borders between all details of all topics at once; the nearest known
    question of each remembers single wordings. The probabilities weigh both: log p +
    ``similarity_weight`` x cosine, made to sum to 1 again (an interpolation in the manner
    of kNN language models, Khandelwal et al. 2020, in log space).

    Args:
        seed: seed of the SVD and the network.
        hidden: units of the network's hidden layer.
        penalty: its quadratic penalty.
        spelling_dimensions: columns that the n-grams are condensed to.
        spelling_weight: length of the spelling part; the sentence vector has length 1.
        similarity_weight: weight of the cosine to the nearest known question.
    """

    def __init__(
        self,
        *,
        seed: int,
        hidden: int,
        penalty: float,
        spelling_dimensions: int,
        spelling_weight: float,
        similarity_weight: float,
    ) -> None:
        self._weight = spelling_weight
        self._similarity_weight = similarity_weight
        self._characters = TfidfVectorizer(
            analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True, min_df=3, dtype=np.float32
        )
        self._condense = TruncatedSVD(spelling_dimensions, n_iter=2, random_state=seed)
        self._seed = seed
        self._hidden, self._penalty = hidden, penalty
        self.labels: list[str] = []
        self.details: list[str] = []
        self._layers: list[tuple[np.ndarray, np.ndarray]] = []
        self._projection = np.zeros((0, 0), dtype=np.float32)
        self._known = np.zeros((0, 0), dtype=np.float32)
        self._starts = np.zeros(0, dtype=np.int64)
        self._topic_starts = np.zeros(0, dtype=np.int64)

    def fit(self, texts: Sequence[str], labels: Sequence[str], vectors: np.ndarray) -> TopicModel:
        """Train on questions and their labels.

        Args:
            texts: the known questions.
            labels: a label for each text: a topic, or a detail of one after a full stop.
            vectors: their sentence vectors, ``[texts, dimension]``.
        """
        # By topic first: a plain order of labels would put other topics between a topic
        # and its details.
        order = sorted(range(len(labels)), key=lambda i: _place(labels[i]))
        texts, vectors = [texts[i] for i in order], vectors[order]
        known = [labels[i] for i in order]
        self.details = sorted(set(known), key=_place)
        topics = [detail.partition(".")[0] for detail in self.details]
        self.labels = sorted(set(topics))
        self._topic_starts = np.array([topics.index(topic) for topic in self.labels])
        at = {detail: i for i, detail in enumerate(self.details)}
        numbers = np.array([at[label] for label in known])
        self._known = np.ascontiguousarray(vectors, dtype=np.float32)
        self._starts = np.searchsorted(numbers, np.arange(len(self.details)))
        self._learn_spelling(texts)
        network = MLPClassifier(
            (self._hidden,),
            alpha=self._penalty,
            max_iter=EPOCHS,
            learning_rate_init=2e-3,
            batch_size=min(256, len(texts)),
            random_state=self._seed,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            network.fit(self._features(texts, vectors), numbers)
        self._layers = [
            (w.astype(np.float32), b.astype(np.float32))
            for w, b in zip(network.coefs_, network.intercepts_, strict=True)
        ]
        return self

    def _learn_spelling(self, texts: Sequence[str]) -> None:
        characters = self._characters.fit_transform(t.lower() for t in texts)
        # No more columns than the data can carry (small benchmarks, tests).
        self._condense.n_components = min(
            self._condense.n_components, min(len(texts), CONDENSED_BY, characters.shape[1]) - 1
        )
        drawn = np.random.default_rng(self._seed).permutation(len(texts))[:CONDENSED_BY]
        self._condense.fit(characters[drawn])
        # Laid out for the product below: scikit-learn's own transform copies the whole
        # matrix (30 MB) for every message.
        self._projection = np.ascontiguousarray(self._condense.components_.T, dtype=np.float32)

    def _features(self, texts: Sequence[str], vectors: np.ndarray) -> np.ndarray:
        characters = self._characters.transform(t.lower() for t in texts)
        spelling = normalize(characters @ self._projection).astype(np.float32)
        return np.hstack([vectors, self._weight * spelling])

    def score(self, texts: Sequence[str], vectors: np.ndarray) -> Scores:
        """Score texts.

        Args:
            texts: the texts.
            vectors: their sentence vectors, ``[texts, dimension]``.

        Returns:
            the scores, a row per text.
        """
        (w1, b1), (w2, b2) = self._layers
        logits = np.maximum(self._features(texts, vectors) @ w1 + b1, 0) @ w2 + b2
        if logits.shape[1] == 1:
            # Two labels: scikit-learn keeps the second alone, with a logistic.
            logits = np.hstack([np.zeros_like(logits), logits])
        # Questions in rows: the maximum is then taken over whole rows, which is many times faster.
        nearest = np.maximum.reduceat(self._known @ vectors.T, self._starts, axis=0).T
        evidence = np.log(softmax(logits, axis=1) + _FLOOR) + self._similarity_weight * nearest
        details = softmax(evidence, axis=1)
        return Scores(
            np.add.reduceat(details, self._topic_starts, axis=1),
            np.maximum.reduceat(nearest, self._topic_starts, axis=1),
            details,
        )

    def details_of(self, label: str, row: np.ndarray) -> dict[str, float]:
        """Return how probable each detail of a topic is for a text that asks for the topic.

        Args:
            label: the topic.
            row: the text's row of ``Scores.details``.

        Returns:
            label to probability, the topic's own label standing for its overview, most
            probable first.
        """
        own = [i for i, detail in enumerate(self.details) if detail.partition(".")[0] == label]
        # An overview has many more examples than a detail, which says nothing of how often
        # people ask for it: the network's prior is taken back within the topic.
        counts = np.diff(np.append(self._starts, len(self._known)))[own]
        weighed = row[own] / (counts / counts.sum()) ** BALANCE
        weighed = weighed / (weighed.sum() or 1.0)
        return {self.details[own[i]]: float(weighed[i]) for i in np.argsort(-weighed)}


def _place(label: str) -> tuple[str, str]:
    topic, _, detail = label.partition(".")
    return topic, detail
