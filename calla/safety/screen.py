"""The rule half of the detection: does a message owe a medical referral?

Either this screen or the learned detector beside it suffices to refer (section 3 of
the design). The screen reads the raw message twice, once as written and once with
guesses at what was meant (``spelling``), matches the vocabulary sentence by sentence
(``patterns``) and drops what the context takes back (``context``). In doubt it refers.
"""

from __future__ import annotations

import logging
import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from typing import Iterator, Optional

from calla.safety.context import Context
from calla.safety.normalise import PAUSE, STOP, fold, tokens_of
from calla.safety.patterns import OVERLAP, WINDOW, Group, Pattern
from calla.safety.vocabulary import KINDS, Entry, Vocabulary, load_vocabulary

logger = logging.getLogger(__name__)

_RANK = {topic: rank for rank, topic in enumerate(KINDS)}
_CACHE_LIMIT = 50_000
_TRIES = 8
# Where an animal or a story nearby never takes a finding back.
_ALWAYS_A_PERSON = frozenset({"emergency", "emotional_crisis"})
FAILED = "screen_failed"


@dataclass(frozen=True)
class Finding:
    """One reason to refer.

    Attributes:
        topic: name of the referral.
        kind: emergency, crisis, urgent, planned or prescriber.
        rule: id of the entry of the vocabulary; never any text of the message.
        hint: whether it counts only if the learned detector is in doubt too.
    """

    topic: str
    kind: str
    rule: str
    hint: bool = False


