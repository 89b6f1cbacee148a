"""N-grams of a text and their weights (tf-idf), as scikit-learn learns them, but fast.

``TfidfVectorizer`` counts the n-grams of every text anew, though texts share their words, and
for one text it checks and converts for longer than it counts. Here the n-grams of each word are
counted once: those of a text are the sum over its words.
"""

from __future__ import annotations

from itertools import chain
from typing import Callable, NamedTuple, Sequence

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

# Words whose n-grams are kept, and texts.
_WORDS_KEPT, _TEXTS_KEPT = 50_000, 64


class Row(NamedTuple):
    """The n-grams of one text: columns (sorted) and weights; the weights have length 1."""

    columns: np.ndarray
    weights: np.ndarray


class Grams:
    """Counts n-grams with a vectorizer and weighs them (sublinear counts, unit length).

    Args:
        vectorizer: not trained yet.
        by_word: whether its n-grams never reach beyond a word.
        rare: n-grams of fewer texts are left out.
    """

    def __init__(self, vectorizer: CountVectorizer, *, by_word: bool, rare: int) -> None:
        self._vectorizer, self._by_word, self._rare = vectorizer, by_word, rare
        self._weigh = TfidfTransformer(sublinear_tf=True)
        self._idf = np.zeros(0, dtype=np.float32)
        self._begin()

    def _begin(self) -> None:
        self._of_word: dict[str, np.ndarray] = {}
        self._of_text: dict[str, Row] = {}
        self._analyze: Callable[[str], Sequence[str]] = self._vectorizer.build_analyzer()

    def __getstate__(self) -> dict[str, object]:
        """Leave out what is kept for speed, and the analyzer, which cannot be stored."""
        return {name: self.__dict__[name] for name in ("_vectorizer", "_by_word", "_rare", "_weigh", "_idf")}

    def __setstate__(self, state: dict[str, object]) -> None:
        """Build the analyzer anew."""
        self.__dict__.update(state)
        self._begin()

    def fit(self, texts: Sequence[str]) -> csr_matrix:
        """Learn the n-grams of texts; returns their weights, ``[texts, n-grams]``."""
        counts = self._counts(texts, self._vectorizer.fit_transform)
        enough = counts.getnnz(axis=0) >= self._rare
        kept, place = np.flatnonzero(enough), np.cumsum(enough) - 1
        known = self._vectorizer.vocabulary_.items()
        self._vectorizer.vocabulary_ = {gram: int(place[column]) for gram, column in known if enough[column]}
        rows: csr_matrix = self._weigh.fit_transform(counts[:, kept])
        # The transformer works it out at each look.
        self._idf = self._weigh.idf_
        return rows

    @property
    def size(self) -> int:
        """How many n-grams there are."""
        return len(self._vectorizer.vocabulary_)

    def rows(self, texts: Sequence[str]) -> csr_matrix:
        """Return the weights of many texts, ``[texts, n-grams]``."""
        rows: csr_matrix = self._weigh.transform(self._counts(texts, self._vectorizer.transform))
        return rows

    def _counts(self, texts: Sequence[str], count: Callable[[Sequence[str]], csr_matrix]) -> csr_matrix:
        pieces = [self._pieces(text) for text in texts]
        at = {piece: i for i, piece in enumerate(dict.fromkeys(chain.from_iterable(pieces)))}
        columns = np.array([at[piece] for each in pieces for piece in each], dtype=np.int64)
        rows = np.repeat(np.arange(len(texts)), [len(each) for each in pieces])
        ones = np.ones(len(rows), dtype=np.float32)
        return csr_matrix((ones, (rows, columns)), shape=(len(texts), len(at))) @ count(list(at))

    def _pieces(self, text: str) -> list[str]:
        return text.lower().split() if self._by_word else [text]

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
        found = [self._columns_of(piece) for piece in self._pieces(text)]
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
    return Grams(CountVectorizer(analyzer="char_wb", ngram_range=(2, 4), dtype=np.float32), by_word=True, rare=3)


def words_and_pairs() -> Grams:
    """Return untrained n-grams of one or two words."""
    return Grams(CountVectorizer(ngram_range=(1, 2), dtype=np.float32), by_word=False, rare=2)
