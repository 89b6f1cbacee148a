"""The referral arrives although the tracker store, the lock store or the record fails."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from rasa.core.channels.channel import UserMessage
from rasa.core.lock_store import InMemoryLockStore, LockError

from calla.database import DEADLINE, Database, DatabaseHangsError, engine_for
from calla.status import STATUS
from calla.store import ConversationStore
from tests.running import ServerProcess

FINDING = "the letter says new suspicious calcifications, BI-RADS 5"


@pytest.fixture()
def calla(model: None, action_server: str, tmp_path: Any) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path, CALLA_ACTION_URL=action_server) as running:
        yield running


def test_broken_tracker_store_and_record(calla: ServerProcess) -> None:
    """With its tables gone every read, save and record fails; the answers still come."""
    calla.ask("hello", "before")
    with sqlite3.connect(calla.folder / "calla.db") as database:
        database.execute("DROP TABLE events")
        database.execute("DROP TABLE referrals")
    replies = calla.ask(FINDING, "after")
    assert "today" in replies[0]["text"]
    plain = calla.ask("what is mk-7", "after")
    assert any("MK-7" in reply.get("text", "") for reply in plain)
    assert calla.health()["record_failures"] >= 1
    assert "BI-RADS 5" not in calla.log.read_text()


class FailingLockStore(InMemoryLockStore):
    """A lock store whose backend is gone."""

    @asynccontextmanager
    async def lock(self, *args: Any, **kwargs: Any) -> Any:
        raise LockError("the lock store is down")
        yield


class Collector:
    """An output channel that remembers."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.arrived = asyncio.Event()

    def name(self) -> str:
        return "test"

    async def send_response(self, recipient_id: str, message: dict[str, Any]) -> None:
        self.sent.append(message["utter_action"])
        self.arrived.set()


def handle(bot: Any, text: str) -> list[str]:
    channel = Collector()
    bot._loop.run_until_complete(bot.agent.handle_message(UserMessage(text, channel, uuid.uuid4().hex)))
    return channel.sent


def test_broken_lock_store(bot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bot.agent, "lock_store", FailingLockStore())
    before = STATUS.lock_failures
    assert handle(bot, FINDING)[0] == "utter_referral/suspicious_finding"
    assert handle(bot, "what is mk-7") == ["utter_faq/what_is_mk7"]
    assert STATUS.lock_failures == before + 2


@pytest.mark.parametrize("part", ["parse_message", "log_message", "run_action_extract_slots", "save_tracker"])
def test_processing_that_breaks_anywhere(bot: Any, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    async def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(bot.agent.processor, part, broken)
    sent = handle(bot, FINDING)
    assert sent[0] == "utter_referral/suspicious_finding"
    assert sent.count("utter_referral/suspicious_finding") == 1


def test_processing_that_hangs(bot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What hangs is overtaken: the referral is out before the hanging part goes on."""
    release = asyncio.Event()
    ordinary = bot.agent.processor.log_message
    seen: list[list[str]] = []
    channel = Collector()

    async def hanging(*args: Any, **kwargs: Any) -> Any:
        await release.wait()
        return await ordinary(*args, **kwargs)

    async def watch() -> None:
        handling = asyncio.ensure_future(bot.agent.handle_message(UserMessage(FINDING, channel, "hanging")))
        done, _ = await asyncio.wait({handling}, timeout=3.0)
        seen.append(list(channel.sent))
        assert not done
        release.set()
        await handling

    monkeypatch.setattr(bot.agent.processor, "log_message", hanging)
    bot._loop.run_until_complete(watch())
    assert seen == [["utter_referral/suspicious_finding"]]
    assert channel.sent.count("utter_referral/suspicious_finding") == 1


@pytest.fixture
def hanging_store(bot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ConversationStore]:
    """The bot on a database whose every statement hangs until the test is over."""
    store = ConversationStore(bot.agent.domain, f"sqlite:///{tmp_path / 'calla.db'}")
    release = threading.Event()
    sa.event.listen(store.database.engine, "before_cursor_execute", lambda *_: release.wait(60))
    monkeypatch.setattr(bot.agent.processor, "tracker_store", store)
    yield store
    release.set()


def test_a_database_that_hangs_holds_nobody_up(bot: Any, hanging_store: ConversationStore) -> None:
    """The referral is out within three seconds, others are answered, the event loop goes on."""
    finding, plain = Collector(), Collector()
    pauses: list[float] = []
    before = STATUS.database_failures

    async def watch_the_loop() -> None:
        while True:
            started = time.monotonic()
            await asyncio.sleep(0.01)
            pauses.append(time.monotonic() - started)

    async def run() -> float:
        watching = asyncio.ensure_future(watch_the_loop())
        started = time.monotonic()
        first = asyncio.ensure_future(bot.agent.handle_message(UserMessage(FINDING, finding, "hanging-1")))
        second = asyncio.ensure_future(bot.agent.handle_message(UserMessage("what is mk-7", plain, "hanging-2")))
        await finding.arrived.wait()
        took = time.monotonic() - started
        await asyncio.gather(first, second)
        watching.cancel()
        return took

    assert bot._loop.run_until_complete(asyncio.wait_for(run(), 20)) < 3
    assert finding.sent[0] == "utter_referral/suspicious_finding"
    assert plain.sent == ["utter_faq/what_is_mk7"]
    # Far below the second that a call may take, far above what answering keeps the loop busy.
    assert max(pauses) < 0.7
    assert STATUS.database_failures > before


def test_one_slow_call_costs_the_others_nothing(tmp_path: Path) -> None:
    """Who waits for it gives up; everybody else is served, before and after."""
    database = Database(f"sqlite:///{tmp_path / 'calla.db'}")
    release = threading.Event()

    async def run() -> list[float]:
        slow = asyncio.ensure_future(database.call(release.wait, 60))
        took = []
        for _ in range(3):
            started = time.monotonic()
            assert await database.call(lambda: "served") == "served"
            took.append(time.monotonic() - started)
            await asyncio.wait({slow}, timeout=DEADLINE / 1.5)
        with pytest.raises(DatabaseHangsError):
            await slow
        return took

    assert max(asyncio.run(run())) < DEADLINE / 2
    release.set()


def test_a_database_that_hangs_altogether_is_refused_at_once_and_used_again_when_it_comes_back(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'calla.db'}", threads=2)
    release = threading.Event()

    async def run() -> float:
        slow = await asyncio.gather(*(database.call(release.wait, 60) for _ in range(2)), return_exceptions=True)
        assert all(isinstance(one, DatabaseHangsError) for one in slow)
        started = time.monotonic()
        with pytest.raises(DatabaseHangsError):
            await database.call(lambda: None)
        refused_after = time.monotonic() - started
        release.set()
        while True:
            with contextlib.suppress(DatabaseHangsError):
                assert await database.call(lambda: "back") == "back"
                return refused_after
            await asyncio.sleep(0)

    assert asyncio.run(asyncio.wait_for(run(), 10)) < DEADLINE / 4


def test_errors_of_the_database_do_not_repeat_messages(tmp_path: Path) -> None:
    engine = engine_for(f"sqlite:///{tmp_path / 'calla.db'}")
    with pytest.raises(sa.exc.OperationalError) as refused, engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO nowhere VALUES (:text)"), {"text": FINDING})
    assert FINDING not in str(refused.value)


def test_an_ordinary_message_that_fails_gets_an_honest_error(bot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(bot.agent.processor, "log_message", broken)
    assert handle(bot, "what is mk-7") == ["utter_error"]
