"""Spelling put right, once per message, for all that understands it.

A noisy channel (Kernighan, Church and Gale 1990): what was meant is the word that is both
near to what was written and usual between its neighbours. Near is counted in slips (SymSpell:
symmetric deletes, Damerau-Levenshtein distance) and by sound (Metaphone, Philips 1990), for
people who write by ear: "hoo reeds the mamagram". Usual is what the questions in the topics say:
"how mutch" is "how much". A real word is only touched if it is a rare one that sounds like a
usual one, both neighbours ask for that, and the writer has slipped elsewhere: "stinky" is not
"sticky", and "gout" is not "good". The safety screen has guesses of its own
(``calla.safety.spelling``), which can only add to what it finds as written.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from functools import lru_cache
from importlib import resources
from itertools import pairwise
from typing import Collection, Iterable, NamedTuple, Optional, Sequence

import jellyfish
from rapidfuzz import process
from rapidfuzz.distance import OSA
from symspellpy import SymSpell, Verbosity
from symspellpy.abstract_distance_comparer import AbstractDistanceComparer
from symspellpy.editdistance import DistanceAlgorithm, EditDistance

from calla.understanding.dictation import Dictation

_WORD = re.compile(r"(?<!\w)[^\W\d_]+(?:'[^\W\d_]+)*(?!\w)")
# A word, a number, or a mark that ends a phrase.
_TOKEN = re.compile(r"(?<!\w)[^\W\d_]+(?:'[^\W\d_]+)*(?!\w)|[^\s\w]|\w+")
# Shorter words are names and abbreviations as often as slips.
MIN_LENGTH = 3
# Letters up to which a word is put right only to one that sounds alike, or where its neighbours ask for it.
BRIEF = 6
# Letters up to which a word in capitals is an abbreviation.
ABBREVIATION = 4
# Letters from which a word may differ in three places ("calcifikashins").
THREE_SLIPS = 11
# Words of general English that a slip may be put right to: only the most frequent.
# Rarer ones, names and foreign words would otherwise be turned into them.
TARGETS = 4_000
# Words of general English rarer than this many in their list may be slips that happen to be words.
RARE = 3_000_000
# Questions from which a word is usual among people who ask, from which the models may have
# learned it as it stands (unless it is that much rarer than what it was probably meant
# for; less so, if two hold: it is long, sounds like it, is one slip away), and from which two words
# are usual together.
USUAL, LEARNED, RARER, RARER_AND_LIKE, TOGETHER = 8, 4, 40, 8, 3
# Cost of a slip in a word of five letters or fewer, in nats, in longer ones less; of a
# sound that stays; of another beginning.
SLIP, SOUND, BEGINNING = 4.5, 0.3, 3.0
# How many questions' words the general frequencies weigh, and how many a word's own frequency
# weighs against its neighbour's word.
_GENERAL, _ALONE = 50_000, 20.0
# Log-probability of a word that nobody knows.
_UNKNOWN = math.log(1e-7)
_CACHE_LIMIT = 50_000
# Letters per slip of a word that passes for English.
SLIPPED = 6
# Letters that SymSpell indexes words by: more find the same words a little faster, and take twice the memory.
PREFIX = 5
# Guesses that are weighed for one word.
_MOST = 24
_START = ""


@lru_cache(maxsize=1)
def english_counts() -> dict[str, int]:
    """Return the general word list with its counts, most frequent first (82,000 words of English)."""
    text = resources.files("symspellpy").joinpath("frequency_dictionary_en_82_765.txt").read_text(encoding="utf-8-sig")
    pairs = (line.split() for line in text.splitlines() if line.strip())
    return dict(sorted(((word, int(count)) for word, count in pairs), key=lambda pair: -pair[1]))


@lru_cache(maxsize=_CACHE_LIMIT)
def _sound(word: str) -> str:
    """Return how a word sounds; "th" as people who say "wiv" hear it."""
    return str(jellyfish.metaphone(word)).replace("0", "F")


def _is_name(word: str) -> bool:
    """Say whether a word looks like a name or an abbreviation that a slip does not explain: short, with capitals."""
    return (len(word) <= BRIEF and word[:1].isupper() and word[1:].islower()) or (
        len(word) <= ABBREVIATION and word.isupper()
    )


class Guess(NamedTuple):
    """A word that may have been meant, and what it costs to believe so, in nats."""

    word: str
    cost: float


class _Slips(AbstractDistanceComparer):
    """Counts slips as SymSpell does by itself, in compiled code."""

    def distance(self, string_1: Optional[str], string_2: Optional[str], max_distance: int) -> int:
        """Return the optimal string alignment distance, -1 beyond a maximum."""
        found = OSA.distance(string_1 or "", string_2 or "", score_cutoff=max_distance)
        return found if found <= max_distance else -1


class Spelling:
    """Puts words right.

    Args:
        answers: the texts of the topics; their words are spelt right.
        questions: what people ask: which words are usual, alone and together.
        names: words that are left as they are and that nothing is turned into: names of
            medicines, words of findings. A guess never makes a finding.
    """

    def __init__(self, answers: Collection[str], questions: Iterable[str], names: Iterable[str] = ()) -> None:
        counts = english_counts()
        self._general_total = sum(counts.values())
        self._names = frozenset(names)
        asked = [_WORD.findall(text.casefold()) for text in questions]
        self._used = Counter(word for words in asked for word in words)
        self._total = sum(self._used.values())
        self._used[_START] = len(asked)
        pairs = Counter(pair for words in asked for pair in pairwise([_START, *words]))
        self._pairs = {pair: n for pair, n in pairs.items() if n >= TOGETHER}
        self._domain = frozenset(w for text in answers for w in _WORD.findall(text.casefold())) | {
            w for w, n in self._used.items() if n >= USUAL and counts.get(w, 0) > RARE
        }
        # "Theyre" is no slip to put right: the models have learned it with and without its mark.
        self._domain |= {w.replace("'", "") for w, n in self._used.items() if "'" in w and n >= LEARNED}
        frequent = [word for word, _ in list(counts.items())[:TARGETS]]
        targets = sorted({w for w in (*frequent, *self._domain) if len(w) >= MIN_LENGTH and w.isalpha()})
        slips = EditDistance(DistanceAlgorithm.USER_PROVIDED, _Slips())
        self._index = SymSpell(max_dictionary_edit_distance=2, prefix_length=PREFIX, distance_comparer=slips)
        self._sounds: dict[str, list[str]] = defaultdict(list)
        for word in targets:
            self._index.create_dictionary_entry(word, 1)
            self._sounds[_sound(word)].append(word)
        self._long = [word for word in targets if len(word) >= THREE_SLIPS]
        self._guesses: dict[str, tuple[Guess, ...]] = {}
        self._dictation = Dictation(answers)

    def is_word(self, word: str) -> bool:
        """Say whether a word (any case) is one of English or of the topics."""
        folded = word.casefold()
        return self._is_real(folded) or folded in self._names

    def _is_real(self, word: str) -> bool:
        return word in self._domain or word in english_counts()

    def english(self, word: str) -> float:
        """Return how English a word is: 1 for a word of English or that many people ask with, else 0; half in doubt.

        In doubt are slips, and the names, which are words of many languages.
        """
        folded = word.casefold()
        if folded in english_counts() or (folded in self._domain and self._used[folded] >= USUAL):
            return 1.0
        if folded in self._names:
            return 0.5
        # Two slips make an English word of many a foreign one.
        right = self.corrected(folded)
        return 0.5 if right != folded and OSA.distance(right, folded) <= len(folded) // SLIPPED else 0.0

    def strange(self, text: str) -> float:
        """Return the share of a text's words, marks and digits inside them included, that nobody knows."""
        words = [word.strip(".,;:!?()'\"-") for word in text.split()]
        words = [word for word in words if any(c.isalpha() for c in word) and len(word) > 1]
        return sum(not self.is_word(word.replace("'s", "")) for word in words) / len(words) if words else 0.0

    def corrected(self, text: str) -> str:
        """Return the text with the words that were meant."""
        tokens = list(_TOKEN.finditer(text))
        written = [token.group() for token in tokens]
        folded = [word.casefold() for word in written]
        if all(self._is_real(word) or not word.isalpha() or len(word) < MIN_LENGTH for word in folded):
            # Real words are only touched beside a slip.
            return self._dictation.written(text)
        # In a message whose words all begin with capitals a capital says nothing.
        plain = 2 * sum(word.islower() for word in written) >= sum(word.isalpha() for word in written)
        fixed = [plain and i > 0 and _is_name(word) for i, word in enumerate(written)]
        found, at = [], 0
        for token, word, plainly, right in zip(tokens, written, folded, self._meant(folded, fixed), strict=True):
            found += [text[at : token.start()], word if right == plainly else right]
            at = token.end()
        return self._dictation.written("".join([*found, text[at:]]))

    def _meant(self, words: Sequence[str], fixed: Sequence[bool]) -> list[str]:
        """Return the likeliest words (Viterbi 1967): the cheapest way through all guesses."""
        every = [
            (Guess(word, 0.0),) if stays else self._guesses_of(word) for word, stays in zip(words, fixed, strict=True)
        ]
        every.append((Guess(_START, 0.0),))
        ways: dict[str, tuple[float, tuple[str, ...]]] = {_START: (0.0, ())}
        for i, word in enumerate(words):
            guesses, after = every[i], [guess.word for guess in every[i + 1]]
            if len(guesses) == 1 and len(ways) == 1:
                ((cost, way),) = ways.values()
                ways = {self._context(word): (cost, (*way, word))}
                continue
            further: dict[str, tuple[float, tuple[str, ...]]] = {}
            for guess in guesses:
                if not self._allowed(word, guess, list(ways), after):
                    continue
                cost, way = min(
                    (cost - self._log_p(guess.word, before) + guess.cost, way) for before, (cost, way) in ways.items()
                )
                further[guess.word] = (cost, (*way, guess.word))
            if len(guesses) == 1:
                # What comes before is settled by this word.
                further = {self._context(word): further[word]}
            ways = further
        return list(min(ways.values())[1])

    @staticmethod
    def _context(word: str) -> str:
        """Return what a word is to the next: a mark begins anew."""
        return word if word[0].isalnum() else _START

    def _allowed(self, word: str, guess: Guess, before: Sequence[str], after: Sequence[str]) -> bool:
        """Say whether a guess may stand for a word at all between these neighbours, in a message with a slip.

        Args:
            word: as it was written.
            guess: what may have been meant.
            before: what may stand before it.
            after: what may stand after it.
        """
        if guess.word == word:
            return True
        beside = (
            any((each, guess.word) in self._pairs for each in before),
            any((guess.word, each) in self._pairs for each in after),
        )
        sounds = _sound(word) == _sound(guess.word)
        if self._is_real(word):
            return sounds and all(beside)
        if word in self._names:
            return sounds and (len(word) > BRIEF or any(beside))
        if len(word) <= MIN_LENGTH:
            return all(beside)
        near = OSA.distance(word, guess.word) == 1
        return len(word) > BRIEF or near or (sounds and any(beside)) or all(beside)

    def _log_p(self, word: str, before: str) -> float:
        """Return the log-probability of a word after another, smoothed by its own frequency (MacKay and Peto 1995)."""
        general = english_counts().get(word, 0) / self._general_total
        known = self._is_real(word)
        used = max(1, self._used[word]) if known else min(self._used[word], TOGETHER)
        alone = (used + _GENERAL * general) / (self._total + _GENERAL)
        together = self._pairs.get((before, word), 0) if known else 0
        before_used = self._used[before]
        return max(_UNKNOWN, math.log((together + _ALONE * alone + 1e-12) / (before_used + _ALONE)))

    def _guesses_of(self, word: str) -> tuple[Guess, ...]:
        """Return what a word may have been meant for, itself first."""
        known = word in self._domain or english_counts().get(word, 0) > RARE
        if known or len(word) < MIN_LENGTH or not word.isascii() or not word.isalpha():
            return (Guess(word, 0.0),)
        guesses = self._guesses.get(word)
        if guesses is None:
            guesses = (Guess(word, 0.0), *self._near(word))
            if len(self._guesses) >= _CACHE_LIMIT:
                self._guesses.clear()
            self._guesses[word] = guesses
        return guesses

    def _near(self, word: str) -> list[Guess]:
        if word.endswith("s") and len(word) > BRIEF and self.is_word(word[:-1]):
            return []
        alike = set(self._sounds.get(_sound(word), ()))
        near = {s.term for s in self._index.lookup(word, Verbosity.ALL, max_edit_distance=2)}
        if len(word) >= THREE_SLIPS:
            near |= {w for w, *_ in process.extract(word, self._long, scorer=OSA.distance, score_cutoff=3, limit=3)}
        slip = SLIP * min(1.0, 5 / len(word))
        found = []
        for each in near | alike:
            distance = OSA.distance(word, each)
            like = (each in alike) + (distance == 1) + (len(word) > BRIEF) >= 2
            rarer = self._used[word] * (RARER_AND_LIKE if like else RARER) <= self._used[each]
            learned = self._used[word] >= LEARNED and not rarer
            if distance > min(3, len(each) // 2) or learned:
                continue
            cost = slip * (distance * SOUND if each in alike else distance)
            beginning = each[0] != word[0]
            found.append(Guess(each, cost + BEGINNING * beginning * (0.5 if each in alike else 1.0)))
        # The word itself breaks ties: the same message is read the same way by every process.
        return sorted(found, key=lambda guess: (guess.cost - self._log_p(guess.word, _START), guess.word))[:_MOST]
