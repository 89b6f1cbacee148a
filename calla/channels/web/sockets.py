"""The web channel's Socket.IO side: windows that stay connected."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any, AsyncIterator, Awaitable, Callable, Optional

from sanic.request import Request
from socketio import AsyncServer
from socketio.async_pubsub_manager import AsyncPubSubManager
from socketio.exceptions import ConnectionRefusedError

from calla.agent import ERROR_RESPONSE
from calla.channels.web.desk import Desk, Reply, tell
from calla.channels.web.limits import address_key
from calla.channels.web.refusals import RefusedError
from calla.channels.web.sessions import Session
from calla.peers import Peers

logger = logging.getLogger(__name__)

# Bytes of one packet, and of the body of a plain request: a message of MAX_SCREENED
# characters fits in any script, with every character escaped.
MAX_BYTES = 128 * 1024
# Open sockets from one network address, and all together.
MAX_SOCKETS_PER_ADDRESS = 100
MAX_SOCKETS = 5_000
# Seconds that a socket may be open before it says whose it is.
SILENT_SECONDS = 10


class CountingServer(AsyncServer):
    """A Socket.IO server that counts transports from their first byte, not from their first word.

    Socket.IO itself asks nobody before a client sends CONNECT, and a client that never does
    would cost a socket for as long as it answers pings.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._addresses: dict[str, str] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    async def _handle_eio_connect(self, eio_sid: str, environ: dict[str, Any]) -> Any:
        address = address_key(address_of(environ["sanic.request"]))
        mine = sum(1 for other in self._addresses.values() if other == address)
        if mine >= MAX_SOCKETS_PER_ADDRESS or len(self._addresses) >= MAX_SOCKETS:
            return "rate_limited"
        self._addresses[eio_sid] = address
        self._timers[eio_sid] = asyncio.get_running_loop().call_later(SILENT_SECONDS, self._still_silent, eio_sid)
        return await super()._handle_eio_connect(eio_sid, environ)

    async def _handle_eio_disconnect(self, eio_sid: str, reason: str) -> None:
        self._addresses.pop(eio_sid, None)
        timer = self._timers.pop(eio_sid, None)
        if timer is not None:
            timer.cancel()
        await super()._handle_eio_disconnect(eio_sid, reason)

    def _still_silent(self, eio_sid: str) -> None:
        if self.manager.sid_from_eio_sid(eio_sid, "/") is None:
            self.start_background_task(self._close, eio_sid)

    async def _close(self, eio_sid: str) -> None:
        socket = self.eio.sockets.get(eio_sid)
        if socket is not None:
            # Not waiting until it has read what is left: it may never do.
            await socket.close(wait=False)
            # A polite client hangs up at that word; this hangs up for the others.
            socket.queue.put_nowait(None)


class SharedWindows(AsyncPubSubManager):
    """Tells the windows at all server processes; never waits for the way to the others.

    Socket.IO's own manager for Redis would hold each message up while Redis hangs.

    Args:
        peers: the other processes.
    """

    name = "calla"
    CHANNEL = "windows"

    def __init__(self, peers: Peers) -> None:
        super().__init__(channel=self.CHANNEL)
        self._peers = peers

    async def _publish(self, data: Any) -> None:
        self._peers.tell(self.CHANNEL, json.dumps(data))

    async def _listen(self) -> AsyncIterator[str]:
        async for said in self._peers.hear(self.CHANNEL):
            yield said


def socket_server(peers: Optional[Peers] = None) -> CountingServer:
    """Return the Socket.IO server of the channel."""
    # The check of the origin is ours (``Desk``'s doors): Socket.IO's own would write a second
    # Access-Control-Allow-Origin header beside the server's.
    return CountingServer(
        async_mode="sanic",
        client_manager=SharedWindows(peers) if peers is not None else None,
        cors_allowed_origins=[],
        max_http_buffer_size=MAX_BYTES,
        ping_interval=20,
        ping_timeout=20,
        logger=False,
        engineio_logger=False,
    )


def address_of(request: Request) -> str:
    """Return the visitor's network address; behind proxies the one that they report."""
    return str(request.remote_addr or request.ip)


class Sockets:
    """Lets windows in and carries their messages and calls to the desk.

    Args:
        desk: the desk.
        same_site: says of a request whether its page may use Calla.
    """

    def __init__(self, desk: Desk, same_site: Callable[[Request], bool]) -> None:
        self._desk = desk
        self._same_site = same_site
        # Socket id -> session and network address.
        self._windows: dict[str, tuple[Session, str]] = {}
        sio = desk.sio
        sio.on("connect", self._connect)
        sio.on("disconnect", self._disconnect)
        sio.on("say", self._say)
        for name in desk.calls:
            sio.on(name, self._call(name))

    async def _connect(self, socket: str, environ: dict[str, Any], auth: Any = None) -> None:
        """Let a window in: from an allowed site, with one of our tokens.

        Raises:
            ConnectionRefusedError: with the reason as the client reads it.
        """
        request: Request = environ["sanic.request"]
        address = address_of(request)
        if not self._same_site(request):
            raise ConnectionRefusedError("origin_not_allowed")
        session = self._desk.sessions.verify(auth.get("token")) if isinstance(auth, dict) else None
        if session is None:
            raise ConnectionRefusedError("unauthorized")
        if await self._desk.limits.call(address):
            raise ConnectionRefusedError("rate_limited")
        self._windows[socket] = (session, address)
        await self._desk.sio.enter_room(socket, session.sender)

    async def _disconnect(self, socket: str, *_: Any) -> None:
        self._windows.pop(socket, None)

    def _window(self, socket: str) -> tuple[Session, str]:
        """Return whose window it is.

        Raises:
            RefusedError: nobody's, or of a conversation that has been erased.
        """
        session, address = self._windows.get(socket) or (None, "")
        if session is None or self._desk.sessions.is_revoked(session.sender):
            raise RefusedError(401, "unauthorized")
        return session, address

    async def _say(self, socket: str, data: Any = None, *_: Any) -> Reply:
        """Take a message; the answer comes as ``bot`` events and a ``done``."""
        desk = self._desk
        try:
            session, address = self._window(socket)
            turn, new = await desk.take(session, data if isinstance(data, dict) else {}, address)
        except RefusedError as refused:
            return refused.payload(desk.agent)
        if new:
            desk.answer(session, turn, socket)
        else:
            for message in list(turn.messages):
                await tell(desk.sio, "bot", message, to=socket)
            if not turn.running:
                await tell(desk.sio, "done", {"turn": turn.id}, to=socket)
        return {"ok": True}

    def _call(self, name: str) -> Callable[..., Awaitable[Reply]]:
        async def handle(socket: str, data: Any = None, *_: Any) -> Reply:
            desk = self._desk
            try:
                session, address = self._window(socket)
                return await desk.call(name, session, data if isinstance(data, dict) else {}, address, socket)
            except RefusedError as refused:
                return refused.payload(desk.agent)
            except Exception as error:
                logger.error("A request of the web channel failed: %s", type(error).__name__)
                return RefusedError(500, "error", ERROR_RESPONSE).payload(desk.agent)

        return handle
