"""The 300 realistic messages that both assistants are asked: one to three questions, 3 to 150 words."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from pathlib import Path

from calla.settings import ROOT

# Words of a message: class to its fewest and most.
CLASSES = {"up to 15 words": (3, 15), "16 to 40": (16, 40), "41 to 80": (41, 80), "81 to 150": (81, 150)}
# How many of each class: most people write briefly.
SHARES = {"up to 15 words": 140, "16 to 40": 90, "41 to 80": 40, "81 to 150": 30}
NUMBER = sum(SHARES.values())
# Written by people (or in their roles) whom nobody built for; nothing is trained on them.
SETS = (
    "strangers_3/needs",
    "strangers_3/questions",
    "strangers_3/several",
    "strangers_3/misspelt",
    "nlu/strangers_2/needs",
    "nlu/strangers_2/questions",
    "nlu/strangers_2/multi",
    "nlu/dev/questions",
)
_SEED = 1


def class_of(text: str) -> str:
    """Return the class of a message by its words; empty for one outside all classes."""
    words = len(text.split())
    return next((name for name, (least, most) in CLASSES.items() if least <= words <= most), "")


def realistic(shares: dict[str, int] = SHARES) -> list[str]:
    """Return the messages, in a mixed order that is always the same.

    No set holds messages of the longest class: those are two or three of the longer ones, one
    after the other, as somebody writes who tells a story and asks more than one thing.
    """
    draw = random.Random(_SEED)
    texts = list(dict.fromkeys(_texts()))
    draw.shuffle(texts)
    by_class: dict[str, list[str]] = {name: [] for name in CLASSES}
    for text in [*texts, *_stories(texts)]:
        if name := class_of(text):
            by_class[name].append(text)
    found = [text for name, number in shares.items() for text in by_class[name][:number]]
    draw.shuffle(found)
    return found


def _texts() -> Iterable[str]:
    for name in SETS:
        for line in Path(ROOT / "tests" / f"{name}.jsonl").read_text().splitlines():
            yield json.loads(line)["text"]


def _stories(texts: list[str]) -> Iterable[str]:
    long = [text for text in texts if 28 <= len(text.split()) <= 75]
    for first, second, third in zip(long[::3], long[1::3], long[2::3], strict=False):
        two = f"{first}\n{second}"
        three = f"{two}\n{third}"
        yield three if class_of(three) else two
