"""A stand-in for Slack on the loopback: Web API, response URLs and Socket Mode.

It checks arguments as Slack does (https://docs.slack.dev/reference/methods and
https://docs.slack.dev/reference/block-kit) and refuses what Slack would refuse. It runs
in a thread of its own, so that tests can wait for what arrives.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
import uuid
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any, Callable, Optional

from aiohttp import WSMsgType, web

BOT_TOKEN, APP_TOKEN = "xoxb-test-token", "xapp-test-token"
SIGNING_SECRET = "0123456789abcdef0123456789abcdef"
TEAM, BOT_USER, BOT_ID = "T0CALLA", "U0CALLA", "B0CALLA"
SCOPES = (
    "app_mentions:read,assistant:write,channels:history,channels:read,chat:write,commands,groups:history,groups:read,"
    "im:history,im:write,mpim:history,users:read"
)
TS = re.compile(r"\d{10}\.\d{6}")
CHANNEL = re.compile(r"[CDGU][A-Z0-9]{2,}")
# What may follow an unescaped "<" or "&" in mrkdwn.
_GOOD_ANGLE = re.compile(r"<(?:https?://[^<>|\s]+(?:\|[^<>|]+)?|mailto:[^<>|\s]+(?:\|[^<>|]+)?|@[A-Z0-9]+|#[A-Z0-9]+)>")
_GOOD_AMPERSAND = re.compile(r"&(?:amp|lt|gt);")

# Arguments that each method takes; those that it needs are marked with "!".
METHODS: dict[str, set[str]] = {
    "auth.test": set(),
    "apps.connections.open": set(),
    "chat.postMessage": {
        "channel!",
        "text",
        "blocks",
        "thread_ts",
        "unfurl_links",
        "unfurl_media",
        "reply_broadcast",
        "metadata",
        "mrkdwn",
    },
    "chat.postEphemeral": {"channel!", "user!", "text", "blocks", "thread_ts"},
    "chat.getPermalink": {"channel!", "message_ts!"},
    "chat.update": {"channel!", "ts!", "text", "blocks"},
    "chat.delete": {"channel!", "ts!"},
    "conversations.history": {"channel!", "limit", "oldest", "latest", "inclusive", "include_all_metadata"},
    "conversations.replies": {"channel!", "ts!", "limit", "oldest", "latest", "inclusive", "include_all_metadata"},
    "conversations.info": {"channel!"},
    "conversations.open": {"users!", "return_im"},
    "users.info": {"user!"},
    "views.publish": {"user_id!", "view!", "hash"},
    "assistant.threads.setSuggestedPrompts": {"channel_id!", "prompts!", "thread_ts", "title"},
}


class RefusedError(Exception):
    """A request that Slack would refuse; holds Slack's error code."""


