"""The model behind the topic classifier: which topic does a question belong to?"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from scipy.special import softmax
from sklearn.decomposition import TruncatedSVD
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize

# More iterations cost time and change nothing on unseen questions (docs/evaluation.md).
MAX_ITERATIONS = 60
# Inverse regularisation of the regression over words.
WORDING_STRENGTH = 10.0
# Questions that the n-grams are condensed by; more take longer and change nothing either.
CONDENSED_BY = 6000
# Known questions that vote on whether a text owes a referral, each with the weight
# exp(VOTE_SHARPNESS x cosine).
VOTERS = 8
VOTE_SHARPNESS = 12.0


class Scores(NamedTuple):
    """How well some texts fit each topic.

    Attributes:
        probabilities: ``[texts, labels]``; rows sum to 1; columns in the order of
            ``TopicModel.labels`` (alphabetical).
        similarities: ``[texts, labels]``; cosine to the nearest known question of each
            label, from -1 to 1.
        wording: ``[texts]``; probability that the text owes a referral, judged by its
            words alone.
        neighbours: ``[texts]``; share of the nearest known questions that owe a referral,
            nearer ones counting more.
    """

    probabilities: np.ndarray
    similarities: np.ndarray
    wording: np.ndarray
    neighbours: np.ndarray


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
    al. 2020, in log space). The weight was chosen where first answers are right most
    often on development data; it leaves the probabilities calibrated
    (``docs/evaluation.md``).

    Beside it a second regression over words and pairs of words learns which questions
    owe a referral, and the nearest known questions vote on it. Each knows little, but
    other things than the topics' regression: for the safety detector three witnesses are
    better than one.

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
        self._topics = LogisticRegression(C=strength, max_iter=MAX_ITERATIONS, random_state=seed)
        self._words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2, dtype=np.float32)
        self._wording = LogisticRegression(C=WORDING_STRENGTH, max_iter=200, class_weight="balanced", random_state=seed)
        self.labels: list[str] = []
        self._projection = np.zeros((0, 0), dtype=np.float32)
        self._known = np.zeros((0, 0), dtype=np.float32)
        self._known_owing = np.zeros(0, dtype=np.float32)
        self._known_starts = np.zeros(0, dtype=np.int64)

    def fit(self, texts: list[str], labels: list[str], vectors: np.ndarray, owes_referral: list[bool]) -> TopicModel:
        """Train on questions and their labels.

        Args:
            texts: the known questions.
            labels: a label for each text.
            vectors: their sentence vectors, ``[texts, dimension]``.
            owes_referral: for each text, whether it must be answered with a referral
                first; both values must occur.
        """
        order = np.argsort(np.array(labels), kind="stable")
        texts = [texts[i] for i in order]
        labels = [labels[i] for i in order]
        vectors = vectors[order]
        characters = self._characters.fit_transform(t.lower() for t in texts)
        # No more columns than the data can carry (small benchmarks, tests).
        columns = min(self._condense.n_components, min(len(texts), CONDENSED_BY, characters.shape[1]) - 1)
        self._condense.n_components = columns
        drawn = np.random.default_rng(self._seed).permutation(len(texts))[:CONDENSED_BY]
        self._condense.fit(characters[drawn])
        # Laid out for the product below: scikit-learn's own transform copies the whole
        # matrix (30 MB) for every message.
        self._projection = np.ascontiguousarray(self._condense.components_.T, dtype=np.float32)
        features = self._features(texts, vectors)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._topics.fit(features, labels)
            owing = np.array(owes_referral)[order]
            self._wording.fit(self._words.fit_transform(texts), owing)
        self.labels = list(self._topics.classes_)
        self._known = vectors
        self._known_owing = owing.astype(np.float32)
        self._known_starts = np.searchsorted(np.array(labels), np.array(self.labels))
        return self

    def _features(self, texts: list[str], vectors: np.ndarray) -> np.ndarray:
        characters = self._characters.transform(t.lower() for t in texts)
        spelling = normalize(characters @ self._projection).astype(np.float32)
        return np.hstack([vectors, self._weight * spelling])

    def score(self, texts: list[str], vectors: np.ndarray) -> Scores:
        """Score texts.

        Args:
            texts: the texts.
            vectors: their sentence vectors, ``[texts, dimension]``.

        Returns:
            the scores, a row per text.
        """
        features = self._features(texts, vectors)
        cosines = vectors @ self._known.T
        similarities = np.maximum.reduceat(cosines, self._known_starts, axis=1)
        evidence = self._topics.predict_log_proba(features) + self._similarity_weight * similarities
        probabilities = softmax(evidence, axis=1)
        wording = self._wording.predict_proba(self._words.transform(texts))[:, 1]
        return Scores(probabilities, similarities, wording, self._vote(cosines))

    def _vote(self, cosines: np.ndarray) -> np.ndarray:
        """Ask the nearest known questions (``cosines``: ``[texts, known questions]``)."""
        voters = min(VOTERS, cosines.shape[1])
        nearest = np.argpartition(-cosines, voters - 1, axis=1)[:, :voters]
        weights = np.exp(VOTE_SHARPNESS * np.take_along_axis(cosines, nearest, axis=1))
        votes: np.ndarray = (weights * self._known_owing[nearest]).sum(axis=1) / weights.sum(axis=1)
        return votes
