"""What an editor reads of ``make test-content``: what a question owes and answers, now and before the edit."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Optional

import pytest

from calla.plan import PLAN
from evaluation import near

TOPIC = "what_is_mk7"
ABOUT = f"utter_faq/{TOPIC}.safety"
CONTENT, _ = near.load()
OWING = frozenset(str(line["text"]) for line in near._lines(near.REFERRALS))
OF = {text: topic for topic, texts in near.held_out().items() for text in texts}


def plan(response: str, *referrals: str) -> dict[str, Any]:
    """Return a plan as understanding leaves it on a message."""
    return {"referrals": [{"response": f"utter_referral/{name}"} for name in referrals], "responses": [response]}


class Bot:
    """Stands for a loaded model: all is in order but for what a test says.

    ``plans`` are those of the present model, ``older`` those of the one before.
    """

    plans: dict[str, dict[str, Any]] = {}
    older: dict[str, dict[str, Any]] = {}

    def __init__(self, model: Optional[Path] = None) -> None:
        self._plans = self.older if model else self.plans

    def parse(self, text: str) -> dict[str, Any]:
        """Return what understanding makes of a message."""
        usual = plan(f"utter_faq/{OF.get(text, TOPIC)}", *(["medicines"] if text in OWING else []))
        return {PLAN: self._plans.get(text, usual)}


@pytest.fixture
def older(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Path]:
    """The models before the present one; a test may take them away."""
    file = tmp_path / "calla-before.tar.gz"
    file.touch()
    os.utime(file, (1_790_000_000, 1_790_000_000))
    found = [file]
    monkeypatch.setattr(Bot, "plans", {})
    monkeypatch.setattr(Bot, "older", {})
    monkeypatch.setattr(near, "LoadedBot", Bot)
    monkeypatch.setattr(near, "older_models", lambda: found)
    monkeypatch.setattr(near, "latest_model", lambda: tmp_path / "calla-now.tar.gz")
    monkeypatch.setattr(near, "is_whole", lambda model: True)
    # Read once for all tests; that the files are in order is tested elsewhere.
    monkeypatch.setattr(near, "load", lambda: (CONTENT, []))
    monkeypatch.setattr(near, "check", lambda: [])
    return found


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Return the status, and what an editor reads."""
    status = near.main([TOPIC, *arguments])
    return status, capsys.readouterr().out


def test_a_referral_that_is_gone_is_not_in_order(older: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    """It is answered by the topic as wanted, and yet the clinician is to be asked."""
    Bot.older["mk7 and my tablets"] = plan(ABOUT, "medicines")
    Bot.plans["mk7 and my tablets"] = plan(ABOUT)
    status, said = run(capsys, "--ask", "mk7 and my tablets")
    assert status == 1 and "In order" not in said
    assert "now: no referral, what_is_mk7.safety" in said
    assert "before: a referral first (medicines), then what_is_mk7.safety" in said
    assert "the referral that was there is gone (medicines): ask the clinician before you reload" in said


def test_one_of_two_referrals_may_not_go_either(older: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    """Another referral does not stand for it."""
    Bot.older["a lump and my tablets"] = plan(ABOUT, "red_flag_symptom", "medicines")
    Bot.plans["a lump and my tablets"] = plan(ABOUT, "medicines")
    status, said = run(capsys, "--ask", "a lump and my tablets")
    assert status == 1 and "is gone (red_flag_symptom)" in said


def test_what_is_as_before_or_more_careful_is_in_order(older: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    """Each question is shown all the same."""
    Bot.plans["mk7 and my tablets"] = plan(ABOUT, "medicines")
    status, said = run(capsys, "--ask", "mk7 and my tablets; what is it; ")
    assert status == 0 and "In order" in said
    assert said.count("now: ") == said.count("before: ") == 2
    assert "The model before is that of 2026-09-2" in said


def test_without_a_model_before_it_says_what_it_cannot_see(
    older: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Silence would be taken for all clear."""
    older.clear()
    status, said = run(capsys, "--ask", "what is it")
    assert status == 0 and "before: " not in said
    assert "no model before this one: whether a referral is gone cannot be seen here" in said


def test_a_question_of_another_topic_has_a_next_step(older: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    """An editor knows what to do with it."""
    Bot.plans["is mk4 better"] = plan("utter_faq/what_is_mk4")
    status, said = run(capsys, "--ask", "is mk4 better")
    assert status == 1
    assert "is not answered by what_is_mk7: more examples, or leave it out if it belongs elsewhere" in said


def test_it_says_how_many_held_out_questions_may_miss(older: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    """One in five; one more is amiss."""
    texts = near.held_out()[TOPIC]
    may = len(texts) // 5
    Bot.plans.update({text: plan("utter_faq/what_is_mk4") for text in texts[:may]})
    status, said = run(capsys)
    assert status == 0 and f"{len(texts) - may} of {len(texts)} held-out questions find it ({may} may miss)" in said
    Bot.plans[texts[may]] = plan("utter_faq/what_is_mk4")
    status, said = run(capsys)
    assert status == 1 and "too many questions miss it" in said


def test_a_message_that_owes_a_referral_and_lost_it_is_for_the_clinician(
    older: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """One that the model before missed too is not the edit's fault."""
    first, second = [str(line["text"]) for line in near._lines(near.REFERRALS)][:: near.EVERY][:2]
    Bot.plans.update({first: plan(ABOUT), second: plan(ABOUT)})
    Bot.older[second] = plan(ABOUT)
    status, said = run(capsys)
    assert status == 1 and f"no referral any more: {first!r}: ask the clinician" in said
    assert f"no referral any more: {second!r}" not in said
