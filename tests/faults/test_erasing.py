"""Erased means erased: in every file, in memory, and not said before it is so."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any, Iterator

import pytest
import sqlalchemy as sa
from rasa.shared.core.domain import Domain
from rasa.shared.core.trackers import DialogueStateTracker

from calla.channels.web.sessions import Sessions
from calla.database import Database
from calla.erasure import Erasure, ErasureError, Tombstones
from calla.records import Records
from calla.status import STATUS
from calla.store import ConversationStore
from calla.watch import DAY, PURGE_EVERY, Retention, repeat
from tests.faults.test_saving import stored, turn

pytestmark = pytest.mark.asyncio
KEY = "a key for tests"
NEEDLE = b"question 7"


class House:
    """All stores of a server, on one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.erasure = Erasure(Tombstones(folder / "erasures"))
        url = f"sqlite:///{folder / 'calla.db'}"
        self.store = ConversationStore(Domain.empty(), url, erased=self.erasure.pending)
        self.records = Records(self.store.database, KEY)
        self.sessions = Sessions(KEY, 24)
        self.erasure.register("conversations", self.store.erase)
        self.erasure.register("records", self.records.erase)

    async def live(self, sender: str) -> None:
        """A conversation with everything that is kept of one."""
        await self.store.save(DialogueStateTracker.from_events(sender, turn(7)))
        await self.records.referral(topic="lump", kind="urgent", channel="web", conversation=sender)
        await self.records.feedback(message="m", response="utter_faq/a", value=1, channel="web", conversation=sender)
        await self.store.flush()

    def bytes(self) -> bytes:
        """Everything in every file."""
        return b"".join(file.read_bytes() for file in sorted(self.folder.rglob("*")) if file.is_file())

    def rows(self, table: str) -> int:
        """Rows of a table."""
        with sqlite3.connect(self.folder / "calla.db") as database:
            return int(database.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0])


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    yield House(tmp_path)


async def test_no_file_holds_a_trace_and_nobody_else_loses_anything(house: House) -> None:
    await house.live("somebody-17")
    await house.store.save(DialogueStateTracker.from_events("other", turn(1)))
    await house.store.flush()
    assert NEEDLE in house.bytes() and b"somebody-17" in house.bytes()
    assert await house.erasure.erase("somebody-17") is True
    left = house.bytes()
    assert NEEDLE not in left
    assert b"somebody-17" not in left
    assert (house.rows("referrals"), house.rows("feedback")) == (0, 0)
    assert stored(house.folder, "other") == ["question 1", "answer 1"]
    assert await house.store.retrieve("somebody-17") is None


