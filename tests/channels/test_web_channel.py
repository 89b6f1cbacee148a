"""The web channel's protocol: one conversation per token, each message answered exactly once."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any, Optional

import aiohttp
import jwt
import pytest
import socketio
from rasa.shared.core.events import BotUttered, UserUttered
from web_server import SECRET, channel_alone

from calla.channels.web.limits import address_key
from calla.channels.web.messages import history, is_safe_link, message_id
from calla.channels.web.sessions import Sessions
from calla.channels.web.sockets import MAX_BYTES
from calla.channels.web.turns import TURNS, Conversation
from calla.text import MAX_SCREENED

pytestmark = pytest.mark.asyncio
# The Socket.IO client expects a name that this aiohttp does not have yet; there the
# seconds themselves are given.
if not hasattr(aiohttp, "ClientWSTimeout"):
    aiohttp.ClientWSTimeout = lambda ws_close: ws_close  # type: ignore[attr-defined]
FIRST, SECOND = "message-1", "message-2"


async def post(
    server: Any, path: str, body: Any = None, token: Optional[str] = None, **options: Any
) -> tuple[int, dict[str, Any]]:
    """Post JSON; return status and parsed reply."""
    headers = {**({"Authorization": f"Bearer {token}"} if token else {}), **options.pop("headers", {})}
    if "data" not in options:
        options["json"] = {} if body is None else body
    url = f"{server.url}/chat/{path}"
    async with aiohttp.ClientSession() as client, client.post(url, headers=headers, **options) as answer:
        return answer.status, await answer.json()


async def token_of(server: Any) -> str:
    """Begin a conversation; return its token."""
    return str((await post(server, "session"))[1]["token"])


class Window:
    """A Socket.IO client that keeps what it is sent."""

    def __init__(self) -> None:
        self.client = socketio.AsyncClient(reconnection=False)
        self.events: dict[str, list[Any]] = {name: [] for name in ("bot", "user", "done", "erased")}
        self.told = {name: asyncio.Event() for name in self.events}
        self.done, self.erased = self.told["done"], self.told["erased"]
        for name in self.events:
            self.client.on(name, self._keeper(name))

    def _keeper(self, name: str) -> Any:
        async def keep(data: Any) -> None:
            self.events[name].append(data)
            self.told[name].set()

        return keep

    async def open(self, server: Any, token: Optional[str], **options: Any) -> Window:
        """Connect.

        Raises:
            socketio.exceptions.ConnectionError: if the server refuses.
        """
        await self.client.connect(
            server.url, socketio_path="/chat/socket.io", auth={"token": token}, transports=["websocket"], **options
        )
        return self

    async def say(self, turn: str, text: Any) -> dict[str, Any]:
        """Send a message; return the acknowledgement."""
        return dict(await self.client.call("say", {"id": turn, "text": text}, timeout=10))


async def within(awaitable: Any) -> Any:
    """Wait, but not for ever."""
    return await asyncio.wait_for(awaitable, 10)


# ------------------------------------------------------------------------------ exactly once


async def test_a_message_is_answered_over_rest_with_label_links_and_buttons() -> None:
    async with channel_alone() as server:
        status, reply = await post(server, "message", {"id": FIRST, "text": "mk7?"}, await token_of(server))
        assert status == 200
        (message,) = reply["messages"]
        assert message["text"] == "text of utter_faq/what_is_mk7"
        assert message["evidence"]["label"] == "limited"
        assert message["buttons"] == ["What is MK-4?"]
        assert message["rated"] is True
        assert [source["url"] for source in message["sources"]] == ["https://nhs.uk/k"]


async def test_a_message_is_answered_over_socket_io_and_the_end_is_told() -> None:
    async with channel_alone() as server:
        window = await Window().open(server, await token_of(server))
        assert (await window.say(FIRST, "mk7?")) == {"ok": True}
        await within(window.done.wait())
        assert [m["name"] for m in window.events["bot"]] == ["utter_faq/what_is_mk7"]
        assert window.events["done"] == [{"turn": FIRST}]
        await window.client.disconnect()


async def test_a_message_sent_twice_is_answered_once() -> None:
    async with channel_alone() as server:
        token = await token_of(server)
        server.agent.gate.clear()
        first = asyncio.ensure_future(post(server, "message", {"id": FIRST, "text": "mk7?"}, token))
        await within(server.agent.started.wait())
        second = asyncio.ensure_future(post(server, "message", {"id": FIRST, "text": "mk7?"}, token))
        server.agent.gate.set()
        third = await post(server, "message", {"id": FIRST, "text": "mk7?"}, token)
        assert (await first) == (await second) == third
        assert len(server.agent.heard) == 1


async def test_a_repeated_message_is_replayed_from_the_store_after_a_restart() -> None:
    async with channel_alone() as server:
        token = await token_of(server)
        _, before = await post(server, "message", {"id": FIRST, "text": "mk7?"}, token)
        # What a restart loses is the memory of the process.
        server.channel.desk.conversations = type(server.channel.desk.conversations)()
        _, after = await post(server, "message", {"id": FIRST, "text": "mk7?"}, token)
        assert before == after
        assert len(server.agent.heard) == 1


async def test_a_repeated_message_over_socket_io_brings_what_was_missed() -> None:
    async with channel_alone() as server:
        token = await token_of(server)
        first = await Window().open(server, token)
        server.agent.gate.clear()
        await first.say(FIRST, "mk7?")
        await first.client.disconnect()
        server.agent.gate.set()
        again = await Window().open(server, token)
        await again.say(FIRST, "mk7?")
        await within(again.done.wait())
        assert {m["id"] for m in again.events["bot"]} == {f"{FIRST}:utter_faq/what_is_mk7"}
        assert len(server.agent.heard) == 1
        await again.client.disconnect()


async def test_a_reload_shows_the_turns_and_names_those_still_running() -> None:
    async with channel_alone() as server:
        token = await token_of(server)
        await post(server, "message", {"id": FIRST, "text": "mk7?"}, token)
        server.agent.gate.clear()
        server.agent.started.clear()
        running = asyncio.ensure_future(post(server, "message", {"id": SECOND, "text": "and mk4?"}, token))
        await within(server.agent.started.wait())
        _, reply = await post(server, "session", token=token)
        assert reply["resumed"] is True
        assert [(t["id"], t["text"], len(t["messages"])) for t in reply["history"]] == [
            (FIRST, "mk7?", 1),
            (SECOND, "and mk4?", 0),
        ]
        assert reply["running"] == [SECOND]
        server.agent.gate.set()
        await running


async def test_a_second_window_sees_what_is_asked_in_the_first() -> None:
    async with channel_alone() as server:
        token = await token_of(server)
        first, second = await Window().open(server, token), await Window().open(server, token)
        await first.say(FIRST, "mk7?")
        await within(second.done.wait())
        assert second.events["user"] == [{"id": FIRST, "text": "mk7?"}]
        assert first.events["user"] == []
        assert second.events["bot"] == first.events["bot"]
        await first.client.disconnect()
        await second.client.disconnect()


async def test_full_and_short_form_of_a_referral_are_one_message() -> None:
    assert message_id("t", "utter_referral/x", []) == message_id("t", "utter_referral_short/x", [])
    assert message_id("t", "utter_a", ["t:utter_a", "t:utter_a#1"]) == "t:utter_a#2"


async def test_a_referral_stored_twice_is_shown_once() -> None:
    events: list[Any] = [UserUttered("birads 4", message_id=FIRST)]
    for name in ("utter_referral/x", "utter_referral_short/x"):
        events.append(BotUttered("call", {}, {"utter_action": name, "metadata": {"kind": "urgent"}}))
    assert [m["name"] for m in history(events)[0]["messages"]] == ["utter_referral/x"]


async def test_only_the_last_turns_are_kept_in_memory() -> None:
    conversation = Conversation()
    for number in range(5 * TURNS):
        conversation.start(f"turn-{number:04}", "").finished.set()
    assert conversation.turn(f"turn-{5 * TURNS - 1:04}") is not None
    assert conversation.turn("turn-0000") is None
    assert len(conversation.merged([])) == TURNS


# ------------------------------------------------------------------------------------ faults


async def test_a_fault_gives_the_error_text_and_no_internals(caplog: pytest.LogCaptureFixture) -> None:
    async with channel_alone() as server:
        server.agent.fails = True
        status, reply = await post(server, "message", {"id": FIRST, "text": "mk7?"}, await token_of(server))
        assert status == 200
        assert [m["name"] for m in reply["messages"]] == ["utter_error"]
        assert "secret text" not in str(reply)
        assert "secret text" not in caplog.text


async def test_a_failing_store_does_not_stop_the_answer() -> None:
    async with channel_alone() as server:

        async def broken(_: str) -> None:
            raise OSError("disk")

        server.agent.tracker_store = SimpleNamespace(last_events=broken)
        status, reply = await post(server, "message", {"id": FIRST, "text": "mk7?"}, await token_of(server))
        assert (status, len(reply["messages"])) == (200, 1)


# ------------------------------------------------------------------------------------ limits


async def test_one_message_at_a_time_per_conversation() -> None:
    async with channel_alone() as server:
        token = await token_of(server)
        server.agent.gate.clear()
        running = asyncio.ensure_future(post(server, "message", {"id": FIRST, "text": "a"}, token))
        await within(server.agent.started.wait())
        status, reply = await post(server, "message", {"id": SECOND, "text": "b"}, token)
        assert (status, reply["error"], reply["message"]["name"]) == (409, "busy", "utter_busy")
        assert reply["retry_after"] > 0
        server.agent.gate.set()
        await running


async def test_too_many_messages_of_one_conversation_wait() -> None:
    async with channel_alone(messages_per_minute=4) as server:
        token = await token_of(server)
        replies = [await post(server, "message", {"id": f"message-{n}", "text": "a"}, token) for n in range(4)]
        assert [status for status, _ in replies] == [200, 200, 429, 429]
        assert replies[-1][1]["message"]["name"] == "utter_rate_limited"
        assert 0 < replies[-1][1]["retry_after"] <= 15
        other = await token_of(server)
        assert (await post(server, "message", {"id": FIRST, "text": "a"}, other))[0] == 200


async def test_too_many_messages_of_one_address_wait() -> None:
    async with channel_alone(address_messages_per_minute=6) as server:
        tokens = [await token_of(server) for _ in range(4)]
        statuses = [(await post(server, "message", {"id": FIRST, "text": "a"}, token))[0] for token in tokens]
        assert statuses == [200, 200, 429, 429]


async def test_too_many_new_conversations_of_one_address_wait() -> None:
    async with channel_alone(sessions_per_hour=9) as server:
        statuses = [(await post(server, "session"))[0] for _ in range(5)]
        assert statuses == [200, 200, 200, 429, 429]


async def test_resuming_is_not_a_new_conversation() -> None:
    async with channel_alone(sessions_per_hour=3) as server:
        token = await token_of(server)
        assert {(await post(server, "session", token=token))[0] for _ in range(5)} == {200}


async def test_the_server_takes_only_so_many_messages_at_once() -> None:
    async with channel_alone(max_in_flight=1) as server:
        first, second = await token_of(server), await token_of(server)
        server.agent.gate.clear()
        running = asyncio.ensure_future(post(server, "message", {"id": FIRST, "text": "a"}, first))
        await within(server.agent.started.wait())
        status, reply = await post(server, "message", {"id": FIRST, "text": "a"}, second)
        assert (status, reply["error"]) == (503, "overloaded")
        server.agent.gate.set()
        await running
        assert (await post(server, "message", {"id": FIRST, "text": "a"}, second))[0] == 200


FINDING = "my report says BI-RADS 5, what is mk-7"
REFERRAL = "utter_referral/suspicious_finding"


async def test_a_refused_message_has_been_screened_and_its_referral_goes_out() -> None:
    """Limited, overloaded, or still answering: the answer waits, the referral does not."""
    async with channel_alone(messages_per_minute=2, max_in_flight=1) as server:
        token, other = await token_of(server), await token_of(server)
        window = await Window().open(server, other)
        server.agent.gate.clear()
        running = asyncio.ensure_future(post(server, "message", {"id": FIRST, "text": "a"}, token))
        await within(server.agent.started.wait())
        status, reply = await post(server, "message", {"id": SECOND, "text": FINDING}, token)
        assert (status, reply["error"], [m["name"] for m in reply["messages"]]) == (409, "busy", [REFERRAL])
        refused = await window.say(FIRST, FINDING)
        assert (refused["error"], [m["name"] for m in refused["messages"]]) == ("overloaded", [REFERRAL])
        await within(window.told["bot"].wait())
        assert [m["name"] for m in window.events["bot"]] == [REFERRAL]
        server.agent.gate.set()
        await running
        status, reply = await post(server, "message", {"id": "message-3", "text": FINDING}, token)
        assert (status, [m["name"] for m in reply["messages"]]) == (429, [REFERRAL])
        # It comes again and is answered; what it was told ahead belongs to the answer and is not repeated.
        server.agent.answers = ["utter_referral_short/suspicious_finding", "utter_faq/what_is_mk7"]
        _, reply = await post(server, "message", {"id": FIRST, "text": FINDING}, other)
        assert [m["name"] for m in reply["messages"]] == [REFERRAL, "utter_faq/what_is_mk7"]
        await window.client.disconnect()


async def test_a_message_that_would_wait_too_long_is_asked_to_come_again() -> None:
    async with channel_alone() as server:
        server.agent.wait = 9.0
        status, reply = await post(server, "message", {"id": FIRST, "text": "mk7?"}, await token_of(server))
        assert (status, reply["error"], "messages" in reply) == (503, "overloaded", False)
        assert reply["retry_after"] >= 9.0


async def test_all_conversations_of_an_address_have_one_share_of_understanding() -> None:
    async with channel_alone() as server:
        for number in range(3):
            await post(server, "message", {"id": f"message-{number}", "text": "a"}, await token_of(server))
        window = await Window().open(server, await token_of(server))
        await window.say(FIRST, "a")
        await within(window.done.wait())
        assert server.agent.shares == ["127.0.0.1"] * 4
        await window.client.disconnect()


async def test_half_a_character_is_no_fault() -> None:
    async with channel_alone() as server:
        status, _ = await post(server, "message", {"id": FIRST, "text": "a\ud83d"}, await token_of(server))
        assert status == 200
        assert server.agent.heard[0].text == "a\ufffd"


async def test_an_ipv6_network_counts_as_one_visitor() -> None:
    assert address_key("2001:db8::1") == address_key("2001:db8::ffff") != address_key("2001:db8:0:1::1")
    assert address_key("::ffff:192.0.2.1") == address_key("192.0.2.1")
    assert address_key("rubbish") == "unknown"


async def test_text_beyond_what_the_screen_reads_is_cut() -> None:
    async with channel_alone() as server:
        await post(server, "message", {"id": FIRST, "text": "a" * (MAX_SCREENED + 500)}, await token_of(server))
        assert len(server.agent.heard[0].text) == MAX_SCREENED


# ------------------------------------------------------------------------------ tokens, sites


async def test_only_our_own_tokens_are_sessions() -> None:
    sessions = Sessions(SECRET, 1)
    mine = sessions.mint()
    assert sessions.verify(mine.token) == mine
    claims = jwt.decode(mine.token, options={"verify_signature": False})
    forged = [
        jwt.encode(claims, "", algorithm="none"),
        jwt.encode(claims, "x" * 32, algorithm="HS256"),
        jwt.encode({**claims, "aud": "other"}, sessions._key, algorithm="HS256"),
        jwt.encode({**claims, "exp": int(time.time()) - 1000}, sessions._key, algorithm="HS256"),
        jwt.encode({**claims, "sub": "slack_someone"}, sessions._key, algorithm="HS256"),
        jwt.encode({k: v for k, v in claims.items() if k != "exp"}, sessions._key, algorithm="HS256"),
        mine.token[:-2],
        "",
        None,
        17,
        "a" * 5000,
    ]
    assert [sessions.verify(token) for token in forged] == [None] * len(forged)
    assert Sessions("another secret", 1).verify(mine.token) is None


async def test_a_clock_that_is_a_minute_off_throws_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions, now = Sessions(SECRET, 1), time.time()
    mine = sessions.mint()
    for off in (-60, 60, 3600 + 60):
        monkeypatch.setattr(time, "time", lambda off=off: now + off)
        assert sessions.verify(mine.token) == mine, off


async def test_a_session_ends_however_often_it_is_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions, now = Sessions(SECRET, 24, 3), time.time()
    session = sessions.mint()
    for day in (0.9, 1.8, 2.7):
        monkeypatch.setattr(time, "time", lambda day=day: now + day * 24 * 3600)
        session = sessions.mint(session)
        assert sessions.verify(session.token) == session
    monkeypatch.setattr(time, "time", lambda: now + 3.1 * 24 * 3600)
    assert sessions.verify(session.token) is None
    assert sessions.verify(sessions.mint(session).token) is None


async def test_a_name_that_was_pointed_at_this_machine_is_not_our_page() -> None:
    """DNS rebinding: origin and host agree, and are neither an address nor our name."""
    async with channel_alone(
        public_address="https://calla.example.org", allowed_origins="https://site.example"
    ) as server:
        for origin, host, expected in (
            (f"http://evil.example:{server.port}", f"evil.example:{server.port}", 403),
            (f"http://127.0.0.1:{server.port}", f"127.0.0.1:{server.port}", 200),
            (f"http://localhost:{server.port}", f"localhost:{server.port}", 200),
            (f"http://127.0.0.1:{server.port}", f"localhost:{server.port}", 403),
            ("https://calla.example.org", "calla.example.org", 200),
            ("https://site.example", "calla.example.org", 200),
            ("http://[", "calla.example.org", 403),
            ("null", "null", 403),
        ):
            status, _ = await post(server, "session", headers={"Origin": origin, "Host": host})
            assert status == expected, (origin, host)


async def test_a_socket_that_never_says_whose_it_is_counts_and_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calla.channels.web.sockets.SILENT_SECONDS", 0.2)
    monkeypatch.setattr("calla.channels.web.sockets.MAX_SOCKETS_PER_ADDRESS", 3)
    async with channel_alone() as server, aiohttp.ClientSession() as client:
        address = f"{server.url}/chat/socket.io/?EIO=4&transport=websocket"
        silent = [await client.ws_connect(address) for _ in range(3)]
        assert [(await socket.receive()).data[:1] for socket in silent] == ["0"] * 3
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await client.ws_connect(address)
        for socket in silent:
            while (await within(socket.receive())).type is aiohttp.WSMsgType.TEXT:
                pass
            assert socket.closed
        window = await Window().open(server, await token_of(server))
        await asyncio.sleep(0.4)
        assert window.client.connected
        await window.client.disconnect()


async def test_an_export_holds_the_whole_conversation_and_nobody_elses() -> None:
    async with channel_alone() as server:
        token, other = await token_of(server), await token_of(server)
        for number in range(25):
            await server.agent.handle_message_of(token, f"question {number}")
        await post(server, "message", {"id": FIRST, "text": "the other"}, other)
        status, reply = await post(server, "export", token=token)
        assert status == 200
        assert [turn["text"] for turn in reply["turns"]] == [f"question {number}" for number in range(25)]
        assert set(reply["records"]) == {"referrals", "feedback"}
        assert (await post(server, "export"))[0] == 401


async def test_an_erasure_that_is_not_certain_is_not_called_done() -> None:
    async with channel_alone() as server:
        server.agent.forgotten = "utter_erasure_noted"
        _, reply = await post(server, "erase", token=await token_of(server))
        assert (reply["ok"], reply["message"]["name"]) == (True, "utter_erasure_noted")
        server.agent.forgotten = "utter_error"
        status, reply = await post(server, "erase", token=await token_of(server))
        assert (status, reply["error"], "token" in reply) == (503, "not_erased", False)


async def test_a_forged_token_begins_a_new_conversation_and_opens_nothing() -> None:
    async with channel_alone() as server:
        token = await token_of(server)
        claims = jwt.decode(token, options={"verify_signature": False})
        forged = jwt.encode(claims, "", algorithm="none")
        _, reply = await post(server, "session", token=forged)
        assert reply["resumed"] is False
        assert jwt.decode(reply["token"], options={"verify_signature": False})["sub"] != claims["sub"]
        assert (await post(server, "message", {"id": FIRST, "text": "a"}, forged))[0] == 401
        with pytest.raises(socketio.exceptions.ConnectionError):
            await Window().open(server, forged)


async def test_a_sender_named_by_the_client_is_ignored() -> None:
    async with channel_alone() as server:
        token = await token_of(server)
        body = {
            "id": FIRST,
            "text": "a",
            "sender": "web_victim",
            "session_id": "web_victim",
            "input_channel": "slack",
            "metadata": {"x": 1},
        }
        await post(server, "message", body, token)
        (heard,) = server.agent.heard
        assert heard.sender_id == jwt.decode(token, options={"verify_signature": False})["sub"]
        assert (heard.input_channel, heard.metadata) == ("web", {})


async def test_nobody_else_receives_the_messages_of_a_conversation() -> None:
    async with channel_alone() as server:
        mine, other = (
            await Window().open(server, await token_of(server)),
            await Window().open(server, await token_of(server)),
        )
        await other.client.emit("session_request", {"session_id": "web_victim"})
        await mine.say(FIRST, "a")
        await within(mine.done.wait())
        assert other.events["bot"] == []
        await mine.client.disconnect()
        await other.client.disconnect()


async def test_foreign_sites_are_refused_and_allowed_ones_served() -> None:
    async with channel_alone(allowed_origins="https://clinic.example") as server:
        own = f"http://127.0.0.1:{server.port}"
        for origin, expected in (
            ("https://clinic.example", 200),
            (own, 200),
            ("https://evil.example", 403),
            ("null", 403),
            ("https://clinic.example.evil.example", 403),
        ):
            assert (await post(server, "session", headers={"Origin": origin}))[0] == expected, origin
        token = await token_of(server)
        await (await Window().open(server, token, headers={"Origin": "https://clinic.example"})).client.disconnect()
        with pytest.raises(socketio.exceptions.ConnectionError):
            await Window().open(server, token, headers={"Origin": "https://evil.example"})


async def test_only_json_is_read() -> None:
    async with channel_alone() as server:
        status, _ = await post(
            server,
            "message",
            token=await token_of(server),
            data=b'{"id":"message-1","text":"a"}',
            headers={"Content-Type": "text/plain"},
        )
        assert status == 415
        assert server.agent.heard == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"17",
        b'"a"',
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"id": 7, "text": "a"}',
        b'{"id": "message-1"}',
        b'{"id": "message-1", "text": ["a"]}',
        b'{"id": "../../etc", "text": "a"}',
        b'{"id": "message-1", "text": {"a": 1}}',
    ],
    ids=range(13),
)
async def test_malformed_requests_are_refused_without_fault(body: bytes) -> None:
    async with channel_alone() as server:
        for path in ("message", "rate"):
            status, reply = await post(
                server, path, token=await token_of(server), data=body, headers={"Content-Type": "application/json"}
            )
            reply.pop("reason", None)
            assert (status, reply) == (400, {"ok": False, "error": "bad_request"})


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"id": "m1", "text": "a"}, "id"),
        ({"text": "a"}, "id"),
        ({"id": "m" * 65, "text": "a"}, "id"),
        ({"id": FIRST}, "text"),
    ],
)
async def test_a_malformed_message_is_told_what_is_wrong_with_it(body: dict[str, str], field: str) -> None:
    async with channel_alone() as server:
        status, reply = await post(server, "message", body, await token_of(server))
        assert (status, reply["error"], reply["reason"].partition(":")[0]) == (400, "bad_request", field)


async def test_malformed_packets_are_refused_without_fault() -> None:
    async with channel_alone() as server:
        window = await Window().open(server, await token_of(server))
        for junk in (None, 7, [], "x", {"id": 1}, {"id": FIRST, "text": None}):
            assert (await window.client.call("say", junk, timeout=10))["error"] == "bad_request"
        await window.client.emit("no_such_event", {"a": 1})
        assert (await window.say(FIRST, "a")) == {"ok": True}
        await window.client.disconnect()


async def test_a_huge_request_is_refused() -> None:
    async with channel_alone() as server:
        status, reply = await post(server, "message", {"id": FIRST, "text": "a" * MAX_BYTES}, await token_of(server))
        assert (status, reply["message"]["name"]) == (413, "utter_too_long")
        assert server.agent.heard == []


# -------------------------------------------------------------------------- erasure, feedback


async def test_erasing_forgets_everywhere_and_begins_a_new_conversation() -> None:
    async with channel_alone() as server:
        token = await token_of(server)
        sender = jwt.decode(token, options={"verify_signature": False})["sub"]
        other = await Window().open(server, token)
        await post(server, "message", {"id": FIRST, "text": "a"}, token)
        _, reply = await post(server, "erase", token=token)
        await within(other.erased.wait())
        assert server.agent.erased == [sender]
        assert reply["message"]["name"] == "utter_erased"
        assert jwt.decode(reply["token"], options={"verify_signature": False})["sub"] != sender
        # The token opens nothing any more, on either way.
        assert (await post(server, "sync", token=token))[0] == 401
        assert (await post(server, "message", {"id": SECOND, "text": "a"}, token))[0] == 401
        assert (await other.say(SECOND, "a"))["error"] == "unauthorized"
        await other.client.disconnect()


async def test_erasing_waits_for_the_message_that_is_being_answered() -> None:
    async with channel_alone() as server:
        token = await token_of(server)
        sender = jwt.decode(token, options={"verify_signature": False})["sub"]
        async with server.agent.lock_store.lock(sender):
            erasing = asyncio.ensure_future(post(server, "erase", token=token))
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.shield(erasing), 0.3)
            assert server.agent.erased == []
        await erasing
        assert server.agent.erased == [sender]


async def test_a_thumb_is_recorded_without_any_text() -> None:
    async with channel_alone() as server:
        token = await token_of(server)
        message = f"{FIRST}:utter_faq/what_is_mk7"
        assert (await post(server, "rate", {"message": message, "value": "up", "text": "secret"}, token))[0] == 200
        (row,) = server.agent.thumbs
        assert (row["response"], row["value"], row["channel"]) == ("utter_faq/what_is_mk7", 1, "web")
        assert "secret" not in str(row)


@pytest.mark.parametrize(
    "body",
    [
        {"message": f"{FIRST}:utter_faq/none", "value": "up"},
        {"message": "x", "value": "up"},
        {"message": f"{FIRST}:utter_faq/what_is_mk7", "value": 5},
        {"value": "up"},
    ],
)
async def test_a_thumb_on_nothing_is_refused(body: dict[str, Any]) -> None:
    async with channel_alone() as server:
        assert (await post(server, "rate", body, await token_of(server)))[0] == 400
        assert server.agent.thumbs == []


# ------------------------------------------------------------------------------ pages, links


async def test_the_page_is_at_the_root_with_a_strict_policy() -> None:
    async with channel_alone(allowed_origins="https://clinic.example") as server, aiohttp.ClientSession() as client:
        for path in ("/", "/chat", "/chat/"):
            async with client.get(server.url + path) as answer:
                policy = answer.headers["Content-Security-Policy"]
                assert answer.status == 200
                assert answer.content_type == "text/html"
                assert "default-src 'none'" in policy
                assert "unsafe" not in policy
                assert "frame-ancestors 'self' https://clinic.example" in policy


async def test_files_are_compressed_cached_and_nothing_else_is_served() -> None:
    async with channel_alone() as server, aiohttp.ClientSession(auto_decompress=False) as client:
        async with client.get(f"{server.url}/widget.js", headers={"Accept-Encoding": "gzip"}) as answer:
            assert answer.headers["Content-Encoding"] == "gzip"
            assert answer.content_type == "text/javascript"
            tag = answer.headers["ETag"]
        async with client.get(f"{server.url}/widget.js", headers={"If-None-Match": tag}) as answer:
            assert answer.status == 304
        for path in ("/chat/../settings.py", "/chat/%2e%2e/settings.py", "/chat/..%2fweb.py", "/chat/chat.js.map"):
            async with client.get(server.url + path) as answer:
                assert answer.status == 404, path


async def test_the_welcome_offers_topics_by_their_titles() -> None:
    async with channel_alone() as server:
        _, reply = await post(server, "session")
        assert reply["welcome"]["buttons"] == ["What is MK-7?"]


@pytest.mark.parametrize(
    "url, safe",
    [
        ("https://nhs.uk", True),
        ("http://nhs.uk/a", True),
        ("javascript:alert(1)", False),
        ("data:text/html,x", False),
        ("//evil", False),
        ("https://", False),
        ("http://[", False),
        (7, False),
    ],
)
async def test_only_web_links_are_shown(url: object, safe: bool) -> None:
    assert is_safe_link(url) is safe
