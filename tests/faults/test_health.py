"""/health tells the truth, /metrics counts it, neither tells about a person, and the REST channel is strict."""

from __future__ import annotations

import json
import sqlite3
import time
import urllib.error
import urllib.request
from typing import Any, Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.running import ServerProcess

FINDING = "the letter says new suspicious calcifications, BI-RADS 5, marmalade"


@pytest.fixture(scope="module")
def calla(model: None, action_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("health"), CALLA_ACTION_URL=action_server) as running:
        yield running


def numbers(calla: ServerProcess) -> dict[str, float]:
    with urllib.request.urlopen(f"{calla.url}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    return {
        "".join((sample.name, *(f" {value}" for value in sample.labels.values()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def eventually(calla: ServerProcess, key: str, value: object) -> None:
    until = time.monotonic() + 60
    while calla.health().get(key) != value:
        assert time.monotonic() < until, (key, calla.health())
        time.sleep(0.2)


def test_health_and_metrics_follow_what_happens(calla: ServerProcess) -> None:
    eventually(calla, "database_works", True)
    eventually(calla, "action_server_works", True)
    calla.ask(FINDING, "marmalade-person")
    calla.ask("what is mk-7", "marmalade-person")
    seen = numbers(calla)
    assert seen["calla_messages_total rest"] >= 2
    # By the plan, or on a busy machine by who stands in for it.
    ways = [name for name in seen if name.startswith("calla_referrals_total urgent ")]
    assert sum(seen[name] for name in ways) == 1
    assert seen["calla_seconds_to_referral_count"] >= 1
    assert seen["calla_outcomes_total answer"] >= 1
    health = calla.health()
    for fact in (
        "live",
        "ready",
        "unsaved_messages",
        "save_failures",
        "free_disk_megabytes",
        "last_undelivered_referral",
    ):
        assert fact in health
    with urllib.request.urlopen(f"{calla.url}/metrics", timeout=5) as answer:
        assert b"marmalade" not in answer.read()
    assert "marmalade" not in json.dumps(health)


def test_a_database_that_is_locked_is_seen_and_seen_to_come_back(calla: ServerProcess) -> None:
    other = sqlite3.connect(calla.folder / "calla.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    replies = calla.ask(FINDING, "locked")
    assert "today" in replies[0]["text"]
    eventually(calla, "database_works", False)
    assert calla.health()["unsaved_messages"] >= 1
    other.execute("ROLLBACK")
    other.close()
    eventually(calla, "unsaved_messages", 0)
    eventually(calla, "database_works", True)
    assert calla.said("locked")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"x"',
        b"{",
        b'{"sender": "a"}',
        b'{"sender": "a", "message": 7}',
        b'{"sender": ["marmalade"], "message": "x"}',
        b'{"sender": "a", "message": " "}',
        b'{"sender": "' + b"a" * 300 + b'", "message": "marmalade"}',
    ],
)
def test_the_rest_channel_says_what_is_wrong_and_logs_nothing_of_it(calla: ServerProcess, body: bytes) -> None:
    request = urllib.request.Request(f"{calla.url}/webhooks/rest/webhook", body, {"Content-Type": "application/json"})
    with pytest.raises(urllib.error.HTTPError) as problem:
        urllib.request.urlopen(request, timeout=10)
    answer: dict[str, Any] = json.load(problem.value)
    assert problem.value.code == 400 and answer["error"]
    assert "marmalade" not in calla.log.read_text()


def test_the_log_is_one_format_without_texts_and_tracebacks(calla: ServerProcess) -> None:
    for line in calla.log.read_text().splitlines():
        record = json.loads(line)
        assert {"event", "level", "timestamp"} <= set(record)
        assert "Traceback" not in line and "BI-RADS" not in line


def test_an_erasure_asked_for_in_the_chat(calla: ServerProcess) -> None:
    """It asks, it erases, and "done" is true when it is said."""
    person = "person-who-erases"
    calla.ask("what is mk-7", person)
    (asked,) = calla.ask("please delete my data", person)
    assert [button["title"] for button in asked["buttons"]] == ["Yes, delete everything"]
    assert calla.said(person)
    (done,) = calla.ask("Yes, delete everything", person)
    assert "has been erased" in done["text"]
    assert all(person.encode() not in file.read_bytes() for file in calla.folder.glob("calla.db*"))


def test_nothing_is_erased_that_was_not_asked_about(calla: ServerProcess) -> None:
    person = "person-in-a-hurry"
    calla.ask("what is mk-7", person)
    (asked,) = calla.ask("Yes, delete everything", person)
    assert [button["title"] for button in asked["buttons"]] == ["Yes, delete everything"]
    assert "utter_faq/what_is_mk7" in calla.said(person)
