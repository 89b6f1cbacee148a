"""The report as a page of the server, ``/report``: read-only, behind the API token.

It is made in a process of its own at low priority, so that nobody who asks something waits for it.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import sys
import time
from typing import Optional

from sanic import Sanic, response
from sanic.request import Request
from sanic.response import HTTPResponse

from calla.settings import ROOT

logger = logging.getLogger(__name__)

PATH = "/report"
# Seconds for which a report is shown again, that a request waits for it, and after which making it is given up.
FRESH, PATIENCE, LONGEST = 60.0, 40.0, 600.0
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class ReportPage:
    """Makes the report when it is asked for, one at a time.

    Args:
        token: the API token.
    """

    def __init__(self, token: str) -> None:
        self._token = token
        self._making: Optional[asyncio.Task[Optional[bytes]]] = None
        self._ended = 0.0

    def allows(self, request: Request) -> bool:
        """Say whether a request brings the token, as a parameter or as a bearer."""
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        given = bearer.strip() if scheme.lower() == "bearer" else request.args.get("token", "")
        return hmac.compare_digest(given.encode(errors="replace"), self._token.encode())

    async def show(self, request: Request) -> HTTPResponse:
        """Answer with the page; without the token with nothing."""
        if not self.allows(request):
            return response.json({"error": "unauthorized"}, status=401, headers=HEADERS)
        if self._making is None or (self._making.done() and time.monotonic() - self._ended > FRESH):
            self._making = asyncio.get_running_loop().create_task(self._make())
        # Whoever goes away does not end it, and whoever comes again finds it made.
        done, _ = await asyncio.wait({self._making}, timeout=PATIENCE)
        if not done or (made := self._making.result()) is None:
            return response.json({"error": "not made yet"}, status=503, headers={**HEADERS, "Retry-After": "20"})
        return response.raw(made, content_type="text/html; charset=utf-8", headers=HEADERS)

    async def _make(self) -> Optional[bytes]:
        try:
            return await _make()
        finally:
            self._ended = time.monotonic()


async def _make() -> Optional[bytes]:
    """Return a new report, ``None`` if that failed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "calla.report",
        "--stdout",
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        made, _ = await asyncio.wait_for(process.communicate(), LONGEST)
    except asyncio.TimeoutError:
        logger.error("The report took too long.")
        return None
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode != 0:
        logger.error("The report could not be made (status %s).", process.returncode)
        return None
    return made


def add_report(app: Sanic, token: Optional[str]) -> None:
    """Add the page if there is a token to keep it behind."""
    if token:
        app.add_route(ReportPage(token).show, PATH, methods=["GET"], name="report")
