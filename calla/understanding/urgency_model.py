"""The learned half of the detection: which referral is a stretch of text owed, if any?

Two witnesses that know different things: a small network over the sentence vector knows
meanings, a regression over words and letters knows wordings. Their log-odds are added.
Both learn from whole examples and from clauses: of an example that owes a referral the
clause that says so, of harmless ones the clauses that sound most like a danger (multiple
instance learning, Dietterich et al. 1997). So a danger is heard beside anything.
"""

from __future__ import annotations

from typing import Callable, NamedTuple, Optional, Sequence

import numpy as np
from scipy.sparse import csr_matrix, hstack, vstack
from sklearn.linear_model import LogisticRegression

from calla.plan import ACUTE
from calla.safety.screen import load_screen
from calla.safety.vocabulary import KINDS
from calla.understanding.cutting import clauses_of
from calla.understanding.grams import Grams, words_and_pairs
from calla.understanding.network import Network

NONE = "none"
HIDDEN, PENALTY, PASSES = 512, 1e-2, 12
# Of the regression; a finer one takes longer and tells dangers from the rest no better.
TOLERANCE = 1e-2
# Clauses of harmless examples that the network learns from: those that sound most like a
# danger by their words.
HARD_CLAUSES = 9_000
# Log-odds from which a clause of an example that owes a referral is the one that says so.
CLAUSE_FROM = 1.0
# Log-odds from which a clause of a harmless example sounds like a danger.
SOUNDS_FROM = -2.0
# Log-odds either way from which an example that was not learned is known.
KNOWN_FROM = 2.0
# Words from which a clause may be an emergency or a crisis by itself, without a rule that agrees.
TELLING = 6
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
        letters: n-grams of letters, trained.
        seed: seed of the network.
    """

    def __init__(self, letters: Grams, *, seed: int) -> None:
        self._letters = letters
        self._words = words_and_pairs()
        self._network = Network(hidden=HIDDEN, penalty=PENALTY, passes=PASSES, seed=seed)
        # Of the regression: weights of words, weights of letters, and what is said of no words.
        self._of_words = self._of_letters = np.zeros(0, dtype=np.float32)
        self._bias = 0.0
        self.names: list[str] = []

    def fit(
        self,
        texts: Sequence[str],
        letters: csr_matrix,
        owed: Sequence[str],
        vectors: np.ndarray,
        encode: Callable[[Sequence[str]], np.ndarray],
    ) -> UrgencyModel:
        """Learn.

        Args:
            texts: the examples.
            letters: their n-grams of letters, ``[texts, n-grams]``.
            owed: for each, the name of the referral it is owed, or ``NONE``.
            vectors: their sentence vectors, ``[texts, dimension]``.
            encode: gives the sentence vectors of more texts.
        """
        grams = hstack([self._words.fit(texts), letters]).tocsr()
        wording = LogisticRegression(C=10, solver="liblinear", tol=TOLERANCE).fit(grams, np.array(owed) != NONE)
        danger, of_danger, names = self._dangers(texts, owed, wording)
        harmless, of_harmless = self._harmless(texts, owed, wording)
        every = [*owed, *names, *(NONE for _ in harmless)]
        wording.fit(vstack([grams, of_danger, of_harmless]), np.array(every) != NONE)
        hardest = np.argsort(-wording.decision_function(of_harmless))[:HARD_CLAUSES]
        more = encode([*danger, *(harmless[i] for i in hardest)])
        self._network.fit(np.vstack([vectors, more]), [*owed, *names, *(NONE for _ in hardest)])
        self.names = [name for name in self._network.classes if name != NONE]
        weights, beyond = wording.coef_[0].astype(np.float32), self._words.size
        self._of_words, self._of_letters = weights[:beyond], weights[beyond:]
        self._bias = float(wording.intercept_[0])
        return self

    def _dangers(
        self, texts: Sequence[str], owed: Sequence[str], wording: LogisticRegression
    ) -> tuple[list[str], csr_matrix, list[str]]:
        """Return the clause of each example that says the danger, its n-grams and its name."""
        cut = [(clauses_of(text), name) for text, name in zip(texts, owed, strict=True) if name != NONE]
        told = [(clause, at, name) for at, (clauses, name) in enumerate(cut) if len(clauses) > 1 for clause in clauses]
        grams = self._grams([clause for clause, _, _ in told])
        odds = wording.decision_function(grams)
        best: dict[int, int] = {}
        for i, (_, at, _) in enumerate(told):
            if at not in best or odds[i] > odds[best[at]]:
                best[at] = i
        likely = [i for i in best.values() if odds[i] > CLAUSE_FROM and len(told[i][0].split()) > 2]
        said = {i: name for i in likely if (name := _said_by_clause(told[i][0], told[i][2]))}
        kept = list(said)
        return [told[i][0] for i in kept], grams[kept], list(said.values())

    def _harmless(
        self, texts: Sequence[str], owed: Sequence[str], wording: LogisticRegression
    ) -> tuple[list[str], csr_matrix]:
        """Return the clauses of harmless examples, each once, and their n-grams.

        "She collapsed, the tent I mean" is harmless as a whole; "she collapsed" is not. So a clause
        that sounds like a danger and in which a rule hears one teaches nothing.
        """
        cut = [clauses_of(text) for text, name in zip(texts, owed, strict=True) if name == NONE]
        found = list(dict.fromkeys(clause for clauses in cut if len(clauses) > 1 for clause in clauses))
        grams = self._grams(found)
        odds = wording.decision_function(grams)
        kept = [i for i, clause in enumerate(found) if odds[i] < SOUNDS_FROM or not load_screen().find(clause)]
        return [found[i] for i in kept], grams[kept]

    def knows(self, texts: Sequence[str], owed: Sequence[str], vectors: np.ndarray) -> bool:
        """Say whether it judges examples right without having learned them (arguments as for ``fit``)."""
        if not texts:
            return True
        odds, names = self.score(texts, vectors)
        heard = [
            NONE if each < -KNOWN_FROM else self.names[row.argmax()] for each, row in zip(odds, names, strict=True)
        ]
        return heard == list(owed) and bool((np.abs(odds) > KNOWN_FROM).all())

    def _grams(self, texts: Sequence[str]) -> csr_matrix:
        return hstack([self._words.rows(texts), self._letters.rows(texts)]).tocsr()

    def _odds_by_wording(self, text: str) -> float:
        words, letters = self._words.of(text), self._letters.of(text)
        return float(
            self._of_words[words.columns] @ words.weights
            + self._of_letters[letters.columns] @ letters.weights
            + self._bias
        )

    def score(self, texts: Sequence[str], vectors: np.ndarray) -> Urgencies:
        """Judge texts (``vectors``: ``[texts, dimension]``), a row each."""
        p = self._network.probabilities(vectors)
        none = self._network.classes.index(NONE)
        owing = np.clip(1 - p[:, none], _FLOOR, 1 - _FLOOR)
        names = np.delete(p, none, axis=1)
        odds = np.log(owing / (1 - owing)) + [self._odds_by_wording(text) for text in texts]
        return Urgencies(odds, names / np.maximum(names.sum(axis=1, keepdims=True), _FLOOR))


def _said_by_clause(clause: str, name: str) -> Optional[str]:
    """Return the referral that a clause of an example says, ``None`` where it is not plain.

    "He's on warfarin", of an emergency, says nothing more than a medicine: taken for the
    emergency itself it would make one of every blood thinner. So a clause of an emergency or a
    crisis is one if a rule agrees, or if it says enough to be one.
    """
    if KINDS[name] not in ACUTE:
        return name
    found = load_screen().find(clause)
    if any(KINDS[finding.topic] in ACUTE for finding in found):
        return name
    surely = [finding.topic for finding in found if not finding.hint]
    return surely[0] if surely else name if len(clause.split()) >= TELLING else None
