"""The screen as others use it: urgency, limits, time."""

from __future__ import annotations

import statistics
import time

import pytest

from calla.safety import screen as module
from calla.safety.screen import FAILED, Finding, Screen, load_screen
from calla.safety.vocabulary import KINDS, load_vocabulary

SCREEN = load_screen()

GENERAL = [
    "what is BI-RADS",
    "can calcifications turn into cancer",
    "what are microcalcifications",
    "is dense breast the same as calcifications",
    "what does a radiologist do",
    "do calcifications hurt",
    "how many women have calcifications",
    "which foods are rich in magnesium",
    "what is vitamin K2",
    "MK-4 or MK-7, which is better",
    "does a mammogram hurt",
    "hello",
    "",
    "   \n\t ",
]


@pytest.mark.parametrize("text", GENERAL)
def test_general_questions_stay_unflagged(text: str) -> None:
    """A definition question without a personal context owes no referral."""
    assert SCREEN.find(text) == []


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("I have chest pain and BI-RADS 4 and take warfarin", ["emergency", "urgent", "prescriber"]),
        ("I want to kill myself, they want a biopsy", ["crisis", "planned"]),
        ("I found a lump and want to skip the mammogram", ["urgent", "planned"]),
        ("can I stop tamoxifen", ["prescriber"]),
    ],
)
def test_most_urgent_first(text: str, kinds: list[str]) -> None:
    """Several findings come in order of urgency, one per topic."""
    found = SCREEN.find(text)
    order = list(dict.fromkeys(f.kind for f in found))
    assert order == kinds
    assert len({f.topic for f in found}) == len(found)
    assert all(KINDS[f.topic] == f.kind for f in found)


def test_finding_in_the_middle_of_a_long_message() -> None:
    """150 harmless words around a finding do not hide it."""
    padding = "we went to the lake and had walnuts with porridge and it was a lovely day "
    assert SCREEN.find(padding * 10 + "and i found a lump in my breast and then " + padding * 10)


def test_reads_only_the_first_ten_thousand_characters() -> None:
    """The limit is that of ``calla.text``; channels refuse longer messages themselves."""
    assert SCREEN.find("a " * 4_900 + "birads 4")
    assert not SCREEN.find("a " * 5_100 + "birads 4")


def test_rule_is_an_entry_and_never_text() -> None:
    """Records carry the id of the rule, so no words of a patient leave the process."""
    ids = {e.id for e in load_vocabulary().entries}
    for finding in SCREEN.find("I found a lump, BI-RADS 4, want to die, stop tamoxifen, k2 with warfarin"):
        assert finding.rule in ids


def test_a_failure_refers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Should the screen break on a message, the message is referred and nothing is raised."""

    def broken(*_: object) -> str:
        raise RuntimeError("boom")

    monkeypatch.setattr(module, "fold", broken)
    assert SCREEN.find("hello") == [Finding("interpret_my_results", "urgent", FAILED)]


def test_loaded_once() -> None:
    """The screen is cached per process."""
    assert load_screen() is load_screen()
    assert isinstance(load_screen(), Screen)


FIFTEEN_WORDS = [
    "so my sister told me that walnuts and oily fish are good for inflammation, right?",
    "could you tell me which kinds of magnesium are absorbed best by the body please",
    "I read the article and wonder what calcifications on a mammogram have to do with diet",
    "how often should women of my age go for a screening mammogram in this country",
    "is it true that yoga and meditation lower cortisol and why should that matter here",
]


def _milliseconds(text: str, rounds: int) -> float:
    times = []
    for _ in range(rounds):
        start = time.process_time()
        SCREEN.find(text)
        times.append((time.process_time() - start) * 1e3)
    # The cheapest round: what others do to the processor is not the cost of a message.
    return min(times)


def test_time_of_short_messages() -> None:
    """A message of 15 words takes well below a millisecond (the guarantee's budget)."""
    assert statistics.median(_milliseconds(t, 15) for t in FIFTEEN_WORDS) < 1.0


@pytest.mark.parametrize(
    "unit",
    [
        "a ",
        "a",
        "calc ",
        "my breast ",
        "b1r4d5 ",
        "вiорsу ",
        "l\u0301\u0302ump ",
        "b i o p s y ",
        "'",
        "1 2 ",
        "a-",
        "no lump or ",
    ],
)
def test_time_grows_linearly(unit: str) -> None:
    """No input of 10,000 characters takes long: nothing is quadratic."""
    text = (unit * 10_000)[:10_000]
    assert _milliseconds(text, 1) < 400


def test_more_than_a_hint_replaces_a_hint() -> None:
    hint = next(e for e in load_vocabulary().entries if e.hint and e.topic == "suspicious_finding")
    (found,) = [f for f in load_screen().find(hint.example) if f.topic == hint.topic]
    assert found.hint
    for text in (f"{hint.example}. My report says BI-RADS 5.", f"My report says BI-RADS 5. {hint.example}."):
        (found,) = [f for f in load_screen().find(text) if f.topic == hint.topic]
        assert not found.hint


@pytest.mark.parametrize("topic", ["emergency", "suspicious_finding", "medicines"])
def test_the_plainest_words_are_never_only_a_hint(topic: str) -> None:
    plain = {
        "emergency": "I have crushing chest pain",
        "suspicious_finding": "my report says BI-RADS 4C, pleomorphic microcalcifications",
        "medicines": "can I take K2 with warfarin",
    }
    assert (topic, False) in [(f.topic, f.hint) for f in load_screen().find(plain[topic])]
