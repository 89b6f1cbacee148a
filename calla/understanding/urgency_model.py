"""The learned half of the detection: which referral is a stretch of text owed, if any?

Two witnesses that know different things: a small network over the sentence vector knows
meanings, a regression over words and letters knows wordings. Their log-odds are added.
Both learn from whole examples and from clauses: of an example that owes a referral the
clause that says so, of harmless ones the clauses that sound most like a danger (multiple
instance learning, Dietterich et al. 1997). So a danger is heard beside anything.
"""

from __future__ import annotations

import warnings
from typing import Callable, NamedTuple, Sequence

import numpy as np
from scipy.sparse import csr_matrix, hstack
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from calla.understanding.cutting import clauses_of

NONE = "none"
HIDDEN = 128
EPOCHS = 12
# Clauses of harmless examples that the network learns from: those that sound most like a
# danger by their words.
HARD_CLAUSES = 9_000
# Log-odds from which a clause of an example that owes a referral is the one that says so.
CLAUSE_FROM = 1.0
# Odds that floats can tell from certainty.
_FLOOR = 1e-6


class Urgencies(NamedTuple):
    """What some texts are owed.

    Attributes:
        odds: ``[texts]``; log-odds that any referral is owed.
        names: ``[texts, names]``; which, if any is; rows sum to 1, columns in the order of
            ``UrgencyModel.names``.
    """

    odds: np.ndarray
    names: np.ndarray


class UrgencyModel:
    """Says how likely texts owe a referral, and which.

    Args:
        seed: seed of the network.
    """

    def __init__(self, *, seed: int) -> None:
        self._seed = seed
        self._words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2, dtype=np.float32)
        self._letters = TfidfVectorizer(
            analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True, min_df=3, dtype=np.float32
        )
        self._wording = LogisticRegression(C=10, solver="liblinear", random_state=seed)
        self._network = MLPClassifier(
            (HIDDEN,), alpha=1e-3, max_iter=EPOCHS, learning_rate_init=2e-3, batch_size=256, random_state=seed
        )
        self.names: list[str] = []

    def fit(
        self,
        texts: Sequence[str],
        owed: Sequence[str],
        vectors: np.ndarray,
        encode: Callable[[Sequence[str]], np.ndarray],
    ) -> UrgencyModel:
        """Learn.

        Args:
            texts: the examples.
            owed: for each, the name of the referral it is owed, or ``NONE``.
            vectors: their sentence vectors, ``[texts, dimension]``.
            encode: gives the sentence vectors of more texts.
        """
        self._wording.fit(self._grams(texts, learn=True), np.array(owed) != NONE)
        danger, harmless = self._clauses(texts, owed)
        every = [*danger, *((text, NONE) for text in harmless)]
        more, names = [text for text, _ in every], [name for _, name in every]
        self._wording.fit(self._grams([*texts, *more], learn=True), np.array([*owed, *names]) != NONE)
        hardest = np.argsort(-self._wording.decision_function(self._grams(harmless)))[:HARD_CLAUSES]
        learned = [*danger, *((harmless[i], NONE) for i in hardest)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._network.fit(
                np.vstack([vectors, encode([text for text, _ in learned])]), [*owed, *(name for _, name in learned)]
            )
        self.names = [name for name in self._network.classes_ if name != NONE]
        return self

    def _clauses(self, texts: Sequence[str], owed: Sequence[str]) -> tuple[list[tuple[str, str]], list[str]]:
        """Return the clause of each example that says the danger, with its name, and the harmless clauses."""
        cut = [(clauses_of(text), name) for text, name in zip(texts, owed, strict=True)]
        harmless = list(dict.fromkeys(c for clauses, name in cut if name == NONE and len(clauses) > 1 for c in clauses))
        told = [(clauses, name) for clauses, name in cut if name != NONE and len(clauses) > 1]
        odds = iter(self._wording.decision_function(self._grams([c for clauses, _ in told for c in clauses])))
        danger = []
        for clauses, name in told:
            own = [next(odds) for _ in clauses]
            best = int(np.argmax(own))
            if own[best] > CLAUSE_FROM and len(clauses[best].split()) > 2:
                danger.append((clauses[best], name))
        return danger, harmless

    def _grams(self, texts: Sequence[str], *, learn: bool = False) -> csr_matrix:
        lower = [text.lower() for text in texts]
        if learn:
            return hstack([self._words.fit_transform(texts), self._letters.fit_transform(lower)]).tocsr()
        return hstack([self._words.transform(texts), self._letters.transform(lower)]).tocsr()

    def score(self, texts: Sequence[str], vectors: np.ndarray) -> Urgencies:
        """Judge texts (``vectors``: ``[texts, dimension]``), a row each."""
        p = self._network.predict_proba(vectors)
        none = list(self._network.classes_).index(NONE)
        owing = np.clip(1 - p[:, none], _FLOOR, 1 - _FLOOR)
        names = np.delete(p, none, axis=1)
        odds = np.log(owing / (1 - owing)) + self._wording.decision_function(self._grams(texts))
        return Urgencies(odds, names / np.maximum(names.sum(axis=1, keepdims=True), _FLOOR))
