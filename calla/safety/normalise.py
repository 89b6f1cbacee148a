"""Folding of raw text into plain lower-case words, before anything is looked up.

The cleaning for understanding (``calla.text``) keeps what a person wrote. This one is
harsher: it looks through look-alike letters, invisible characters, accents, curly
quotes, emoji and the line breaks of pasted reports, because a trick of spelling must
never hide a finding. Nothing here knows a medical word; guesses that need the
vocabulary (typos, digits for letters, missing spaces) live in ``spelling``.
"""

from __future__ import annotations

import html
import re
import unicodedata
from functools import lru_cache
from typing import Mapping

from confusable_homoglyphs import confusables

from calla.text import MAX_SCREENED

# The two marks that survive as tokens: the end of a sentence, and any lesser stop.
STOP, PAUSE = ".", ","

_INVISIBLE_CATEGORIES = frozenset({"Cf", "Cc", "Mn", "Me", "Cs", "Co", "Cn"})
# Default-ignorable letters: Unicode calls them letters or marks, nobody sees them.
_INVISIBLE_LETTERS = frozenset("\u115f\u1160\u3164\uffa0\u17b4\u17b5\u180b\u180c\u180d\u034f\u2800")
_QUOTES = str.maketrans({c: "'" for c in "’‘´`ʼʹ′‛"} | {c: " " for c in '“”„«»"‹›'} | {c: "-" for c in "‐‑‒–—―−﹣－"})
# "calcifi-\ncations": a report breaks words at the end of a line.
_BROKEN_WORD = re.compile(r"([^\W\d_])-[ \t]*\r?\n[ \t]*(?=[^\W\d_])")
_SPACED = re.compile(r"(?<![^\W_])[^\W_](?:([ .\-_*·•/|,~+])\1?[^\W_](?![^\W_]))(?:\1{1,2}[^\W_](?![^\W_])){1,40}")
# Vowel signs of the scripts of India belong to their word; for Python they are no letters.
_LETTER = r"(?:[^\W_]|[\u0900-\u0963\u0971-\u0dff])"
_SOURCE = re.compile(
    r"(?P<number>\d+[.,]\d+(?!\w))"
    rf"|(?P<word>{_LETTER}+(?:'{_LETTER}+)*)"
    r"|(?P<blank>\r?\n[ \t]*\r?\n)"
    r"|(?P<stop>[.!?…。？！]+(?=\s|$|[\"')\]])|[。？！…])"
    r"|(?P<pause>[,;:()\[\]\n•*|]|(?<=\s)-(?=\s))"
)
_HYPHENS = re.compile(r"(?<=[^\W_])[-_./\\](?=[^\W_])")
# Scripts written without spaces: every character is a word of its own.
_CJK = re.compile(r"([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff])")
_WORD = re.compile(r"[^\W_]+")
# Words after which "'s" stands for "is", not for a possessive.
_CAN_BE = frozenset(
    {
        "it",
        "that",
        "there",
        "he",
        "she",
        "what",
        "here",
        "who",
        "where",
        "how",
        "something",
        "everything",
        "nothing",
        "someone",
        "nobody",
        "everybody",
        "this",
    }
)
# French and Italian run the article into the word: "j'ai", "l'aisselle".
_ELISIONS = frozenset({"j", "l", "d", "n", "m", "s", "t", "c", "qu", "dell", "nell", "un", "all"})
_ENDINGS = {"'m": " am", "'ve": " have", "'re": " are", "'ll": " will", "'d": " would", "n't": " not"}


@lru_cache(maxsize=1)
def _look_alikes() -> Mapping[str, str]:
    """Return ``{letter of another alphabet: the Latin letter it looks like}``.

    The table is Unicode's own (UTS 39), as packaged by ``confusable-homoglyphs``.
    """
    table: dict[str, str] = {}
    for latin in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ":
        for entry in confusables.confusables_data.get(latin, []):
            other = entry["c"]
            if len(other) == 1 and not other.isascii() and other.isalpha():
                table.setdefault(other, latin.lower())
    # Small capitals are letters of their own to Unicode, and normalisation leaves them.
    for code in (*range(0x250, 0x2B0), *range(0x1D00, 0x1D80), *range(0xA730, 0xA732)):
        name, _, letter = unicodedata.name(chr(code), "").rpartition(" ")
        if name == "LATIN LETTER SMALL CAPITAL" and len(letter) == 1:
            table[chr(code)] = letter.lower()
    # Pairs that people use and that the table leaves out or gives to another letter.
    table.update(
        {
            "в": "b",
            "н": "h",
            "т": "t",
            "м": "m",
            "к": "k",
            "п": "n",
            "и": "u",
            "г": "r",
            "з": "3",
            "я": "r",
            "л": "n",
            "ч": "4",
            "ь": "b",
            "η": "n",
            "α": "a",
            "β": "b",
            "ε": "e",
            "ι": "i",
            "κ": "k",
            "μ": "u",
            "ν": "v",
            "ο": "o",
            "ρ": "p",
            "τ": "t",
            "υ": "u",
            "χ": "x",
            "ω": "w",
            "σ": "o",
            "γ": "y",
            "ı": "i",
            "ł": "l",
            "ø": "o",
            "đ": "d",
            "ħ": "h",
            "ʟ": "l",
            "ɪ": "i",
            "æ": "ae",
            "œ": "oe",
            "ƒ": "f",
            "მ": "m",
            "І": "i",
            "Ӏ": "l",
        }
    )
    return table


