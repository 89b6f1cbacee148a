"""Spelling: slips are put right, real words stay. Languages: a few words suffice, English with mistakes is English."""

from __future__ import annotations

import pytest

from calla.understanding.language import language_of
from calla.understanding.spelling import Spelling, english_counts

ANSWERS = [
    "Calcifications are tiny specks on a mammogram. Magnesium and vitamin K2. The biopsy. The radiologist. Atypia."
]
QUESTIONS = [
    *["what is dcis", "does the biopsy hurt", "how much vitamin k2 a day", "does a mammogram hurt"] * 9,
    *["are dense breasts a problem", "which foods should i avoid", "it is not in the heart", "a good thing"] * 9,
]
SPELLING = Spelling(ANSWERS, QUESTIONS, names={"eliquis", "birads", "spiculated"})


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("calcifacations", "calcifications"),
        ("radioligist", "radiologist"),
        ("magnisium", "magnesium"),
        ("shoud", "should"),
        ("my biopsey resluts", "my biopsy results"),
    ],
)
def test_slips_are_put_right(wrong: str, right: str) -> None:
    assert SPELLING.corrected(wrong) == right


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("how mutch vitamn k2 a day", "how much vitamin k2 a day"),
        ("dus a mamogram hert", "does a mammogram hurt"),
        ("ar dence brests a problem", "ar dense breasts a problem"),
        ("wich foods shud i avoyd", "which foods should i avoid"),
    ],
)
def test_words_written_by_ear_are_put_right_by_their_neighbours(wrong: str, right: str) -> None:
    assert SPELLING.corrected(wrong) == right


def test_a_slip_that_many_make_is_put_right_though_it_was_learned() -> None:
    """Not so a word of its own that is often used, nor one that is as usual as what it is near to."""
    used = [*["is it canser"] * 5, *["is it cancer"] * 60, *["a mammo"] * 30, *["a mama"] * 30]
    spelling = Spelling(ANSWERS, used)
    assert spelling.corrected("is it canser") == "is it cancer"
    assert spelling.corrected("a mammo") == "a mammo"
    assert Spelling(ANSWERS, [*used, *["is it canser"] * 30]).corrected("is it canser") == "is it canser"


@pytest.mark.parametrize(
    "text", ["a weird knot in the calf", "rid of gout for good", "mice in the loft", "an egg in Burkina Faso"]
)
def test_a_rare_word_is_not_taken_for_a_usual_one_that_sounds_alike(text: str) -> None:
    assert SPELLING.corrected(text) == text


@pytest.mark.parametrize(
    "text",
    ["stinky grub", "gin and tonic", "episodic ataxia", "eliquis", "BIRADS", "Tesco in Brixton", "dcis", "k2 mk7", ""],
)
def test_real_words_names_and_short_words_stay(text: str) -> None:
    assert SPELLING.corrected(text) == text


def english(word: str) -> bool:
    return word.lower() in english_counts()


@pytest.mark.parametrize("text", ["too breathless because of COPD", "it says CEM instead of the mammogram, and IDC"])
def test_short_words_in_capitals_are_abbreviations(text: str) -> None:
    """COPD used to become "cod", and LOC in a nurse's note "look"."""
    assert SPELLING.corrected(text) == text
    assert SPELLING.corrected("DUS A MAMOGRAM HERT") == "does A mammogram hurt"


def test_the_same_message_is_read_the_same_way_by_every_process() -> None:
    """Guesses that cost the same used to come in the order of a set."""
    guesses = SPELLING._near("hert")
    assert guesses == sorted(guesses, key=lambda guess: (guess.cost - SPELLING._log_p(guess.word, ""), guess.word))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("habla usted español", "es"),
        ("können Sie Deutsch", "de"),
        ("quero saber o que é isto", "pt"),
        ("c'est dangereux ?", "fr"),
        ("czy to boli", "pl"),
        ("no puedo respirar, me duele el pecho", "es"),
        ("我胸部有一个硬块，怎么办", "zh"),
        ("هل هذا خطير", "ar"),
        ("bạn có nói tiếng Việt không", "vi"),
    ],
)
def test_a_few_words_of_another_language_suffice(text: str, code: str) -> None:
    assert language_of(text, english, str) == code


@pytest.mark.parametrize(
    "text", ["wots this then", "k2 mk7", "natto", "abeg wetin be this", "wat is dis on my mamo", "123", "", "BI-RADS 4"]
)
def test_english_with_mistakes_is_english(text: str) -> None:
    assert language_of(text, english, str) == "en"


def test_slips_make_no_foreign_language_of_english() -> None:
    """Taken for Italian as it is written, it is English when its words are put right."""
    right = {"how offen shud u hav a mammagram": "how often should you have a mammogram"}
    (text,) = right
    assert language_of(text, english, str) == "it"
    assert language_of(text, english, lambda each: right[each]) == "en"
