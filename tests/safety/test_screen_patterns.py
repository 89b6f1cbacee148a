"""The pattern language: what a line of the vocabulary matches."""

from __future__ import annotations

import pytest

from calla.safety.patterns import PatternError, compile_list, compile_pattern

LISTS = {"lump": ["lump", "hard ball"], "body": ["breast*", "under my arm"], "both": ["{lump}", "{body}"]}


def matches(line: str, sentence: str) -> bool:
    """Say whether any reading of a line matches a sentence of plain words."""
    return any(p.regex.search(f" {sentence} ") for p in compile_pattern(line, LISTS))


@pytest.mark.parametrize(
    ("line", "sentence", "expected"),
    [
        ("lump", "a lump here", True),
        ("lump", "a lumpy soup", False),
        ("lump*", "a lumpy soup", True),
        ("wife+", "my wifes letter", True),
        ("wife+", "wifely", False),
        ("found|felt .. lump", "i felt a small lump", True),
        ("found .. lump", "found it one two three lump", False),
        ("found ... lump", "found it one two three lump", True),
        ("found .. lump", "found , a lump", True),
        ("{lump} .. {body}", "a hard ball in my breasts", True),
        ("{both}", "it sits under my arm", True),
        ("found a? lump", "found lump", True),
        ("^ it grew $", "it grew", True),
        ("^ it grew $", "it grew fast", False),
        ("lump & arm", "my arm has one two three lump", True),
        ("lump & arm", "lump in the arm", True),
        ("come_back|return soon", "please come back soon", True),
        ("lump , left", "lump , left", True),
        ("lump left", "lump , left", True),
    ],
)
def test_language(line: str, sentence: str, expected: bool) -> None:
    """Each piece of the language does what its table says."""
    assert matches(line, sentence) is expected


@pytest.mark.parametrize("line", ["", "..", "lump ..", ".. lump", "{none}", "a||b", "x?", "Lump!", "a & b & c & d"])
def test_bad_lines_are_refused(line: str) -> None:
    """A line that cannot be read is refused, never skipped."""
    with pytest.raises(PatternError):
        compile_pattern(line, LISTS)


def test_circular_lists_are_refused() -> None:
    """Lists that refer to each other end in an error, not in a hang."""
    with pytest.raises(PatternError, match="circle"):
        compile_pattern("{a}", {"a": ["{b}"], "b": ["{a}"]})


def test_unknown_list_names_the_known_ones() -> None:
    """The error tells an editor which lists there are."""
    with pytest.raises(PatternError, match="body, both, lump"):
        compile_pattern("{breast}", LISTS)


def test_a_pattern_that_says_no_knows_it() -> None:
    """ "Can not exclude" must not be taken back by its own "not"."""
    assert compile_pattern("can not exclude", LISTS)[0].says_no
    assert not compile_pattern("lump", LISTS)[0].says_no


def test_list_regex_finds_any_entry() -> None:
    """A list used in ``needs`` or ``unless`` finds whole entries only."""
    regex = compile_list("lump", LISTS)
    assert regex.search(" a hard ball here ")
    assert not regex.search(" a hard balloon ")
