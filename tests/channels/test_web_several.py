"""The web channel of two processes that meet in a real Redis, each with a scripted agent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from web_server import channel_alone

from calla.agent import INTAKE_GRACE
from calla.peers import LEASE, Peers
from evaluation.services import Redis

FINDING = "my report says BI-RADS 5"
TURN = "turn-00000001"
Reply = tuple[int, dict[str, Any]]


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    with Redis() as running:
        yield running


@asynccontextmanager
async def two(redis: Redis) -> AsyncIterator[SimpleNamespace]:
    """Two channels with one conversation; they share what the database would hold."""
    peers = [Peers(redis.url), Peers(redis.url)]
    await asyncio.gather(*(each.start() for each in peers))
    async with channel_alone(peers[0]) as one, channel_alone(peers[1]) as other, aiohttp.ClientSession() as client:
        other.agent.events = one.agent.events

        async def post(at: SimpleNamespace, call: str, **body: Any) -> Reply:
            headers = {"Authorization": f"Bearer {token}"}
            async with client.post(f"{at.url}/chat/{call}", json=body, headers=headers) as answer:
                return answer.status, await answer.json()

        token = ""
        token = (await post(one, "session"))[1]["token"]
        try:
            yield SimpleNamespace(one=one, other=other, peers=peers, post=post)
        finally:
            await asyncio.gather(*(each.close() for each in peers))


def heard(house: SimpleNamespace) -> list[str]:
    return [message.text for at in (house.one, house.other) for message in at.agent.heard]


@pytest.mark.asyncio
async def test_copies_of_a_message_are_answered_by_one(redis: Redis) -> None:
    async with two(redis) as house:
        copies = [(house.one, house.other)[n % 2] for n in range(8)]
        replies = await asyncio.gather(*(house.post(at, "message", id=TURN, text="hello") for at in copies))
        assert heard(house) == ["hello"]
        assert all(reply == replies[0] for reply in replies) and replies[0][0] == 200


@pytest.mark.asyncio
async def test_another_message_waits_for_its_turn_whichever_process_it_comes_to(redis: Redis) -> None:
    async with two(redis) as house:
        house.one.agent.gate.clear()
        first = asyncio.ensure_future(house.post(house.one, "message", id=TURN, text="hello"))
        await house.one.agent.started.wait()
        status, reply = await house.post(house.other, "message", id="turn-00000002", text=FINDING)
        # Refused for now; what it owes has been said.
        assert (status, reply["error"]) == (409, "busy")
        assert reply["messages"][0]["name"] == "utter_referral/suspicious_finding"
        assert (await house.post(house.other, "sync"))[1]["running"] == [TURN]
        house.one.agent.gate.set()
        assert (await first)[0] == 200
        status, reply = await house.post(house.other, "message", id="turn-00000002", text=FINDING)
        assert status == 200 and reply["messages"][0]["name"] == "utter_referral/suspicious_finding"
        assert heard(house) == ["hello", FINDING]


@pytest.mark.asyncio
async def test_the_referral_of_a_process_that_is_gone_comes_from_another_before_the_answer(redis: Redis) -> None:
    async with two(redis) as house:
        house.one.agent.gate.clear()
        lost = asyncio.ensure_future(house.post(house.one, "message", id=TURN, text=FINDING))
        await house.one.agent.started.wait()
        # Killed: it renews nothing any more, and answers nobody.
        house.peers[0]._ended.set()
        began = time.monotonic()
        status, reply = await house.post(house.other, "message", id=TURN, text=FINDING)
        assert status == 409 and reply["messages"][0]["name"] == "utter_referral/suspicious_finding"
        assert time.monotonic() - began < INTAKE_GRACE + 1
        while status != 200:
            assert time.monotonic() - began < LEASE + 5
            status, reply = await house.post(house.other, "message", id=TURN, text=FINDING)
        assert [message.text for message in house.other.agent.heard] == [FINDING]
        lost.cancel()


@pytest.mark.asyncio
async def test_who_hangs_up_leaves_no_conversation_that_is_busy_for_ever(redis: Redis) -> None:
    async with two(redis) as house:
        desk = house.one.channel.desk
        session = desk.sessions.mint()
        entered = asyncio.Event()

        async def slow(*_: Any) -> None:
            entered.set()
            await asyncio.Event().wait()

        ordinary, desk._elsewhere.begin = desk._elsewhere.begin, slow
        taking = asyncio.ensure_future(desk.take(session, {"id": TURN, "text": "hello"}, "127.0.0.1"))
        await entered.wait()
        taking.cancel()
        await asyncio.wait({taking})
        desk._elsewhere.begin = ordinary
        turn, new = await desk.take(session, {"id": "turn-00000002", "text": "hello"}, "127.0.0.1")
        assert new and turn.running


@pytest.mark.asyncio
async def test_what_is_erased_at_one_opens_nothing_at_the_other(redis: Redis) -> None:
    async with two(redis) as house:
        for at, turn in ((house.one, TURN), (house.other, "turn-00000002")):
            assert (await house.post(at, "message", id=turn, text="hello"))[0] == 200
        sender = house.one.agent.heard[0].sender_id
        # As ``calla.server`` puts them together.
        house.one.agent.erasers["the other processes"] = house.peers[0].forget
        assert (await house.post(house.one, "erase"))[0] == 200
        assert (await house.post(house.other, "sync"))[0] == 401
        assert house.other.channel.desk.conversations.get(sender) is None
