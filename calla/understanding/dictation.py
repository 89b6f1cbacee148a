"""Abbreviations as dictation writes them: "em kay seven" for MK-7, "dee see eye ess" for DCIS.

Speech recognition knows everyday English, and people who write by ear do as it does: an
abbreviation that neither knows comes as the names of its letters.
"""

from __future__ import annotations

import re
from itertools import takewhile
from typing import Iterable, Sequence

# How the names of letters and digits are written by who hears them.
_NAMES = {
    "a": "a ay eh", "b": "b be bee", "c": "c see sea cee", "d": "d dee", "e": "e ee", "f": "f eff", "g": "g gee",
    "h": "h aitch haitch", "i": "i eye", "j": "j jay", "k": "k kay", "l": "l el ell", "m": "m em", "n": "n en",
    "o": "o oh", "p": "p pee", "q": "q queue", "r": "r are ar", "s": "s ess es ass", "t": "t tee tea", "u": "u you",
    "v": "v vee", "w": "w", "x": "x ex", "y": "y why", "z": "z zed zee",
    "0": "0 zero", "1": "1 one", "2": "2 two", "3": "3 three", "4": "4 four", "5": "5 five", "6": "6 six",
    "7": "7 seven", "8": "8 eight", "9": "9 nine",
}  # fmt: skip
_LETTER_OF = {name: letter for letter, names in _NAMES.items() for name in names.split()}
# Letters from which an abbreviation can be told from everyday words.
SHORTEST = 3
_ABBREVIATION = re.compile(r"\b(?=[A-Z])[A-Z0-9]+(?:-[A-Z0-9]+)*\b")
_WORD = re.compile(r"[^\W_]+")


class Dictation:
    """Writes abbreviations as they are written.

    Args:
        answers: texts of the topics; what stands in capitals there is an abbreviation.
    """

    def __init__(self, answers: Iterable[str]) -> None:
        self._known = {
            plain: found.lower()
            for text in answers
            for found in _ABBREVIATION.findall(text)
            if len(plain := found.replace("-", "").lower()) >= SHORTEST
        }
        self._longest = max(map(len, self._known), default=0)

    def written(self, text: str) -> str:
        """Return a text with the abbreviations that it spells out."""
        tokens = list(_WORD.finditer(text))
        words = [token.group().casefold() for token in tokens]
        found, at, i = [], 0, 0
        while i < len(words):
            letters = self._spelt(words[i : i + self._longest]) if words[i] in _LETTER_OF else ""
            if letters:
                found += [text[at : tokens[i].start()], self._known[letters]]
                at = tokens[i + len(letters) - 1].end()
            i += len(letters) or 1
        return "".join([*found, text[at:]])

    def _spelt(self, words: Sequence[str]) -> str:
        """Return the letters of the longest abbreviation that some words begin with, or nothing."""
        letters = "".join(takewhile(bool, (_LETTER_OF.get(word, "") for word in words)))
        for length in range(len(letters), SHORTEST - 1, -1):
            # One letter at least by its name: "b 12" says itself. By the names of digits alone "one two three" counts.
            named = any(
                len(word) > 1 and letter.isalpha() for word, letter in zip(words, letters[:length], strict=False)
            )
            if named and letters[:length] in self._known:
                return letters[:length]
        return ""
