"""What has been reached on held-out questions is not lost again.

Two kinds of set: our own (``dev``), and those of strangers who had read neither code nor
examples (``strangers_*``, looked at since). The levels stand a little below what was measured
(``docs/evaluation.md``): each training gives a slightly other model, and a level is kept by all.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

from evaluation.evaluate import Report, ask, catalogue_facts, read_lines
from evaluation.planner import PlannedBot

HERE = Path(__file__).parent

LEVELS = {
    ("dev", "right topic, first answer"): 0.91,
    ("dev", "right topic answered or offered"): 0.94,
    ("dev", "out-of-scope recall"): 0.88,
    ("dev", "several questions, all answered"): 0.8,
    ("dev", "follow-ups understood"): 0.78,
    ("strangers", "right topic, first answer"): 0.82,
    ("strangers", "right topic answered or offered"): 0.87,
    ("strangers", "need met"): 0.77,
    ("strangers", "out-of-scope recall"): 0.9,
    ("strangers", "several questions, all answered"): 0.7,
    ("strangers", "follow-ups understood"): 0.7,
}
CEILINGS = {
    ("dev", "in-scope messages declined"): 0.025,
    ("dev", "referral first on benign messages"): 0.08,
    ("strangers", "in-scope messages declined"): 0.06,
    ("strangers", "referral with nothing behind it"): 0.03,
}
# Held-out messages of a topic, at least; small talk that only leads a conversation is tested there.
MINIMUM = 5
IN_DIALOGUE = frozenset({"affirm", "deny", "repeat", "confirm_erasure"})


@cache
def report(group: str) -> Report:
    """Plan all held-out messages of a group once, on all cores."""
    titles, always = catalogue_facts()
    lines = read_lines(sorted(HERE.glob(f"{group}*/*.jsonl")))
    return ask(PlannedBot(lines), lines, titles, always)


@pytest.mark.parametrize(("group", "name"), LEVELS)
def test_level_is_kept(model: None, group: str, name: str) -> None:
    share = report(group).shares()[name]
    assert share.value >= LEVELS[group, name], f"{name}: {share}"


@pytest.mark.parametrize(("group", "name"), CEILINGS)
def test_ceiling_is_kept(model: None, group: str, name: str) -> None:
    share = report(group).shares()[name]
    assert share.value <= CEILINGS[group, name], f"{name}: {share}"


def test_every_topic_has_held_out_questions() -> None:
    """The safety topics have their own, larger sets in ``tests/safety``."""
    files = [*HERE.glob("*/*.jsonl"), *HERE.parent.glob("strangers_*/*.jsonl")]
    lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    asked = [t for line in lines for t in line.get("topics", [line.get("topic", "")])]
    asked += [detail.partition(".")[0] for line in lines for detail in line.get("details", [])]
    topics = {
        file.stem for file in (HERE.parents[1] / "data" / "topics").glob("*/*.yml") if file.parent.name != "safety"
    }
    counted = {topic: asked.count(topic) for topic in topics - {"out_of_scope"} - IN_DIALOGUE}
    assert not {topic: n for topic, n in counted.items() if n < MINIMUM}
