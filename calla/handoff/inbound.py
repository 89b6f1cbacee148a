"""Where inboxes report what people do: signed requests, each taken once."""

from __future__ import annotations

import json
import logging
from typing import Any, Callable, Mapping, Optional

from sanic import Sanic
from sanic.request import Request
from sanic.response import HTTPResponse
from sanic.response import json as json_response

from calla.handoff import chatwoot
from calla.handoff.handoffs import Handoffs
from calla.handoff.inboxes import CHATWOOT, WEBHOOK
from calla.handoff.people import OverError
from calla.handoff.signing import ID, is_signed, is_signed_by_chatwoot
from calla.settings import Settings

logger = logging.getLogger(__name__)

PATH = "/handoff"
MAX_BODY = 256 * 1024
Handle = Callable[[Handoffs, Mapping[str, str], Mapping[str, Any]], Any]


def add_inbound(app: Sanic, config: Settings, handoffs: Callable[[], Optional[Handoffs]]) -> None:
    """Add the address on which the inbox of the settings reports; other inboxes have none.

    Args:
        app: the server.
        config: the settings.
        handoffs: gives the hand-offs once the server has started.
    """
    secret = config.handoff_secret.get_secret_value() if config.handoff_secret else ""
    if config.handoff == WEBHOOK:
        app.add_route(_checked(secret, is_signed, _from_webhook, handoffs), f"{PATH}/webhook", methods=["POST"])
    elif config.handoff == CHATWOOT:
        app.add_route(
            _checked(secret, is_signed_by_chatwoot, _from_chatwoot, handoffs), f"{PATH}/chatwoot", methods=["POST"]
        )


def _checked(secret: str, check: Any, handle: Handle, handoffs: Callable[[], Optional[Handoffs]]) -> Any:
    async def inbound(request: Request) -> HTTPResponse:
        body = request.body
        if len(body) > MAX_BODY:
            return _answer(413, "too_large")
        if not check(secret, request.headers, body):
            return _answer(401, "wrong_signature")
        try:
            event = json.loads(body)
        except (ValueError, RecursionError):
            event = None
        if not isinstance(event, dict):
            return _answer(400, "bad_request")
        running = handoffs()
        if running is None:
            return _answer(503, "starting")
        try:
            await handle(running, request.headers, event)
        except OverError:
            return _answer(410, "ended")
        except (KeyError, TypeError, AttributeError):
            return _answer(400, "bad_request")
        except Exception as error:
            # Whoever sent it sends it again.
            logger.error("An event of the inbox failed: %s", type(error).__name__)
            return _answer(503, "error")
        return _answer(200, None)

    inbound.__name__ = handle.__name__
    return inbound


def _answer(status: int, error: Optional[str]) -> HTTPResponse:
    return json_response({"ok": error is None, **({"error": error} if error else {})}, status=status)


async def _from_webhook(handoffs: Handoffs, headers: Mapping[str, str], event: Mapping[str, Any]) -> None:
    """Take an event of the open protocol.

    Raises:
        OverError: if the talk has ended, or there is none.
        KeyError: if it is malformed.
    """
    data = event["data"]
    handoff = await handoffs.ledger.get(str(data["handoff"]))
    name, text = str((data.get("person") or {}).get("name") or ""), data.get("text")
    kind = event["type"]
    if kind == "person.joined":
        await handoffs.people.joined(handoff, name)
    elif kind == "person.message" and isinstance(text, str):
        await handoffs.people.wrote(handoff, str(headers[ID])[:90], name, text)
    elif kind == "person.left":
        await handoffs.people.left(handoff)
    else:
        raise KeyError(kind)


async def _from_chatwoot(handoffs: Handoffs, _: Mapping[str, str], event: Mapping[str, Any]) -> None:
    """Take an event of Chatwoot's; what is nothing of a person's, or of no hand-off, is left alone."""
    found = chatwoot.read_event(event)
    if found is None:
        return
    what, remote_key, key, name, text = found
    handoff = await handoffs.ledger.by_remote(remote_key)
    if handoff is None:
        return
    if what == chatwoot.WROTE:
        # Of a talk that has ended, Chatwoot marks the message as failed, so whoever wrote it sees that.
        await handoffs.people.wrote(handoff, key, name, text)
    elif handoff.state in ("waiting", "taken"):
        await (handoffs.people.left(handoff) if what == chatwoot.LEFT else handoffs.people.joined(handoff, name))
