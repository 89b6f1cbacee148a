"""The model behind the topic classifier: which topic does a question belong to?"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from calla.encoder import Encoder


@dataclass(frozen=True)
class Scores:
    """How well some texts fit each topic.

    Attributes:
        probabilities: ``[texts, labels]``; rows sum to 1; columns in the order of
            ``TopicModel.labels`` (alphabetical).
        similarities: ``[texts, labels]``; cosine to the nearest known question of each
            label, from -1 to 1.
        referral: ``[texts]``; probability that the text needs a referral first, from
            the binary head.
    """

    probabilities: np.ndarray
    similarities: np.ndarray
    referral: np.ndarray


class TopicModel:
    """Logistic regression over sentence vectors and character n-grams.

    Sentence vectors carry meaning, character n-grams carry spelling ("mk-7", typos).
    Their scores are averaged, which was better calibrated on unseen questions than one
    regression over both (``docs/evaluation.md``).
    """

    def __init__(self, *, seed: int, dense_strength: float, sparse_strength: float, dense_share: float) -> None:
        self._seed = seed
        self._dense_share = dense_share
        self._dense = LogisticRegression(C=dense_strength, max_iter=400, random_state=seed)
        self._sparse = LogisticRegression(C=sparse_strength, max_iter=200, solver="lbfgs", random_state=seed)
        self._referral = LogisticRegression(C=4.0, max_iter=400, class_weight="balanced", random_state=seed)
        self._characters = TfidfVectorizer(
            analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True, min_df=2, dtype=np.float32
        )
        self.labels: list[str] = []
        self._known = np.zeros((0, 0), dtype=np.float32)
        self._known_starts = np.zeros(0, dtype=np.int64)

    def fit(self, texts: list[str], labels: list[str], encoder: Encoder, owes_referral: list[bool]) -> TopicModel:
        """Train on questions and their labels.

        Args:
            texts: the known questions.
            labels: a label for each text.
            encoder: turns texts into vectors.
            owes_referral: for each text, whether its topic is always answered with a
                referral first.
        """
        order = np.argsort(np.array(labels), kind="stable")
        texts = [texts[i] for i in order]
        labels = [labels[i] for i in order]
        vectors = encoder.encode_many(texts)
        characters = self._characters.fit_transform(t.lower() for t in texts)
        self._dense.fit(vectors, labels)
        self._sparse.fit(characters, labels)
        self._referral.fit(self._both(vectors, characters), [owes_referral[i] for i in order])
        self.labels = list(self._dense.classes_)
        self._known = vectors
        self._known_starts = np.searchsorted(np.array(labels), np.array(self.labels))
        return self

    @staticmethod
    def _both(vectors: np.ndarray, characters: csr_matrix) -> csr_matrix:
        return hstack([csr_matrix(vectors), characters]).tocsr()

    def score(self, texts: list[str], vectors: np.ndarray) -> Scores:
        """Score texts.

        Args:
            texts: the texts.
            vectors: their sentence vectors, ``[texts, dimension]``.

        Returns:
            the scores, a row per text.
        """
        characters = self._characters.transform(t.lower() for t in texts)
        dense = self._dense.predict_proba(vectors)
        sparse = self._sparse.predict_proba(characters)
        share = self._dense_share
        mixed = np.exp(share * np.log(dense + 1e-9) + (1 - share) * np.log(sparse + 1e-9))
        mixed /= mixed.sum(axis=1, keepdims=True)
        similarities = np.maximum.reduceat(vectors @ self._known.T, self._known_starts, axis=1)
        referral = self._referral.predict_proba(self._both(vectors, characters))[:, 1]
        return Scores(mixed, similarities, referral)
