"""Properties: a trigger stays found whatever surrounds or disguises it."""

from __future__ import annotations

import random
import string

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calla.safety.screen import load_screen

SCREEN = load_screen()
# The same examples on every run; hunts with thousands of random ones were clean.
QUICK = settings(
    max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)

# Trigger phrases that stand on their own, with their topic.
TRIGGERS = [
    ("clustered microcalcifications in the left breast", "suspicious_finding"),
    ("pleomorphic calcifications", "suspicious_finding"),
    ("bi-rads 4b", "suspicious_finding"),
    ("architectural distortion", "suspicious_finding"),
    ("malignancy cannot be excluded", "suspicious_finding"),
    ("ductal carcinoma in situ", "suspicious_finding"),
    ("i found a lump in my breast", "red_flag_symptom"),
    ("bloody discharge from my nipple", "red_flag_symptom"),
    ("they want to do a biopsy", "appointment"),
    ("called back for magnification views", "appointment"),
    ("i will cancel the biopsy", "refuse_or_delay_care"),
    ("can i stop tamoxifen", "stop_medication"),
    ("k2 together with warfarin", "medicines"),
    ("i have chest pain", "emergency"),
    ("i want to kill myself", "emotional_crisis"),
]
HARMLESS = [
    "we had porridge with walnuts for breakfast",
    "the weather is lovely at the lake",
    "which cheese has the most k2",
    "thank you for the list of foods",
    "my neighbor likes gardening and yoga",
    "is sparkling water as good as still water",
    "i read the article twice",
    "leafy greens and pumpkin seeds",
]
INVISIBLE = ["\u200b", "\u200c", "\u200d", "\u2060", "\u00ad", "\ufeff", "\u034f"]
TWINS = {"a": "а", "e": "е", "o": "о", "p": "р", "c": "с", "i": "і", "x": "х", "y": "у", "s": "ѕ"}

triggers = st.sampled_from(TRIGGERS)
harmless = st.lists(st.sampled_from(HARMLESS), max_size=8)
seeds = st.integers(0, 10_000)


def topics(text: str) -> set[str]:
    """Return the topics found in a text."""
    return {f.topic for f in SCREEN.find(text)}


@QUICK
@given(triggers, harmless, harmless, st.sampled_from([". ", "\n", "! ", " ... ", "? "]))
def test_buried_in_harmless_text(trigger: tuple[str, str], before: list[str], after: list[str], joint: str) -> None:
    """Harmless sentences around a trigger do not hide it."""
    assert trigger[1] in topics(joint.join([*before, trigger[0], *after]))


@QUICK
@given(triggers, st.text(max_size=60), st.text(max_size=60))
def test_buried_in_any_text(trigger: tuple[str, str], before: str, after: str) -> None:
    """Any characters in sentences of their own around a trigger do not hide it."""
    assert trigger[1] in topics(f"{before} .\n\n{trigger[0]}\n\n{after}")


@QUICK
@given(triggers, seeds)
def test_any_casing(trigger: tuple[str, str], seed: int) -> None:
    """Capital letters anywhere change nothing."""
    rng = random.Random(seed)
    assert trigger[1] in topics("".join(rng.choice((c.upper(), c.lower())) for c in trigger[0]))


@QUICK
@given(triggers, seeds)
def test_invisible_characters(trigger: tuple[str, str], seed: int) -> None:
    """Zero-width characters anywhere change nothing."""
    rng = random.Random(seed)
    text = "".join(c + (rng.choice(INVISIBLE) if rng.random() < 0.4 else "") for c in trigger[0])
    assert trigger[1] in topics(text)


@QUICK
@given(triggers)
def test_full_width(trigger: tuple[str, str]) -> None:
    """Full-width letters are read as ordinary ones."""
    assert trigger[1] in topics("".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in trigger[0]))


@QUICK
@given(triggers, seeds)
def test_combining_marks(trigger: tuple[str, str], seed: int) -> None:
    """Accents piled on letters are taken off."""
    rng = random.Random(seed)
    text = "".join(
        c + (rng.choice("\u0301\u0308\u0336") if c.isalpha() and rng.random() < 0.5 else "") for c in trigger[0]
    )
    assert trigger[1] in topics(text)


@QUICK
@given(triggers, seeds)
def test_look_alike_letters(trigger: tuple[str, str], seed: int) -> None:
    """Cyrillic letters that look Latin are read as Latin, a few or all of them."""
    rng = random.Random(seed)
    share = rng.choice((0.2, 0.6, 1.0))
    assert trigger[1] in topics("".join(TWINS.get(c, c) if rng.random() < share else c for c in trigger[0]))


TYPO_WORDS = [
    ("the report says {} in my breast", "clustered", "suspicious_finding"),
    ("{} calcs", "pleomorphic", "suspicious_finding"),
    ("clustered {} on the left", "calcifications", "suspicious_finding"),
    ("architectural {} seen", "distortion", "suspicious_finding"),
    ("the word is {} on my mammogram", "suspicious", "suspicious_finding"),
    ("can i stop {}", "tamoxifen", "stop_medication"),
    ("k2 with {}", "coumadin", "medicines"),
    ("bloody {} from my nipple", "discharge", "red_flag_symptom"),
]


@QUICK
@given(st.sampled_from(TYPO_WORDS), seeds)
def test_a_single_typo_in_a_long_word(case: tuple[str, str, str], seed: int) -> None:
    """One letter dropped, doubled, swapped or changed in a long word is looked through."""
    frame, word, topic = case
    rng = random.Random(seed)
    at = rng.randrange(1, len(word) - 1)
    kind = rng.randrange(4)
    if kind == 0:
        wrong = word[:at] + word[at + 1 :]
    elif kind == 1:
        wrong = word[:at] + word[at] + word[at:]
    elif kind == 2:
        wrong = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    else:
        wrong = word[:at] + rng.choice(string.ascii_lowercase) + word[at + 1 :]
    assert topic in topics(frame.format(wrong))


SPACED_WORDS = [
    ("i found a {} in my breast", "lump", "red_flag_symptom"),
    ("they want a {}", "biopsy", "appointment"),
    ("what is {}", "dcis", "suspicious_finding"),
    ("{} 4 here", "birads", "suspicious_finding"),
    ("{} calcifications", "pleomorphic", "suspicious_finding"),
    ("{} cannot be excluded", "malignancy", "suspicious_finding"),
]


@QUICK
@given(st.sampled_from(SPACED_WORDS), st.sampled_from([" ", ".", "-", "_", "*"]))
def test_letters_spaced_out(case: tuple[str, str, str], mark: str) -> None:
    """Letters spaced or dotted out are joined."""
    frame, word, topic = case
    assert topic in topics(frame.format(mark.join(word)))


@QUICK
@given(st.text())
def test_never_raises_and_is_deterministic(text: str) -> None:
    """Any string gives a list, the same one each time."""
    assert SCREEN.find(text) == SCREEN.find(text)


@QUICK
@given(st.text(alphabet=string.ascii_lowercase + " .,'-\n0123456789@$!", max_size=400))
def test_never_fails_on_plain_characters(text: str) -> None:
    """The screen itself does not fail on any mix of ordinary characters."""
    assert all(f.rule != "screen_failed" for f in SCREEN.find(text))
