"""What ``make bench`` promises without measuring anything: messages, stages, state, report."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path

import pytest
import yaml

from evaluation.bench import plots, report, stock
from evaluation.bench.messages import CLASSES, NUMBER, SHARES, class_of, realistic
from evaluation.bench.models import _halves
from evaluation.bench.stages import STAGES, Stopwatch, found
from evaluation.bench.state import State


def test_messages_are_always_the_same_and_of_every_length() -> None:
    texts = realistic()
    assert texts == realistic()
    assert len(texts) == len(set(texts)) == NUMBER == 300
    assert Counter(map(class_of, texts)) == SHARES
    assert max(len(text.split()) for text in texts) <= CLASSES["81 to 150"][1]


@pytest.mark.parametrize("function", [each for functions in STAGES.values() for each in functions])
def test_every_stage_that_is_measured_exists(function: str) -> None:
    owner, name = found(function)
    assert callable(getattr(owner, name))


def test_a_stage_does_not_count_what_it_calls_in_a_thread_neither() -> None:
    watch = Stopwatch()

    def inner() -> None:
        time.sleep(0.05)

    async def outer() -> None:
        with ThreadPoolExecutor(1) as pool:
            await asyncio.get_running_loop().run_in_executor(pool, copy_context().run, watch.around("inner", inner))

    asyncio.run(watch.around("outer", outer)())
    assert watch.calls == {"inner": 1, "outer": 1}
    assert watch.seconds["inner"] >= 0.05
    assert watch.seconds["outer"] < watch.seconds["inner"]


def test_an_interrupted_run_goes_on_where_it_was(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    state = State.read(file, {"model": "a"}, "today")
    state.add("first", {"ms": 1}, "c0ffee", file)
    again = State.read(file, {"model": "a"}, "tomorrow")
    assert again.steps == {"first": {"ms": 1}}
    assert (again.began, again.commits) == ("today", ["c0ffee"])
    assert State.read(file, {"model": "another"}, "tomorrow").steps == {}


def _measured() -> State:
    def row(name: str, ms: float) -> dict[str, object]:
        return {"class": name, "words": 1, "Calla": {"ms": ms, "cpu_ms": ms}, "stock": {"ms": 4 * ms, "cpu_ms": ms}}

    steps = {
        "messages, part 1": [row(name, 10.0 * n) for n, name in enumerate(CLASSES, 1) for _ in range(3)],
        "8 clients, Calla": {"per_second": 30.0},
        "8 clients, stock": {"per_second": 10.0},
        "start quiet 1, Calla": {"seconds": 9.0, "cpu_seconds": 8.0, "load": 0.1},
        "stages": {"messages": 2, "stages": {"encoder": {"calls": 2, "ms": 30.0}, "plan": {"calls": 2, "ms": 10.0}}},
        "100 topics": {"learning (training, s)": 1.0},
        "300 topics": {"learning (training, s)": 2.0},
    }
    return State({"epochs": 1, "examples": 8}, "2026-01-01", steps, ["c0ffee"])


def test_the_report_holds_what_was_measured_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page, figures = tmp_path / "page.md", tmp_path / "figures.json"
    page.write_text("before\n<!-- figures: make bench -->\nold\n<!-- end of figures -->\nafter\n")
    monkeypatch.setattr(plots, "IMAGES", tmp_path)
    monkeypatch.setattr(plots.draw, "__defaults__", (tmp_path,))
    report.write(_measured(), page, figures)
    text = page.read_text()
    assert "| message to answer, up to 15 words (3), median | 1/4 of stock | 10 ms | 40 ms | 0.25 |" in text
    assert "| messages per second, 8 clients | 3 times stock | 30.0 | 10.0 | 3.00 |" in text
    assert "| start to first answer | 12 s | 9.0 s |  |  |" in text
    assert "| encoder | 15.00 | 75 % |" in text
    assert "old" not in text and text.startswith("before") and text.endswith("after\n")
    assert "memory" not in text
    assert json.loads(figures.read_text())["messages"]["all"]["number"] == 12
    assert {file.name for file in tmp_path.glob("*.svg")} == {
        "bench-latency.svg",
        "bench-crowds.svg",
        "bench-stages.svg",
        "bench-topics.svg",
    }


def test_the_stock_assistant_gets_the_first_examples_of_every_topic(tmp_path: Path) -> None:
    stock.prepare(tmp_path, epochs=1, examples=2)
    topic = yaml.safe_load((tmp_path / "data" / "topics" / "supplements" / "what_is_mk7.yml").read_text())
    assert all(len(block["examples"].splitlines()) == 2 for block in topic["nlu"])
    assert any(name.startswith("utter_faq/what_is_mk7") for name in topic["responses"])


def test_a_made_up_question_is_half_of_each() -> None:
    assert _halves("what is vitamin k", "how much of it daily") == "what is of it daily"
