"""Guesses at what a badly spelled word was meant to be.

Order of the guesses for a word that neither the vocabulary nor the list of common
words knows: look-alike alphabet, digits for letters, repeated letters, one to three
slips of the finger (Damerau-Levenshtein, by ``rapidfuzz``; more for longer words),
missing spaces. Guesses make a second reading beside the plain one, so a wrong guess
can add a finding and never hide one.

A real word of English is left alone ("limp", "ataxia"), unless it is rare and one of the
vocabulary that is far more frequent stands next to it ("brest").
"""

from __future__ import annotations

import re
from itertools import islice, product
from typing import Iterable, Mapping, Optional, Sequence

from rapidfuzz import process
from rapidfuzz.distance import OSA

from calla.safety.normalise import as_if_latin, join_spaced, tokens_of
from calla.understanding.spelling import english_counts

_LEET = {
    "0": "o",
    "1": "il",
    "3": "e",
    "4": "a",
    "5": "s",
    "7": "t",
    "8": "b",
    "9": "g",
    "6": "b",
    "@": "a",
    "$": "s",
    "!": "i",
    "|": "l",
    "€": "e",
    "£": "l",
    "+": "t",
    "*": "aeiou",
}
_CHUNK = re.compile(r"(?<![\w@$|€£!+*])[^\W_]{0,30}(?:[@$|€£]|(?<=\w)[!+*](?=\w)|[^\W_]\d|\d[^\W_])[\w@$|€£!+*]*")
# Names of things that mix letters and digits: K2, MK-7, B3, 4c, E450, 8mm.
_PROTECTED = re.compile(
    r"(?:[a-z]{1,2}\d{1,3}[a-c]?|\d+[a-c]?|\d+(?:st|nd|rd|th|am|pm|mm|cm|mg|ml|kg|yo|yrs?|x|d|h|k|m))$"
)
_LETTERS_DIGITS = re.compile(r"([a-z]{3,})(\d[a-c]?)$")
_DIGITS_LETTERS = re.compile(r"(\d+)([a-z]{3,})$")
_REPEATS = re.compile(r"(.)\1{2,}")
_LONGEST_WORD = 200
# A run of words whose small words nobody lists is searched for long important ones.
_SHORTEST_RUN = 16
_SHORTEST_INSIDE = 7
_LONGEST_TRY = 40
# How much more frequent a word must be for a real word to count as a slip of it ("brest").
SLIP_RATIO = 20
_CACHE_LIMIT = 20_000
# Different strange words of a text that are guessed at: a text with more is no message that was
# misspelt, and searching for each would hold up everybody else.
_MOST_GUESSED = 300


