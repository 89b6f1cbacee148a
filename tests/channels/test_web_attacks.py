"""What an anonymous visitor may try against the real server, and what it must not bring.

The rows are attacks that succeeded against Rasa's stock channels. Rows 4 and 5 (another
visitor's conversation, foreign tokens) are in ``test_web_channel.py``.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import signal
import time
from typing import Any, Optional

import aiohttp
import pytest
from web_server import RealServer

from calla.channels.web.limits import Limits

pytestmark = pytest.mark.asyncio
_numbers = itertools.count(1)
MEGABYTE = 1024 * 1024


class Client:
    """A visitor with an address of their own.

    Args:
        server: the server.
        address: network address, as the proxy reports it; a new one by default.
    """

    def __init__(self, server: RealServer, address: Optional[str] = None) -> None:
        number = next(_numbers)
        self._server = server
        self._address = address or f"203.0.{number // 250}.{number % 250 + 1}"
        self.token: Optional[str] = None

    async def post(self, path: str, body: Any = None, **options: Any) -> tuple[int, Any]:
        """Post JSON; return status and reply."""
        headers = {"X-Forwarded-For": self._address, **options.pop("headers", {})}
        if self.token:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        if "data" not in options:
            options["json"] = {} if body is None else body
        async with (
            aiohttp.ClientSession() as client,
            client.post(self._server.url + path, headers=headers, **options) as answer,
        ):
            text = await answer.text()
            return answer.status, (await answer.json() if "json" in answer.content_type else text)

    async def begin(self) -> Client:
        """Begin a conversation."""
        _, reply = await self.post("/chat/session")
        self.token = reply["token"]
        return self

    async def ask(self, text: str) -> tuple[int, list[str]]:
        """Ask; return the status and the names of the responses."""
        status, reply = await self.post("/chat/message", {"id": f"message-{next(_numbers)}", "text": text})
        return status, [message["name"] for message in reply.get("messages", [])]

    async def turns(self) -> list[Any]:
        """The conversation as the server knows it."""
        return list((await self.post("/chat/sync"))[1]["history"])


@pytest.mark.parametrize(
    "text", ['/goodbye{"city":"x"}', "/greet@0.1", "/chat/goodbye", '/faq/what_is_mk7{"a":1}', "  /restart"]
)
async def test_row_1_a_payload_does_not_bypass_understanding(real_server: RealServer, text: str) -> None:
    client = await Client(real_server).begin()
    status, names = await client.ask(f"{text} my report says BI-RADS 4")
    assert status == 200
    assert names[0].startswith("utter_referral")


@pytest.mark.parametrize("text", ["/restart", "/session_start", "/back"])
async def test_row_2_commands_do_not_wipe_or_rewind(real_server: RealServer, text: str) -> None:
    client = await Client(real_server).begin()
    await client.ask("what is mk-7?")
    await client.ask(text)
    await client.ask("what is MK-4?")
    assert (await client.turns())[0]["text"] == "what is mk-7?"
    assert len(await client.turns()) == 3


async def test_row_3_and_6_sender_channel_and_metadata_of_a_request_are_ignored(real_server: RealServer) -> None:
    victim, attacker = await Client(real_server).begin(), await Client(real_server).begin()
    await victim.ask("what is mk-7?")
    before = await victim.turns()
    await attacker.post(
        "/chat/message",
        {
            "id": "message-x",
            "text": "hello",
            "sender": "web_victim",
            "sender_id": "x",
            "input_channel": "slack",
            "metadata": {"sender": "x"},
        },
    )
    assert await victim.turns() == before
    assert (await Client(real_server).post("/chat/message", {"id": "message-y", "text": "a"}))[0] == 401


async def test_row_3_the_development_channel_is_closed_in_production(real_server: RealServer) -> None:
    status, _ = await Client(real_server).post("/webhooks/rest/webhook", {"sender": "victim", "message": "hello"})
    assert status == 404


async def test_row_7_long_messages_are_cheap(real_server: RealServer) -> None:
    client, other = await Client(real_server).begin(), await Client(real_server).begin()
    await client.ask("what is mk-7?")
    before = real_server.resident
    texts = ["a " * 5_000, "a" * 10_000, "birads " * 1_400, "\U0001f642" * 10_000, "x" * 100_000]
    for text in texts:
        started = time.monotonic()
        long = asyncio.ensure_future(client.ask(text))
        await other.post("/chat/sync")
        assert time.monotonic() - started < 2.5
        status, _ = await long
        assert status in (200, 413)
        assert time.monotonic() - started < 5
    assert (await client.post("/chat/message", {"id": "message-z", "text": "a" * MEGABYTE}))[0] == 413
    assert real_server.resident - before < 150 * MEGABYTE


async def test_row_7_a_finding_deep_in_a_long_story_gets_its_referral(real_server: RealServer) -> None:
    client = await Client(real_server).begin()
    story = "Then we had lunch and talked about the garden. " * 100
    _, names = await client.ask(f"{story} My report says BI-RADS 5. {story}")
    assert names[0].startswith("utter_referral")


async def test_row_8_a_flood_from_one_address_leaves_others_served(real_server: RealServer) -> None:
    flood = [Client(real_server, "198.51.100.7") for _ in range(300)]
    began = await asyncio.gather(*(client.post("/chat/session") for client in flood))
    tokens = [reply["token"] for status, reply in began if status == 200]
    assert 30 <= len(tokens) < 100
    for client, token in zip(flood, itertools.cycle(tokens)):
        client.token = token
    attack = asyncio.gather(*(client.ask("what is mk-7?") for client in flood))
    visitor = await Client(real_server).begin()
    started = time.monotonic()
    status, names = await visitor.ask("what is mk-7?")
    while status == 503 and time.monotonic() - started < 10:
        # "Busy" is honest while the flood is in the house; the widget tries again, too.
        await asyncio.sleep(0.2)
        status, names = await visitor.ask("what is mk-7?")
    waited = time.monotonic() - started
    statuses = [status for status, _ in await attack]
    assert (status, names[-1:]) == (200, ["utter_faq/what_is_mk7"])
    assert waited < 10
    assert set(statuses) <= {200, 409, 429, 503}
    assert statuses.count(200) < 60


async def test_a_crowd_that_comes_while_the_server_is_busy_is_let_in(real_server: RealServer) -> None:
    """Nobody is reset: with a short queue the kernel forgot some who believed they were connected."""
    assert real_server.process is not None
    os.kill(real_server.process.pid, signal.SIGSTOP)
    try:
        crowd = await asyncio.wait_for(
            asyncio.gather(*(asyncio.open_connection("127.0.0.1", real_server.port) for _ in range(400))), 20
        )
        for _, writer in crowd:
            writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    finally:
        os.kill(real_server.process.pid, signal.SIGCONT)
    replies = await asyncio.wait_for(asyncio.gather(*(reader.read() for reader, _ in crowd)), 20)
    assert all(reply.startswith(b"HTTP/1.1 200") for reply in replies)


async def test_long_messages_count_as_several_against_a_flood() -> None:
    """Screening 10,000 characters takes twenty times as long as a question; so few may come so often."""
    limits = Limits(10, 12, 10)
    allowed = 0
    while not await limits.flood("198.51.100.9", 10_000):
        allowed += 1
    assert allowed == 10
    assert not await limits.flood("198.51.100.10", 80)


async def test_row_8_a_burst_of_texts_that_take_long_to_screen_delays_nobodys_referral(real_server: RealServer) -> None:
    flood = [await Client(real_server, "198.51.100.11").begin() for _ in range(10)]
    people = [await Client(real_server).begin() for _ in range(3)]
    await (await Client(real_server).begin()).ask("My report says BI-RADS 5")
    rng = random.Random(4)
    texts = ["".join(chr(rng.randrange(0x20, 0xD7FF)) for _ in range(10_000)) for _ in range(100)]
    attack = asyncio.gather(*(client.ask(text) for client, text in zip(itertools.cycle(flood), texts)))
    for person in people:
        started = time.monotonic()
        _, names = await person.ask("My report says BI-RADS 5")
        assert (names[:1], time.monotonic() - started < 3) == (["utter_referral/suspicious_finding"], True)
    statuses = {status for status, _ in await attack}
    assert statuses <= {200, 409, 429, 503}


async def test_row_9_a_flood_into_one_conversation_is_refused_at_once(real_server: RealServer) -> None:
    client, other = await Client(real_server).begin(), await Client(real_server).begin()
    attack = asyncio.gather(*(client.ask("what is mk-7?") for _ in range(150)))
    started = time.monotonic()
    status, _ = await other.ask("what is mk-7?")
    assert (status, time.monotonic() - started < 5) == (200, True)
    statuses = [status for status, _ in await attack]
    assert statuses.count(200) <= 10
    assert set(statuses) <= {200, 409, 429}


async def test_row_10_many_new_conversations_take_little_memory(real_server: RealServer) -> None:
    before = real_server.resident
    for _ in range(100):
        client = await Client(real_server).begin()
        await client.ask("what is mk-7?")
    assert real_server.resident - before < 100 * MEGABYTE


@pytest.mark.parametrize("body", [b"[]", b"", b"{", b'"x"', b'{"id":1}', b'{"id":"message-1","text":{}}'])
async def test_row_11_malformed_requests_are_the_clients_fault(real_server: RealServer, body: bytes) -> None:
    client = await Client(real_server).begin()
    status, reply = await client.post("/chat/message", data=body, headers={"Content-Type": "application/json"})
    assert (status, reply["ok"], reply["error"]) == (400, False, "bad_request")


async def test_row_12_a_simple_request_from_another_site_is_refused(real_server: RealServer) -> None:
    client = await Client(real_server).begin()
    body = b'{"id":"message-1","text":"hello"}'
    for headers in ({"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"}):
        assert (await client.post("/chat/message", data=body, headers=headers))[0] == 415
    evil = {"Content-Type": "application/json", "Origin": "https://evil.example"}
    assert (await client.post("/chat/message", data=body, headers=evil))[0] == 403


async def test_the_version_is_not_told(real_server: RealServer) -> None:
    async with aiohttp.ClientSession() as client:
        for path in ("/", "/version", "/nothing", "/chat/nothing"):
            async with client.get(real_server.url + path) as answer:
                text = await answer.text()
                assert "3.6.21" not in text
                assert "Traceback" not in text


async def test_no_text_of_a_message_is_in_the_log(real_server: RealServer) -> None:
    client = await Client(real_server).begin()
    await client.ask("my report says BI-RADS 4 marmalade")
    await client.ask("what is mk-7? porcupine")
    log = real_server.log.read_text()
    assert "marmalade" not in log
    assert "porcupine" not in log
