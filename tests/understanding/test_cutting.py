"""Where a message is cut, before the topic model is asked about the parts."""

from __future__ import annotations

import pytest

from calla.understanding import cutting, reference
from calla.understanding.reading import read


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("what is mk-7 and is it safe", ["what is mk-7", "is it safe"]),
        ("what is mk-7? how much of it", ["what is mk-7?", "how much of it"]),
        ("1) what is mk-7 2) is milk bad", ["what is mk-7", "is milk bad"]),
        ("do salmon and walnuts have omega 3?", ["do salmon and walnuts have omega 3?"]),
        ("tell me what it is", ["tell me what it is"]),
    ],
)
def test_a_sentence_is_cut_where_another_question_could_begin(text: str, parts: list[str]) -> None:
    assert [part.text for part in cutting.cut(text)] == parts


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("stress, smoking, hormones", ["stress", "smoking", "hormones"]),
        ("mk4 please explain, then mk7 the same", ["mk4 please explain", "mk7 the same"]),
        ("magnesium which one and how much", ["magnesium", "which one", "how much"]),
        ("is butter bad for it and wine as well?", ["is butter bad for it", "wine as well"]),
        ("what is mk-7", []),
        ("a, b, c, d, e, f", []),
        (" ".join(["long and"] * 20), []),
    ],
)
def test_a_part_is_cut_into_pieces(text: str, pieces: list[str]) -> None:
    found = cutting.pieces(cutting.Part(text, asks=True))
    assert [piece.text for piece in found] == pieces
    assert all(piece.piece for piece in found)


@pytest.mark.parametrize(
    ("text", "asking"),
    [
        ("Also how long until I hear back, my surgery said nothing about it.", True),
        ("and price", False),
        ("When I was young we never talked about such things at home, my mother was strict.", False),
    ],
)
def test_a_question_without_its_mark(text: str, asking: bool) -> None:
    assert cutting.requests(text) is asking


@pytest.mark.parametrize(
    ("text", "about"),
    [("no, I meant magnesium", "magnesium"), ("not that, the tablets", "tablets"), ("what is mk-7", None)],
)
def test_a_correction_says_what_was_meant(text: str, about: str | None) -> None:
    assert reference.correction(text) == about


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ("is cheese ok, my breast leaks", ["is cheese ok", "my breast leaks"]),
        ("is cheese ok because I have a dent", ["is cheese ok", "because I have a dent"]),
        ("does a scan hurt i have this hard bit", ["does a scan hurt", "i have this hard bit"]),
        ("can i eat cheese", ["can i eat cheese"]),
        ("my knee hurts how much magnesium is in oats", ["my knee hurts", "how much magnesium is in oats"]),
        ("tell me what they do", ["tell me what they do"]),
        ("oats?", ["oats"]),
        ("", []),
    ],
)
def test_a_message_is_cut_into_clauses(text: str, clauses: list[str]) -> None:
    assert cutting.clauses_of(text) == clauses


def test_of_a_letter_the_first_and_the_last_clauses_are_kept() -> None:
    clauses = cutting.clauses_of(", ".join(f"clause number {i}" for i in range(100)))
    assert len(clauses) == cutting.MAX_CLAUSES
    assert clauses[0] == "clause number 0" and clauses[-1] == "clause number 99"


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("thanks, and the dose?", "and the dose?"),
        ("Hello! what is mk-7", "what is mk-7"),
        ("thanks so much", "thanks so much"),
        ("great, that helped", "great, that helped"),
    ],
)
def test_politeness_before_a_question_is_left_out(text: str, asked: str) -> None:
    assert reference.without_politeness(text) == asked


@pytest.mark.parametrize(
    ("text", "meant"),
    [("not butter, oats", "I meant oats"), ("not sure", "not sure"), ("what is mk-7", "what is mk-7")],
)
def test_the_rejected_one_of_two_is_left_out(text: str, meant: str) -> None:
    assert reference.without_rejected(text) == meant


def test_what_says_the_same_twice_is_judged_once() -> None:
    units = read("Is the biopsy on Friday? I wait for the letter, and do I keep a bra on?").units
    assert units[0].startswith("Is the biopsy on Friday? I wait")
    assert [unit for unit in units[1:] if "Friday" in unit] == ["Is the biopsy on Friday?"]
    assert len([unit for unit in units[1:] if unit.strip("?").endswith("do I keep a bra on")]) <= 2
    assert read("Does it hurt?").units == ("Does it hurt?",)


def test_the_number_of_a_case_says_nothing() -> None:
    assert read("can I talk to a person, 9f86d081884c7d659a2feaa0c55ad015").text == "can I talk to a person"
    for text in ("is 1000micrograms too much", "b12 and mk7 with d3k2", "my sheet says 4b", "call 07700900123"):
        assert read(text).text == text
    # As many ways to read it as there are letters, and none of them a code: once this took for ever.
    endless = "1" + ("a" * 30 + "1") * 20 + "a_"
    assert read(endless).text == endless
