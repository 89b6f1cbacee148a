"""The widget's channel: page, static files, Socket.IO and REST from the one server.

Both transports speak the same small protocol (``docs/widget.md``). A visitor's messages
go into exactly one conversation, the one that the signed session token names; nothing
else that a client sends decides where a message goes.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from typing import Any, Awaitable, Callable, Mapping, Optional
from urllib.parse import urlsplit

from rasa.core.channels.channel import InputChannel, OutputChannel, UserMessage
from sanic import Blueprint, Sanic
from sanic.request import Request
from sanic.response import HTTPResponse
from sanic.response import json as json_response
from socketio import AsyncServer
from socketio.exceptions import ConnectionRefusedError

from calla.agent import ERASE_RESPONSE, ERROR_RESPONSE, LOCK_WAIT
from calla.channels import web_static
from calla.channels.web_limits import Limits
from calla.channels.web_messages import RATINGS, Payload, before_turn, bot_message, history, notice, said_again, welcome
from calla.channels.web_sessions import Session, Sessions
from calla.channels.web_turns import Conversation, Conversations, Turn
from calla.settings import Settings
from calla.text import MAX_SCREENED

logger = logging.getLogger(__name__)

NAME = "web"
PREFIX = "/chat"
SOCKET_PATH = f"{PREFIX}/socket.io"
BUSY_RESPONSE = "utter_busy"
LIMITED_RESPONSE = "utter_rate_limited"
LONG_RESPONSE = "utter_too_long"
# Bytes of one request or Socket.IO packet: a message of MAX_SCREENED characters fits
# in any script, with every character escaped.
MAX_BYTES = 128 * 1024
# Bytes of any request to the server (Slack's largest events are a few hundred thousand).
MAX_REQUEST = 1024 * 1024
# Seconds after which a client may come again when the server itself is busy.
BUSY_WAIT = 1.0
OVERLOAD_WAIT = 3.0
# Open sockets from one network address, and all together.
MAX_SOCKETS_PER_ADDRESS = 100
MAX_SOCKETS = 5_000
_TURN_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_MESSAGE_ID = re.compile(r"(?P<turn>[A-Za-z0-9_-]{8,64}):(?P<name>utter_[\w/]{1,100})(?:#\d{1,2})?")

Reply = dict[str, Any]


class RefusedError(Exception):
    """A request that is not done.

    Attributes:
        status: HTTP status.
        error: what a program reads.
        response: name of the text that a person reads, if there is one for it.
        retry_after: seconds after which it may be tried again, if that helps.
    """

    def __init__(
        self, status: int, error: str, response: Optional[str] = None, retry_after: Optional[float] = None
    ) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.response = response
        self.retry_after = retry_after


class WebOutput(OutputChannel):
    """Sends the bot's messages of one turn to every window of the conversation.

    Args:
        sio: the Socket.IO server.
        turn: the turn that is being answered.
    """

    def __init__(self, sio: AsyncServer, turn: Turn) -> None:
        self._sio = sio
        self._turn = turn

    @classmethod
    def name(cls) -> str:
        """Name of the channel, on both transports."""
        return NAME

    async def send_response(self, recipient_id: str, message: dict[str, Any]) -> None:
        """Send one message.

        Args:
            recipient_id: the conversation.
            message: as the generator rendered it (``calla.answers``).
        """
        payload = bot_message(self._turn.id, message, [sent["id"] for sent in self._turn.messages])
        if said_again(payload["name"], self._turn.messages):
            return
        self._turn.messages.append(payload)
        await _tell(self._sio, "bot", payload, room=recipient_id)


class WebBlueprint(Blueprint):
    """A blueprint that attaches Socket.IO and the files of the widget to the app.

    Args:
        channel: the channel it belongs to.
    """

    def __init__(self, channel: WebInput) -> None:
        super().__init__("web_channel")
        self.ctx.channel = channel

    def register(self, app: Sanic, options: dict[str, Any]) -> None:
        """Attach everything to ``app`` (see parent class)."""
        channel: WebInput = self.ctx.channel
        channel.attach(app)
        super().register(app, options)


class WebInput(InputChannel):
    """The channel of the chat widget.

    Args:
        config: the settings.
        key: the server's secret (``calla.server.secret_key``).
    """

    def __init__(self, config: Settings, key: str) -> None:
        self._sessions = Sessions(key, config.session_hours)
        self._limits = Limits(config.messages_per_minute, config.address_messages_per_minute, config.sessions_per_hour)
        self._max_in_flight = config.max_in_flight
        self._origins = frozenset(config.origins)
        self._policy = web_static.page_policy(config.origins)
        self._contacts = config.contacts
        self._files = web_static.read_files()
        self._conversations = Conversations()
        self._in_flight = 0
        self._tasks: set[asyncio.Task[None]] = set()
        # Socket id -> conversation and network address.
        self._sockets: dict[str, tuple[str, str]] = {}
        # The check of the origin is ours (``_same_site``): Socket.IO's own would write
        # a second Access-Control-Allow-Origin header beside the server's.
        self.sio = AsyncServer(
            async_mode="sanic",
            cors_allowed_origins=[],
            max_http_buffer_size=MAX_BYTES,
            ping_interval=20,
            ping_timeout=20,
            logger=False,
            engineio_logger=False,
        )
        self._app: Optional[Sanic] = None
        self._on_new_message: Callable[[UserMessage], Awaitable[Any]] = _nowhere
        self._calls: dict[str, Callable[[Session, Reply, Optional[str]], Awaitable[Reply]]] = {
            "sync": self._sync,
            "rate": self._rate,
            "erase": self._erase,
        }

    @classmethod
    def name(cls) -> str:
        """Name of the channel."""
        return NAME

    def url_prefix(self) -> str:
        """Where the channel's routes are."""
        return PREFIX

    # -------------------------------------------------------------------- the server's side

    def attach(self, app: Sanic) -> None:
        """Give ``app`` the Socket.IO endpoint and the widget's files."""
        self._app = app
        # Sanic would read 100 MB before it looks; no channel needs more than this.
        app.config.REQUEST_MAX_SIZE = min(app.config.REQUEST_MAX_SIZE, MAX_REQUEST)
        self.sio.attach(app, SOCKET_PATH)

        @app.middleware("request")
        async def files(request: Request) -> Optional[HTTPResponse]:
            """Serve the files; also ``/``, where Rasa would tell its version."""
            path = request.path if request.path == "/" else request.path.rstrip("/")
            if path in self._files and request.method in ("GET", "HEAD"):
                return web_static.serve(request, self._files, self._policy)
            return None

    def blueprint(self, on_new_message: Callable[[UserMessage], Awaitable[Any]]) -> Blueprint:
        """Return the routes (see parent class)."""
        self._on_new_message = on_new_message
        blueprint = WebBlueprint(self)
        self.sio.on("connect", self._connect)
        self.sio.on("disconnect", self._disconnect)
        self.sio.on("say", self._socket_say)
        for name, call in self._calls.items():
            self.sio.on(name, self._socket_call(call))
            blueprint.add_route(self._rest_call(call), f"/{name}", methods=["POST"], name=name)
        blueprint.add_route(self._rest(self._rest_session), "/session", methods=["POST"], name="session")
        blueprint.add_route(self._rest(self._rest_message), "/message", methods=["POST"], name="message")
        return blueprint

    @property
    def _agent(self) -> Any:
        return getattr(self._app.ctx, "agent", None) if self._app is not None else None

    # ------------------------------------------------------------------------ conversations

    async def _conversation(self, sender: str) -> Conversation:
        """Return a conversation, with what the tracker store knows of it."""
        return self._conversations.get(sender) or self._conversations.add(sender, await self._stored(sender))

    async def _stored(self, sender: str, before: object = None) -> list[Payload]:
        """Return the turns in the tracker store (before one, if named); none if it fails: answering goes on."""
        try:
            tracker = await self._agent.tracker_store.retrieve_full_tracker(sender)
            return history(before_turn(tracker.events, before)) if tracker is not None else []
        except Exception as error:
            logger.error("Reading a conversation failed: %s", type(error).__name__)
            return []

    async def _take(self, session: Session, data: Mapping[str, Any], address: str) -> tuple[Turn, bool]:
        """Take a message, or find the turn of one that was taken before.

        Returns:
            the turn, and whether it is new.

        Raises:
            RefusedError: malformed, still answering, too many.
        """
        turn_id, text = data.get("id"), data.get("text")
        if not isinstance(turn_id, str) or not isinstance(text, str) or not _TURN_ID.fullmatch(turn_id):
            raise RefusedError(400, "bad_request")
        conversation = await self._conversation(session.sender)
        known = conversation.turn(turn_id)
        if known is not None:
            return known, False
        if conversation.running is not None:
            raise RefusedError(409, "busy", BUSY_RESPONSE, BUSY_WAIT)
        wait = await self._limits.message(session.sender, address)
        if wait:
            raise RefusedError(429, "rate_limited", LIMITED_RESPONSE, wait)
        if self._in_flight >= self._max_in_flight:
            raise RefusedError(503, "overloaded", LIMITED_RESPONSE, OVERLOAD_WAIT)
        # While the limits were asked, a copy of the message may have come another way.
        conversation = await self._conversation(session.sender)
        known = conversation.turn(turn_id)
        if known is not None:
            return known, False
        if conversation.running is not None:
            raise RefusedError(409, "busy", BUSY_RESPONSE, BUSY_WAIT)
        return conversation.start(turn_id, text[:MAX_SCREENED]), True

    def _answer(self, session: Session, turn: Turn, socket: Optional[str] = None) -> None:
        """Begin to answer a turn; it goes on whether or not the visitor stays connected.

        Args:
            session: the conversation.
            turn: the turn.
            socket: the window that the message came from; the others are shown it.
        """
        self._in_flight += 1
        task = asyncio.get_running_loop().create_task(self._run(session.sender, turn, socket))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, sender: str, turn: Turn, socket: Optional[str]) -> None:
        output = WebOutput(self.sio, turn)
        await _tell(self.sio, "user", {"id": turn.id, "text": turn.text}, room=sender, skip_sid=socket)
        try:
            await self._on_new_message(
                UserMessage(turn.text, output, sender, input_channel=NAME, message_id=turn.id, metadata={})
            )
        except Exception as error:
            logger.error("A message of the web channel failed: %s", type(error).__name__)
        try:
            if not turn.messages:
                rendered = self._agent.nlg.render(ERROR_RESPONSE) or {}
                await output.send_response(sender, {**rendered, "utter_action": ERROR_RESPONSE})
        except Exception as error:
            logger.error("The text for a fault is missing: %s", type(error).__name__)
        finally:
            self._in_flight -= 1
            turn.finished.set()
            if any(message["name"] == ERASE_RESPONSE for message in turn.messages):
                self._conversations.forget(sender)
            await _tell(self.sio, "done", {"turn": turn.id}, room=sender)

    async def _sync(self, session: Session, data: Reply, _: Optional[str] = None) -> Reply:
        """Return the last turns, with those still being answered named in ``running``; or those before a turn."""
        if data.get("before") is not None:
            return {"ok": True, "history": await self._stored(session.sender, data["before"]), "running": []}
        conversation = await self._conversation(session.sender)
        turns = conversation.merged(await self._stored(session.sender))
        running = [conversation.running.id] if conversation.running else []
        return {"ok": True, "history": turns, "running": running}

    async def _rate(self, session: Session, data: Reply, _: Optional[str] = None) -> Reply:
        """Record a thumb up or down, or take it back; without any text."""
        match = _MESSAGE_ID.fullmatch(data["message"]) if isinstance(data.get("message"), str) else None
        value = RATINGS.get(str(data.get("value")))
        if match is None or value is None or match["name"] not in self._agent.domain.responses:
            raise RefusedError(400, "bad_request")
        if self._agent.records is not None:
            await self._agent.records.feedback(
                message=match.group(), response=match["name"], value=value, channel=NAME, conversation=session.sender
            )
        return {"ok": True}

    async def _erase(self, session: Session, _: Reply, socket: Optional[str] = None) -> Reply:
        """Forget the conversation everywhere and begin a new one."""
        try:
            async with self._agent.lock_store.lock(session.sender, wait_time_in_seconds=LOCK_WAIT):
                await self._agent.erase(session.sender)
        except Exception as error:
            # Without the lock a message that is being answered might be stored after
            # the erasure; erasing without it is still better than not erasing.
            logger.error("Erasing under the lock failed: %s", type(error).__name__)
            await self._agent.erase(session.sender)
        self._conversations.forget(session.sender)
        await _tell(self.sio, "erased", {}, room=session.sender, skip_sid=socket)
        new = self._sessions.mint()
        return {"ok": True, "token": new.token, "message": notice(self._agent, ERASE_RESPONSE)}

    # ---------------------------------------------------------------------------- Socket.IO

    async def _connect(self, socket: str, environ: dict[str, Any], auth: Any = None) -> None:
        """Let a window in: from an allowed site, with one of our tokens.

        Raises:
            ConnectionRefusedError: with the reason as the client reads it.
        """
        request: Request = environ["sanic.request"]
        address = _address(request)
        if not self._same_site(request):
            raise ConnectionRefusedError("origin_not_allowed")
        session = self._sessions.verify(auth.get("token")) if isinstance(auth, dict) else None
        if session is None:
            raise ConnectionRefusedError("unauthorized")
        mine = sum(1 for _, other in self._sockets.values() if other == address)
        if await self._limits.call(address) or mine >= MAX_SOCKETS_PER_ADDRESS or len(self._sockets) >= MAX_SOCKETS:
            raise ConnectionRefusedError("rate_limited")
        self._sockets[socket] = (session.sender, address)
        await self.sio.enter_room(socket, session.sender)

    async def _disconnect(self, socket: str, *_: Any) -> None:
        self._sockets.pop(socket, None)

    async def _socket_say(self, socket: str, data: Any = None, *_: Any) -> Reply:
        """Take a message; the answer comes as ``bot`` events and a ``done``."""
        if socket not in self._sockets:
            return {"ok": False, "error": "unauthorized"}
        sender, address = self._sockets[socket]
        try:
            turn, new = await self._take(Session(sender, ""), data if isinstance(data, dict) else {}, address)
        except RefusedError as refused:
            return self._refusal(refused)
        if new:
            self._answer(Session(sender, ""), turn, socket)
        else:
            for message in list(turn.messages):
                await self.sio.emit("bot", message, to=socket)
            if not turn.running:
                await self.sio.emit("done", {"turn": turn.id}, to=socket)
        return {"ok": True}

    def _socket_call(
        self, call: Callable[[Session, Reply, Optional[str]], Awaitable[Reply]]
    ) -> Callable[..., Awaitable[Reply]]:
        async def handle(socket: str, data: Any = None, *_: Any) -> Reply:
            if socket not in self._sockets:
                return {"ok": False, "error": "unauthorized"}
            sender, address = self._sockets[socket]
            try:
                wait = await self._limits.call(address)
                if wait:
                    raise RefusedError(429, "rate_limited", LIMITED_RESPONSE, wait)
                return await call(Session(sender, ""), data if isinstance(data, dict) else {}, socket)
            except RefusedError as refused:
                return self._refusal(refused)
            except Exception as error:
                logger.error("A request of the web channel failed: %s", type(error).__name__)
                return self._refusal(RefusedError(500, "error", ERROR_RESPONSE))

        return handle

    # --------------------------------------------------------------------------------- REST

    def _rest(
        self, handle: Callable[[Request, Reply, str], Awaitable[Reply]]
    ) -> Callable[[Request], Awaitable[HTTPResponse]]:
        """Wrap a handler with the checks that every request must pass."""

        async def checked(request: Request) -> HTTPResponse:
            try:
                if not self._same_site(request):
                    raise RefusedError(403, "origin_not_allowed")
                if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
                    # Also keeps other sites out: a browser asks first (CORS preflight)
                    # before it sends this content type anywhere.
                    raise RefusedError(415, "unsupported_media_type")
                if len(request.body) > MAX_BYTES:
                    raise RefusedError(413, "too_large", LONG_RESPONSE)
                body = _parsed(request.body)
                agent = self._agent
                if agent is None or not agent.is_ready():
                    raise RefusedError(503, "starting", None, OVERLOAD_WAIT)
                reply, status = await handle(request, body, _address(request)), 200
            except RefusedError as refused:
                reply, status = self._refusal(refused), refused.status
            except Exception as error:
                logger.error("A request of the web channel failed: %s", type(error).__name__)
                reply, status = self._refusal(RefusedError(500, "error", ERROR_RESPONSE)), 500
            headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
            if "retry_after" in reply:
                headers["Retry-After"] = str(max(1, round(reply["retry_after"])))
            return json_response(reply, status=status, headers=headers)

        return checked

    def _rest_call(
        self, call: Callable[[Session, Reply, Optional[str]], Awaitable[Reply]]
    ) -> Callable[[Request], Awaitable[HTTPResponse]]:
        async def handle(request: Request, body: Reply, address: str) -> Reply:
            session = self._authenticated(request)
            wait = await self._limits.call(address)
            if wait:
                raise RefusedError(429, "rate_limited", LIMITED_RESPONSE, wait)
            return await call(session, body, None)

        return self._rest(handle)

    async def _rest_session(self, request: Request, _: Reply, address: str) -> Reply:
        """Begin a conversation, or go on with the one that the token names."""
        session = self._sessions.verify(_bearer(request))
        wait = await (self._limits.call(address) if session else self._limits.session(address))
        if wait:
            raise RefusedError(429, "rate_limited", LIMITED_RESPONSE, wait)
        fresh = self._sessions.mint(session.sender if session else None)
        synced = await self._sync(fresh, {}) if session else {"history": [], "running": []}
        return {
            "ok": True,
            "token": fresh.token,
            "resumed": session is not None,
            "history": synced["history"],
            "running": synced["running"],
            "welcome": welcome(self._agent),
            "emergency_number": self._contacts.get("emergency_number"),
            "max_length": MAX_SCREENED,
        }

    async def _rest_message(self, request: Request, body: Reply, address: str) -> Reply:
        """Answer a message in the reply itself."""
        session = self._authenticated(request)
        turn, new = await self._take(session, body, address)
        if new:
            self._answer(session, turn)
        await turn.finished.wait()
        return {"ok": True, **turn.payload()}

    # ------------------------------------------------------------------------------- checks

    def _same_site(self, request: Request) -> bool:
        """Say whether a request comes from a page of ours, an allowed site, or no page at all."""
        origin = request.headers.get("origin")
        if origin is None:
            return True
        return origin in self._origins or urlsplit(origin).netloc == request.host

    def _authenticated(self, request: Request) -> Session:
        session = self._sessions.verify(_bearer(request))
        if session is None:
            raise RefusedError(401, "unauthorized")
        return session

    def _refusal(self, refused: RefusedError) -> Reply:
        reply: Reply = {"ok": False, "error": refused.error}
        if refused.response is not None:
            reply["message"] = notice(self._agent, refused.response)
        if refused.retry_after is not None:
            reply["retry_after"] = round(refused.retry_after, 2)
        return reply


async def _tell(sio: AsyncServer, event: str, data: Payload, **where: Any) -> None:
    """Send an event; should that fail, the windows find it when they ask again (``sync``)."""
    try:
        await sio.emit(event, data, **where)
    except Exception as error:
        logger.error("Telling the windows of a conversation failed: %s", type(error).__name__)


async def _nowhere(_: UserMessage) -> None:
    """Stand for the agent until the server has one."""


def _parsed(body: bytes) -> Reply:
    """Return a request's JSON object.

    Raises:
        RefusedError: if it is not one.
    """
    try:
        parsed = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise RefusedError(400, "bad_request") from None
    if not isinstance(parsed, dict):
        raise RefusedError(400, "bad_request")
    return parsed


def _bearer(request: Request) -> Optional[str]:
    """Return the token of the Authorization header."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _address(request: Request) -> str:
    """Return the visitor's network address; behind proxies the one that they report."""
    return str(request.remote_addr or request.ip)
