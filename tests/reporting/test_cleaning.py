"""Whatever could tell who asked is gone; what an editor needs is left."""

from __future__ import annotations

import json
import socket
from typing import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calla.reporting.own_words import cleaner
from tests.running import ROOT

Clean = Callable[[str], str]
SENTENCE = "can I take {} with vitamin K2"


@pytest.fixture(scope="module")
def clean() -> Clean:
    return cleaner()


@pytest.mark.parametrize(
    ("text", "gone", "kept"),
    [
        ("my name is rose, can I eat green tea", ("rose",), ("green tea",)),
        ("I'm Priya Raghunathan and I take nattokinase", ("Priya", "Raghunathan"), ("nattokinase",)),
        ("hi it's sarah kowalski from the clinic", ("sarah", "kowalski"), ("clinic",)),
        ("dr Featherstonehaugh told me to ask", ("Feather",), ("told me to ask",)),
        ("mum mary had it, does it run in families", ("mary",), ("run in families",)),
        ("SIOBHAN MACALLISTER WANTS TO KNOW ABOUT MK7", ("SIOBHAN", "MACALLISTER"), ("MK7",)),
        ("write to s.k-1961@example.co.uk about moringa", ("s.k", "1961", "example", "@"), ("moringa",)),
        ("mail me jane(dot)doe@gmail.com", ("doe", "gmail", "@"), ()),
        ("call 0161 496 0000 or +44 7700 900123 or (212) 555-0100", ("0161", "496", "7700", "555"), ("call",)),
        ("ring me on 07700900123", ("07700900123", "900"), ()),
        ("born 12/03/1961, seen on 2026-01-14 and March 3rd 2025", ("1961", "2026", "14", "2025", "3rd"), ("born",)),
        ("I am fifty-two and weigh 71kg", ("fifty", "71", "two and"), ("weigh",)),
        ("my NHS number is 485 777 3456", ("485", "777", "3456"), ()),
        ("I live at 14 Acacia Avenue, SW1A 1AA", ("14", "SW1A", "1AA"), ("live",)),
        ("see www.facebook.com/jane.doe or @janedoe", ("facebook", "jane"), ()),
        ("at Grimsby General they said so", ("Grimsby",), ("they said so",)),
        ("меня зовут Ольга, 用户 李小龍", ("Ольга", "李"), ()),
        ("ｓａｒａｈ＠ｅｘａｍｐｌｅ．ｃｏｍ", ("sarah", "ｓａｒａｈ"), ()),
        ("my n\u0430me is B\u043eb Smith", ("Smith", "B\u043eb", "Bob"), ()),
    ],
)
def test_what_tells_of_a_person_goes(clean: Clean, text: str, gone: tuple[str, ...], kept: tuple[str, ...]) -> None:
    cleaned = clean(text)
    assert [part for part in gone if part.casefold() in cleaned.casefold()] == []
    assert [part for part in kept if part.casefold() not in cleaned.casefold()] == []


def test_what_an_editor_needs_stays(clean: Clean) -> None:
    """Plain questions of the field lose hardly a word: else nobody could write an answer to them."""
    for text in (
        "does vitamin d3 with k2 help against breast calcifications",
        "what is the difference between MK-7 and MK-4?",
        "can magnesium glycinate interact with warfarin",
        "do they give you an injection before a stereotactic biopsy",
    ):
        assert clean(text) == text
    lines = (ROOT / "tests/nlu/dev/questions.jsonl").read_text().splitlines()[::7]
    questions = [json.loads(line)["text"] for line in lines]
    words = sum(len(text.split()) for text in questions)
    hidden = sum(clean(text).count("[") for text in questions)
    assert hidden / words < 0.03, (hidden, words)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(digits=st.text("0123456789", min_size=1, max_size=14), sign=st.sampled_from(" .-/+"))
def test_no_number_stays(clean: Clean, digits: str, sign: str) -> None:
    cleaned = clean(SENTENCE.format(sign.join(digits)))
    assert not any(letter.isdigit() for letter in cleaned.replace("K2", "")), cleaned


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.from_regex(r"[A-Z][bcdfgjkmpqvwxz][aeiou][bcdfgjkmpqvwxz]{2}[aeiou]{1,2}[bcdfgklmnprstvz]", fullmatch=True)
)
def test_a_name_that_nobody_has_heard_of_goes_too(clean: Clean, name: str) -> None:
    for written in (name, name.lower(), name.upper()):
        assert written not in clean(f"my neighbour {written} takes turmeric")


def test_cleaning_asks_nobody_for_anything(clean: Clean, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("cleaning went to the network")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    assert "@" not in cleaner()("write to jane.doe@some-hospital.example.org about www.example.org")


def test_a_long_question_is_shortened_after_it_is_cleaned(clean: Clean) -> None:
    cleaned = clean("calcium " * 49 + "jane.doe@example.com " + "calcium " * 300)
    assert len(cleaned) <= 402 and "jane" not in cleaned