class Speller:
    """Knows the words of the vocabulary and the phrases that are rewritten."""

    def __init__(
        self,
        *,
        literals: Iterable[str],
        prefixes: Iterable[str],
        important: Sequence[str],
        common: Iterable[str],
        function_words: Iterable[str],
        rewrites: Mapping[str, str],
    ) -> None:
        """Set up the guesses.

        Args:
            literals: whole words of the vocabulary.
            prefixes: beginnings of words in the vocabulary.
            important: full forms that typos are corrected to first.
            common: English words that are never corrected.
            function_words: small words, never corrected, that join others in a run.
            rewrites: phrase to phrase ("buy rads" to "birads"), in plain words.
        """
        self._rewrites: dict[str, list[tuple[tuple[str, ...], tuple[str, ...]]]] = {}
        for old, new in rewrites.items():
            words = tuple(old.split())
            self._rewrites.setdefault(words[0], []).append((words, tuple(new.split())))
        for options in self._rewrites.values():
            options.sort(key=lambda pair: -len(pair[0]))
        rewrite_words = {w for old in rewrites for w in old.split()}
        self._exact = frozenset(literals) | frozenset(important) | rewrite_words
        self._prefixes = frozenset(p for p in prefixes if len(p) >= 4)
        small = self.function_words = frozenset(function_words)
        self._common = frozenset(common) | small
        targets = dict.fromkeys(w for w in important if w.isalpha())
        self._by_length: dict[int, list[str]] = {}
        for word in targets:
            self._by_length.setdefault(len(word), []).append(word)
        self._near: dict[tuple[int, int], list[str]] = {}
        self._pieces = {w for w in self._exact if len(w) >= 2 and w.isalpha()} | set(small) | {"a", "i"}
        self._pieces -= {w for w in self._pieces if len(w) < 3 and w not in _SHORT_PIECES}
        self._important = frozenset(important)
        inside = sorted((w for w in targets if len(w) >= _SHORTEST_INSIDE), key=lambda w: (-len(w), w))
        self._inside = re.compile("|".join(inside) or r"(?!)")
        self._guesses: dict[str, tuple[str, ...]] = {}

    @property
    def words(self) -> frozenset[str]:
        """All words of the vocabulary, and the beginnings that it knows words by."""
        return self._exact | self._prefixes

    # -- rewriting -----------------------------------------------------------------

    def rewrite(self, words: list[str]) -> list[str]:
        """Replace the phrases of ``rewrites``; letters and digits of a code part."""
        found: list[str] = []
        at, count = 0, len(words)
        while at < count:
            word = words[at]
            options = self._rewrites.get(word)
            if options:
                for old, new in options:
                    if len(old) == 1 or tuple(words[at : at + len(old)]) == old:
                        found.extend(new)
                        at += len(old)
                        break
                else:
                    found.append(word)
                    at += 1
                continue
            at += 1
            if word[-1].isdigit() or word[0].isdigit() or word[-2:-1].isdigit():
                match = _LETTERS_DIGITS.match(word) or _DIGITS_LETTERS.match(word)
                if match:
                    found.extend(self.rewrite(list(match.groups())))
                    continue
            found.append(word)
        return found

    # -- guessing ------------------------------------------------------------------

    def second_reading(self, folded: str) -> list[str]:
        """Return the words of folded text with all guesses applied, not yet rewritten."""
        text = join_spaced(folded)
        text = _CHUNK.sub(self._chunk, text)
        words: list[str] = []
        strange: set[str] = set()
        for word in self._glue(tokens_of(text)):
            meant = self.guess(word) if word in strange or len(strange) < _MOST_GUESSED else (word,)
            if meant != (word,) or not self._is_plain(word):
                strange.add(word)
            words.extend(meant)
        return words

    def _is_plain(self, word: str) -> bool:
        """Say whether a word costs no search."""
        return len(word) < 4 or word in self._common or word in self._exact or not word.isalpha()

    def known(self, word: str) -> bool:
        """Say whether the vocabulary has the word, whole or by its beginning."""
        if word in self._exact:
            return True
        return any(word[:length] in self._prefixes for length in range(4, min(len(word), 16) + 1))

    def guess(self, word: str) -> tuple[str, ...]:
        """Return the word or words that ``word`` was probably meant to be."""
        if (len(word) < 4 and word.isascii()) or word.isdigit():
            return (word,)
        cached = self._guesses.get(word)
        if cached is None:
            if len(self._guesses) > _CACHE_LIMIT:
                self._guesses.clear()
            cached = self._guesses[word] = self._guess(word)
        return cached

    def _guess(self, word: str) -> tuple[str, ...]:
        if len(word) > _LONGEST_WORD:
            return (word,)
        if not word.isascii():
            latin = as_if_latin(word)
            if latin != word and latin.isascii() and (self.known(latin) or self._nearest(latin)):
                return self.guess(latin)
            if any(c.isascii() for c in word):
                # An unknown sign inside a Latin word counts as a slip of the finger.
                nearest = self._nearest(latin)
                return (nearest,) if nearest else (word,)
            return (word,)
        if not word.isalpha() or word in self._common:
            return (word,)
        if self._is_real(word):
            return (word,)
        if word in self._exact:
            return (word,)
        if _REPEATS.search(word):
            for fewer in (_REPEATS.sub(r"\1\1", word), _REPEATS.sub(r"\1", word)):
                if self.known(fewer) or fewer in self._common:
                    return (fewer,)
            return self._guess(_REPEATS.sub(r"\1", word))
        # Also for words that only begin like a known one: "clusterd", "calciications",
        # "suspiciousclustered".
        nearest = self._nearest(word)
        if nearest:
            return (nearest,)
        parts = self._part(word)
        if parts is None and len(word) >= _SHORTEST_RUN:
            parts = tuple(self._inside.findall(word))
        return parts or (word,)

    def _is_real(self, word: str) -> bool:
        """Say whether a word is English and was meant: a rare one next to a far more frequent one is a slip."""
        counts = english_counts()
        if word not in counts or word in self._exact:
            return False
        nearest = self._nearest(word)
        return nearest is None or counts.get(nearest, 0) < SLIP_RATIO * counts[word]

    def _nearest(self, word: str) -> Optional[str]:
        length = len(word)
        if length < 4 or not word.isalpha():
            return None
        slips = 1 if length <= 5 else 2 if length <= 10 else 3
        best = process.extractOne(word, self._candidates(length, slips), scorer=OSA.distance, score_cutoff=slips)
        if best is None:
            return None
        target, distance = best[0], best[1]
        if length == 4 and (target not in self._important or (target[0] != word[0] and word[0].isascii())):
            return None
        if distance == 2 and length <= 7 and (target[0] != word[0] or len(target) <= 5):
            return None
        return str(target)

    def _candidates(self, length: int, slips: int) -> list[str]:
        key = (length, slips)
        if key not in self._near:
            near: list[str] = []
            for other in range(length - slips, length + slips + 1):
                near.extend(self._by_length.get(other, ()))
            self._near[key] = sorted(near, key=lambda w: (w not in self._important, w))
        return self._near[key]

    def _part(self, word: str) -> Optional[tuple[str, ...]]:
        """Split a run of words without spaces, if one important word is inside."""
        length = len(word)
        if length < 7:
            return None
        # best[i]: fewest pieces that make up word[:i]
        best: list[Optional[tuple[str, ...]]] = [()] + [None] * length
        for end in range(1, length + 1):
            for start in range(max(0, end - 22), end):
                before = best[start]
                if before is None:
                    continue
                piece = word[start:end]
                if piece in self._pieces and (best[end] is None or len(before) + 1 < len(best[end] or ())):
                    best[end] = (*before, piece)
        pieces = best[length]
        if pieces and any(len(p) >= 4 and p in self._important for p in pieces) and len(pieces) <= length / 3 + 1:
            return pieces
        return None

    def _chunk(self, match: re.Match[str]) -> str:
        chunk = match.group()
        tail = ""
        while chunk and chunk[-1] in "!+*|":
            tail, chunk = chunk[-1] + tail, chunk[:-1]
        if len(chunk) < 2 or _PROTECTED.match(chunk) or not any(c.isalpha() for c in chunk):
            return match.group()
        parts = _LETTERS_DIGITS.match(chunk) or _DIGITS_LETTERS.match(chunk)
        if parts and any(self.known(p) for p in parts.groups() if p.isalpha()):
            return match.group()  # "birads4", "20tablets": the rewriting parts these
        if sum(c in _LEET for c in chunk) > 6 or len(chunk) > 30:
            return match.group()
        options = [_LEET.get(c, c) for c in chunk]
        for letters in islice(product(*options), _LONGEST_TRY):
            word = "".join(letters)
            if word.isalpha() and self.known(word):
                return word + tail
        plain = "".join(o[0] for o in options)
        if plain.isalpha() and plain not in self._common:
            nearest = self._nearest(plain)
            if nearest:
                return nearest + tail
        return match.group()

    def _glue(self, words: list[str]) -> list[str]:
        """Join neighbours that make one important word ("calci fications")."""
        found: list[str] = []
        for word in words:
            if found and len(word) > 1 and word.isalpha() and found[-1].isalpha():
                joined = found[-1] + word
                if (
                    joined in self._important
                    and len(joined) >= 6
                    and not (self._ordinary(found[-1]) and self._ordinary(word))
                ):
                    found[-1] = joined
                    continue
            found.append(word)
        return found

    def _ordinary(self, word: str) -> bool:
        return word in self._common or word in self._important


_SHORT_PIECES = frozenset(
    {
        "a",
        "i",
        "my",
        "in",
        "on",
        "of",
        "is",
        "it",
        "to",
        "me",
        "we",
        "he",
        "no",
        "at",
        "by",
        "an",
        "as",
        "or",
        "so",
        "up",
        "am",
        "be",
        "do",
        "go",
        "if",
        "us",
    }
)
