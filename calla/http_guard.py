"""What every connection has to respect, whichever channel it is for.

Sanic 21.12 is lenient where a request may be read in two ways, and it gives a connection
that trickles all the time it likes. Both are settled here, inside the process, so that
nothing depends on the reverse proxy in front.
"""

from __future__ import annotations

import logging
import re
import resource
import time
from typing import Any, Optional, Sequence

from sanic import Sanic
from sanic.exceptions import SanicException, ServerError
from sanic.http import Stage
from sanic.request import Request
from sanic.response import HTTPResponse
from sanic.server.protocols.websocket_protocol import WebSocketProtocol
from sanic.server.websockets.impl import WebsocketImplProtocol

logger = logging.getLogger(__name__)

# Bytes of any request (Slack's largest events are a few hundred thousand).
MAX_REQUEST = 1024 * 1024
# Seconds in which a request must have arrived, head and body; seconds that a connection may
# be silent between two; seconds that an answer may take (long polling holds one for 20).
REQUEST_SECONDS = 10
SILENT_SECONDS = 5
RESPONSE_SECONDS = 60
MAX_HEADERS = 64
# Packets that a web socket may bring at once, and a second from then on. No window brings as many,
# each costs the event loop something, and a proxy in front cannot count them.
MOST_PACKETS, PACKETS_A_SECOND = 200, 20
_REQUEST_LINE = re.compile(rb"[A-Z]{3,10} (?:/[!-~]*|\*) HTTP/1\.[01]")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")
_LENGTH = re.compile(rb"[0-9]{1,12}")
_HOST = re.compile(rb"[A-Za-z0-9._~%:\[\]-]+")

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Permitted-Cross-Domain-Policies": "none",
}
HSTS = "max-age=31536000"


def framing_problem(head: bytes) -> Optional[str]:
    """Return what is ambiguous or malformed in the head of a request, ``None`` if nothing is.

    Args:
        head: request line and header lines, without the empty line that ends them.
    """
    line, *lines = head.split(b"\r\n")
    if not _REQUEST_LINE.fullmatch(line):
        return "request line"
    if len(lines) > MAX_HEADERS:
        return "too many headers"
    seen: dict[bytes, list[bytes]] = {}
    for header in lines:
        match = _HEADER.fullmatch(header)
        if match is None:
            return "header line"
        seen.setdefault(match[1].lower(), []).append(match[2].rstrip())
    hosts = seen.get(b"host", [])
    if len(hosts) > 1 or not all(map(_HOST.fullmatch, hosts)) or (not hosts and line.endswith(b"1.1")):
        return "host"
    # Nobody who talks to Calla streams a request; without chunks there is one way to read a body.
    if b"transfer-encoding" in seen:
        return "transfer encoding"
    lengths = seen.get(b"content-length", [])
    if len(lengths) > 1 or not all(_LENGTH.fullmatch(length) for length in lengths):
        return "content length"
    return None


class PatientProtocol(WebSocketProtocol):
    """Sanic's protocol, patient with answers but not with requests that trickle in.

    Sanic starts its clock anew with every byte; here a request has its seconds from the first.
    """

    _time: float

    def data_received(self, data: bytes) -> None:
        """Take bytes (see parent class)."""
        http = getattr(self, "_http", None)
        reading = http is not None and (
            http.stage is Stage.REQUEST or (http.stage is Stage.HANDLER and bool(http.request_body))
        )
        began = self._time if reading else None
        super().data_received(data)
        if began is not None:
            self._time = began

    async def websocket_handshake(
        self, request: Request, subprotocols: Optional[Sequence[str]] = None
    ) -> WebsocketImplProtocol:
        """Open a web socket (see parent class, which calls a client's mistake one of the server's)."""
        try:
            opened = await super().websocket_handshake(request, subprotocols)
        except ServerError:
            raise SanicException("web socket", status_code=400) from None
        received = opened.connection.events_received
        allowed, latest = float(MOST_PACKETS), time.monotonic()

        def counted() -> list[Any]:
            nonlocal allowed, latest
            packets, now = received(), time.monotonic()
            allowed, latest = min(MOST_PACKETS, allowed + (now - latest) * PACKETS_A_SECOND) - len(packets), now
            if allowed >= 0:
                return list(packets)
            if self.transport is not None:
                self.transport.abort()
            return []

        opened.connection.events_received = counted
        return opened

    def check_timeouts(self) -> None:
        """Close what is too slow (see parent class), also while a body is being read."""
        http = getattr(self, "_http", None)
        in_body = http is not None and http.stage is Stage.HANDLER and http.request_body and not http.upgrade_websocket
        if in_body and self.transport is not None and time.monotonic() - self._time > REQUEST_SECONDS:
            self.transport.abort()
            return
        super().check_timeouts()


def guard(app: Sanic, *, behind_tls: bool) -> None:
    """Give an app the limits, the strict reading of requests and the headers of every response.

    Args:
        app: the app.
        behind_tls: whether visitors come by https, as the proxy in front says.
    """
    app.config.REQUEST_MAX_SIZE = MAX_REQUEST
    app.config.REQUEST_TIMEOUT = REQUEST_SECONDS
    app.config.KEEP_ALIVE_TIMEOUT = SILENT_SECONDS
    app.config.RESPONSE_TIMEOUT = RESPONSE_SECONDS
    # Error pages in one short form; never a traceback or a version.
    app.config.FALLBACK_ERROR_FORMAT = "json"

    @app.signal("http.lifecycle.read_head")
    async def strict(head: bytes) -> None:
        problem = framing_problem(head)
        if problem is not None:
            raise SanicException(problem, status_code=400)

    @app.middleware("response")
    async def headers(request: Request, response: HTTPResponse) -> None:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if behind_tls and request.headers.get("x-forwarded-proto") == "https":
            response.headers.setdefault("Strict-Transport-Security", HSTS)


def raise_descriptor_limit(wanted: int) -> Optional[str]:
    """Raise the process's limit of open files as far as it may; return a sentence if that is too little.

    Args:
        wanted: descriptors that the process may need.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        return f"Only {hard} files may be open at once, {wanted} are wanted: raise LimitNOFILE or `ulimit -Hn`."
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return None
