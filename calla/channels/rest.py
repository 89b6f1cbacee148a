"""Rasa's plain REST channel, for tests and tools on this machine, strict about what it is sent."""

from __future__ import annotations

import logging
from typing import Any, Awaitable, Callable

from rasa.core.channels.channel import CollectingOutputChannel, InputChannel, UserMessage
from sanic import Blueprint, response
from sanic.exceptions import InvalidUsage
from sanic.request import Request
from sanic.response import HTTPResponse

logger = logging.getLogger(__name__)

MAX_SENDER = 255


class StrictRestInput(InputChannel):
    """Takes ``{"sender", "message"}`` at ``/webhooks/rest/webhook``; answers with the bot's messages.

    Rasa's own answers a wrong type with an error of the server and writes the message into the
    log. It trusts whatever sender a request names, and so does this one: development only.
    """

    @classmethod
    def name(cls) -> str:
        """Name of the channel, and of its address."""
        return "rest"

    def blueprint(self, on_new_message: Callable[[UserMessage], Awaitable[Any]]) -> Blueprint:
        """Return the route (see parent class)."""
        blueprint = Blueprint("strict_rest", __name__)

        @blueprint.post("/webhook")
        async def receive(request: Request) -> HTTPResponse:
            try:
                body = request.json
            except InvalidUsage:
                body = None
            problem = _problem(body)
            if problem is not None:
                return response.json({"error": problem}, status=400)
            collector = CollectingOutputChannel()
            message = UserMessage(body["message"], collector, body["sender"], input_channel=self.name())
            try:
                await on_new_message(message)
            except Exception as error:
                logger.error("A message of the REST channel failed: %s", type(error).__name__)
                return response.json({"error": "the message could not be handled"}, status=500)
            return response.json(collector.messages)

        return blueprint


def _problem(body: Any) -> str | None:
    """Return what is wrong with the body of a request."""
    if not isinstance(body, dict):
        return "the body must be a JSON object"
    for name in ("sender", "message"):
        if not isinstance(body.get(name), str) or not body[name].strip():
            return f"{name!r} must be a text that is not empty"
    if len(body["sender"]) > MAX_SENDER:
        return f"'sender' must have at most {MAX_SENDER} characters"
    return None
