"""Two server processes behind nginx are one Calla: each message answered once, in order, erased everywhere."""

from __future__ import annotations

import asyncio
import functools
import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.handoff.conftest import webhook_settings
from tests.handoff.fakes import AGREE, WISH, FakeWebhook, person_does
from tests.several.house import FINDING, HOST, SECONDS_TO_REFERRAL, House, Person, http, settled

QUESTIONS = ["what is mk-7", "what is vitamin k2", "are calcifications cancer", "what is a mammogram"]


@pytest.fixture(scope="module")
def inbox() -> Iterator[FakeWebhook]:
    fake = FakeWebhook()
    yield fake
    fake.close()


@pytest.fixture(scope="module")
def house(
    model: None, action_server: str, inbox: FakeWebhook, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    with House(tmp_path_factory.mktemp("several"), action_server, **webhook_settings(inbox)) as running:
        yield running


@pytest.mark.asyncio
async def test_the_same_message_at_both_is_answered_once(house: House) -> None:
    async with http() as client:
        for round_ in range(5):
            person = await Person(client).begin(house.one.url)
            turn = uuid.uuid4().hex
            ways = (house.one.url, house.other.url, house.nginx.url) * 2
            replies = await asyncio.gather(*(person.say(url, FINDING, turn) for url in ways))
            assert {status for status, _ in replies} == {200}
            first = replies[0][1]["messages"]
            assert first[0]["name"].startswith("utter_referral")
            assert all(reply["messages"] == first for _, reply in replies), round_
            assert [text for who, text in house.stored(person.sender) if who == "user"] == [FINDING]
            # And again, when it is long over.
            assert (await person.say(house.other.url, FINDING, turn))[1]["messages"] == first
            assert (await person.say(house.one.url, FINDING, turn))[1]["messages"] == first


@pytest.mark.asyncio
async def test_messages_at_the_same_time_are_all_kept_and_one_at_a_time(house: House) -> None:
    async with http() as client:
        person = await Person(client).begin(house.one.url)
        ways = (house.one.url, house.other.url)
        texts = [f"{question}, number {n}" for n, question in enumerate(QUESTIONS * 2)]
        answers = await asyncio.gather(*(person.insist(ways[n % 2], text) for n, text in enumerate(texts)))
        assert all(answers)
        said = house.stored(person.sender)
        assert sorted(text for who, text in said if who == "user") == sorted(texts)
        # Answers stand behind their question: no two were handled at the same time.
        at = {text: n for n, (who, text) in enumerate(said) if who == "user"}
        for text, names in zip(texts, answers, strict=True):
            assert [name for _, name in said[at[text] + 1 : at[text] + 1 + len(names)]] == names


@pytest.mark.asyncio
async def test_a_conversation_goes_on_at_the_other(house: House) -> None:
    """What was said to one is remembered by the other, in the order in which it was said."""
    async with http() as client:
        person = await Person(client).begin(house.one.url)
        texts = []
        for n in range(6):
            texts.append(f"{QUESTIONS[n % 4]} please ({n})")
            await person.insist((house.one.url, house.other.url, house.nginx.url)[n % 3], texts[-1])
        assert [text for who, text in house.stored(person.sender) if who == "user"] == texts
        for url in (house.one.url, house.other.url):
            history = (await person.post(url, "sync", {}))[1]["history"]
            assert [turn["text"] for turn in history] == texts


@pytest.mark.asyncio
async def test_nginx_sends_a_conversation_to_the_same_process_and_people_to_both(house: House) -> None:
    def answered() -> list[int]:
        return [server.health()["seconds_to_end"]["number"] for server in (house.one, house.other)]

    used = set()
    async with http() as client:
        for _ in range(30):
            person = await Person(client).begin(house.nginx.url)
            before = answered()
            for n in range(3):
                await person.insist(house.nginx.url, f"{QUESTIONS[n]}?")
            grown = [now - then for then, now in zip(before, answered(), strict=True)]
            assert sorted(grown) == [0, 3]
            used.add(grown.index(3))
            if len(used) == 2:
                return
    raise AssertionError("one process got everybody")


@pytest.mark.asyncio
async def test_a_talk_with_a_person_goes_on_at_either_process(house: House, inbox: FakeWebhook) -> None:
    """Asked for at one, agreed to at the other; what the person writes to one is read at both."""
    wish, own = f"{WISH}?", f"what is MK-7, asked by {uuid.uuid4().hex}"
    run = asyncio.get_running_loop().run_in_executor
    async with http() as client:
        person = await Person(client).begin(house.one.url)
        await person.insist(house.one.url, own)
        assert await person.insist(house.one.url, wish) == ["utter_handoff/offer"]
        assert await person.insist(house.other.url, AGREE) == ["utter_handoff/waiting"]
        request = await run(None, inbox.request_with, own)
        for n, server in enumerate((house.one, house.other)):
            says = functools.partial(person_does, server, "message", request["handoff"], text=f"Hello {n}")
            assert await run(None, says) == 200
        for server in (house.one, house.other):
            # The program is silent at both, and a referral goes out at both.
            assert await person.insist(server.url, "what is vitamin k2") == []
            assert (await person.insist(server.url, FINDING))[0].startswith("utter_referral")
            history = (await person.post(server.url, "sync", {}))[1]["history"]
            said = [message["text"] for turn in history for message in turn["messages"]]
            assert [text for text in said if text.startswith("Hello")] == ["Hello 0", "Hello 1"]
        assert len([event for event in inbox.events if event["type"] == "handoff.requested"]) == 1


@pytest.mark.asyncio
async def test_windows_at_different_processes_see_the_same(house: House) -> None:
    async with http() as client:
        person = await Person(client).begin(house.one.url)
        heard: asyncio.Queue[Any] = asyncio.Queue()
        async with client.ws_connect(
            f"{house.other.url}/chat/socket.io/?EIO=4&transport=websocket", headers={"Host": HOST}
        ) as window:
            await window.send_str("40" + json.dumps({"token": person.token}))

            async def listen() -> None:
                async for packet in window:
                    if packet.data.startswith("40"):
                        heard.put_nowait("open")
                    elif packet.data.startswith("42"):
                        heard.put_nowait(json.loads(packet.data[2:]))

            listening = asyncio.ensure_future(listen())
            assert await asyncio.wait_for(heard.get(), 10) == "open"
            turn = uuid.uuid4().hex
            _, reply = await person.say(house.one.url, FINDING, turn)
            events = []
            while not events or events[-1][0] != "done":
                events.append(await asyncio.wait_for(heard.get(), 10))
            listening.cancel()
        assert events[0] == ["user", {"id": turn, "text": FINDING}]
        assert [data for name, data in events if name == "bot"] == reply["messages"]


@pytest.mark.asyncio
async def test_what_is_erased_at_one_is_forgotten_by_the_other(house: House) -> None:
    needle = f"needle{uuid.uuid4().hex}"
    async with http() as client:
        person, somebody_else = await Person(client).begin(house.one.url), await Person(client).begin(house.one.url)
        for url in (house.one.url, house.other.url):
            await person.insist(url, f"what is mk-7 {needle}")
            await somebody_else.insist(url, "what is mk-7")
        assert needle.encode() in house.postgresql.bytes()
        status, reply = await person.post(house.one.url, "erase", {})
        assert (status, reply["message"]["name"]) == (200, "utter_erased")
        for url in (house.one.url, house.other.url):
            assert (await person.post(url, "sync", {}))[0] == 401
            assert (await person.say(url, "what is mk-7"))[0] == 401
            assert len((await somebody_else.post(url, "sync", {}))[1]["history"]) == 2
        assert needle.encode() not in house.postgresql.bytes()
        redis = await _redis_content(house)
        assert needle not in redis and person.sender not in redis


async def _redis_content(house: House) -> str:
    import redis.asyncio

    said = []
    async with redis.asyncio.from_url(house.redis.url, decode_responses=True) as connection:
        async for key in connection.scan_iter("*"):
            kind = await connection.type(key)
            said.append(key + str(await connection.hgetall(key) if kind == "hash" else kind))
    return "\n".join(said)


@pytest.mark.asyncio
async def test_limits_count_at_both(house: House) -> None:
    """New conversations of one address are counted once, not once for each process."""
    limit = int(house.one.environment["CALLA_SESSIONS_PER_HOUR"]) // 3
    ways = (house.one.url, house.other.url)
    address = {"X-Forwarded-For": "192.0.2.7", "Host": HOST}

    async def begin(n: int) -> int:
        async with client.post(f"{ways[n % 2]}/chat/session", json={}, headers=address) as answer:
            return answer.status

    async with http() as client:
        statuses = await asyncio.gather(*(begin(n) for n in range(limit + 6)))
    # One more may have grown back meanwhile.
    assert limit <= statuses.count(200) <= limit + 1 and statuses.count(429) >= 5


@pytest.mark.asyncio
async def test_referrals_come_with_redis_and_postgresql_dead_and_nothing_is_lost(house: House) -> None:
    async with http() as client:
        people = [await Person(client).begin(house.nginx.url) for _ in range(3)]
        for person in people:
            await person.insist(house.nginx.url, "what is mk-7")
        house.redis.kill()
        house.postgresql.kill()
        for person in people:
            for text in (FINDING, "my nipple is bleeding"):
                began = time.monotonic()
                names = await person.insist(house.nginx.url, text)
                assert names[0].startswith("utter_referral"), names
                assert time.monotonic() - began < SECONDS_TO_REFERRAL
        house.redis.start()
        house.postgresql.start()
        await settled(house)
        for person in people:
            texts = [text for who, text in house.stored(person.sender) if who == "user"]
            assert texts == ["what is mk-7", FINDING, "my nipple is bleeding"]
