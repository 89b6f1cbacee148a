"""The journal: written beside the answers, cleaned, forgotten with the conversation."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from calla.database import Database
from calla.reporting.journal import Journal, Turn
from calla.reporting.turns import turn_of

pytestmark = pytest.mark.asyncio
KEY = "a key for tests"
DAY = 24 * 3600


def turn(conversation: str, question: str | None = None, message: str = "m") -> Turn:
    return Turn(conversation, message, "web", "decline", ("utter_out_of_scope",), (), (), None, 0.2, question)


def rows(folder: Path, table: str) -> list[dict[str, Any]]:
    with sqlite3.connect(folder / "calla.db") as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute(f"SELECT * FROM {table} ORDER BY id")]


def everything(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


def journal(folder: Path, **more: Any) -> Journal:
    return Journal(Database(f"sqlite:///{folder / 'calla.db'}"), KEY, **{"cleaner": lambda: str.upper, **more})


async def test_questions_are_kept_only_where_that_is_switched_on(tmp_path: Path) -> None:
    off = journal(tmp_path, cleaner=None)
    await off.prepare()
    off.note(turn("a", "what about moringa"))
    await off.flush()
    assert len(rows(tmp_path, "turns")) == 1 and rows(tmp_path, "unanswered") == []
    assert b"moringa" not in (tmp_path / "calla.db").read_bytes()


async def test_a_cleaner_that_cannot_be_made_keeps_nothing(tmp_path: Path) -> None:
    def broken() -> Any:
        raise RuntimeError("no list of names")

    dirty = journal(tmp_path, cleaner=broken)
    await dirty.prepare()
    dirty.note(turn("a", "what about moringa"))
    await dirty.flush()
    assert len(rows(tmp_path, "turns")) == 1 and rows(tmp_path, "unanswered") == []


async def test_erasing_takes_what_is_written_what_waits_and_what_is_being_cleaned(tmp_path: Path) -> None:
    at_work, go_on = threading.Event(), threading.Event()

    def slow() -> Any:
        def clean(text: str) -> str:
            if "third" in text:
                at_work.set()
                assert go_on.wait(20)
            return text

        return clean

    kept = journal(tmp_path, cleaner=slow)
    await kept.prepare()
    kept.note(turn("person", "first needle"))
    kept.note(turn("other", "another question"))
    await kept.flush()
    kept.note(turn("person", "third needle"))
    writing = asyncio.ensure_future(kept.flush())
    await asyncio.get_running_loop().run_in_executor(None, at_work.wait)
    kept.note(turn("person", "fourth needle"))
    erasing = asyncio.ensure_future(kept.erase("person"))
    go_on.set()
    await asyncio.gather(writing, erasing)
    await kept.flush()
    assert [row["text"] for row in rows(tmp_path, "unanswered")] == ["another question"]
    assert len(rows(tmp_path, "turns")) == 1
    assert b"needle" not in everything(tmp_path)


async def test_nothing_of_a_conversation_that_is_still_to_be_erased_is_written(tmp_path: Path) -> None:
    pending = journal(tmp_path, erased=lambda conversation: conversation == "person")
    await pending.prepare()
    pending.note(turn("person", "a question"))
    pending.note(turn("other", "another"))
    await pending.flush()
    assert [row["text"] for row in rows(tmp_path, "unanswered")] == ["ANOTHER"]


async def test_one_message_can_be_forgotten(tmp_path: Path) -> None:
    kept = journal(tmp_path)
    await kept.prepare()
    kept.note(turn("person", "one", "first"))
    kept.note(turn("person", "two", "second"))
    await kept.flush()
    await kept.erase_message("person", "first")
    assert [row["text"] for row in rows(tmp_path, "unanswered")] == ["TWO"]


async def test_with_age_the_link_goes_first_and_the_question_later(tmp_path: Path) -> None:
    kept = journal(tmp_path)
    await kept.prepare()
    kept.note(turn("person", "one"))
    await kept.flush()
    (row,) = rows(tmp_path, "unanswered")
    assert row["conversation"] and row["time"].endswith("00:00:00.000000")
    far = time.time() + DAY
    assert (await kept.of("person"))["unanswered"][0]["text"] == "ONE"
    await kept.purge(far)
    (row,) = rows(tmp_path, "unanswered")
    assert (row["conversation"], row["message"], row["text"]) == ("", "", "ONE")
    assert rows(tmp_path, "turns") == []
    await kept.purge_questions(far)
    assert rows(tmp_path, "unanswered") == []


async def test_a_database_that_refuses_loses_nothing_and_holds_nobody_up(tmp_path: Path) -> None:
    kept = journal(tmp_path)
    await kept.prepare()
    kept.note(turn("person", "one"))
    await kept.flush()
    locked = sqlite3.connect(tmp_path / "calla.db", isolation_level=None)
    locked.execute("BEGIN EXCLUSIVE")
    kept.note(turn("person", "two"))
    with pytest.raises(sa.exc.OperationalError):
        await kept.flush()
    locked.execute("ROLLBACK")
    await kept.flush()
    assert [row["text"] for row in rows(tmp_path, "unanswered")] == ["ONE", "TWO"]


@pytest.mark.parametrize(
    ("text", "plan", "ways", "kept"),
    [
        ("what about moringa", {"outcome": "decline"}, {}, True),
        ("calcium thing", {"outcome": "clarify", "offers": ["what_is_mk7"]}, {}, True),
        ("what is mk-7", {"outcome": "answer"}, {}, False),
        ("a question", {"outcome": "decline"}, {"utter_referral/emergency": "emergency:intake"}, False),
        ("a question", {"outcome": "decline", "referrals": [{"name": "suspicious_finding"}]}, {}, False),
        ("a question", {"outcome": "decline", "memory": {"dangers": {"emotional_crisis": 3}}}, {}, False),
        # The screen would refer, or has a hint: whatever the plan says.
        ("I want to die, what about moringa", {"outcome": "decline"}, {}, False),
        ("question", None, {}, False),
    ],
)
async def test_nothing_of_a_message_with_a_referral_is_kept(text: str, plan: Any, ways: Any, kept: bool) -> None:
    made = turn_of(
        conversation="c",
        message="m",
        channel="web",
        text=text,
        plan=plan,
        sent=(),
        ways=ways,
        to_referral=None,
        to_end=0.1,
    )
    assert (made.question is not None) is kept
