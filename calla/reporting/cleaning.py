"""Takes out of a question whatever could tell who asked it.

Two nets, one behind the other. Presidio's recognisers find mails, links, phone numbers and
dates by their form. Then every word that is left must be a word of Calla's own texts, or a word
of the general English list that is nobody's name (Faker's lists, some eighty languages); any
other is hidden. So a name need not be recognised to be gone: what is not known to be harmless goes.
Nothing is loaded from anywhere, and nothing is learned.
"""

from __future__ import annotations

import importlib
import re
from collections import Counter
from typing import Any, Iterable, Iterator, Optional

from faker.config import AVAILABLE_LOCALES
from presidio_analyzer import EntityRecognizer
from presidio_analyzer.predefined_recognizers import DateRecognizer, EmailRecognizer, PhoneRecognizer, UrlRecognizer
from spacy.lang.en.stop_words import STOP_WORDS

from calla.catalogue import fold
from calla.safety.normalise import fold_words
from calla.text import clean as plain
from calla.understanding.spelling import english_counts

# What stands in the place of what was taken out, the longest stretch first.
MAIL, LINK, PHONE, DATE, NUMBER, NAME, WORD = "[mail]", "[link]", "[phone]", "[date]", "[number]", "[name]", "[word]"
# Characters of a question that are kept at most.
LONGEST = 400
# Words that are seen less often in English are not taken for general ones.
_COMMON_FROM = 20_000
# Examples that hold a word from which it is one of the field.
_OFTEN = 5
# What "a" or "the" stands before is a thing, even if somebody has it for a name: "a car", "the page".
_THING, _THING_FROM = re.compile(r"\b(?:an?|the|this|these|every|each|some|any)\s+([a-z]{2,})\b"), 2
# A word with a capital after a word without: somebody, or some place.
_PROPER = re.compile(r"(?<=[a-z,] )[A-Z][a-z]+")
# "don't", "he's", "mum's": what counts is the word before.
_CONTRACTED = re.compile(r"(?:n't|'(?:s|m|d|re|ve|ll))$")
_TOKEN = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_DIGITS = re.compile(r"\d")
_HANDLE = re.compile(r"(?<!\w)[@#]\w+")
# What comes after these is somebody's name, whatever it is.
_INTRODUCED = re.compile(
    r"\b(?i:(?:my|her|his|their|our)\s+names?(?:\s+is|'s|s)?|i\s+am\s+called|i'm\s+called|is\s+called|named|signed"
    r"|mrs?|ms|miss|mx|dr|doctor|prof|professor|nurse|sister|father)\b\.?\s+"
    r"(?P<name>[^\W\d_][\w'’-]*(?:\s+[A-Z][\w'’-]*)*)"
)
_NUMBERS = frozenset(
    "eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty forty fourty fifty "
    "sixty seventy eighty ninety hundred thousand million".split()
)
_DAYS = frozenset(
    "monday tuesday wednesday thursday friday saturday sunday january february april june july august september "
    "october november december".split()
)
# Words that introduce a name only where none of these follows ("doctor about", "named after").
_NO_NAME = frozenset(
    "a about after an and are as asked at be before but can could did do does for from had has have he her his i if in "
    "is it me my never no not of on or our please said says she should so that the their then there they this to told "
    "wants was we what when where which who why will with would you your in-law".split()
)


class _Mails(EmailRecognizer):
    """Presidio's recogniser without its look at the list of domains, for which it would ask the network."""

    def validate_result(self, pattern_text: str) -> Optional[bool]:
        """Take every mail address for one, whether or not its domain exists."""
        return None


def _names() -> frozenset[str]:
    """Return the given and family names of all languages that Faker knows, folded."""
    found: set[str] = set()
    for locale in AVAILABLE_LOCALES:
        try:
            provider = importlib.import_module(f"faker.providers.person.{locale}").Provider
        except ImportError:
            continue
        for attribute in dir(provider):
            if "name" in attribute and not attribute.startswith("_"):
                value = getattr(provider, attribute)
                if isinstance(value, (list, tuple, dict)):
                    found.update(part for name in value if isinstance(name, str) for part in fold(name).split())
    return frozenset(name for name in found if len(name) > 1)


