"""Folding and guessing: tricks of spelling are looked through, ordinary words are not."""

from __future__ import annotations

import random

import pytest

from calla.safety.normalise import PAUSE, STOP, as_if_latin, fold, join_spaced, tokens_of
from calla.safety.screen import load_screen
from calla.safety.vocabulary import load_vocabulary

VOCABULARY = load_vocabulary()
SPELLER = VOCABULARY.speller


@pytest.mark.parametrize(
    ("raw", "folded"),
    [
        ("", ""),
        ("LuMp", "lump"),
        ("ｌｕｍｐ", "lump"),
        ("l\u200bu\u00adm\u2060p", "lump"),
        ("l\u0301u\u0308mp", "lump"),
        ("lumр", "lump"),
        ("𝓵𝓾𝓶𝓹", "lump"),
        ("Ⅳ", "iv"),
        ("it’s", "it's"),
        ("asymetry &amp; calcs&#33;", "asymetry & calcs!"),
        ("calcifi-\ncations", "calcifications"),
        ("🩸", " blood "),
        ("тест", "тест"),
    ],
)
def test_fold(raw: str, folded: str) -> None:
    """Case, width, invisible characters, accents, look-alikes and emoji come to one form."""
    assert fold(raw, VOCABULARY.emoji) == folded


def test_fold_reads_at_most_the_screened_length() -> None:
    """Text beyond the limit is not read, so cost is bounded."""
    assert len(fold("a" * 50_000, {})) == 10_000


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("don't", ["do", "not"]),
        ("can't", ["can", "not"]),
        ("i'm", ["i", "am"]),
        ("my wife's letter", ["my", "wifes", "letter"]),
        ("j'ai", ["j", "ai"]),
        ("bi-rads 4", ["bi", "rads", "4"]),
        ("bi.rads.4", ["bi", "rads", "4"]),
        ("1.2 cm", ["1.2", "cm"]),
        ("left. right", ["left", STOP, "right"]),
        ("left, right\nup", ["left", PAUSE, "right", PAUSE, "up"]),
        ("what?!?", ["what", STOP]),
    ],
)
def test_tokens(text: str, tokens: list[str]) -> None:
    """Contractions open, hyphens part words, marks become a stop or a pause."""
    assert tokens_of(text) == tokens


@pytest.mark.parametrize(
    ("text", "joined"),
    [
        ("b i o p s y", "biopsy"),
        ("b.i.o.p.s.y", "biopsy"),
        ("b-i-r-a-d-s five", "birads five"),
        ("l  u  m  p", "lump"),
        ("in a day", "in a day"),
        ("plan b or c", "plan b or c"),
    ],
)
def test_spaced_letters_join(text: str, joined: str) -> None:
    """Three or more single letters with the same mark between them make a word."""
    assert join_spaced(text) == joined


def test_as_if_latin_reads_look_alikes() -> None:
    """A word wholly in look-alike letters has a Latin reading."""
    assert as_if_latin("вiорsу") == "biopsy"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("calcifacations", "calcifications"),
        ("grooped", "grouped"),
        ("amorphis", "amorphous"),
        ("nippel", "nipple"),
        ("bluddy", "bloody"),
        ("warfrin", "warfarin"),
        ("luuuump", "lump"),
        ("lմmp", "lump"),
        ("distorsion", "distortion"),
        ("biopsey", "biopsy"),
    ],
)
def test_typos_are_corrected(written: str, meant: str) -> None:
    """One to three slips, by length, lead back to an important word."""
    assert SPELLER.guess(written) == (meant,)


def test_vowel_signs_belong_to_their_word() -> None:
    """Words of Indian scripts used to fall into single consonants, and gaps in patterns with them."""
    assert tokens_of("मेरी किडनी खराब है") == ["मेरी", "किडनी", "खराब", "है"]


@pytest.mark.parametrize(
    "word", ["plump", "imbalance", "cortisol", "certification", "counter", "described", "restaurant", "mackerel", "k2"]
)
def test_ordinary_words_are_left_alone(word: str) -> None:
    """Common English words are never corrected into a trigger."""
    assert SPELLER.guess(word) == (word,)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("suspiciousclusteredcalcifications", ["suspicious", "clustered", "calcifications"]),
        ("foundalumpinmybreast", ["found", "a", "lump", "in", "my", "breast"]),
        ("susp icious", ["suspicious"]),
        ("b10psy", ["biopsy"]),
        ("c@lled b@ck", ["called", "back"]),
        ("tam0xifen", ["tamoxifen"]),
        ("mk7 and e450 8mm", ["mk7", "and", "e450", "8mm"]),
    ],
)
def test_second_reading(written: str, meant: list[str]) -> None:
    """Run-together words part, digits for letters are read, codes stay codes."""
    assert SPELLER.second_reading(written) == meant


def test_a_flood_of_strange_words_is_not_searched_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """1,240 random words used to hold up everybody's referral: each was compared with the whole vocabulary."""
    rng = random.Random(7)
    words = ["".join(rng.choices("abcdefghijklmnoprstuvw", k=7)) for _ in range(1_200)]
    searched: list[str] = []
    monkeypatch.setattr(SPELLER, "_nearest", searched.append)
    assert len(SPELLER.second_reading(" ".join(words))) == len(words)
    assert 0 < len(set(searched)) <= 300


def test_words_of_the_vocabulary_are_found_behind_a_flood_of_strange_ones() -> None:
    """What is spelt right needs no search, however much stands before it."""
    rng = random.Random(8)
    flood = " ".join("".join(rng.choices("abcdefghijklmnoprstuvw", k=7)) for _ in range(400))
    assert "emergency" in {finding.topic for finding in load_screen().find(f"{flood} i have crushing chest pain")}


@pytest.mark.parametrize(
    ("heard", "meant"),
    [
        ("buy rads four", "birads four"),
        ("by rats 4", "birads 4"),
        ("beer ads", "birads"),
        ("plea or morphic", "pleomorphic"),
        ("by op see", "biopsy"),
        ("mammal gram", "mammogram"),
        ("cat 4", "category 4"),
        ("birads4", "birads 4"),
        ("dont", "do not"),
    ],
)
def test_rewrites(heard: str, meant: str) -> None:
    """What speech recognition makes of the words, and contractions, come to one form."""
    assert SPELLER.rewrite(heard.split()) == meant.split()