@dataclass
class Call:
    """One request that arrived.

    Attributes:
        method: Web API method, or ``response_url``.
        args: its arguments, decoded.
        error: Slack's error code; ``None`` if the request was accepted.
        time: ``time.monotonic()`` of its arrival.
        ts: timestamp given to an accepted message.
        shown: timestamp under which a person sees it, if it is no message that stays.
    """

    method: str
    args: dict[str, Any]
    error: Optional[str] = None
    time: float = field(default_factory=time.monotonic)
    ts: str = ""
    shown: str = ""

    @property
    def names(self) -> list[str]:
        """Named responses that the blocks came from, in order and once each."""
        found = [str(block.get("block_id", "")).partition("|")[0] for block in self.args.get("blocks") or []]
        return list(dict.fromkeys(name for name in found if name.startswith("utter_")))

    @property
    def private(self) -> bool:
        """Whether only one person sees it."""
        if self.method == "chat.postEphemeral":
            return True
        if self.method == "response_url":
            return bool(self.args.get("response_type") != "in_channel")
        return str(self.args.get("channel", ""))[:1] in "DU"

    @property
    def words(self) -> str:
        """All text of the blocks, buttons included."""
        return "\n".join(_texts(self.args.get("blocks"))) or str(self.args.get("text"))

    def buttons(self) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """All buttons with the blocks they stand in."""
        found = []
        for block in self.args.get("blocks") or []:
            elements = block.get("elements", []) if block["type"] == "actions" else [block.get("accessory") or {}]
            found.extend((block, element) for element in elements if element.get("type") == "button")
        return found

    def thumbs(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The feedback buttons with the block they stand in."""
        blocks = self.args.get("blocks") or []
        return next((block, block["elements"][0]) for block in blocks if block["type"] == "context_actions")


def _texts(item: Any) -> list[str]:
    if isinstance(item, list):
        return [text for each in item for text in _texts(each)]
    if isinstance(item, dict):
        if item.get("type") in ("mrkdwn", "plain_text"):
            return [item["text"]]
        return [text for value in item.values() for text in _texts(value)]
    return []


# ------------------------------------------------------------------- what Slack checks


def check_text(item: Any, kinds: tuple[str, ...], limit: int) -> None:
    """Check a text object."""
    if not isinstance(item, dict) or item.get("type") not in kinds:
        raise RefusedError("invalid_blocks")
    allowed = {"type", "text", "emoji"} if item["type"] == "plain_text" else {"type", "text", "verbatim"}
    text = item.get("text")
    if set(item) - allowed or not isinstance(text, str) or not 1 <= len(text) <= limit:
        raise RefusedError("invalid_blocks")
    if item["type"] == "mrkdwn":
        check_mrkdwn(text)


def check_mrkdwn(text: str) -> None:
    """Check that what Slack would interpret is meant so (stricter than Slack itself)."""
    rest = _GOOD_AMPERSAND.sub("", _GOOD_ANGLE.sub("", text))
    if re.search(r"[<>&]", rest):
        raise RefusedError("unescaped_text")


def check_button(button: Any, seen: set[str]) -> None:
    """Check a button; ``seen`` holds the action ids of its block."""
    if set(button) - {"type", "text", "action_id", "value", "style", "url", "accessibility_label"}:
        raise RefusedError("invalid_blocks")
    check_text(button.get("text"), ("plain_text",), 75)
    action = button.get("action_id")
    if not isinstance(action, str) or not 1 <= len(action) <= 255 or action in seen:
        raise RefusedError("invalid_blocks")
    seen.add(action)
    if len(button.get("value", "")) > 2000 or button.get("style") not in (None, "primary", "danger"):
        raise RefusedError("invalid_blocks")


def check_thumbs(element: Any) -> None:
    """Check a pair of feedback buttons."""
    if set(element) != {"type", "action_id", "positive_button", "negative_button"}:
        raise RefusedError("invalid_blocks")
    for name in ("positive_button", "negative_button"):
        thumb = element[name]
        if set(thumb) - {"text", "value", "accessibility_label"} or not 1 <= len(thumb.get("value", "")) <= 2000:
            raise RefusedError("invalid_blocks")
        check_text(thumb.get("text"), ("plain_text",), 75)
        if len(thumb.get("accessibility_label", "")) > 75:
            raise RefusedError("invalid_blocks")


def check_blocks(blocks: Any, limit: int) -> None:
    """Check blocks as Slack does."""
    if not isinstance(blocks, list) or not 1 <= len(blocks) <= limit:
        raise RefusedError("invalid_blocks")
    ids: set[str] = set()
    for block in blocks:
        kind = block.get("type")
        block_id = block.get("block_id")
        if block_id is not None:
            if not isinstance(block_id, str) or not 1 <= len(block_id) <= 255 or block_id in ids:
                raise RefusedError("invalid_blocks")
            ids.add(block_id)
        extra = set(block) - {"type", "block_id"}
        if kind == "section":
            if extra - {"text", "accessory", "expand"}:
                raise RefusedError("invalid_blocks")
            check_text(block.get("text"), ("mrkdwn", "plain_text"), 3000)
            if "accessory" in block:
                check_button(block["accessory"], set())
        elif kind == "header":
            if extra != {"text"}:
                raise RefusedError("invalid_blocks")
            check_text(block["text"], ("plain_text",), 150)
        elif kind == "context":
            if extra != {"elements"} or not 1 <= len(block["elements"]) <= 10:
                raise RefusedError("invalid_blocks")
            for element in block["elements"]:
                check_text(element, ("mrkdwn", "plain_text"), 3000)
        elif kind == "actions":
            if extra != {"elements"} or not 1 <= len(block["elements"]) <= 25:
                raise RefusedError("invalid_blocks")
            actions: set[str] = set()
            for element in block["elements"]:
                if element.get("type") != "button":
                    raise RefusedError("invalid_blocks")
                check_button(element, actions)
        elif kind == "context_actions":
            if extra != {"elements"} or not 1 <= len(block["elements"]) <= 5:
                raise RefusedError("invalid_blocks")
            for element in block["elements"]:
                check_thumbs(element)
        elif kind != "divider" or extra:
            raise RefusedError("invalid_blocks")


class FakeSlack:
    """Slack, as far as Calla meets it.

    Attributes:
        calls: everything that arrived, oldest first.
        members: channels that Calla is in; messages into others are refused.
        absent: pairs of channel and user, for people who are not in a channel.
        acks: envelopes acknowledged over a socket: id to time and payload, one each time.
        revoked: why Slack refuses the bot token; empty while it does not.
        scopes: what the bot token may do.
        users: what is known of people beside their id.
        channels: what is known of channels beside their id.
        pace: seconds that must lie between two messages to a channel.
        old: whether it is a Slack that knows no feedback buttons.
        silent: whether sockets answer no sign of life.
        undeletable: timestamps of messages that cannot be deleted.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.members: set[str] = set()
        self.absent: set[tuple[str, str]] = set()
        self.acks: dict[str, list[tuple[float, Any]]] = defaultdict(list)
        self.history: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.threads: set[tuple[str, str]] = set()
        self.sockets: list[web.WebSocketResponse] = []
        self.opened = 0
        self.revoked = ""
        self.scopes = SCOPES
        self.users: dict[str, dict[str, Any]] = {}
        self.channels: dict[str, dict[str, Any]] = {}
        self.pace = 0.0
        self.old = False
        self.silent = False
        self.undeletable: set[str] = set()
        self._last: dict[str, float] = {}
        self._troubles: dict[tuple[str, str], deque[tuple[str, Any]]] = defaultdict(deque)
        self._response_urls: dict[str, int] = {}
        self._changed = threading.Condition()
        self._clock = 1_700_000_000
        self._loop = asyncio.new_event_loop()
        self._runner: Optional[web.AppRunner] = None
        self.port = 0
        started = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(started,), daemon=True)
        self._thread.start()
        assert started.wait(10)

    # ------------------------------------------------------------------- the test's side

    @property
    def api_url(self) -> str:
        """Address of the Web API, for ``SLACK_API_URL``."""
        return f"http://127.0.0.1:{self.port}/api/"

    def now(self) -> str:
        """Return a fresh message timestamp."""
        with self._changed:
            self._clock += 1
            return f"{self._clock}.000{self._clock % 1000:03d}"

    def trouble(self, method: str, kind: str, value: Any = None, *, about: str = "", times: int = 1) -> None:
        """Let the next calls fail.

        Args:
            method: Web API method, or ``response_url``.
            kind: ``rate`` (429; value: seconds to wait), ``error`` (value: code),
                ``break`` (connection closed), ``server`` (500), ``slow`` (value: seconds),
                ``hang`` (value: a ``threading.Event`` to wait for, then closed unheard),
                ``status`` (value: an HTTP status, with a page instead of an answer),
                ``accepted`` (taken, then closed without an answer; value: a status instead).
            value: see ``kind``.
            about: only calls for this channel or user.
            times: how many calls.
        """
        for _ in range(times):
            self._troubles[(method, about)].append((kind, value))

    def response_url(self) -> str:
        """Return an address that takes five messages."""
        token = uuid.uuid4().hex
        self._response_urls[token] = 0
        return f"http://127.0.0.1:{self.port}/commands/{token}"

    def use_up(self, url: str) -> None:
        """Let an address have taken all its messages."""
        self._response_urls[url.rpartition("/")[2]] = 5

    def posts(self, about: str = "", method: str = "") -> list[Call]:
        """Messages that Slack accepted, those for a channel, user or response URL only."""
        with self._changed:
            return [
                call
                for call in self.calls
                if call.error is None
                and call.method in ((method,) if method else ("chat.postMessage", "chat.postEphemeral", "response_url"))
                and (not about or about in (call.args.get("channel"), call.args.get("user"), call.args.get("url")))
            ]

    def wait(self, ready: Callable[[], Any], timeout: float = 20.0) -> Any:
        """Wait until something that arrives makes ``ready`` true; returns its value."""
        end = time.monotonic() + timeout
        with self._changed:
            while not (value := ready()):
                left = end - time.monotonic()
                if left <= 0:
                    raise AssertionError("Slack waited in vain.")
                self._changed.wait(left)
            return value

    def wait_posts(self, about: str, number: int = 1, timeout: float = 20.0) -> list[Call]:
        """Wait for messages to a channel, user or response URL."""
        return list(self.wait(lambda: (found := self.posts(about)) and len(found) >= number and found, timeout))

    def send_envelope(self, kind: str, payload: dict[str, Any], envelope: Optional[str] = None) -> str:
        """Deliver something over the newest socket; returns the envelope's id."""
        envelope = envelope or uuid.uuid4().hex
        body = {"type": kind, "envelope_id": envelope, "payload": payload, "accepts_response_payload": True}
        if kind == "events_api":
            body.update(retry_attempt=0, retry_reason="")
        self.send_raw(body)
        return envelope

    def send_raw(self, body: dict[str, Any]) -> None:
        """Send any JSON over the newest socket."""
        (socket,) = self.wait(lambda: self.sockets[-1:])
        asyncio.run_coroutine_threadsafe(socket.send_str(json.dumps(body)), self._loop).result(5)

    def wait_ack(self, envelope: str, timeout: float = 10.0) -> tuple[float, Any]:
        """Wait until an envelope is acknowledged."""
        return self.wait(lambda: self.acks.get(envelope), timeout)[0]  # type: ignore[no-any-return]

    def drop_sockets(self) -> None:
        """Break every socket without saying goodbye."""

        async def drop() -> None:
            for socket in list(self.sockets):
                if socket._req is not None and socket._req.transport is not None:
                    socket._req.transport.abort()

        asyncio.run_coroutine_threadsafe(drop(), self._loop).result(5)

    def stop(self) -> None:
        """Close the server and its thread."""

        async def close() -> None:
            assert self._runner is not None
            for socket in list(self.sockets):
                await socket.close()
            await self._runner.cleanup()

        asyncio.run_coroutine_threadsafe(close(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    # --------------------------------------------------------------------- Slack's side

    def _serve(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)

        async def start() -> None:
            app = web.Application(client_max_size=2**22)
            app.router.add_post("/api/{method}", self._api)
            app.router.add_get("/api/{method}", self._api)
            app.router.add_post("/commands/{token}", self._respond)
            app.router.add_get("/link", self._socket)
            self._runner = web.AppRunner(app, shutdown_timeout=0.5)
            await self._runner.setup()
            site = web.TCPSite(self._runner, "127.0.0.1", 0)
            await site.start()
            self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
            started.set()

        self._loop.run_until_complete(start())
        self._loop.run_forever()

    def _note(self, call: Call) -> None:
        with self._changed:
            self.calls.append(call)
            self._changed.notify_all()

    async def _trouble_for(self, call: Call, request: web.Request) -> Optional[web.Response]:
        """Carry out the trouble that a test has ordered, if any."""
        for about in (call.args.get("channel"), call.args.get("user"), call.args.get("url"), ""):
            waiting = self._troubles.get((call.method, str(about or "")))
            if not waiting:
                continue
            kind, value = waiting.popleft()
            if kind == "slow":
                await asyncio.sleep(value)
                return None
            call.error = kind
            if kind == "hang":
                self._note(call)
                await asyncio.get_running_loop().run_in_executor(None, value.wait, 60)
            elif kind == "rate":
                self._note(call)
                return web.json_response(
                    {"ok": False, "error": "ratelimited"}, status=429, headers={"Retry-After": str(value)}
                )
            elif kind == "error":
                call.error = str(value)
                self._note(call)
                return web.json_response({"ok": False, "error": value})
            elif kind == "server":
                self._note(call)
                return web.Response(status=500, text="oops")
            elif kind == "status":
                self._note(call)
                return web.Response(status=value, text="<html>Out of order</html>", content_type="text/html")
            elif kind == "accepted":
                call.error = None
                try:
                    self._do(call, BOT_TOKEN)
                except RefusedError as refused:
                    call.error = str(refused)
                self._note(call)
                if value:
                    return web.Response(status=value, text="<html>Lost</html>", content_type="text/html")
            else:
                self._note(call)
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        return None

    async def _args(self, request: web.Request) -> dict[str, Any]:
        args: dict[str, Any] = dict(request.query)
        if request.method == "GET":
            return args
        if request.content_type == "application/json":
            args.update(await request.json())
        else:
            args.update(await request.post())
        for name in ("blocks", "view", "prompts", "metadata"):
            if isinstance(args.get(name), str):
                args[name] = json.loads(args[name])
        return args

    async def _api(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        args = await self._args(request)
        token = str(args.pop("token", "")) or request.headers.get("Authorization", "").removeprefix("Bearer ")
        call = Call(method, args)
        answer = await self._trouble_for(call, request)
        if answer is not None:
            return answer
        about = str(args.get("channel") or "")
        if self.pace and method == "chat.postMessage" and call.time - self._last.get(about, 0.0) < self.pace:
            call.error = "ratelimited"
            self._note(call)
            wait = {"Retry-After": str(self.pace)}
            return web.json_response({"ok": False, "error": "ratelimited"}, status=429, headers=wait)
        try:
            body = self._do(call, token)
        except RefusedError as refused:
            call.error = str(refused)
            self._note(call)
            return web.json_response({"ok": False, "error": call.error})
        self._last[about] = call.time
        self._note(call)
        return web.json_response({"ok": True, **body}, headers={"x-oauth-scopes": self.scopes})

    def _do(self, call: Call, token: str) -> dict[str, Any]:
        """Check a call and return what Slack would answer."""
        method, args = call.method, call.args
        if method not in METHODS:
            raise RefusedError("unknown_method")
        if not token:
            raise RefusedError("not_authed")
        if token != (APP_TOKEN if method == "apps.connections.open" else BOT_TOKEN):
            raise RefusedError("invalid_auth")
        if self.revoked and token == BOT_TOKEN:
            raise RefusedError(self.revoked)
        known = {name.rstrip("!") for name in METHODS[method]}
        needed = {name.rstrip("!") for name in METHODS[method] if name.endswith("!")}
        if set(args) - known or any(args.get(name) in (None, "") for name in needed):
            raise RefusedError("invalid_arguments")
        if method == "auth.test":
            return {"url": "https://calla.slack.com/", "team_id": TEAM, "user_id": BOT_USER, "bot_id": BOT_ID}
        if method == "apps.connections.open":
            return {"url": f"ws://127.0.0.1:{self.port}/link?ticket={uuid.uuid4().hex}"}
        if method.startswith("chat.post"):
            return self._post(call)
        if method == "chat.getPermalink":
            if not TS.fullmatch(str(args["message_ts"])):
                raise RefusedError("message_not_found")
            number = args["message_ts"].replace(".", "")
            return {"permalink": f"https://calla.slack.com/archives/{args['channel']}/p{number}"}
        if method in ("conversations.history", "conversations.replies"):
            return self._look_up(method, args)
        if method == "conversations.open":
            return {"channel": {"id": self.direct(str(args["users"]))}}
        if method == "conversations.info":
            return {"channel": self._facts(str(args["channel"]))}
        if method == "users.info":
            return {"user": {"id": args["user"], "team_id": TEAM, **self.users.get(str(args["user"]), {})}}
        if method in ("chat.update", "chat.delete"):
            return self._change(method, args)
        if method == "views.publish":
            view = args["view"]
            if set(view) - {"type", "blocks", "callback_id", "private_metadata"} or view.get("type") != "home":
                raise RefusedError("invalid_arguments")
            check_blocks(view.get("blocks"), 100)
            return {"view": view}
        prompts = args["prompts"]
        if not 1 <= len(prompts) <= 4 or any(set(p) != {"title", "message"} or not all(p.values()) for p in prompts):
            raise RefusedError("invalid_arguments")
        return {}

    @staticmethod
    def direct(user: str) -> str:
        """Return the direct messages of a person with Calla."""
        return f"D{user[1:]}"

    def _facts(self, channel: str) -> dict[str, Any]:
        if channel[0] in "CG" and channel not in self.members and channel not in self.channels:
            raise RefusedError("channel_not_found")
        facts = {"is_member": channel in self.members, "is_private": True, "is_archived": False}
        return {"id": channel, **facts, **self.channels.get(channel, {})}

    def _look_up(self, method: str, args: dict[str, Any]) -> dict[str, Any]:
        found = self.history[args["channel"]]
        if method == "conversations.replies":
            found = [one for one in found if args["ts"] in (one["ts"], one.get("thread_ts"))]
        if not args.get("include_all_metadata"):
            found = [{k: v for k, v in one.items() if k != "metadata"} for one in found]
        return {"messages": found[: int(args.get("limit", 100))], "has_more": False}

    def _change(self, method: str, args: dict[str, Any]) -> dict[str, Any]:
        standing = self.history[args["channel"]]
        mine = next((one for one in standing if one["ts"] == args["ts"]), None)
        if mine is None:
            raise RefusedError("message_not_found")
        if mine.get("user") != BOT_USER or args["ts"] in self.undeletable:
            raise RefusedError("cant_delete_message" if method == "chat.delete" else "cant_update_message")
        if method == "chat.delete":
            standing.remove(mine)
        else:
            self._content(args)
            mine.update(text=args.get("text"), blocks=args.get("blocks"))
        return {"channel": args["channel"], "ts": args["ts"]}

    def _post(self, call: Call) -> dict[str, Any]:
        args = call.args
        channel, thread = str(args["channel"]), args.get("thread_ts")
        if not CHANNEL.fullmatch(channel):
            raise RefusedError("channel_not_found")
        if channel[0] in "CG" and channel not in self.members:
            raise RefusedError("not_in_channel")
        if thread is not None and not TS.fullmatch(str(thread)):
            raise RefusedError("invalid_thread_ts")
        self._content(args)
        if call.method == "chat.postEphemeral":
            if (channel, args["user"]) in self.absent:
                raise RefusedError("user_not_in_channel")
            # Slack takes it, but nobody sees a private message in a thread without replies.
            if thread is not None and (channel, thread) not in self.threads:
                raise RefusedError("nobody_sees_it")
            return {"message_ts": self.now()}
        call.ts = self.now()
        metadata = args.get("metadata")
        if metadata is not None and set(metadata) != {"event_type", "event_payload"}:
            raise RefusedError("invalid_metadata_format")
        where = self.direct(channel) if channel[0] == "U" else channel
        standing = {"ts": call.ts, "user": BOT_USER, "text": args.get("text"), "blocks": args.get("blocks")}
        if thread is not None:
            standing["thread_ts"] = str(thread)
            self.threads.add((channel, str(thread)))
        self.history[where].insert(0, {**standing, "metadata": metadata})
        return {"channel": where, "ts": call.ts, "message": {"ts": call.ts}}

    def _content(self, args: dict[str, Any]) -> None:
        text, blocks = args.get("text"), args.get("blocks")
        if not text and not blocks:
            raise RefusedError("no_text")
        if text:
            if len(text) > 40_000:
                raise RefusedError("msg_too_long")
            check_mrkdwn(text)
        if blocks is not None:
            check_blocks(blocks, 50)
            if self.old and any(block["type"] == "context_actions" for block in blocks):
                raise RefusedError("invalid_blocks")

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        token = request.match_info["token"]
        args = await request.json()
        call = Call("response_url", {**args, "url": f"http://{request.host}{request.path}"})
        answer = await self._trouble_for(call, request)
        if answer is not None:
            return answer
        known = {
            "response_type",
            "replace_original",
            "delete_original",
            "text",
            "blocks",
            "thread_ts",
            "unfurl_links",
            "unfurl_media",
        }
        status = 200
        if token not in self._response_urls:
            call.error, status = "no_such_url", 404
        elif self._response_urls[token] >= 5:
            call.error, status = "used_url", 404
        else:
            try:
                if set(args) - known or args.get("response_type", "ephemeral") not in ("ephemeral", "in_channel"):
                    raise RefusedError("invalid_payload")
                self._content(args)
                self._response_urls[token] += 1
            except RefusedError as refused:
                call.error, status = str(refused), 400
        self._note(call)
        return web.Response(text=call.error or "ok", status=status)

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        await socket.send_str(json.dumps({"type": "hello", "num_connections": 1}))
        with self._changed:
            self.sockets.append(socket)
            self.opened += 1
            self._changed.notify_all()
        try:
            async for message in socket:
                if message.type == WSMsgType.PING and not self.silent:
                    await socket.pong(message.data)
                if message.type == WSMsgType.TEXT and message.data.startswith("{"):
                    body = json.loads(message.data)
                    with self._changed:
                        self.acks[body["envelope_id"]].append((time.monotonic(), body.get("payload")))
                        self._changed.notify_all()
        finally:
            with self._changed:
                if socket in self.sockets:
                    self.sockets.remove(socket)
                self._changed.notify_all()
        return socket
