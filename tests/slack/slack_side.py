"""Slack's side of the stand-in: Web API, response URLs and Socket Mode, with Slack's own rules and troubles."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import uuid
from collections import defaultdict, deque
from typing import Any, Optional

from aiohttp import WSMsgType, web
from slack_rules import (
    APP_TOKEN,
    BOT_ID,
    BOT_TOKEN,
    BOT_USER,
    CHANNEL,
    METHODS,
    SCOPES,
    TEAM,
    TS,
    Call,
    RefusedError,
    check_blocks,
    check_mrkdwn,
)


class SlackSide:
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
        self._clock = int(time.time())
        self._loop = asyncio.new_event_loop()
        self._runner: Optional[web.AppRunner] = None
        self.port = 0
        started = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(started,), daemon=True)
        self._thread.start()
        assert started.wait(10)

    def now(self) -> str:
        """Return a fresh message timestamp."""
        with self._changed:
            self._clock += 1
            return f"{self._clock}.000{self._clock % 1000:03d}"

    def _serve(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)

        async def start() -> None:
            app = web.Application(client_max_size=2**22)
            app.router.add_post("/api/{method}", self._api)
            app.router.add_get("/api/{method}", self._api)
            app.router.add_post("/commands/{token}", self._respond)
            app.router.add_get("/link", self._socket)
            self._runner = web.AppRunner(app, shutdown_timeout=0.5, access_log=None)
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
        since = float(args.get("oldest", 0))
        found = [one for one in self.history[args["channel"]] if float(one["ts"]) > since]
        if method == "conversations.replies":
            # Of a thread the oldest come first, of a channel the newest.
            found = [one for one in reversed(found) if args["ts"] in (one["ts"], one.get("thread_ts"))]
        else:
            found = [one for one in found if one.get("thread_ts") in (None, one["ts"])]
        if not args.get("include_all_metadata"):
            found = [{k: v for k, v in one.items() if k != "metadata"} for one in found]
        start, limit = int(args.get("cursor") or 0), int(args.get("limit", 100))
        more = start + limit < len(found)
        following = {"response_metadata": {"next_cursor": str(start + limit)}} if more else {}
        return {"messages": found[start : start + limit], "has_more": more, **following}

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
