"""The log, the report and its page, through the real server and a browser."""

from __future__ import annotations

import re
import sqlite3
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from calla.channels.web.messages import RATINGS
from calla.reporting.page import TEMPLATE
from tests.running import API_TOKEN, ServerProcess
from tests.test_run import eventually

CHROMIUM = "/usr/bin/chromium"
UNANSWERED = "I'm Priya Raghunathan (0161 496 0000): which football team wins on Sunday?"
ACUTE = "my chest hurts and I cannot breathe, call Priya"
FINDING = "my report says BI-RADS 5, says Featherstone"


def rows(calla: ServerProcess, table: str) -> list[dict[str, Any]]:
    """Return the rows of a table."""
    with sqlite3.connect(calla.folder / "calla.db") as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute(f"SELECT * FROM {table} ORDER BY id")]


def fetch(calla: ServerProcess, path: str, **headers: str) -> tuple[int, str, dict[str, str]]:
    """Return status, body and headers of a page."""
    request = urllib.request.Request(calla.url + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=90) as answer:
            return answer.status, answer.read().decode(), dict(answer.headers)
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode(), dict(refused.headers)


@pytest.fixture(scope="module")
def calla(model: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("logging"), CALLA_LOG_UNANSWERED="true") as running:
        yield running


def test_an_unanswered_question_is_kept_clean_and_nothing_of_a_referral(calla: ServerProcess) -> None:
    for text in (UNANSWERED, ACUTE, FINDING, "what is mk-7"):
        calla.ask(text)
    turns = eventually(lambda: len(found := rows(calla, "turns")) >= 4 and found)
    (kept,) = rows(calla, "unanswered")
    assert "football team wins on [date]" in kept["text"]
    assert not re.search(r"Priya|Raghunathan|0161|496|Sunday", kept["text"])
    by_kind = [turn["referrals"] for turn in turns if turn["referrals"]]
    assert by_kind[0].startswith("emergency:emergency:") and by_kind[1].startswith("suspicious_finding:urgent:")
    assert all(turn["seconds_to_referral"] <= turn["seconds_to_end"] for turn in turns if turn["referrals"])
    assert b"Priya" not in calla.log.read_bytes()


def test_after_an_emergency_nothing_is_kept_for_a_while(calla: ServerProcess) -> None:
    before = len(rows(calla, "unanswered"))
    person = uuid.uuid4().hex
    calla.ask("my chest hurts and I cannot breathe", person)
    calla.ask("and what about the football", person)
    calla.ask("which team wins the cup")
    eventually(lambda: len(rows(calla, "unanswered")) > before)
    assert [row["text"] for row in rows(calla, "unanswered")[before:]] == ["which team wins the cup"]


def test_erasing_a_conversation_erases_its_questions(calla: ServerProcess) -> None:
    before = len(rows(calla, "unanswered"))
    person = uuid.uuid4().hex
    calla.ask("which zebra wins the snooker", person)
    eventually(lambda: len(rows(calla, "unanswered")) == before + 1)
    turns = len(rows(calla, "turns"))
    calla.ask("please delete my data", person)
    (said,) = calla.ask("Yes, delete everything", person)
    assert "deleted" in said["text"] or "erased" in said["text"] or "gone" in said["text"], said["text"]
    assert len(rows(calla, "unanswered")) == before and len(rows(calla, "turns")) <= turns
    files = b"".join(file.read_bytes() for file in calla.folder.iterdir() if file.name.startswith("calla.db"))
    assert b"zebra" not in files


def test_calla_says_that_questions_are_kept_where_they_are(calla: ServerProcess) -> None:
    (said,) = calla.ask("what happens to my messages?")
    assert "without names and numbers" in said["text"]


def test_the_page_is_behind_the_token(calla: ServerProcess) -> None:
    for path, headers in (("/report", {}), ("/report?token=wrong", {}), ("/report", {"Authorization": "Bearer wrong"})):
        status, body, _ = fetch(calla, path, **headers)
        assert status == 401 and "football" not in body
    # Read-only: there is nothing else than looking.
    request = urllib.request.Request(f"{calla.url}/report?token={API_TOKEN}", b"{}")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    assert refused.value.code == 405


def test_the_page_asks_nobody_and_can_be_read_by_everybody(calla: ServerProcess, tmp_path: Path) -> None:
    eventually(lambda: fetch(calla, f"/report?token={API_TOKEN}")[0] == 200, 300)
    asked: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for options in ({}, {"color_scheme": "dark"}, {"viewport": {"width": 320, "height": 700}}):
            page = browser.new_context(**options).new_page()
            page.on("request", lambda request: asked.append(request.url))
            page.goto(f"{calla.url}/report?token={API_TOKEN}", timeout=90_000)
            assert Axe().run(page).violations_count == 0
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            levels = page.eval_on_selector_all("h1,h2,h3", "all => all.map(one => +one.tagName[1])")
            assert levels[0] == 1 and all(b - a <= 1 for a, b in pairwise(levels))
            # Each picture says what it shows, and says it again in numbers.
            figures = page.locator("figure")
            assert figures.count() >= 4
            for at in range(figures.count()):
                assert figures.nth(at).get_attribute("aria-label")
                assert figures.nth(at).locator("table tbody tr").count() >= 1
            seen = page.inner_text("main")
        browser.close()
    assert {urllib.parse.urlsplit(url).path for url in asked} <= {"/report", "/favicon.ico"}
    assert "football team wins on [date]" in seen and "Priya" not in seen
    assert "emergency" in seen and "the referral" in seen


def test_without_a_token_there_is_no_page_and_by_default_no_log(model: None, tmp_path: Path) -> None:
    with ServerProcess(tmp_path, CALLA_API_TOKEN="") as plain:
        assert fetch(plain, "/report?token=")[0] == 404
        plain.ask(UNANSWERED)
        assert "without names" not in plain.ask("what happens to my messages?")[0]["text"]
        eventually(lambda: len(rows(plain, "turns")) >= 2)
        assert rows(plain, "unanswered") == []


def test_every_reason_for_a_thumb_down_has_its_words() -> None:
    words = TEMPLATE.read_text(encoding="utf-8")
    assert [value for value in RATINGS.values() if value < 0 and f"{value}: " not in words] == []