async def test_what_waits_to_be_written_is_erased_too(house: House) -> None:
    await house.live("somebody-17")
    other = sqlite3.connect(house.folder / "calla.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    saving = asyncio.ensure_future(house.store.save(DialogueStateTracker.from_events("somebody-17", turn(7))))
    await asyncio.sleep(0)
    erasing = asyncio.ensure_future(house.erasure.erase("somebody-17"))
    await asyncio.wait({saving})
    other.execute("ROLLBACK")
    other.close()
    if not await erasing:
        await house.erasure.retry()
    await asyncio.wait_for(house.store.flush(), 20)
    assert not house.erasure.pending("somebody-17")
    assert NEEDLE not in house.bytes()


async def test_a_locked_database_is_not_called_done_and_is_erased_when_it_is_free(house: House) -> None:
    await house.live("somebody-17")
    other = sqlite3.connect(house.folder / "calla.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert await house.erasure.erase("somebody-17") is False
    # Nothing of it is read, and nothing more is stored.
    assert await house.store.retrieve("somebody-17") is None
    await house.store.save(DialogueStateTracker.from_events("somebody-17", turn(8)))
    other.execute("ROLLBACK")
    other.close()
    # A restart forgets nothing of it.
    after = House(house.folder)
    assert after.erasure.pending("somebody-17")
    await after.erasure.retry()
    assert not after.erasure.pending("somebody-17")
    assert NEEDLE not in house.bytes() and b"question 8" not in house.bytes()


async def test_a_reader_in_the_log_means_not_done(house: House) -> None:
    """The rows are gone then, but the write-ahead log still has their text."""
    await house.live("somebody-17")
    other = sqlite3.connect(house.folder / "calla.db", isolation_level=None)
    other.execute("BEGIN")
    other.execute("SELECT COUNT(*) FROM events").fetchone()
    assert await house.erasure.erase("somebody-17") is False
    other.execute("ROLLBACK")
    other.close()
    await house.erasure.retry()
    assert not house.erasure.pending("somebody-17")
    assert NEEDLE not in house.bytes()


async def test_a_full_disk_is_not_called_done_and_is_erased_when_there_is_room(house: House) -> None:
    await house.live("somebody-17")

    def full(_: Any, __: Any, statement: str, *___: Any) -> None:
        if statement.startswith("DELETE"):
            raise sqlite3.OperationalError("database or disk is full")

    sa.event.listen(house.store.database.engine, "before_cursor_execute", full)
    assert await house.erasure.erase("somebody-17") is False
    assert await house.store.retrieve("somebody-17") is None
    sa.event.remove(house.store.database.engine, "before_cursor_execute", full)
    await house.erasure.retry()
    assert not house.erasure.pending("somebody-17")
    assert NEEDLE not in house.bytes()


async def test_one_message_is_erased_and_the_rest_of_the_conversation_stays(house: House) -> None:
    await house.live("somebody-17")
    await house.store.save(DialogueStateTracker.from_events("somebody-17", turn(8)))
    await house.store.erase_message("somebody-17", "message-7")
    await house.store.flush()
    assert NEEDLE not in house.bytes()
    assert stored(house.folder, "somebody-17") == ["answer 7", "question 8", "answer 8"]


async def test_a_store_that_cannot_confirm_keeps_the_tombstone(house: House) -> None:
    await house.live("somebody-17")
    broken = True

    async def inbox(_: str) -> None:
        if broken:
            raise OSError("the inbox is away")

    house.erasure.register("inbox", inbox)
    assert await house.erasure.erase("somebody-17") is False
    assert Tombstones(house.folder / "erasures").all() == ["somebody-17"]
    broken = False
    await house.erasure.retry()
    assert Tombstones(house.folder / "erasures").all() == []
    assert b"somebody-17" not in house.bytes()


async def test_what_can_be_neither_done_nor_noted_is_an_error(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def inbox(_: str) -> None:
        raise OSError("the inbox is away")

    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    house.erasure.register("inbox", inbox)
    monkeypatch.setattr("os.pwrite", full)
    with pytest.raises(ErasureError):
        await house.erasure.erase("somebody-17")


async def test_tombstones_need_no_new_space(tmp_path: Path) -> None:
    tombstones = Tombstones(tmp_path / "erasures")
    blocks = (tmp_path / "erasures").stat().st_blocks
    for number in range(200):
        tombstones.add(f"web_{number:060}")
    assert (tmp_path / "erasures").stat().st_blocks == blocks
    assert len(Tombstones(tmp_path / "erasures")) == 200
    assert (tmp_path / "erasures").stat().st_mode & 0o077 == 0


async def test_a_revoked_session_stays_revoked_after_a_restart(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'calla.db'}")
    sessions = Sessions(KEY, 24)
    await sessions.keep_in(database, lambda _: False)
    mine, other = sessions.mint(), sessions.mint()
    await sessions.revoke(mine.sender)
    again = Sessions(KEY, 24)
    await again.keep_in(database, lambda _: False)
    assert (again.verify(mine.token), again.verify(other.token)) == (None, other)
    assert mine.sender.encode() not in (tmp_path / "calla.db").read_bytes()


async def test_texts_are_deleted_by_age_and_younger_ones_stay(house: House) -> None:
    await house.live("old")
    limit = (await house.store.last_events("old"))[-1].timestamp + 0.001
    await house.store.save(DialogueStateTracker.from_events("young", turn(1)))
    await house.store.flush()
    with sqlite3.connect(house.folder / "calla.db") as database:
        database.execute("UPDATE referrals SET time = '2020-01-01 00:00:00.000000'")
    assert await house.store.purge(limit) == 4
    await house.records.purge(limit)
    assert NEEDLE not in house.bytes()
    assert stored(house.folder, "young") == ["question 1", "answer 1"]
    assert (house.rows("referrals"), house.rows("feedback")) == (0, 1)


async def test_deletion_by_age_begins_when_the_server_does(house: House) -> None:
    await house.live("old")
    with sqlite3.connect(house.folder / "calla.db") as database:
        database.execute("UPDATE events SET timestamp = timestamp - ?", (31 * DAY,))
    database.close()
    through = asyncio.Event()

    async def last(_: float) -> None:
        through.set()

    retention = Retention(30, house.store.purge, house.records.purge, last)
    deleting = asyncio.ensure_future(repeat("Deleting by age", retention.purge, PURGE_EVERY))
    await asyncio.wait_for(through.wait(), 20)
    await asyncio.sleep(0)
    deleting.cancel()
    assert house.rows("events") == 0 and NEEDLE not in house.bytes()
    assert STATUS.facts["last_deletion_by_age"]() > 0