def _fold_word(word: str) -> str:
    """Return one word with look-alike letters turned Latin, if the word mixes alphabets.

    A word wholly of another alphabet stays as it is: it may be a word of that
    language. ``as_if_latin`` gives its other reading.
    """
    if word.isascii():
        return word
    latin = sum("LATIN" in unicodedata.name(c, "") or c.isascii() for c in word)
    if latin == 0 and len(word) > 1:
        return word
    return as_if_latin(word)


def as_if_latin(word: str) -> str:
    """Return ``word`` with every look-alike letter replaced by the Latin one it mimics."""
    table = _look_alikes()
    return "".join(c if c.isascii() else table.get(c, c) for c in word)


def fold_words(text: str) -> str:
    """Return ``text`` with the look-alike letters of words that mix alphabets turned Latin, and no more."""
    return text if text.isascii() else _WORD.sub(lambda m: _fold_word(m.group()), text)


def fold(text: str, emoji: Mapping[str, str]) -> str:
    """Return ``text`` in plain lower case: one script, one kind of quote, no accents.

    Args:
        text: anything; only the first ``MAX_SCREENED`` characters are read.
        emoji: words for the emoji that mean something, from ``spelling.yml``.

    Returns:
        the folded text; lines stay lines. Never raises.
    """
    text = text[:MAX_SCREENED]
    if "&" in text:
        text = html.unescape(text)
    if not text.isascii():
        for sign, words in emoji.items():
            if sign in text:
                text = text.replace(sign, f" {words} ")
        text = unicodedata.normalize("NFKC", text).translate(_QUOTES)
        text = unicodedata.normalize("NFKD", text)
        text = "".join(str(unicodedata.digit(c)) if c.isdecimal() and not c.isascii() else c for c in text)
        text = "".join(_visible(c) for c in text)
        text = unicodedata.normalize("NFC", text)
        text = _WORD.sub(lambda m: _fold_word(m.group()), text)
        text = _CJK.sub(r" \1 ", text)
    else:
        text = text.translate(_QUOTES)
    text = text.casefold()
    if "-" in text and "\n" in text:
        text = _BROKEN_WORD.sub(r"\1", text)
    return text


def _visible(character: str) -> str:
    if character in "\n\t\r ":
        return character
    if character in _INVISIBLE_LETTERS:
        return ""
    category = unicodedata.category(character)
    if category in _INVISIBLE_CATEGORIES:
        # Arabic, Hindi and Thai need their marks; only those of Latin go.
        return character if category == "Mn" and ord(character) > 0x36F else ""
    if category in ("Zs", "Zl", "Zp"):
        return "\n" if category in ("Zl", "Zp") else " "
    return character


def join_spaced(text: str) -> str:
    """Join letters that were spaced or dotted out: ``b i r a d s``, ``b.i.o.p.s.y``."""
    return _SPACED.sub(lambda m: _WORD_JOIN.sub("", m.group()), text)


_WORD_JOIN = re.compile(r"[\W_]+")


def tokens_of(text: str) -> list[str]:
    """Split folded text into words and the marks ``STOP`` and ``PAUSE``.

    Contractions open up ("don't" gives "do not"), hyphens part words, a plural or
    possessive "'s" joins its word ("wife's" gives "wifes").
    """
    text = _HYPHENS.sub(_part, text)
    found: list[str] = []
    for match in _SOURCE.finditer(text):
        kind = match.lastgroup
        if kind == "word":
            word = match.group()
            if "'" in word:
                found.extend(_open_up(word))
            else:
                found.append(word)
        elif kind == "number":
            found.append(match.group())
        else:
            mark = PAUSE if kind == "pause" else STOP
            if found and found[-1] not in (STOP, PAUSE):
                found.append(mark)
            elif found and mark == STOP:
                found[-1] = STOP
    return found


def _part(match: re.Match[str]) -> str:
    # "1.2" and "5/6" keep their mark's meaning: a decimal is one number.
    text, at = match.string, match.start()
    if match.group() == "." and text[at - 1].isdigit() and text[at + 1].isdigit():
        return "."
    return " "


def _open_up(word: str) -> list[str]:
    for ending, full in _ENDINGS.items():
        if word.endswith(ending):
            stem = word[: -len(ending)].replace("'", "")
            if ending == "n't":
                stem = {"ca": "can", "wo": "will", "sha": "shall"}.get(stem, stem)
            return f"{stem}{full}".split()
    if word.endswith("'s") and word[:-2] in _CAN_BE:
        return [word[:-2], "is"]
    head, _, tail = word.partition("'")
    if head in _ELISIONS and tail:
        return [head, tail.replace("'", "")]
    return [word.replace("'", "")]
