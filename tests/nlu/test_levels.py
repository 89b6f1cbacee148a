"""What has been reached on held-out questions is not lost again.

The levels stand a little below the measured figures of ``docs/evaluation.md``, so that
the rounding of another processor does not turn the build red. ``untouched`` was looked
at once, for those figures; here it is only counted.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from evaluation.evaluate import Report, ask, catalogue_facts, read_lines
from evaluation.planner import PlannedBot

HERE = Path(__file__).parent

LEVELS = {
    "right topic, first answer": 0.95,
    "right topic answered or offered": 0.975,
    "out-of-scope recall": 0.94,
    "several questions, all answered": 0.85,
    "follow-ups understood": 0.86,
}
CEILINGS = {
    "in-scope messages declined": 0.015,
    "referral first on benign messages": 0.027,
}


@cache
def report() -> Report:
    """Plan all held-out questions once, on all cores."""
    titles, always = catalogue_facts()
    lines = read_lines(sorted(HERE.glob("*/*.jsonl")))
    return ask(PlannedBot(lines), lines, titles, always)


@pytest.mark.parametrize(("name", "level"), LEVELS.items())
def test_level_is_kept(model: None, name: str, level: float) -> None:
    share = report().shares()[name]
    assert share.value >= level, f"{name}: {share}"


@pytest.mark.parametrize(("name", "ceiling"), CEILINGS.items())
def test_ceiling_is_kept(model: None, name: str, ceiling: float) -> None:
    share = report().shares()[name]
    assert share.value <= ceiling, f"{name}: {share}"


def test_every_topic_has_held_out_questions() -> None:
    """At least six each; the safety topics have their own, larger sets in ``tests/safety``."""
    lines = read_lines(sorted(HERE.glob("*/questions.jsonl")))
    topics = {
        file.stem for file in (HERE.parents[1] / "data" / "topics").glob("*/*.yml") if file.parent.name != "safety"
    }
    counted = {topic: sum(line["topic"] == topic for line in lines) for topic in topics - {"out_of_scope"}}
    assert not {topic: n for topic, n in counted.items() if n < 6}