class Screen:
    """Matches messages against a vocabulary. Threads may share one."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._context = Context(vocabulary.context)
        self._words: dict[str, int] = {}
        self._prefixes: dict[str, int] = {}
        self._leading: dict[int, list[tuple[int, int, Pattern, Entry]]] = {}
        self._masks: dict[str, int] = {}
        self._longest_prefix = 0
        self._index()

    def _index(self) -> None:
        """Give each group of alternatives a bit, and each pattern its rarest group."""
        bits: dict[Group, int] = {}
        uses: dict[int, int] = {}
        patterns = [(p, e) for e in self._vocabulary.entries for p in e.patterns]
        for pattern, _ in patterns:
            for group in pattern.groups:
                bit = bits.setdefault(group, 1 << len(bits))
                uses[bit] = uses.get(bit, 0) + 1
        for group, bit in bits.items():
            for word in group.words:
                self._words[word] = self._words.get(word, 0) | bit
            for prefix in group.prefixes:
                self._prefixes[prefix] = self._prefixes.get(prefix, 0) | bit
                self._longest_prefix = max(self._longest_prefix, len(prefix))
        # The leader should be the group that a message has least often: no small words,
        # few alternatives, few patterns.
        small = self._vocabulary.speller.function_words
        weight = {
            bit: (len(small & group.words), uses[bit] * (len(group.words) + len(group.prefixes) + 5))
            for group, bit in bits.items()
        }
        for pattern, entry in patterns:
            own = [bits[g] for g in pattern.groups]
            need = 0
            for bit in own:
                need |= bit
            leader = min(own, key=lambda b: weight[b])
            self._leading.setdefault(leader, []).append((need, own[0], pattern, entry))
        self._leaders = 0
        for bit in self._leading:
            self._leaders |= bit

    @property
    def words(self) -> frozenset[str]:
        """All words that the rules know."""
        return self._vocabulary.speller.words

    def find(self, text: str) -> list[Finding]:
        """Return what in ``text`` owes a referral, most urgent first, one per topic.

        Reads up to ``MAX_SCREENED`` characters and never raises: should the screen
        itself fail, that is a reason to refer (``rule`` is then ``FAILED``).
        """
        try:
            found = self._find(text)
        except Exception:
            logger.exception("The safety screen failed on a message; it is referred.")
            found = {"interpret_my_results": (FAILED, False)}
        ordered = sorted(found.items(), key=lambda item: _RANK[item[0]])
        return [Finding(topic, KINDS[topic], rule, hint) for topic, (rule, hint) in ordered]

    def _find(self, text: str) -> dict[str, tuple[str, bool]]:
        speller = self._vocabulary.speller
        folded = fold(text, self._vocabulary.emoji)
        plain = tokens_of(folded)
        found: dict[str, tuple[str, bool]] = {}
        seen: set[str] = set()
        self._match(speller.rewrite(plain), found, seen)
        guessed = speller.second_reading(folded)
        if guessed != plain:
            self._match(speller.rewrite(guessed), found, seen)
        return found

    def _mask(self, word: str) -> int:
        mask = self._masks.get(word)
        if mask is None:
            mask = self._words.get(word, 0)
            for length in range(1, min(len(word), self._longest_prefix) + 1):
                mask |= self._prefixes.get(word[:length], 0)
            if len(self._masks) > _CACHE_LIMIT:
                self._masks.clear()
            self._masks[word] = mask
        return mask

    def _match(self, tokens: list[str], found: dict[str, tuple[str, bool]], seen: set[str]) -> None:
        """Add to ``found`` what the tokens of a whole message say.

        Args:
            tokens: words and marks.
            found: topic to id of the entry and whether it is a hint; a topic already in
                it is not looked for, except that a hint gives way to more than a hint.
            seen: sentences of an earlier reading, which need no second look.
        """
        whole = ""
        vocabulary = self._vocabulary
        for words in _sentences(tokens):
            masks = [self._mask(word) for word in words]
            mask = 0
            for one in masks:
                mask |= one
            leaders = mask & self._leaders
            if not leaders:
                continue
            text = f" {' '.join(words)} "
            if text in seen:
                continue
            seen.add(text)
            sentence = _Sentence(words, masks, text)
            while leaders:
                bit = leaders & -leaders
                leaders ^= bit
                for need, first, pattern, entry in self._leading[bit]:
                    if need & mask != need:
                        continue
                    if entry.topic in found and (entry.hint or not found[entry.topic][1]):
                        continue
                    if not self._stands(pattern, first, entry, sentence):
                        continue
                    if entry.needs or entry.unless_message:
                        whole = whole or f" {' '.join(tokens)} "
                        if self._excused(whole, entry.unless_message, entry.despite):
                            continue
                        if not all(vocabulary.list_regexes[n].search(whole) for n in entry.needs):
                            continue
                    found[entry.topic] = (entry.id, entry.hint)

    def _stands(self, pattern: Pattern, first: int, entry: Entry, sentence: _Sentence) -> bool:
        """Say whether the pattern matches somewhere and its context leaves it standing."""
        negatable = entry.negatable and not pattern.says_no
        text = sentence.without(entry) if entry.exceptions else sentence.text
        for match in sentence.matches(pattern, first, text):
            places = [sentence.place(match.start(i)) for i in range(1, pattern.regex.groups + 1)]
            words, last = sentence.words, sentence.place(match.end(pattern.regex.groups) - 1)
            if negatable and not sentence.negated(self._context).isdisjoint(places):
                continue
            if entry.unless and self._excused(sentence.near(places[0], last), entry.unless, entry.despite):
                continue
            if entry.unless_clause and self._excused(sentence.clause(places[0], last), entry.unless_clause):
                continue
            if entry.topic in _ALWAYS_A_PERSON:
                return True
            if self._context.about_an_animal(words, places[0], last + 1):
                continue
            if self._context.about_fiction(words, places[0], last + 1):
                continue
            return True
        return False

    def _excused(self, text: str, lists: tuple[str, ...], despite: tuple[str, ...] = ()) -> bool:
        regexes = self._vocabulary.list_regexes
        if not any(regexes[name].search(text) for name in lists):
            return False
        return not any(regexes[name].search(text) for name in despite)


# Words that begin a new thought: what stands beyond them excuses nothing.
_NEW_THOUGHT = frozenset(
    {
        PAUSE,
        "and",
        "but",
        "also",
        "plus",
        "i",
        "is",
        "are",
        "can",
        "which",
        "what",
        "does",
        "do",
        "should",
        "because",
        "so",
    }
)
_NEAR = 4
_LETTER = re.compile(r"[^ ]")


class _Sentence:
    """One sentence, with what is computed about it at most once."""

    __slots__ = ("_negated", "_offsets", "_without", "masks", "text", "words")

    def __init__(self, words: list[str], masks: list[int], text: str) -> None:
        self.words = words
        self.masks = masks
        self.text = text
        self._negated: Optional[frozenset[int]] = None
        self._offsets: list[int] = []
        self._without: dict[str, str] = {}
        at = 1
        for word in words:
            self._offsets.append(at)
            at += len(word) + 1

    def without(self, entry: Entry) -> str:
        """Return the text with the words of the entry's exceptions blanked out.

        Blanked, not cut: offsets stay, and a finding beside them is still found.
        """
        text = self._without.get(entry.id)
        if text is None:
            text = self.text
            for pattern in entry.exceptions:
                text = pattern.regex.sub(lambda m: _LETTER.sub("#", m.group()), text)
            self._without[entry.id] = text
        return text

    def matches(self, pattern: Pattern, first: int, text: str) -> Iterator[re.Match[str]]:
        """Yield the matches of a pattern in ``text`` (the sentence, or what is left of it).

        ``first`` is the bit of the pattern's first group.
        """
        if not pattern.led:
            match = pattern.regex.search(text)
            if match:
                yield match
            return
        tries = 0
        for at, mask in enumerate(self.masks):
            if mask & first:
                match = pattern.regex.match(text, self._offsets[at])
                if match:
                    yield match
                    tries += 1
                    if tries == _TRIES:
                        return

    def place(self, offset: int) -> int:
        """Return the position of the word at a character offset."""
        return bisect_right(self._offsets, offset) - 1

    def near(self, first: int, last: int) -> str:
        """Return the words from ``first`` to ``last`` and up to four more on either side."""
        start, end = first, last
        while start > 0 and first - start < _NEAR and self.words[start - 1] not in _NEW_THOUGHT:
            start -= 1
        while end + 1 < len(self.words) and end - last < _NEAR and self.words[end + 1] not in _NEW_THOUGHT:
            end += 1
        return f" {' '.join(self.words[start : end + 1])} "

    def clause(self, first: int, last: int) -> str:
        """Return the words between the marks that enclose ``first`` to ``last``."""
        start, end = first, last
        while start > 0 and self.words[start - 1] != PAUSE:
            start -= 1
        while end + 1 < len(self.words) and self.words[end + 1] != PAUSE:
            end += 1
        return f" {' '.join(self.words[start : end + 1])} "

    def negated(self, context: Context) -> frozenset[int]:
        """Return the positions of negated words."""
        if self._negated is None:
            self._negated = context.negated(self.words)
        return self._negated


def _sentences(tokens: list[str]) -> Iterator[list[str]]:
    """Yield sentences without their stops; very long ones in overlapping windows."""
    start = 0
    for at in range(len(tokens) + 1):
        if at == len(tokens) or tokens[at] == STOP:
            for window in range(start, max(at, start + 1), WINDOW - OVERLAP):
                piece = tokens[window : min(at, window + WINDOW)]
                if piece:
                    yield piece
                if window + WINDOW >= at:
                    break
            start = at + 1


@lru_cache(maxsize=1)
def load_screen() -> Screen:
    """Return the screen of this process; reads the vocabulary on the first call."""
    return Screen(load_vocabulary())
