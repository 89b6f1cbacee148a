"""All stores on PostgreSQL: tables by migrations, erasure to the last byte, backup and restore."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis as redis_client
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from rasa.core.tracker_store import SQLTrackerStore
from rasa.shared.core.events import UserUttered
from rasa.shared.core.trackers import DialogueStateTracker

from calla import records, watch
from calla.channels.slack import ledger
from calla.channels.slack.forgetting import TableEraser
from calla.channels.slack.identity import IM, Place, Question
from calla.channels.slack.inbox import Inbox
from calla.channels.slack.letters import Letters, letter_for, to_place
from calla.channels.web import sessions
from calla.database import Database, NotScrubbedError, engine_for
from calla.erasure import Erasure, Tombstones
from calla.handoff import ledger as handoff_ledger
from calla.migrations import migrate
from calla.records import Records
from calla.reporting import journal
from calla.store import EVENTS, ConversationStore
from evaluation.services import PostgreSQL, Redis
from tests.running import NOBODY, ROOT

TABLES = [
    SQLTrackerStore.Base.metadata,
    records._METADATA,
    watch._METADATA,
    sessions._METADATA,
    ledger.METADATA,
    handoff_ledger.METADATA,
    journal.METADATA,
]
KEY = "a key of tests, long enough to hash with"


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQL]:
    with PostgreSQL() as running:
        yield running


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    with Redis() as running:
        yield running


def differences(url: str) -> list[Any]:
    with engine_for(url).connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": "calla_version"})
        return list(compare_metadata(context, TABLES))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_migrations_make_the_tables_that_the_code_expects(
    kind: str, postgresql: PostgreSQL, tmp_path: Path
) -> None:
    url = postgresql.url if kind == "postgresql" else f"sqlite:///{tmp_path / 'calla.db'}"
    migrate(engine_for(url))
    migrate(engine_for(url))
    assert differences(url) == []


def test_a_database_from_before_the_migrations_keeps_what_it_has(tmp_path: Path) -> None:
    engine = engine_for(f"sqlite:///{tmp_path / 'calla.db'}")
    SQLTrackerStore.Base.metadata.create_all(engine)
    engine.execute(EVENTS.insert(), {"sender_id": "old", "type_name": "user", "data": "{}"})
    migrate(engine)
    assert differences(str(engine.url)) == []
    assert sqlite3.connect(tmp_path / "calla.db").execute("SELECT sender_id FROM events").fetchall() == [("old",)]


def test_many_processes_may_start_at_once(postgresql: PostgreSQL) -> None:
    postgresql.sql("-c", "CREATE DATABASE fresh OWNER calla")
    url = postgresql.url.removesuffix("calla") + "fresh"
    failed: list[BaseException] = []

    def start() -> None:
        try:
            migrate(engine_for(url))
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failed and differences(url) == []


async def write(store: ConversationStore, sender: str, text: str) -> None:
    await store.save(DialogueStateTracker.from_events(sender, [UserUttered(text)]))


@pytest.mark.asyncio
async def test_what_is_erased_is_in_no_byte_of_any_file(postgresql: PostgreSQL, tmp_path: Path) -> None:
    needle = f"needle{uuid.uuid4().hex}"
    store, erasure = ConversationStore(url=postgresql.url), Erasure(Tombstones(tmp_path / "erasures"))
    record, book = Records(store.database, KEY), ledger.Ledger(postgresql.url)
    inbox, letters = Inbox(book, "me"), Letters(book, "me")
    question = Question(needle, needle, needle, Place("T1", "D1", "U1", IM), needle[:40])
    for number in range(50):
        await write(store, f"other-{number}", "what is mk-7")
    await write(store, needle, f"{needle} " * 2_000)
    await record.referral(topic="x", kind="urgent", channel="web", conversation=needle)
    assert await inbox.add(question)
    assert await letters.add(letter_for(question, "utter_faq/x", needle, [], to_place(question.place)))
    assert postgresql.bytes().count(needle.encode()) > 10
    erasure.register("conversations", store.erase)
    erasure.register("records", record.erase)
    erasure.register("Slack", TableEraser(book).erase)
    assert await erasure.erase(needle) is True
    assert needle.encode() not in postgresql.bytes()
    for number in range(50):
        assert len(await store.last_events(f"other-{number}")) == 1


@pytest.mark.asyncio
async def test_done_is_not_said_while_somebody_may_still_read_it(postgresql: PostgreSQL) -> None:
    """An open transaction from before keeps deleted rows alive; then it is not confirmed."""
    store = ConversationStore(url=postgresql.url)
    await write(store, "watched", "secret")
    with engine_for(postgresql.url).connect() as other:
        other = other.execution_options(isolation_level="REPEATABLE READ")
        # It looks at another table: what counts is that it might look.
        with other.begin():
            other.execute(sa.text("SELECT count(*) FROM calla_version"))
            with pytest.raises(NotScrubbedError):
                await store.erase("watched")
    await store.erase("watched")


@pytest.mark.asyncio
async def test_a_commit_whose_answer_was_lost_is_not_made_twice(
    postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ConversationStore(url=postgresql.url)
    await write(store, "cut", "first")
    ordinary, cut = store._write, []

    def cut_off(saves: Any, again: bool) -> None:
        ordinary(saves, again)
        if not cut:
            cut.append(True)
            raise sa.exc.OperationalError("COMMIT", {}, Exception("server closed the connection unexpectedly"))

    monkeypatch.setattr(store, "_write", cut_off)
    await write(store, "cut", "second")
    await asyncio.wait_for(store.flush(), 20)
    assert cut and [event.text for event in await store.last_events("cut")] == ["first", "second"]  # type: ignore[attr-defined]


@pytest.mark.asyncio
async def test_a_killed_postgresql_is_waited_for(postgresql: PostgreSQL) -> None:
    store = ConversationStore(url=postgresql.url)
    await write(store, "killed", "before")
    postgresql.kill()
    began = time.monotonic()
    await write(store, "killed", "while it is away")
    assert time.monotonic() - began < 3
    assert [event.text for event in await store.last_events("killed")] == ["while it is away"]  # type: ignore[attr-defined]
    await asyncio.get_running_loop().run_in_executor(None, postgresql.start)
    await asyncio.wait_for(store.flush(), 30)
    texts = [event.text for event in await store.last_events("killed")]  # type: ignore[attr-defined]
    assert texts == ["before", "while it is away"]


def test_a_failed_statement_is_not_quoted_in_the_log(postgresql: PostgreSQL) -> None:
    needle = f"needle{uuid.uuid4().hex}"
    with pytest.raises(sa.exc.SQLAlchemyError):
        engine_for(postgresql.url).execute(sa.text("INSERT INTO nowhere VALUES (:text)"), {"text": needle})
    assert needle not in (postgresql.folder / "log").read_text(errors="replace")


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.asyncio
async def test_a_backup_is_restored(kind: str, postgresql: PostgreSQL, redis: Redis, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    # Restored by root, the files are the service's again.
    owner = NOBODY if os.geteuid() == 0 else os.geteuid()
    os.chown(data, owner, -1)
    environment = {**os.environ, "CALLA_DATA_FOLDER": str(data), "REDIS_URL": redis.url}
    environment.pop("DATABASE_URL", None)
    url = f"sqlite:///{data / 'calla.db'}"
    if kind == "postgresql":
        url = postgresql.url
        (tmp_path / "url").write_text(url)
        environment["DATABASE_URL_FILE"] = str(tmp_path / "url")
    Tombstones(data / "erasures").add("to-be-erased")
    store = ConversationStore(url=url)
    await write(store, "kept", "in the backup")

    def script(name: str, argument: Path | str) -> str:
        command = [str(ROOT / "deploy" / name), str(argument)]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()

    backup = script("backup.sh", tmp_path / "backups")
    assert os.stat(backup).st_mode & 0o077 == 0
    # What comes after the backup is gone with the disk, and with it what the processes told each other of it.
    shared = redis_client.from_url(redis.url, decode_responses=True)
    shared.mset({f"calla:turns:{number}": "after the backup" for number in range(2_000)} | {"other": "not Calla's"})
    await write(store, "lost", "after the backup")
    store.database.engine.dispose()
    (data / "erasures").unlink()
    if kind == "sqlite":
        (data / "calla.db").write_bytes(b"no database any more")
    script("restore.sh", backup)
    again = ConversationStore(url=url)
    assert [event.text for event in await again.last_events("kept")] == ["in the backup"]  # type: ignore[attr-defined]
    assert await again.last_events("lost") == []
    assert Tombstones(data / "erasures").all() == ["to-be-erased"]
    assert shared.keys() == ["other"]
    assert {file.stat().st_uid for file in data.glob("[!c]*")} == {owner}
    if kind == "sqlite":
        assert (data / "calla.db").stat().st_uid == owner


def test_databases_are_called_in_the_same_way(postgresql: PostgreSQL) -> None:
    """The self-test of /health, as both processes make it at the same time."""

    async def both() -> list[bool]:
        probes = [watch.Probes(Database(postgresql.url), "http://127.0.0.1:9/health", ROOT) for _ in range(2)]
        await asyncio.gather(*(probe.look() for probe in probes))
        return [probe.database_works for probe in probes]

    assert asyncio.run(both())[0] is True
