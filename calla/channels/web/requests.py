"""The web channel's plain requests, for windows whose network lets no socket through."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
from typing import Any, Awaitable, Callable, Optional
from urllib.parse import urlsplit

from sanic import Blueprint
from sanic.request import Request
from sanic.response import HTTPResponse
from sanic.response import json as json_response

from calla.agent import ERROR_RESPONSE, INTAKE_GRACE
from calla.channels.web.desk import BUSY_WAIT, OVERLOAD_WAIT, Desk, Reply
from calla.channels.web.messages import welcome
from calla.channels.web.refusals import BUSY_RESPONSE, LIMITED_RESPONSE, LONG_RESPONSE, RefusedError
from calla.channels.web.sessions import Session
from calla.channels.web.sockets import MAX_BYTES, address_of
from calla.settings import Settings
from calla.text import MAX_SCREENED

logger = logging.getLogger(__name__)

# For whoever writes a program that sends something else.
NO_OBJECT = "body: a JSON object"


class Sites:
    """Which pages may use Calla: her own, and those of allowed sites.

    Her own page is one whose origin is the host that it asks, and that host is an address, this
    machine, or the public name in the settings. Comparing the two with each other alone would
    let in any name that an attacker points at this machine (DNS rebinding).

    Args:
        config: the settings.
    """

    def __init__(self, config: Settings) -> None:
        self._origins = frozenset(config.origins)
        own = urlsplit(config.public_address or "")
        self._own = f"{own.scheme}://{own.netloc}" if own.netloc else None
        self._names = {"localhost", config.host.lower()}

    def same_site(self, request: Request) -> bool:
        """Say whether a request comes from a page of ours, an allowed site, or no page at all."""
        origin = request.headers.get("origin")
        if origin is None or origin in self._origins or origin == self._own:
            return True
        try:
            parts = urlsplit(origin)
            name = (parts.hostname or "").lower()
        except ValueError:
            return False
        return parts.netloc == request.host and (name in self._names or _is_address(name))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class Requests:
    """The routes of the channel.

    Args:
        desk: the desk.
        sites: which pages may use Calla.
        emergency_number: the operator's emergency number, if it is set.
    """

    def __init__(self, desk: Desk, sites: Sites, emergency_number: Optional[str]) -> None:
        self._desk = desk
        self._sites = sites
        self._emergency_number = emergency_number

    def add_to(self, blueprint: Blueprint) -> None:
        """Add the routes to a blueprint."""
        for name in self._desk.calls:
            blueprint.add_route(self._call(name), f"/{name}", methods=["POST"], name=name)
        blueprint.add_route(self._checked(self._session), "/session", methods=["POST"], name="session")
        blueprint.add_route(self._checked(self._message), "/message", methods=["POST"], name="message")

    def _checked(
        self, handle: Callable[[Request, Reply, str], Awaitable[Reply]]
    ) -> Callable[[Request], Awaitable[HTTPResponse]]:
        """Wrap a handler with the checks that every request must pass."""

        async def checked(request: Request) -> HTTPResponse:
            agent = self._desk.agent
            try:
                if not self._sites.same_site(request):
                    raise RefusedError(403, "origin_not_allowed")
                if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
                    # Also keeps other sites out: a browser asks first (CORS preflight)
                    # before it sends this content type anywhere.
                    raise RefusedError(415, "unsupported_media_type")
                if len(request.body) > MAX_BYTES:
                    raise RefusedError(413, "too_large", LONG_RESPONSE)
                body = _parsed(request.body)
                if agent is None or not agent.is_ready():
                    raise RefusedError(503, "starting", None, OVERLOAD_WAIT)
                reply, status = await handle(request, body, address_of(request)), 200
            except RefusedError as refused:
                reply, status = refused.payload(agent), refused.status
            except Exception as error:
                logger.error("A request of the web channel failed: %s", type(error).__name__)
                reply, status = RefusedError(500, "error", ERROR_RESPONSE).payload(agent), 500
            headers = {"Cache-Control": "no-store"}
            if "retry_after" in reply:
                headers["Retry-After"] = str(max(1, round(reply["retry_after"])))
            return json_response(reply, status=status, headers=headers)

        return checked

    def _call(self, name: str) -> Callable[[Request], Awaitable[HTTPResponse]]:
        async def handle(request: Request, body: Reply, address: str) -> Reply:
            return await self._desk.call(name, self._authenticated(request), body, address)

        return self._checked(handle)

    async def _session(self, request: Request, _: Reply, address: str) -> Reply:
        """Begin a conversation, or go on with the one that the token names."""
        desk = self._desk
        session = desk.sessions.verify(_bearer(request))
        wait = await (desk.limits.call(address) if session else desk.limits.session(address))
        if wait:
            raise RefusedError(429, "rate_limited", LIMITED_RESPONSE, wait)
        fresh = desk.sessions.mint(session)
        synced = await desk.sync(fresh, {}) if session else {"history": [], "running": [], "handoff": None}
        return {
            "ok": True,
            "token": fresh.token,
            "resumed": session is not None,
            "history": synced["history"],
            "running": synced["running"],
            "welcome": welcome(desk.agent),
            **({"handoff": synced["handoff"]} if "handoff" in synced else {}),
            "emergency_number": self._emergency_number,
            "max_length": MAX_SCREENED,
        }

    async def _message(self, request: Request, body: Reply, address: str) -> Reply:
        """Answer a message in the reply itself."""
        session = self._authenticated(request)
        turn, new = await self._desk.take(session, body, address)
        if new:
            self._desk.answer(session, turn)
        # Another process may be gone that has it: what it owes is said before anybody can know that.
        waiting = asyncio.ensure_future(turn.finished.wait())
        try:
            await asyncio.wait({waiting}, timeout=INTAKE_GRACE if turn.elsewhere else None)
        finally:
            waiting.cancel()
        if turn.refused or turn.running:
            refused = RefusedError(409, "busy", BUSY_RESPONSE, BUSY_WAIT)
            refused.messages = await self._desk.refer(session, turn.id, turn.text, turn.arrived)
            raise refused
        return {"ok": True, **turn.payload()}

    def _authenticated(self, request: Request) -> Session:
        session = self._desk.sessions.verify(_bearer(request))
        if session is None:
            raise RefusedError(401, "unauthorized")
        return session


def _parsed(body: bytes) -> dict[str, Any]:
    """Return a request's JSON object.

    Raises:
        RefusedError: if it is not one.
    """
    try:
        parsed = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise RefusedError(400, "bad_request", reason=NO_OBJECT) from None
    if not isinstance(parsed, dict):
        raise RefusedError(400, "bad_request", reason=NO_OBJECT)
    return parsed


def _bearer(request: Request) -> Optional[str]:
    """Return the token of the Authorization header."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None
