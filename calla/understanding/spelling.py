"""Spelling put right, once per message, for all that understands it.

Words that neither English nor the topics know are replaced by the nearest word that
they may have been meant for (SymSpell: symmetric deletes, Damerau-Levenshtein distance).
A real word is never touched: "stinky" is not "sticky". The safety screen has guesses of
its own (``calla.safety.spelling``), which can only add to what it finds as written.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from importlib import resources
from typing import Iterable

from rapidfuzz import process
from rapidfuzz.distance import OSA
from symspellpy import SymSpell, Verbosity

_WORD = re.compile(r"(?<!\w)[^\W\d_]+(?:'[^\W\d_]+)*(?!\w)")
# Shorter words are names and abbreviations as often as slips.
MIN_LENGTH = 4
# Letters up to which a word may differ in one place only; and up to which a slip is put
# right to a word of the field alone.
ONE_SLIP, FIELD_ONLY = 6, 4
# Letters from which a word may differ in three places ("calcifikashins").
THREE_SLIPS = 11
# Words of general English that one slip may be put right to: only the most frequent.
# Rarer ones, names and foreign words would otherwise be turned into them.
TARGETS = 4_000
# How much more likely a word of the topics is than a general one of the same distance.
DOMAIN_COUNT = 10**12
# Questions from which a word is usual among people who ask, and from which the topic
# model may have learned it as it stands: unless it is that much rarer than what it was
# probably meant for.
USUAL, LEARNED, RARER = 8, 4, 20
_CACHE_LIMIT = 50_000


@lru_cache(maxsize=1)
def english_counts() -> dict[str, int]:
    """Return the general word list with its counts, most frequent first (82,000 words of English)."""
    text = resources.files("symspellpy").joinpath("frequency_dictionary_en_82_765.txt").read_text(encoding="utf-8-sig")
    pairs = (line.split() for line in text.splitlines() if line.strip())
    return dict(sorted(((word, int(count)) for word, count in pairs), key=lambda pair: -pair[1]))


class Spelling:
    """Puts words right.

    Args:
        answers: the texts of the topics; their words are spelt right.
        questions: what people ask; words that many use are known, right or not, and those
            of them that are English are what a slip was probably meant for.
        names: words that are left as they are and that nothing is turned into: names of
            medicines, words of findings. A guess never makes a finding.
    """

    def __init__(self, answers: Iterable[str], questions: Iterable[str], names: Iterable[str] = ()) -> None:
        counts = english_counts()
        self._names = frozenset(names)
        used = Counter(w for text in questions for w in _WORD.findall(text.casefold()))
        self._domain = frozenset(w for text in answers for w in _WORD.findall(text.casefold())) | {
            w for w, n in used.items() if n >= USUAL and w in counts
        }
        self._used = {w: n for w, n in used.items() if n >= LEARNED}
        self._index = SymSpell(max_dictionary_edit_distance=2, prefix_length=7)
        for word, count in list(counts.items())[:TARGETS]:
            if len(word) > FIELD_ONLY:
                self._index.create_dictionary_entry(word, count)
        for word in self._domain:
            if len(word) >= MIN_LENGTH and word.isalpha():
                self._index.create_dictionary_entry(word, DOMAIN_COUNT)
        self._known: dict[str, str] = {}

    def is_word(self, word: str) -> bool:
        """Say whether a word (any case) is one of English or of the topics."""
        folded = word.casefold()
        return folded in self._domain or folded in self._names or folded in english_counts()

    def english(self, word: str) -> float:
        """Return how English a word is: 1 for a word of English or of the field, else 0; half in doubt.

        In doubt are slips, and the names, which are words of many languages.
        """
        folded = word.casefold()
        if folded in self._domain or folded in english_counts():
            return 1.0
        return 0.5 if folded in self._names or self._word(word) != word else 0.0

    def strange(self, text: str) -> float:
        """Return the share of a text's words, marks and digits inside them included, that nobody knows."""
        words = [word.strip(".,;:!?()'\"-") for word in text.split()]
        words = [word for word in words if any(c.isalpha() for c in word) and len(word) > 1]
        return sum(not self.is_word(word.replace("'s", "")) for word in words) / len(words) if words else 0.0

    def corrected(self, text: str) -> str:
        """Return the text with unknown words replaced by what they were meant for."""
        return _WORD.sub(lambda match: self._word(match.group()), text)

    def _word(self, word: str) -> str:
        if len(word) < MIN_LENGTH or not word.isascii() or "'" in word or self.is_word(word):
            return word
        folded = word.casefold()
        if folded not in self._known:
            if len(self._known) > _CACHE_LIMIT:
                self._known.clear()
            self._known[folded] = self._nearest(folded)
        return word if self._known[folded] == folded else self._known[folded]

    def _nearest(self, word: str) -> str:
        """Return what a word was probably meant for: of the field, or one slip from a frequent word; else itself."""
        if word.endswith("s") and self.is_word(word[:-1]):
            return word
        slips = 1 if len(word) <= ONE_SLIP else 2
        found = [
            s
            for s in self._index.lookup(word, Verbosity.ALL, max_edit_distance=slips)
            if s.count == DOMAIN_COUNT or s.distance == 1
        ]
        if not found:
            return self._far(word) if len(word) >= THREE_SLIPS else word
        best = min(found, key=lambda s: (s.distance, s.term[0] != word[0], -s.count))
        if best.term[0] != word[0] and (best.distance > 1 or len(word) <= ONE_SLIP):
            # A word with another beginning is another word, unless it is long and one slip away.
            return word
        if self._used.get(word, 0) * RARER > self._used.get(best.term, 0) > 0:
            return word
        return str(best.term)

    def _far(self, word: str) -> str:
        """Return the long word of the field that is three slips away, or the word itself."""
        long = [w for w in self._domain if abs(len(w) - len(word)) <= 3 and w[0] == word[0] and len(w) >= THREE_SLIPS]
        best = process.extractOne(word, sorted(long), scorer=OSA.distance, score_cutoff=3)
        return str(best[0]) if best else word
