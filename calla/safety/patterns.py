"""The pattern language of the vocabulary, compiled to bounded regular expressions.

A pattern is a line of words that a nurse can read aloud::

    found|felt|noticed ... {lump}
    {my} results? .. {bad}

=============  =====================================================================
``word``       that word
``word*``      any word that begins so (``calcif*``)
``word+``      that word, also with an s (``wife+`` reads wife, wives' "wifes")
``a|b_c``      either; an underscore joins the words of one alternative ("b c")
``{name}``     any entry of a word list; lists stand in ``word_lists.yml`` or the file
``x?``         may be missing
``..``         up to three other words of the same sentence; ``...`` up to seven
``^`` ``$``    the sentence begins, or ends, here
``,``          a comma, colon, bracket or new line
``a & b``      both in one sentence, in any order, up to twelve words apart
=============  =====================================================================

Every repetition is bounded and works on one sentence of at most ``WINDOW`` words, so
the time to search grows linearly with the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import permutations
from typing import Iterable, Mapping, Sequence

from calla.safety.normalise import fold, tokens_of

# Sentences longer than this are read in overlapping windows (dictation has no stops).
WINDOW, OVERLAP = 60, 24
_GAPS = {"..": 3, "...": 7, "....": 12}
_NEGATIONS = frozenset({"no", "not", "never", "without", "nothing", "none", "nobody", "nor", "neither"})


class PatternError(ValueError):
    """A pattern that cannot be compiled; the message says which and why."""


@dataclass(frozen=True)
class Group:
    """The alternatives of one element, by the first word that each needs.

    Attributes:
        words: whole first words.
        prefixes: beginnings of first words.
    """

    words: frozenset[str]
    prefixes: frozenset[str]


@dataclass(frozen=True)
class Pattern:
    """One compiled pattern.

    Attributes:
        source: the line as written.
        expression: what ``regex`` is compiled from.
        groups: what must be present for the regex to have a chance.
        led: whether the first group begins every match, so that only the places of its
            words have to be tried.
        says_no: whether the pattern itself contains a negation ("can not exclude"),
            so that a negation around it means nothing.
        literals: all whole words in it, for the spelling check.
        prefixes: all beginnings of words in it.
    """

    source: str
    expression: str
    groups: tuple[Group, ...]
    led: bool
    says_no: bool
    literals: frozenset[str]
    prefixes: frozenset[str]

    @cached_property
    def regex(self) -> re.Pattern[str]:
        """Searches a sentence written as `` word word , word ``; each capture group is one mandatory element.

        Compiled when it is first needed: most messages need a few of thousands.
        """
        return re.compile(self.expression)


WordLists = Mapping[str, Sequence[str]]


def _alternatives(element: str, lists: WordLists, source: str, depth: int = 0) -> list[list[str]]:
    """Return the alternatives of an element, each as its words (with ``*`` or ``+``)."""
    if depth > 5:
        raise PatternError(f"{source!r}: word lists refer to each other in a circle")
    found: list[list[str]] = []
    for option in element.split("|"):
        if option.startswith("{") and option.endswith("}"):
            name = option[1:-1]
            if name not in lists:
                raise PatternError(f"{source!r}: no word list {name!r}. Known lists: {', '.join(sorted(lists))}")
            for item in lists[name]:
                if "{" in item:
                    found.extend(_alternatives(item, lists, source, depth + 1))
                else:
                    found.append(item.split())
        elif option:
            found.append(option.split("_"))
        else:
            raise PatternError(f"{source!r}: an alternative is empty")
    return found


@cache
def _tokens(word: str) -> tuple[str, ...]:
    return tuple(tokens_of(fold(word, {})))


def _word_regex(word: str, source: str) -> str:
    bare = word.rstrip("*+")
    parts = _tokens(bare)
    if parts != (bare,):
        # Scripts without spaces are split by the tokeniser; patterns follow it.
        if not parts or any(p in ".," for p in parts) or word != bare:
            raise PatternError(f"{source!r}: {word!r} is not a plain lower-case word")
        return " ".join(re.escape(p) for p in parts)
    if word.endswith("*"):
        return re.escape(bare) + r"[^ ]*"
    if word.endswith("+"):
        return re.escape(bare) + r"(?:s|es)?"
    return re.escape(bare)


def _option_regex(words: Iterable[str], source: str) -> str:
    return " ".join(_word_regex(w, source) for w in words)


def _first(words: list[str]) -> tuple[str, bool]:
    """Return the first word of an alternative and whether it is only a beginning."""
    word = words[0]
    bare = word.rstrip("*+")
    parts = _tokens(bare)
    return (parts[0] if parts else bare), word[-1] in "*+"


def expand(element: str, lists: WordLists) -> list[list[str]]:
    """Return the alternatives behind a list name or element, for other modules."""
    return _alternatives(element, lists, element)


def compile_pattern(source: str, lists: WordLists) -> list[Pattern]:
    """Compile one line.

    Args:
        source: the pattern.
        lists: word lists by name.

    Returns:
        one pattern; for a line with ``&`` one for each order.

    Raises:
        PatternError: if the line cannot be read.
    """
    if " & " in source:
        sides = source.split(" & ")
        if len(sides) > 3:
            raise PatternError(f"{source!r}: at most two '&' in a pattern")
        return [_compile(" .... ".join(order), source, lists) for order in permutations(sides)]
    return [_compile(source, source, lists)]


def _compile(line: str, source: str, lists: WordLists) -> Pattern:
    pieces: list[str] = []
    groups: list[Group] = []
    literals: set[str] = set()
    prefixes: set[str] = set()
    says_no = False
    elements = line.split()
    if not elements:
        raise PatternError("a pattern needs at least one word that must be there")
    led = elements[0] not in ("^", ",") and not elements[0].endswith("?")
    for position, element in enumerate(elements):
        if element in _GAPS:
            if position in (0, len(elements) - 1):
                raise PatternError(f"{source!r}: a gap cannot begin or end a pattern")
            pieces.append(rf"(?:[^ ]+ ){{0,{_GAPS[element]}}}?")
            continue
        if element == "^":
            pieces.append(r"\A (?:, )?")
            continue
        if element == ",":
            pieces.append(r", ")
            continue
        if element == "$":
            pieces.append(r"(?:, )?\Z")
            continue
        optional = element.endswith("?")
        options = _alternatives(element.rstrip("?"), lists, source)
        body = "|".join(sorted({_option_regex(o, source) for o in options}, key=len, reverse=True))
        for option in options:
            for word in option:
                bare = word.rstrip("*+")
                (prefixes if word.endswith("*") else literals).add(bare)
        if optional:
            pieces.append(rf"(?:(?:{body}) (?:, )?)?")
            continue
        if any(w in _NEGATIONS for o in options for w in o):
            says_no = True
        pieces.append(rf"({body}) (?:, )?")
        firsts = [_first(o) for o in options]
        groups.append(
            Group(
                frozenset(w for w, beginning in firsts if not beginning),
                frozenset(w for w, beginning in firsts if beginning),
            )
        )
    if not groups:
        raise PatternError(f"{source!r}: a pattern needs at least one word that must be there")
    regex = "".join(pieces)
    if not regex.startswith(r"\A"):
        regex = r"(?<= )" + regex
    return Pattern(source, regex, tuple(groups), led, says_no, frozenset(literals), frozenset(prefixes))


def compile_list(name: str, lists: WordLists) -> re.Pattern[str]:
    """Return a regex that finds any entry of a word list in a sentence."""
    options = _alternatives("{" + name + "}", lists, name)
    body = "|".join(sorted({_option_regex(o, name) for o in options}, key=len, reverse=True))
    return re.compile(rf"(?<= )({body}) ")
