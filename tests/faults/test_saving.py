"""What was said is stored: once, in order, whatever the database does meanwhile."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import (
    ActionExecuted,
    BotUttered,
    Restarted,
    SessionStarted,
    SlotSet,
    UserUttered,
    deserialise_events,
)
from rasa.shared.core.trackers import DialogueStateTracker

from calla.database import DATABASE_FAILURES, DEADLINE, Database
from calla.status import STATUS
from calla.store import RECENT, ConversationStore, events_of

pytestmark = pytest.mark.asyncio


def store_in(folder: Path) -> ConversationStore:
    return ConversationStore(Domain.empty(), f"sqlite:///{folder / 'calla.db'}")


def turn(number: int) -> list[Any]:
    parsed: dict[str, Any] = {
        "intent": {"name": "faq", "confidence": 1.0},
        "entities": [],
        "plan": {"outcome": "answer", "topic": f"topic-{number}"},
        "intent_ranking": [{"name": "faq", "confidence": 1.0}] * 10,
        "text_tokens": [[0, 4]] * 2_000,
    }
    return [
        UserUttered(f"question {number}", parsed["intent"], [], parsed, message_id=f"message-{number}"),
        ActionExecuted("utter_answer"),
        BotUttered(f"answer {number}", {}, {"utter_action": "utter_answer"}),
        ActionExecuted("action_listen"),
    ]


async def say(store: ConversationStore, sender: str, number: int) -> None:
    """One turn, as Rasa handles it."""
    tracker = await store.get_or_create_tracker(sender, append_action_listen=False)
    for event in turn(number):
        tracker.update(event)
    await store.save(tracker)


def stored(folder: Path, sender: str) -> list[str]:
    """Return the texts of a conversation in the file, in order."""
    with sqlite3.connect(folder / "calla.db") as database:
        rows = database.execute("SELECT data FROM events WHERE sender_id = ? ORDER BY id", (sender,)).fetchall()
    return [json.loads(data)["text"] for (data,) in rows if "text" in json.loads(data)]


def expected(numbers: range) -> list[str]:
    return [text for n in numbers for text in (f"question {n}", f"answer {n}")]


async def test_tables_are_made_once_however_many_ask_first(tmp_path: Path) -> None:
    databases = [Database(f"sqlite:///{tmp_path / 'calla.db'}") for _ in range(3)]
    calls = [database.call(lambda: None) for database in databases for _ in range(4)]
    await asyncio.gather(*calls, *(database.in_order().run(lambda: None) for database in databases))
    with sqlite3.connect(tmp_path / "calla.db") as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert {"events", "referrals", "feedback", "slack_letters"} <= tables
        assert connection.execute("SELECT COUNT(*) FROM calla_version").fetchone() == (1,)


async def test_many_conversations_at_once_are_stored_whole_and_in_order(tmp_path: Path) -> None:
    store = store_in(tmp_path)

    async def converse(sender: str) -> None:
        for number in range(10):
            await say(store, sender, number)

    await asyncio.gather(*(converse(f"person-{n}") for n in range(50)))
    await store.flush()
    for n in range(50):
        assert stored(tmp_path, f"person-{n}") == expected(range(10))


async def test_an_outage_loses_nothing_and_the_conversation_goes_on_in_it(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    await say(store, "person", 0)
    failures = STATUS.save_failures
    # Somebody holds the database's write lock, as a backup or a forgotten shell does.
    other = sqlite3.connect(tmp_path / "calla.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    for number in (1, 2):
        started = time.monotonic()
        await say(store, "person", number)
        assert time.monotonic() - started < 3 * DEADLINE
    tracker = await store.retrieve("person")
    assert tracker is not None
    assert [e.text for e in tracker.events if isinstance(e, UserUttered)][-2:] == ["question 1", "question 2"]
    assert stored(tmp_path, "person") == expected(range(1))
    assert STATUS.save_failures > failures
    other.execute("ROLLBACK")
    await asyncio.wait_for(store.flush(), 20)
    assert stored(tmp_path, "person") == expected(range(3))
    other.close()


async def test_a_write_that_hangs_is_not_written_twice(tmp_path: Path) -> None:
    """Nobody waits longer than a second for it; when it comes back after all, that was it."""
    store = store_in(tmp_path)
    await say(store, "person", 0)
    release = threading.Event()

    def slow(_: Any, __: Any, statement: str, *___: Any) -> None:
        if statement.startswith("INSERT INTO events"):
            release.wait(60)

    sa.event.listen(store.database.engine, "before_cursor_execute", slow)
    started = time.monotonic()
    await say(store, "person", 1)
    await say(store, "person", 2)
    assert time.monotonic() - started < 4 * DEADLINE
    release.set()
    await asyncio.wait_for(store.flush(), 10)
    assert stored(tmp_path, "person") == expected(range(3))


async def test_a_row_that_no_database_takes_holds_up_no_other(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    lost = STATUS.lost_saves
    tracker = DialogueStateTracker.from_events("broken", turn(0))
    await store.save(tracker)
    bad = DialogueStateTracker.from_events("broken", turn(1))
    real, store._write = store._write, lambda saves, again: _refuse(saves, again, real)  # type: ignore[method-assign]
    await asyncio.gather(store.save(bad), *(say(store, f"person-{n}", 0) for n in range(5)))
    await asyncio.wait_for(store.flush(), 10)
    assert STATUS.lost_saves == lost + 1
    assert all(stored(tmp_path, f"person-{n}") == expected(range(1)) for n in range(5))


def _refuse(saves: list[list[dict[str, Any]]], again: bool, write: Any) -> None:
    if any("question 1" in row["data"] for rows in saves for row in rows):
        raise ValueError("a value that cannot be bound")
    write(saves, again)


async def test_a_database_that_is_no_database_is_survived(tmp_path: Path) -> None:
    (tmp_path / "calla.db").write_bytes(b"this is no database " * 1_000)
    store = store_in(tmp_path)
    started = time.monotonic()
    await say(store, "person", 0)
    await say(store, "person", 1)
    assert time.monotonic() - started < 6 * DEADLINE
    tracker = await store.retrieve("person")
    assert tracker is not None and len([e for e in tracker.events if isinstance(e, UserUttered)]) == 2
    # What waits is enough to answer by, and is no whole conversation.
    with pytest.raises(DATABASE_FAILURES):
        await store.last_events("person", None)


async def test_a_long_conversation_costs_what_a_short_one_does(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    events = [event for n in range(1_000) for event in turn(n)]
    await store.save(
        DialogueStateTracker.from_events("long", [ActionExecuted("action_session_start"), SessionStarted(), *events])
    )
    await store.save(DialogueStateTracker.from_events("short", [SessionStarted(), *turn(0)]))
    await asyncio.wait_for(store.flush(), 30)
    long = await store.retrieve("long")
    assert long is not None
    assert len(long.events) <= RECENT
    assert isinstance(long.events[0], UserUttered)
    assert long.events[-2].text == "answer 999"
    # What is new in it is what is stored next, not what was left out of it.
    await say(store, "long", 1_000)
    await asyncio.wait_for(store.flush(), 10)
    texts = stored(tmp_path, "long")
    assert len(texts) == 2_002 and texts[-2:] == ["question 1000", "answer 1000"]
    assert len(await store.last_events("long", None)) == 4_006


async def test_a_message_begins_a_new_session_without_the_old_one(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    old, new = [SessionStarted(), *turn(0)], [ActionExecuted("action_session_start"), SessionStarted(), *turn(1)]
    await store.save(DialogueStateTracker.from_events("person", [*old, *new]))
    tracker = await store.retrieve("person")
    assert tracker is not None
    assert [e.text for e in tracker.events if isinstance(e, UserUttered)] == ["question 1"]
    full = await store.retrieve_full_tracker("person")
    assert full is not None and len([e for e in full.events if isinstance(e, UserUttered)]) == 2


async def test_ranking_and_tokens_are_not_stored_but_the_plan_is(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    await say(store, "person", 0)
    await store.flush()
    with sqlite3.connect(tmp_path / "calla.db") as database:
        (data,) = database.execute("SELECT data FROM events WHERE type_name = 'user'").fetchone()
    assert len(data) < 1_000
    tracker = await store.retrieve("person")
    assert tracker is not None and tracker.latest_message is not None
    assert (tracker.latest_message.parse_data or {})["plan"]["topic"] == "topic-0"  # type: ignore[typeddict-item]


async def test_a_conversation_is_read_as_rasa_reads_it(tmp_path: Path) -> None:
    conversations = store_in(tmp_path)
    tracker = DialogueStateTracker("somebody", [])
    events = [*turn(1), SlotSet("memory", {"topic": "a"}), Restarted(), SessionStarted(), *turn(2)]
    tracker.update_with_events(events, Domain.empty())
    await conversations.save(tracker)
    rows = await conversations._rows("somebody", None)
    assert events_of(rows) == deserialise_events(rows)
    assert [event.as_dict() for event in events_of(rows)] == [event.as_dict() for event in deserialise_events(rows)]
    # An event of a kind that there is no more.
    assert events_of([{"event": "topic"}, {"no": "event"}]) == []
