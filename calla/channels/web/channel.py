"""The widget's channel: page, static files, Socket.IO and requests from the one server.

Both transports speak the same small protocol (``docs/widget.md``). A visitor's messages
go into exactly one conversation, the one that the signed session token names; nothing
else that a client sends decides where a message goes.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Awaitable, Callable, Optional

from rasa.core.channels.channel import InputChannel, UserMessage
from sanic import Blueprint, Sanic
from sanic.request import Request
from sanic.response import HTTPResponse

from calla.channels.web import files as web_files
from calla.channels.web.desk import NAME, Desk
from calla.channels.web.requests import Requests, Sites
from calla.channels.web.sockets import Sockets, socket_server
from calla.erasure import RETRY_EVERY
from calla.peers import Peers
from calla.settings import Settings
from calla.watch import repeat

logger = logging.getLogger(__name__)

PREFIX = "/chat"
SOCKET_PATH = f"{PREFIX}/socket.io"


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
        key: the server's secret (``calla.keys.secret_key``).
        peers: the other server processes, if there are any.

    Attributes:
        sio: the Socket.IO server.
        desk: what visitors can ask.
    """

    def __init__(self, config: Settings, key: str, peers: Optional[Peers] = None) -> None:
        self.sio = socket_server(peers)
        self.desk = Desk(config, key, self.sio, peers)
        self._peers = peers
        self._jobs: list[asyncio.Task[None]] = []
        sites = Sites(config)
        self._sockets = Sockets(self.desk, sites.same_site)
        self._requests = Requests(self.desk, sites, config.emergency_number)
        self._policy = web_files.page_policy(config.origins)
        self._files = web_files.read_files(config.contacts)

    @classmethod
    def name(cls) -> str:
        """Name of the channel."""
        return NAME

    def url_prefix(self) -> str:
        """Where the channel's routes are."""
        return PREFIX

    def attach(self, app: Sanic) -> None:
        """Give ``app`` the Socket.IO endpoint and the widget's files."""
        self.desk.app = app
        self.sio.attach(app, SOCKET_PATH)

        @app.middleware("request")
        async def files(request: Request) -> Optional[HTTPResponse]:
            """Serve the files; also ``/``, where Rasa would tell its version."""
            path = request.path if request.path == "/" else request.path.rstrip("/")
            if path in self._files and request.method in ("GET", "HEAD"):
                return web_files.serve(request, self._files, self._policy)
            return None

        @app.listener("after_server_start")
        async def forgetful(app: Sanic, _: asyncio.AbstractEventLoop) -> None:
            """Take part in erasures and hand-offs."""
            if handoffs := getattr(app.ctx.agent, "handoffs", None):
                handoffs.speaker.windows = self.desk
            erasure = getattr(app.ctx.agent, "erasure", None)
            if erasure is None:
                return
            erasure.register("the web channel", self.desk.forget)
            try:
                await self.desk.sessions.keep_in(app.ctx.agent.tracker_store.database, erasure.pending)
            except Exception as error:
                logger.error("Revoked sessions could not be read: %s", type(error).__name__)
            if self._peers is not None:
                self._peers.on_forget(self.desk.forget_here)
                again = repeat("Reading revoked sessions", self.desk.sessions.refresh, RETRY_EVERY)
                self._jobs.append(asyncio.get_running_loop().create_task(again))

        @app.listener("before_server_stop")
        async def end(app: Sanic, _: asyncio.AbstractEventLoop) -> None:
            for job in self._jobs:
                job.cancel()

    def blueprint(self, on_new_message: Callable[[UserMessage], Awaitable[Any]]) -> Blueprint:
        """Return the routes (see parent class)."""
        self.desk.on_new_message = on_new_message
        blueprint = WebBlueprint(self)
        self._requests.add_to(blueprint)
        return blueprint
