"""One reading of a message, shared by the screen and by all that understands it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Iterable, Optional

import spacy
from spacy.language import Language
from spacy.tokens import Doc

from calla.safety.normalise import fold_words
from calla.text import MAX_UNDERSTOOD, clean, split_payload
from calla.understanding.cutting import Part, clauses_of, parts_of
from calla.understanding.language import ENGLISH, language_of
from calla.understanding.spelling import Spelling

_LETTERS = re.compile(r"[^\W\d_]+")
# Numbers of cases and orders: letters and digits in turn. They say nothing, and no model has learned them.
_CODE = re.compile(r"(?<!\w)(?=\w{10})[a-z]*(?:\d+[a-z]+){2,}\d*(?!\w)", re.I)
# What joins a clause to the one before it, and marks: without them it says the same.
_JOINT = re.compile(r"^(?:and|but|so|or|then|also|plus)\s+(?=\S+\s)", re.I)
_MARKS = " \t.,;:!?…-–—\"'()"


@lru_cache(maxsize=1)
def english() -> Language:
    """Return the shared spaCy pipeline: English tokeniser and sentence splitter."""
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer", config={"punct_chars": [".", "!", "?", "…", "。", "？"]})
    return nlp


@dataclass(frozen=True)
class Reading:
    """What one reading of a message found.

    Attributes:
        raw: the message as it came in.
        text: cleaned, with its spelling put right, at most ``MAX_UNDERSTOOD`` characters.
        doc: spaCy's document of that text.
        sentences: its sentences, lines split too.
        parts: where it could ask a second question, in order.
        language: ISO 639 code of its language.
        payload: name of a typed ``/intent`` payload, else empty.
        truncated: whether the message was longer than what is understood.
        pictures: whether it is nothing but emoji.
        units: all stretches that are judged: the whole text first, then parts, sentences and
            clauses (the smallest stretches that say something by themselves), each once.
        strange: share of its words that are neither English nor of the field as written:
            0 in plain English, near 1 in disguised or foreign words.
    """

    raw: str
    text: str
    doc: Doc
    sentences: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    language: str = ENGLISH
    payload: str = ""
    truncated: bool = False
    pictures: bool = False
    units: tuple[str, ...] = ()
    strange: float = 0.0

    @property
    def says_nothing(self) -> bool:
        """Whether there is no word or number in it."""
        return not re.search(r"\w", self.text)


def read(raw: str, spelling: Optional[Spelling] = None) -> Reading:
    """Read a message.

    Args:
        raw: the message as it came in; anything.
        spelling: puts words right; without it they stay as they are.

    Returns:
        the reading; never raises.
    """
    cleaned = fold_words(clean(raw))
    pictures = bool(cleaned) and not re.search(r"\w", raw)
    payload, text = split_payload(cleaned)
    text, codes = _CODE.subn("", text)
    text = text.rstrip(" ,") if codes else text
    truncated = len(text) > MAX_UNDERSTOOD
    text = text[:MAX_UNDERSTOOD]
    language = language_of(text, spelling.english, spelling.corrected) if spelling and not pictures else ENGLISH
    strange = spelling.strange(text) if spelling else 0.0
    if spelling and language == ENGLISH:
        text = spelling.corrected(text)
    doc = english()(text)
    sentences = tuple(s for s in _sentences(doc) if _LETTERS.search(s))
    parts = tuple(parts_of(text, sentences))
    units = _once([text, *(part.text for part in parts), *sentences, *clauses_of(text)])
    return Reading(raw, text, doc, sentences, parts, language, payload, truncated, pictures, units, strange)


def _once(stretches: Iterable[str]) -> tuple[str, ...]:
    """Return stretches, of those that differ in marks or in the word that joins them alone the first."""
    found: dict[str, str] = {}
    for stretch in stretches:
        found.setdefault(_JOINT.sub("", stretch).strip(_MARKS).lower(), stretch)
    return tuple(found.values())


def _sentences(doc: Doc) -> list[str]:
    found: list[str] = []
    for sentence in doc.sents:
        found.extend(line.strip() for line in sentence.text.split("\n"))
    return found
