"""Abbreviations that come as the names of their letters."""

from __future__ import annotations

import pytest

from calla.understanding.dictation import Dictation

DICTATION = Dictation(["What is MK-7? DCIS, HRT and an MRI.", "MK-4 or MK-7", "the CRP test, B12", "IT"])


@pytest.mark.parametrize(
    ("heard", "meant"),
    [
        ("em kay seven what's that", "mk-7 what's that"),
        ("wot is dee see eye ess?", "wot is dcis?"),
        ("D see eye ass", "dcis"),
        ("could M are I or haitch are tea help", "could mri or hrt help"),
        ("em kay 4, em kay seven", "mk-4, mk-7"),
        # Everyday words and letters that say themselves stay.
        ("I see you are at sea", "I see you are at sea"),
        ("eye tea", "eye tea"),
        ("see are pea soup", "see are pea soup"),
        ("b 12 and 1 2 3", "b 12 and 1 2 3"),
        ("", ""),
    ],
)
def test_the_names_of_letters(heard: str, meant: str) -> None:
    assert DICTATION.written(heard) == meant


def test_no_abbreviation_no_change() -> None:
    assert Dictation(["what is oats"]).written("em kay seven") == "em kay seven"
