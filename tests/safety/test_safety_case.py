"""``docs/safety-case.md`` names tests that exist; a few controls that stand nowhere else."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest
import yaml

from calla.catalogue import URGENCY
from calla.content.sources import LOADER
from calla.safety.vocabulary import KINDS

ROOT = Path(__file__).resolve().parents[2]
CASE = ROOT / "docs" / "safety-case.md"
# Columns of the table of hazards.
ID, SEVERITY, TEST, RESIDUAL, COLUMNS = 0, 4, 6, 7, 8
REFERENCE = re.compile(r"`(tests/[\w/.-]+\.py)::(\w+)`")
# "Take 200 mg": a figure as an instruction. Official daily amounts stand without one.
DOSE = re.compile(
    r"\b(?:take|try|use|swallow|start with)\s+(?:\w+\s+){0,3}\d[\d.,]*\s*"
    r"(?:mg|mcg|µg|iu|g|micrograms?|milligrams?)\b",
    re.I,
)
REASSURANCE = re.compile(
    r"nothing to worry|no (?:need|reason) to (?:worry|see|call)|you can (?:safely )?(?:wait|skip)|"
    r"\b(?:your|this|that) (?:result|report|finding|mammogram)s? (?:is|are|looks?|sounds?) "
    r"(?:normal|benign|fine|good|harmless|ok)",
    re.I,
)


def rows() -> list[list[str]]:
    """Return the cells of each hazard."""
    lines = CASE.read_text(encoding="utf-8").splitlines()
    return [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines if line.startswith("| H")]


@cache
def names_in(file: Path) -> frozenset[str]:
    """Return the names of the test functions of a file."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    functions = (n for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef)))
    return frozenset(n.name for n in functions if n.name.startswith("test_"))


@cache
def responses() -> tuple[tuple[str, str, dict[str, object]], ...]:
    """Return name, text and metadata of every response under ``data``."""
    read = (yaml.load(file.read_bytes(), LOADER) or {} for file in sorted((ROOT / "data").rglob("*.yml")))
    return tuple(
        (name, variation.get("text") or "", variation.get("metadata") or {})
        for data in read
        for name, variations in (data.get("responses") or {}).items()
        for variation in variations
    )


def test_every_test_that_is_named_exists() -> None:
    text = CASE.read_text(encoding="utf-8")
    named = REFERENCE.findall(text)
    assert len(named) == text.count("::"), "every reference has the form `tests/...py::test_name`"
    missing = [f"{f}::{t}" for f, t in named if not (ROOT / f).is_file() or t not in names_in(ROOT / f)]
    assert missing == []


def test_every_hazard_has_a_test_or_says_why_not() -> None:
    found = rows()
    assert len(found) >= 18
    ids = [row[ID] for row in found]
    assert ids == [f"H{number}" for number in range(1, len(found) + 1)]
    for row in found:
        assert len(row) == COLUMNS and all(row), row[ID]
        assert row[SEVERITY] in ("catastrophic", "major", "considerable", "significant", "minor"), row[ID]
        assert REFERENCE.search(row[TEST]) or re.search(r"no test: \w+", row[TEST]), row[ID]


def test_only_our_policies_decide_and_the_referral_comes_first() -> None:
    from calla.policies.answer import AnswerPolicy
    from calla.policies.referral import ReferralPolicy

    config = yaml.safe_load((ROOT / "config.yml").read_text(encoding="utf-8"))
    assert [policy["name"].rpartition(".")[2] for policy in config["policies"]] == ["ReferralPolicy", "AnswerPolicy"]
    assert ReferralPolicy.get_default_config()["priority"] > AnswerPolicy.get_default_config()["priority"]
    assert not any("priority" in policy for policy in config["policies"])


def test_screen_and_gate_order_the_kinds_alike() -> None:
    assert tuple(dict.fromkeys(KINDS.values())) == URGENCY


def test_every_reason_to_refer_has_its_text_and_kind() -> None:
    kinds = {
        name.rpartition("/")[2]: metadata.get("kind")
        for name, text, metadata in responses()
        if name.startswith("utter_referral/") and text
    }
    assert {topic: kinds.get(topic) for topic in KINDS} == dict(KINDS)


@pytest.mark.parametrize("form", ["utter_referral", "utter_referral_short"])
def test_crisis_and_emergency_say_whom_to_call(form: str) -> None:
    texts = {name: text for name, text, _ in responses()}
    assert "{emergency_number}" in texts[f"{form}/emergency"]
    assert "{crisis_line}" in texts[f"{form}/emotional_crisis"]
    assert "{emergency_number}" in texts[f"{form}/emotional_crisis"]


def test_no_text_tells_anybody_what_to_take() -> None:
    assert DOSE.search("Take about 200 mg a day")
    assert [name for name, text, _ in responses() if DOSE.search(text)] == []


def test_no_text_reassures_about_a_result() -> None:
    assert REASSURANCE.search("Your result is benign.")
    assert [name for name, text, _ in responses() if REASSURANCE.search(text)] == []