class Cleaner:
    """Cleans questions; made once, takes a moment and some memory.

    Args:
        own_texts: Calla's own texts, whose words are harmless.
        examples: questions of the training; a word that many of them hold is harmless, a name is not.
    """

    def __init__(self, own_texts: Iterable[str], examples: Iterable[str] = ()) -> None:
        self._names = _names()
        examples = list(examples)
        own = {word for text in own_texts for word in _words(text)}
        often = Counter(word for text in examples for word in frozenset(_words(text)))
        things = Counter(word for text in examples for word in frozenset(_THING.findall(text)))
        capital = {word.casefold() for text in examples for word in _PROPER.findall(text)}
        field = {w for w, n in often.items() if n >= _OFTEN and w[0].isalpha()} - self._names - capital
        common = {w for w, n in things.items() if n >= _THING_FROM}
        self._own = frozenset({*own, *field, *common, *STOP_WORDS})
        self._general = english_counts()
        self._recognisers: list[tuple[EntityRecognizer, str, str]] = [
            (_Mails(), "EMAIL_ADDRESS", MAIL),
            (UrlRecognizer(), "URL", LINK),
            (DateRecognizer(), "DATE_TIME", DATE),
            (PhoneRecognizer(), "PHONE_NUMBER", PHONE),
        ]

    def clean(self, text: str) -> str:
        """Return a question without what could tell who asked it, shortened."""
        # First in full, then shortened: half a mail address would be none.
        kept = _collapsed(self._replaced(fold_words(plain(text))))
        return kept if len(kept) <= LONGEST else kept[:LONGEST].rsplit(" ", 1)[0] + " …"

    def _replaced(self, text: str) -> str:
        covered: list[Optional[str]] = [None] * len(text)
        for start, end, mark in (*self._found(text), *self._hidden(text)):
            if not any(covered[start:end]):
                covered[start:end] = [mark] * (end - start)
            else:  # two nets overlap: nothing of either stays
                first = next(one for one in covered[start:end] if one)
                covered[start:end] = [first] * (end - start)
        out: list[str] = []
        for at, letter in enumerate(text):
            mark_here = covered[at]
            if mark_here is None:
                out.append(letter)
            elif at == 0 or covered[at - 1] != mark_here:
                out.append(mark_here)
        return "".join(out)

    def _found(self, text: str) -> Iterator[tuple[int, int, str]]:
        for recogniser, entity, mark in self._recognisers:
            found: list[Any] = recogniser.analyze(text, [entity], None)  # type: ignore[arg-type]
            yield from ((one.start, one.end, mark) for one in found)
        yield from ((one.start(), one.end(), NAME) for one in _HANDLE.finditer(text))
        for one in _INTRODUCED.finditer(text):
            if one["name"].casefold() not in _NO_NAME:
                yield one.start("name"), one.end("name"), NAME

    def _hidden(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Yield the words that are not known to be harmless."""
        for one in _TOKEN.finditer(text):
            if mark := self._mark(one.group(), text[: one.start()].rstrip()):
                yield one.start(), one.end(), mark

    def _mark(self, word: str, before: str) -> Optional[str]:
        folded = _CONTRACTED.sub("", word.casefold().replace("’", "'"))
        if (
            not _NUMBERS.isdisjoint(folded.split("-"))
            or (_DIGITS.search(word) and folded not in self._own)
            or word.isdigit()
        ):
            return NUMBER
        if folded in _DAYS:
            return DATE
        if folded in self._own:
            return None
        parts = [part for part in re.split(r"['-]", folded) if part]
        if any(part in self._names and part not in self._own for part in parts):
            return NAME
        # A capital in the middle of a sentence: a person, a place, a clinic, a brand.
        if word[:1].isupper() and not word.isupper() and before and before[-1] not in ".!?:;\n\"'(":
            return NAME
        known = all(part in self._own or self._general.get(part, 0) >= _COMMON_FROM or len(part) < 3 for part in parts)
        return None if known else WORD


def _words(text: str) -> Iterator[str]:
    """Yield the words of a text of Calla's own: no bare numbers, nothing with a capital, as places have."""
    for one in _TOKEN.finditer(text):
        word = one.group().replace("’", "'")
        if word.islower() or word.isupper() or _DIGITS.search(word):
            for part in {word.casefold(), *word.casefold().split("-")}:
                if not part.isdigit():
                    yield part


def _collapsed(text: str) -> str:
    """Return a text in one line, each mark once where several stand in a row."""
    text = " ".join(text.split())
    return re.sub(r"(\[\w+\])(?:[\s,.&'-]*\1)+", r"\1", text)
