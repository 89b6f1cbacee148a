"""The connection to Slack: who Calla is there, whether Slack accepts it, and the socket that stays open."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Optional

import aiohttp
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.web.async_client import AsyncWebClient

from calla.channels.slack.errors import REFUSED, reason
from calla.channels.slack.incoming import Team
from calla.channels.slack.lanes import Lanes

logger = logging.getLogger(__name__)

# Seconds between two attempts to reach Slack, from the first to the last.
RECONNECT = (1, 2, 5, 10, 30)
# Seconds between two looks whether a refused token has been repaired, and at one that is well.
REPAIRED = 15.0
LOOK_AGAIN = 300.0
# Seconds between two signs of life on a socket, and after which one that is not well is
# given up for a new one.
PING, SILENCE = 5, 30.0
# Seconds that looking after token and socket gets to end, once it is told to.
TASKS_END = 1.0
# What each part of Calla needs (deploy/slack/manifest.yml, docs/slack.md).
SCOPES = frozenset(
    {
        "app_mentions:read",
        "assistant:write",
        "channels:history",
        "channels:read",
        "chat:write",
        "commands",
        "groups:history",
        "groups:read",
        "im:history",
        "im:write",
        "mpim:history",
        "users:read",
    }
)
OFF, STARTING, OK, UNREACHABLE = "off", "starting", "ok", "unreachable"


@dataclass
class State:
    """What is known about the connection; shown by ``/health``.

    Attributes:
        token: ``starting``, ``ok``, ``unreachable``, or why Slack refuses the bot token.
        socket: ``off`` (HTTP mode), ``starting``, ``ok``, or what is wrong.
        missing_scopes: scopes that the token lacks.
        care_channel: ``off``, ``starting``, ``ok``, or what is wrong with it.
        team: the workspace, and who Calla is there.
    """

    token: str = STARTING
    socket: str = OFF
    missing_scopes: list[str] = field(default_factory=list)
    care_channel: str = OFF
    team: Team = field(default_factory=lambda: Team("", None, frozenset()))

    def as_dict(self) -> dict[str, Any]:
        """Return what ``/health`` shows."""
        return {
            "token": self.token,
            "socket": self.socket,
            "missing_scopes": self.missing_scopes,
            "care_channel": self.care_channel,
        }


class Connection:
    """Keeps Calla connected.

    Args:
        client: Slack's Web API.
        app_token: for Socket Mode; ``None`` in HTTP mode.
        care_channel: id of the care channel, if there is one.
        lanes: told when something arrives.
        well: called whenever Slack accepts Calla: at first, and again after a refusal.
    """

    def __init__(
        self,
        client: AsyncWebClient,
        app_token: Optional[str],
        care_channel: Optional[str],
        lanes: Lanes,
        well: Callable[[], None],
    ) -> None:
        self._client = client
        self._app_token = app_token
        self._care_channel = care_channel
        self._lanes = lanes
        self._well = well
        self._socket: Optional[AsyncSocketModeHandler] = None
        self._doubt = asyncio.Event()
        self.state = State(
            socket=OFF if app_token is None else STARTING, care_channel=OFF if care_channel is None else STARTING
        )

    @property
    def known(self) -> bool:
        """Whether Slack has told who Calla is."""
        return bool(self.state.team.bots)

    def refused(self, why: str) -> None:
        """Take that Slack refuses the token; look from now on whether it is repaired."""
        if self.state.token != why:
            self.state.token = why
            logger.error("Slack refuses SLACK_BOT_TOKEN (%s): make a new token; what is to be said waits for it.", why)
        self._doubt.set()

    async def keep(self, bolt: AsyncApp) -> None:
        """Learn who Calla is, open the socket, and look after both until cancelled."""
        await self._introduced()
        tasks = [asyncio.ensure_future(self._keep_token())]
        if self._app_token is not None:
            tasks.append(asyncio.ensure_future(self._keep_socket(bolt, self._app_token)))
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=TASKS_END)

    async def close(self) -> None:
        """Take nothing new."""
        if self._socket is not None:
            await self._socket.close_async()

    # --------------------------------------------------------------------------- token

    async def _introduced(self) -> None:
        """Ask who Calla is until Slack tells."""
        attempt = 0
        news = self.state.token != OK
        while True:
            try:
                answer = await self._client.auth_test()
                break
            except Exception as error:
                why, news = reason(error), True
                if why in REFUSED:
                    self.refused(why)
                    await asyncio.sleep(REPAIRED)
                    continue
                self.state.token = UNREACHABLE
                logger.warning("Slack cannot be reached (%s); trying again.", why)
            await asyncio.sleep(RECONNECT[min(attempt, len(RECONNECT) - 1)])
            attempt += 1
        enterprise = answer.get("enterprise_id")
        self.state.team = Team(
            str(answer.get("team_id") or ""),
            str(enterprise) if enterprise else None,
            frozenset({str(answer["user_id"])}),
        )
        self.state.token = OK
        self._doubt.clear()
        self._check_scopes(answer.headers)
        await self._check_care_channel()
        if news:
            self._well()

    def _check_scopes(self, headers: Any) -> None:
        """Compare the scopes that Slack names with those that Calla needs."""
        listed = str(headers.get("x-oauth-scopes") or headers.get("X-OAuth-Scopes") or "")
        if not listed:
            return
        known = self.state.missing_scopes
        self.state.missing_scopes = sorted(SCOPES - set(re.split(r"[,\s]+", listed)))
        if self.state.missing_scopes and self.state.missing_scopes != known:
            logger.error(
                "The Slack app lacks scopes (%s): add them and install it again (docs/slack.md).",
                ", ".join(self.state.missing_scopes),
            )

    async def _check_care_channel(self) -> None:
        """See whether the care channel is there, is Calla's to write in, and is not open to all."""
        if self._care_channel is None:
            return
        known = self.state.care_channel
        try:
            found = (await self._client.conversations_info(channel=self._care_channel)).get("channel") or {}
        except Exception as error:
            self.state.care_channel = reason(error)
        else:
            self.state.care_channel = next(
                (
                    problem
                    for problem, true in (
                        ("is_archived", found.get("is_archived")),
                        ("not_in_channel", not found.get("is_member")),
                        ("is_shared_with_others", found.get("is_ext_shared")),
                        ("is_public", not found.get("is_private")),
                    )
                    if true
                ),
                OK,
            )
        if self.state.care_channel not in (OK, known):
            logger.error("SLACK_CARE_CHANNEL is not as it should be: %s (docs/slack.md).", self.state.care_channel)

    async def _keep_token(self) -> None:
        """Look now and then whether all is well; after a doubt about the token, until Slack accepts it again."""
        while True:
            try:
                await asyncio.wait_for(self._doubt.wait(), LOOK_AGAIN)
            except asyncio.TimeoutError:
                await self._introduced()
                continue
            await asyncio.sleep(REPAIRED)
            await self._introduced()
            logger.info("Slack accepts SLACK_BOT_TOKEN again.")

    # -------------------------------------------------------------------------- socket

    async def _keep_socket(self, bolt: AsyncApp, app_token: str) -> None:
        """Open the socket, and a new one whenever it is not well for long."""
        attempt = 0
        while True:
            try:
                await self._open(bolt, app_token)
            except Exception as error:
                why = reason(error)
                if why in REFUSED and self.state.socket != why:
                    logger.error("Slack refuses SLACK_APP_TOKEN (%s): make a new token.", why)
                elif why not in REFUSED:
                    logger.warning("Slack cannot be reached (%s); trying again.", why)
                self.state.socket = why
                pause = REPAIRED if why in REFUSED else RECONNECT[min(attempt, len(RECONNECT) - 1)]
                attempt += 1
                await asyncio.sleep(pause)
                continue
            attempt = 0
            await self._until_silent()
            await self.close()

    async def _open(self, bolt: AsyncApp, app_token: str) -> None:
        opened = await self._client.apps_connections_open(app_token=app_token)
        handler = AsyncSocketModeHandler(
            bolt,
            app_token,
            logger=_quiet_logger(),
            web_client=self._client,
            ping_interval=PING,
        )
        handler.client.wss_uri = str(opened["url"])

        async def take_in(client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
            with self._lanes.intake():
                await handler.handle(client, request)

        async def tell(_: aiohttp.WSMessage) -> None:
            self._lanes.arrived()

        handler.client.socket_mode_request_listeners[:] = [take_in]
        handler.client.on_message_listeners.append(tell)
        self._socket = handler
        await asyncio.wait_for(handler.connect_async(), SILENCE)
        self.state.socket = OK
        logger.info("Calla listens to Slack (Socket Mode).")

    async def _until_silent(self) -> None:
        """Return once the socket has not been well for ``SILENCE`` seconds; the library mends it before."""
        last = time.monotonic()
        while time.monotonic() - last < SILENCE:
            await asyncio.sleep(PING / 5)
            if self._socket is not None and await self._socket.client.is_connected():
                last = time.monotonic()
                self.state.socket = OK
            else:
                self.state.socket = "silent"


def _quiet_logger() -> logging.Logger:
    """Return a logger for the library: its warnings quote what arrives, so only its errors are logged."""
    log = logging.getLogger("calla.channels.slack.socket")
    log.setLevel(logging.ERROR)
    return log
