"""``docs/assurance`` names what exists: tests, files, commands, hazards; and answers every question."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.safety.test_safety_case import ID, REFERENCE, RESIDUAL, ROOT, names_in, rows

PACK = ROOT / "docs" / "assurance"
PAGES = sorted(PACK.glob("*.md"))
ROOMS = "actions|artefacts|calla|data|deploy|docs|evaluation|scripts|tests|widget"
# A file or folder in code or in a command, without the name of a test.
PLACE = re.compile(rf"(?<![\w/.-])((?:{ROOMS})/[\w/.-]*\w)")
LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")
CODE = re.compile(r"^```.*?^```|`[^`\n]+`", re.M | re.S)
TARGET = re.compile(r"\bmake ([a-z][a-z-]+)")
SETTING = re.compile(r"\b(?:CALLA|SLACK)_[A-Z_]+|\b(?:DATABASE|REDIS)_URL\b")
HAZARD = re.compile(r"\bH(\d+)\b")
ANSWERS = ("accessibility-statement", "asvs", "data-flow", "dpia", "dtac")


def text_of(page: Path) -> str:
    """Return a page."""
    return page.read_text(encoding="utf-8")


def code_of(page: Path) -> str:
    """Return what stands as code on a page, pieces apart."""
    return "\n".join(CODE.findall(text_of(page)))


def test_the_pack_is_whole() -> None:
    index = text_of(PACK / "README.md")
    assert {page.name for page in PAGES} - {"README.md"} == {name for name in LINK.findall(index) if "/" not in name}
    assert "docs/assurance/README.md" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_test_that_is_named_exists(page: Path) -> None:
    text = text_of(page).replace("`file::function`", "").replace('"file::function"', "")
    named = REFERENCE.findall(text)
    assert len(named) == text.count("::"), "every reference has the form `tests/...py::test_name`"
    assert [f"{f}::{t}" for f, t in named if not (ROOT / f).is_file() or t not in names_in(ROOT / f)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_file_that_is_named_exists(page: Path) -> None:
    text = text_of(page)
    assert [link for link in LINK.findall(text) if not (PACK / link).exists()] == []
    assert [place for place in PLACE.findall(code_of(page)) if not (ROOT / place).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_and_setting_that_is_named_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    assert set(TARGET.findall(code_of(page))) <= targets
    settings = set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(encoding="utf-8"), re.M))
    assert set(SETTING.findall(text_of(page))) <= settings


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_section_that_is_named_exists(page: Path) -> None:
    """``[operating](../operating.md), *Backups*`` names a heading, or what a paragraph begins with."""
    for name, section in re.findall(r"\]\(([^)#]+\.md)\), \*([^*]+)\*", text_of(page)):
        lines = (PACK / name).read_text(encoding="utf-8").splitlines()
        assert any(re.match(rf"(?:#+ |\*\*){re.escape(section)}", line) for line in lines), f"{name}: {section}"


@pytest.mark.parametrize("name", ANSWERS)
def test_every_row_is_complete(name: str) -> None:
    """No question without its answer; in the questionnaires none without its proof, or what is missing."""
    wrong = []
    columns = 0
    for line in text_of(PACK / f"{name}.md").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []
        columns = columns or len(cells) if cells else 0
        needed = cells if name == "asvs" else cells[:2]
        proven = len(cells) < 3 or cells[2] or name != "dtac" or re.match(r"no\b|none|not", cells[1])
        # The head of a table of facts is empty.
        if len(cells) != columns or not (all(needed) or not any(cells)) or not proven:
            wrong.append(line)
    assert wrong == []


def test_every_hazard_has_the_risk_of_the_safety_case() -> None:
    stated = {
        f"H{number}": cells[1]
        for cells in (line.split("|") for line in text_of(PACK / "clinical-safety.md").splitlines())
        if len(cells) == 4 and cells[1].strip() in ("high", "medium", "low")
        for number in HAZARD.findall(cells[2])
    }
    risks = {row[ID]: re.match(r"\w+", row[RESIDUAL])[0] for row in rows()}  # type: ignore[index]
    assert {hazard: risk.strip() for hazard, risk in stated.items()} == risks
    for page in PAGES:
        assert {f"H{number}" for number in HAZARD.findall(text_of(page))} <= risks.keys(), page.name
