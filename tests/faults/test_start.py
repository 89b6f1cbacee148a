"""With a database that is damaged or away Calla starts, answers, and says so."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.running import ServerProcess, free_port

FINDING = "my report says BI-RADS 5"


@pytest.mark.parametrize("fault", ["damaged", "away"])
def test_without_a_database_it_starts_answers_and_says_so(model: None, tmp_path: Path, fault: str) -> None:
    settings = {}
    if fault == "damaged":
        (tmp_path / "calla.db").write_bytes(b"this is no database " * 1_000)
    else:
        settings["DATABASE_URL"] = f"postgresql://calla@127.0.0.1:{free_port()}/calla"
    with ServerProcess(tmp_path, **settings) as calla:
        # The first who ask at the same moment are understood like anybody after them.
        with ThreadPoolExecutor(4) as pool:
            first = list(pool.map(lambda number: calla.ask(FINDING, f"first-{number}"), range(4)))
        assert {tuple(reply["text"] for reply in replies[1:]) for replies in first} == {
            tuple(reply["text"] for reply in calla.ask(FINDING, "later")[1:])
        }
        started = time.monotonic()
        assert "today" in calla.ask(FINDING, "person")[0]["text"]
        assert time.monotonic() - started < 10
        assert any("MK-7" in reply.get("text", "") for reply in calla.ask("what is mk-7", "person"))
        health = calla.health()
        assert health["status"] == "ok" and health["database_works"] is False
        assert health["unsaved_messages"] >= 2 and health["save_failures"] >= 1
        # What was said is still known, and a wish to be forgotten is not called done.
        assert len(calla.said("person")) >= 2
        calla.ask("please delete my data", "person")
        (noted,) = calla.ask("Yes, delete everything", "person")
        assert "noted your wish" in noted["text"]
        assert calla.health()["erasures_pending"] == 1
        assert b"BI-RADS" not in calla.log.read_bytes()
