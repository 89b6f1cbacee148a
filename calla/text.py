"""Cleaning of incoming text for understanding, done once per message.

The safety screen has its own, harsher normalisation (``calla.safety``): it looks
through tricks that a question should never be rewritten for.
"""

from __future__ import annotations

import re
import unicodedata

import emoji

# Longest text that is understood (characters). NLU cost grows with length; channels
# answer longer messages themselves after the screen has read them.
MAX_UNDERSTOOD = 2_000
# Longest text that the screen reads (characters).
MAX_SCREENED = 10_000

_QUOTES = str.maketrans({"’": "'", "‘": "'", "´": "'", "`": "'", "“": '"', "”": '"', "–": "-", "—": "-"})
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]"
)
_SPACES = re.compile(r"[^\S\n]+")
_LINES = re.compile(r"\s*\n\s*")
# "/intent{...}" must not bypass understanding: Rasa would take it as a fact.
_PAYLOAD = re.compile(r"^\s*/\s*([\w/]+)(?:@[\d.]+)?\s*(\{.*)?$", re.S)


def clean(text: str) -> str:
    """Return ``text`` in composed plain form: one kind of quote, space and digit.

    Compatibility characters (full-width letters, ligatures) become ordinary ones,
    invisible characters go, runs of spaces collapse, lines stay lines.
    """
    text = unicodedata.normalize("NFKC", text)
    text = _INVISIBLE.sub("", text).translate(_QUOTES)
    text = "".join(c if c == "\n" or unicodedata.category(c) != "Cc" else " " for c in text)
    text = _LINES.sub("\n", _SPACES.sub(" ", text)).strip()
    if not any(c.isalnum() for c in text):
        # Nothing but signs: a thumbs-up alone is an answer, too.
        text = emoji.demojize(text, delimiters=(" ", " ")).replace("_", " ").strip()
    return text


def split_payload(text: str) -> tuple[str, str]:
    """Split a typed ``/intent{...}`` into its name and the rest.

    Returns:
        ``(name, arguments)`` for a payload, else ``("", text)``; ``name`` without the
        slash and without ``@confidence``.
    """
    match = _PAYLOAD.match(text)
    if match:
        return match.group(1), match.group(2) or ""
    return "", text.lstrip("/ ") if text.startswith("/") else text
