"""Where a message is cut, before the topic model is asked about the parts."""

from __future__ import annotations

import pytest

from calla.nlu import questions


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
    assert [part.text for part in questions.cut(text)] == parts


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
    found = questions.pieces(questions.Part(text, asks=True))
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
    assert questions.requests(text) is asking


@pytest.mark.parametrize(
    ("text", "about"),
    [("no, I meant magnesium", "magnesium"), ("not that, the tablets", "tablets"), ("what is mk-7", None)],
)
def test_a_correction_says_what_was_meant(text: str, about: str | None) -> None:
    assert questions.correction(text) == about
