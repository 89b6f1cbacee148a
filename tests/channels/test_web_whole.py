"""Calls that read a conversation from its beginning hold nobody else up, and half of one is never called the whole."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import Counter

import jwt
import pytest
from test_web_attacks import Client
from web_server import RealServer, channel_alone

from calla import intake
from calla.channels.web.desk import EXPORT_COST
from calla.channels.web.limits import Limits
from calla.status import TO_REFERRAL

pytestmark = pytest.mark.asyncio
TURNS = 1_000


def prolong(server: RealServer, token: str) -> None:
    """Repeat what a conversation has in the database as if the person had gone on for an hour."""
    sender = jwt.decode(token, options={"verify_signature": False})["sub"]
    columns = "sender_id, type_name, timestamp, intent_name, action_name, data"
    database = sqlite3.connect(server.folder / "calla.db", timeout=30)
    with database:
        rows = database.execute(f"SELECT {columns} FROM events WHERE sender_id = ? ORDER BY id", (sender,)).fetchall()
        turn = [row for row in rows if row[1] in ("user", "bot")]
        assert {row[1] for row in turn} == {"user", "bot"}
        database.executemany(f"INSERT INTO events ({columns}) VALUES (?, ?, ?, ?, ?, ?)", turn * TURNS)
    database.close()


async def test_many_exports_of_a_long_conversation_delay_nobodys_referral(real_server: RealServer) -> None:
    """Thirty at once took the event loop for 14 s; long enough, and the supervisor would have killed the bot."""
    person, other = await Client(real_server).begin(), await Client(real_server).begin()
    await person.ask("what is mk-7?")
    assert person.token
    prolong(real_server, person.token)
    # The first finding that a server ever sees has its rules made ready.
    await (await Client(real_server).begin()).ask("My report says BI-RADS 5")
    attack = asyncio.gather(*(person.post("/chat/export") for _ in range(30)))
    paging = asyncio.gather(*(person.post("/chat/sync", {"before": "not-there"}) for _ in range(30)))
    started = time.monotonic()
    _, names = await other.ask("My report says BI-RADS 5")
    assert (names[:1], time.monotonic() - started < 3) == (["utter_referral/suspicious_finding"], True)
    exports = await attack
    await paging
    statuses = Counter(status for status, _ in exports)
    # A few at once, the others are asked to come again.
    assert set(statuses) == {200, 429} and statuses[200] <= 10
    assert {len(reply["turns"]) for status, reply in exports if status == 200} <= {TURNS + 1}


async def test_the_seconds_to_a_referral_count_from_when_the_message_came(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those that it waited for the screen, and of a message that is refused."""
    look = intake.look

    async def slow(share: str, text: str) -> str:
        await asyncio.sleep(0.3)
        return await look(share, text)

    seen: list[float] = []
    monkeypatch.setattr(TO_REFERRAL, "observe", seen.append)
    monkeypatch.setattr(intake, "look", slow)
    async with channel_alone(max_in_flight=1) as server:
        person, other = await Client(server).begin(), await Client(server).begin()
        server.agent.gate.clear()
        held = asyncio.ensure_future(person.ask("what is mk-7?"))
        await asyncio.wait_for(server.agent.started.wait(), 10)
        assert server.agent.heard[0].output_channel.message_arrived <= time.monotonic() - 0.3
        status, names = await other.ask("My report says BI-RADS 5")
        assert (status, names[:1]) == (503, ["utter_referral/suspicious_finding"])
        server.agent.gate.set()
        await held
    assert len(seen) == 1 and seen[0] >= 0.3


async def test_an_export_counts_as_many_calls_but_is_possible_under_any_limit() -> None:
    limits = Limits(20, 120, 120)
    allowed = 0
    while not await limits.call("198.51.100.21", EXPORT_COST):
        allowed += 1
    assert allowed == 6
    assert not await Limits(20, 2, 120).call("198.51.100.22", EXPORT_COST)


async def test_an_export_that_could_not_be_read_is_no_empty_one() -> None:
    async def broken(sender: str, number: object) -> list[object]:
        raise OSError

    async with channel_alone() as server:
        client = await Client(server).begin()
        server.agent.tracker_store.last_events = broken
        status, reply = await client.post("/chat/export")
        assert (status, reply["ok"], "turns" in reply) == (500, False, False)
