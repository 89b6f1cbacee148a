"""Calla in Slack: direct messages, mentions, ``/calla``, shortcut, Home tab.

One Rasa channel on slack_bolt, inside the server process. With ``SLACK_APP_TOKEN`` it
dials out to Slack (Socket Mode, no public address); with ``SLACK_SIGNING_SECRET`` it
takes signed requests at ``/webhooks/slack/webhook`` (HTTP mode).

An event is written down and acknowledged at once (``intake``), understood afterwards
(``answering``), and its answer is sent until Slack has taken it (``outbox``).
"""

from __future__ import annotations

import asyncio
import re
from typing import Optional

from rasa.core.channels.channel import InputChannel
from sanic import Blueprint, Sanic, response
from sanic.request import Request
from sanic.response import HTTPResponse
from slack_bolt.adapter.sanic.async_handler import AsyncSlackRequestHandler

from calla.agent import GuardedAgent
from calla.channels.slack.answering import OnNewMessage
from calla.channels.slack.app import SlackApp
from calla.settings import Settings

# Bytes of a request. Slack's largest event, 40,000 characters twice, stays below.
MAX_REQUEST = 1_000_000
_SIGNATURE = re.compile(r"v0=[0-9a-f]{64}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")


class SlackInput(InputChannel):
    """The Slack channel.

    Args:
        config: the settings; ``slack_bot_token`` and one of ``slack_app_token`` and
            ``slack_signing_secret`` are set.
        key: secret that conversation ids are hashed with.
    """

    def __init__(self, config: Settings, key: str) -> None:
        self._config = config
        self._key = key
        self._running: Optional[SlackApp] = None

    @classmethod
    def name(cls) -> str:
        """Name of the channel, and of its address."""
        return "slack"

    def blueprint(self, on_new_message: OnNewMessage) -> Blueprint:
        """Return the routes and listeners of the channel."""
        blueprint = Blueprint("slack_webhook", __name__)

        @blueprint.listener("after_server_start")
        async def start(app: Sanic, _: asyncio.AbstractEventLoop) -> None:
            self._running = SlackApp(self._config, self._key, lambda: _agent(app), on_new_message)
            self._running.start()

        @blueprint.listener("before_server_stop")
        async def stop(app: Sanic, _: asyncio.AbstractEventLoop) -> None:
            if self._running is not None:
                await self._running.stop()

        if self._config.slack_signing_secret is not None:

            @blueprint.post("/webhook")
            async def webhook(request: Request) -> HTTPResponse:
                return await self._receive(request)

        return blueprint

    async def _receive(self, request: Request) -> HTTPResponse:
        """Check and pass on one request of Slack's; the signature itself is Bolt's to check."""
        if len(request.body) > MAX_REQUEST:
            return response.text("too large", status=413)
        # Bolt would stumble over these instead of refusing them.
        signature = request.headers.get("x-slack-signature", "")
        timestamp = request.headers.get("x-slack-request-timestamp", "")
        if not _SIGNATURE.fullmatch(signature) or not _TIMESTAMP.fullmatch(timestamp):
            return response.json({"error": "invalid request"}, status=401)
        running = self._running
        if running is None or running.stopping or not running.connection.known:
            # Slack sends it again.
            return response.json({"error": "not ready"}, status=503, headers={"Retry-After": "5"})
        try:
            with running.lanes.intake():
                return await AsyncSlackRequestHandler(running.bolt).handle(request)
        except (ValueError, AttributeError, TypeError):
            # Signed, yet nothing that Slack sends: no JSON, or no object.
            return response.json({"error": "invalid request"}, status=400)


def _agent(app: Sanic) -> GuardedAgent:
    agent: Optional[GuardedAgent] = getattr(app.ctx, "agent", None)
    if agent is None:
        raise RuntimeError("no agent is loaded")
    return agent
