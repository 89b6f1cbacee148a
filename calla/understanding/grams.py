"""N-grams of a text and their weights (tf-idf), as scikit-learn learns them, but fast for one text.

``TfidfVectorizer.transform`` checks and converts for longer than it counts. Messages come
one at a time, their words come again and again: the n-grams of a word are kept.
"""

from __future__ import annotations

from typing import Callable, NamedTuple, Sequence

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer

# Words whose n-grams are kept, and texts.
_WORDS_KEPT, _TEXTS_KEPT = 50_000, 64


class Row(NamedTuple):
    """The n-grams of one text: columns (sorted) and weights; the weights have length 1."""

    columns: np.ndarray
    weights: np.ndarray


class Grams:
    """Weighs n-grams with a vectorizer.

    Args:
        vectorizer: not trained yet; with sublinear counts, and unit length (its default).
        by_word: whether its n-grams never reach beyond a word.
    """

    def __init__(self, vectorizer: TfidfVectorizer, *, by_word: bool) -> None:
        self._vectorizer = vectorizer
        self._by_word = by_word
        self._of_word: dict[str, np.ndarray] = {}
        self._of_text: dict[str, Row] = {}
        self._analyze: Callable[[str], Sequence[str]] = vectorizer.build_analyzer()
        self._idf = vectorizer.idf_ if hasattr(vectorizer, "vocabulary_") else np.zeros(0)

    def __getstate__(self) -> dict[str, object]:
        """Leave out what is kept for speed, and the analyzer, which cannot be stored."""
        return {"_vectorizer": self._vectorizer, "_by_word": self._by_word}

    def __setstate__(self, state: dict[str, object]) -> None:
        """Build the analyzer anew."""
        self.__init__(state["_vectorizer"], by_word=state["_by_word"])  # type: ignore[misc,arg-type]

    def fit(self, texts: Sequence[str]) -> csr_matrix:
        """Learn the n-grams of texts; returns their weights, ``[texts, n-grams]``."""
        rows = self._vectorizer.fit_transform(texts)
        self._idf = self._vectorizer.idf_
        return rows

    @property
    def size(self) -> int:
        """How many n-grams there are."""
        return len(self._vectorizer.vocabulary_)

    def rows(self, texts: Sequence[str]) -> csr_matrix:
        """Return the weights of many texts, ``[texts, n-grams]``."""
        return self._vectorizer.transform(texts)

    def of(self, text: str) -> Row:
        """Return the n-grams of one text; the same as its row in ``rows``."""
        row = self._of_text.get(text)
        if row is None:
            row = self._weighed(text)
            if len(self._of_text) >= _TEXTS_KEPT:
                self._of_text.clear()
            self._of_text[text] = row
        return row

    def _weighed(self, text: str) -> Row:
        pieces = text.lower().split() if self._by_word else [text]
        found = [self._columns_of(piece) for piece in pieces]
        columns, counts = np.unique(np.concatenate([*found, np.zeros(0, dtype=np.int64)]), return_counts=True)
        weights = (1 + np.log(counts)) * self._idf[columns]
        length = float(np.sqrt(weights @ weights)) or 1.0
        return Row(columns, (weights / length).astype(np.float32))

    def _columns_of(self, piece: str) -> np.ndarray:
        known = self._of_word.get(piece)
        if known is None:
            vocabulary = self._vectorizer.vocabulary_
            known = np.array([vocabulary[g] for g in self._analyze(piece) if g in vocabulary], dtype=np.int64)
            if self._by_word:
                if len(self._of_word) >= _WORDS_KEPT:
                    self._of_word.clear()
                self._of_word[piece] = known
        return known


def letters_of_words() -> Grams:
    """Return untrained n-grams of two to four letters inside words: they carry spelling."""
    return Grams(
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True, min_df=3, dtype=np.float32),
        by_word=True,
    )


def words_and_pairs() -> Grams:
    """Return untrained n-grams of one or two words."""
    return Grams(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2, dtype=np.float32), by_word=False)
