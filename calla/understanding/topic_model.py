"""The model behind understanding: which topic does a question belong to, and which of its details?"""

from __future__ import annotations

import warnings
from typing import NamedTuple, Sequence

import numpy as np
from scipy.special import log_softmax, softmax
from sklearn.decomposition import TruncatedSVD
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize

# More iterations cost time and change nothing on unseen questions (docs/evaluation.md).
MAX_ITERATIONS = 60
# Questions that the n-grams are condensed by; more take longer and change nothing either.
CONDENSED_BY = 6000


class Scores(NamedTuple):
    """How well some texts fit each topic.

    Attributes:
        probabilities: ``[texts, labels]``; rows sum to 1; columns in the order of
            ``TopicModel.labels`` (alphabetical).
        similarities: ``[texts, labels]``; cosine to the nearest known question of each
            label, from -1 to 1.
        features: ``[texts, features]``; what the details are judged by.
    """

    probabilities: np.ndarray
    similarities: np.ndarray
    features: np.ndarray


class _Details(NamedTuple):
    """The details of one topic: a linear model over ``features``, and their known questions."""

    labels: list[str]
    weights: np.ndarray
    bias: np.ndarray
    known: np.ndarray
    starts: np.ndarray


class TopicModel:
    """Logistic regression over the sentence vector and condensed character n-grams.

    The sentence vector carries meaning, character n-grams carry spelling ("mk-7",
    typos). The n-grams are condensed by a truncated SVD (latent semantic analysis,
    Deerwester et al. 1990): one small dense regression trains and scores many times
    faster than one over 11,000 sparse columns, at the same accuracy
    (``docs/evaluation.md``).

    The regression draws borders; the nearest known question of each topic remembers single
    wordings. The probabilities weigh both: log p + ``similarity_weight`` x cosine, made to
    sum to 1 again (an interpolation in the manner of kNN language models, Khandelwal et
    al. 2020, in log space).

    A label may have details ("faq/what_is_mk7.how_long_it_stays"): the topic is chosen among
    topics, with the examples of its details as its own, and the detail within it in the
    same way. So the probability of a topic is the sum over its details and its overview,
    and training grows with the topics, not with all their details.

    Args:
        seed: seed of the SVD and the regressions.
        strength: inverse regularisation of the regressions.
        spelling_dimensions: columns that the n-grams are condensed to.
        spelling_weight: length of the spelling part; the sentence vector has length 1.
        similarity_weight: weight of the cosine to the nearest known question.
    """

    def __init__(
        self, *, seed: int, strength: float, spelling_dimensions: int, spelling_weight: float, similarity_weight: float
    ) -> None:
        self._weight = spelling_weight
        self._similarity_weight = similarity_weight
        self._characters = TfidfVectorizer(
            analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True, min_df=3, dtype=np.float32
        )
        self._condense = TruncatedSVD(spelling_dimensions, n_iter=2, random_state=seed)
        self._seed = seed
        self._strength = strength
        self.labels: list[str] = []
        self._weights = np.zeros((0, 0), dtype=np.float32)
        self._bias = np.zeros(0, dtype=np.float32)
        self._projection = np.zeros((0, 0), dtype=np.float32)
        self._known = np.zeros((0, 0), dtype=np.float32)
        self._starts = np.zeros(0, dtype=np.int64)
        self._details: dict[str, _Details] = {}

    def fit(self, texts: Sequence[str], labels: Sequence[str], vectors: np.ndarray) -> TopicModel:
        """Train on questions and their labels.

        Args:
            texts: the known questions.
            labels: a label for each text, with or without a detail.
            vectors: their sentence vectors, ``[texts, dimension]``.
        """
        order = np.argsort(np.array(labels), kind="stable")
        texts = [texts[i] for i in order]
        full = np.array([labels[i] for i in order])
        vectors = vectors[order]
        self._learn_spelling(texts)
        features = self._features(texts, vectors)
        topics = np.array([label.partition(".")[0] for label in full])
        self.labels = sorted(set(topics))
        self._weights, self._bias = self._regression(features, topics)
        # A topic's own label sorts before those of its details, but other topics may sort
        # between: order by topic.
        by_topic = np.argsort(topics, kind="stable")
        self._known = np.ascontiguousarray(vectors[by_topic], dtype=np.float32)
        self._starts = np.searchsorted(topics[by_topic], np.array(self.labels))
        for topic in self.labels:
            own = np.flatnonzero(topics == topic)
            if len(set(full[own])) > 1:
                self._details[topic] = self._fit_details(features[own], vectors[own], full[own])
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

    def _fit_details(self, features: np.ndarray, vectors: np.ndarray, labels: np.ndarray) -> _Details:
        order = np.argsort(labels, kind="stable")
        names = sorted(set(labels))
        weights, bias = self._regression(features, labels)
        starts = np.searchsorted(labels[order], np.array(names))
        return _Details(names, weights, bias, np.ascontiguousarray(vectors[order], dtype=np.float32), starts)

    def _regression(self, features: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return weights ``[labels, features]`` and biases of a multinomial regression, labels sorted."""
        model = LogisticRegression(C=self._strength, max_iter=MAX_ITERATIONS, random_state=self._seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(features, labels)
        weights, bias = model.coef_, model.intercept_
        if len(weights) == 1:
            # Two labels: scikit-learn keeps the weights of the second only.
            weights, bias = np.vstack([-weights, weights]) / 2, np.hstack([-bias, bias]) / 2
        return weights.astype(np.float32), bias.astype(np.float32)

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
        features = self._features(texts, vectors)
        similarities = _nearest(self._known, self._starts, vectors)
        evidence = log_softmax(features @ self._weights.T + self._bias, axis=1)
        probabilities = softmax(evidence + self._similarity_weight * similarities, axis=1)
        return Scores(probabilities, similarities, features)

    def details(self, label: str, features: np.ndarray, vector: np.ndarray) -> dict[str, float]:
        """Return how probable each detail of a topic is for a text that asks for the topic.

        Args:
            label: the topic.
            features: the text's row of ``Scores.features``.
            vector: its sentence vector, ``[dimension]``.

        Returns:
            label to probability, the topic's own label standing for its overview, most
            probable first; only the topic's own where it has no details.
        """
        details = self._details.get(label)
        if details is None:
            return {label: 1.0}
        evidence = log_softmax(details.weights @ features + details.bias)
        similarities = _nearest(details.known, details.starts, vector[None])[0]
        p = softmax(evidence + self._similarity_weight * similarities)
        return {details.labels[i]: float(p[i]) for i in np.argsort(-p)}


def _nearest(known: np.ndarray, starts: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Return the cosine of each text to the nearest known question of each label, ``[texts, labels]``."""
    # Questions in rows: the maximum is then taken over whole rows, which is many times faster.
    return np.maximum.reduceat(known @ vectors.T, starts, axis=0).T
