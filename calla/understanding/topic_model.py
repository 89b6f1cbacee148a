"""The model behind understanding: which topic does a question belong to, and which of its details?"""

from __future__ import annotations

from typing import NamedTuple, Optional, Sequence

import numpy as np
from scipy.sparse import csr_matrix
from scipy.special import softmax
from sklearn.decomposition import TruncatedSVD

from calla.understanding.grams import Grams
from calla.understanding.nearest import Nearest
from calla.understanding.network import Network

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
        letters: the n-grams, trained.
        seed: seed of the SVD and the network.
        hidden: units of the network's hidden layer.
        penalty: its quadratic penalty.
        passes: how often it goes through the examples.
        spelling_dimensions: columns that the n-grams are condensed to.
        spelling_weight: length of the spelling part; the sentence vector has length 1.
        similarity_weight: weight of the cosine to the nearest known question.
    """

    def __init__(
        self,
        letters: Grams,
        *,
        seed: int,
        hidden: int,
        penalty: float,
        passes: int,
        spelling_dimensions: int,
        spelling_weight: float,
        similarity_weight: float,
    ) -> None:
        self._weight = spelling_weight
        self._similarity_weight = similarity_weight
        self.letters = letters
        self._spelling_dimensions, self._seed = spelling_dimensions, seed
        self._network = Network(hidden=hidden, penalty=penalty, passes=passes, seed=seed)
        self.labels: list[str] = []
        self.details: list[str] = []
        self._projection = np.zeros((0, 0), dtype=np.float16)
        self._nearest: Nearest
        self._topic_starts = np.zeros(0, dtype=np.int64)

    def fit(
        self,
        grams: csr_matrix,
        labels: Sequence[str],
        vectors: np.ndarray,
        before: Optional[TopicModel] = None,
        new: Sequence[int] | np.ndarray = (),
    ) -> TopicModel:
        """Train on questions and their labels.

        Args:
            grams: the n-grams of the known questions, ``[questions, n-grams]``.
            labels: a label for each: a topic, or a detail of one after a full stop.
            vectors: their sentence vectors, ``[questions, dimension]``.
            before: a model with the same n-grams that has learned nearly the same; this one goes on from it.
            new: questions that it has not learned.
        """
        # By topic first: a plain order of labels would put other topics between a topic
        # and its details.
        order = sorted(range(len(labels)), key=lambda i: _place(labels[i]))
        grams, vectors = grams[order], vectors[order]
        known = [labels[i] for i in order]
        self.details = sorted(set(known), key=_place)
        topics = [detail.partition(".")[0] for detail in self.details]
        self.labels = sorted(set(topics))
        self._topic_starts = np.array([topics.index(topic) for topic in self.labels])
        self._nearest = Nearest(vectors, [known.index(detail) for detail in self.details], seed=self._seed)
        if before:
            self._projection = before._projection
        else:
            self._learn_spelling(grams)
        features = self._features(vectors, grams @ self._projection.astype(np.float32))
        added = np.flatnonzero(np.isin(order, new))
        self._network.fit(features, known, before._network if before else None, added)
        return self

    def _learn_spelling(self, grams: csr_matrix) -> None:
        # No more columns than the data can carry (small benchmarks, tests).
        columns = min(self._spelling_dimensions, min(grams.shape[0], CONDENSED_BY, grams.shape[1]) - 1)
        drawn = np.random.default_rng(self._seed).permutation(grams.shape[0])[:CONDENSED_BY]
        condensed = TruncatedSVD(columns, n_iter=2, random_state=self._seed).fit(grams[drawn])
        # Half as many bits: it is the largest part of the model, and of a text a few rows are summed.
        self._projection = np.ascontiguousarray(condensed.components_.T, dtype=np.float16)

    def _features(self, vectors: np.ndarray, condensed: np.ndarray) -> np.ndarray:
        lengths = np.linalg.norm(condensed, axis=1, keepdims=True)
        return np.hstack([vectors, self._weight * condensed / np.where(lengths, lengths, 1)]).astype(np.float32)

    def score(self, texts: Sequence[str], vectors: np.ndarray) -> Scores:
        """Score texts.

        Args:
            texts: the texts.
            vectors: their sentence vectors, ``[texts, dimension]``.

        Returns:
            the scores, a row per text.
        """
        grams = [self.letters.of(text) for text in texts]
        condensed = np.stack([row.weights @ self._projection[row.columns].astype(np.float32) for row in grams])
        p = self._network.probabilities(self._features(vectors, condensed))
        nearest = self._nearest.cosines(vectors)
        evidence = np.log(p + _FLOOR) + self._similarity_weight * nearest
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
        bounds = np.append(self._topic_starts, len(self.details))
        at = self.labels.index(label)
        own = np.arange(bounds[at], bounds[at + 1])
        # An overview has many more examples than a detail, which says nothing of how often
        # people ask for it: the network's prior is taken back within the topic.
        counts = self._nearest.counts[own]
        weighed = row[own] / (counts / counts.sum()) ** BALANCE
        weighed = weighed / (weighed.sum() or 1.0)
        return {self.details[own[i]]: float(weighed[i]) for i in np.argsort(-weighed)}


def _place(label: str) -> tuple[str, str]:
    topic, _, detail = label.partition(".")
    return topic, detail
