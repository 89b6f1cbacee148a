"""The action server: Rasa's, bound to this machine, and only for Calla.

``python -m calla.action_server``; ``make run`` starts it beside the bot.
"""

from __future__ import annotations

from calla.settings import SettingsError, settings, silence_dependencies

silence_dependencies()

import asyncio
import hmac
import logging
import sys
from typing import Optional

from rasa_sdk.endpoint import create_app
from sanic import Sanic, response
from sanic.request import Request
from sanic.response import HTTPResponse

from calla.http_guard import PatientProtocol, guard
from calla.keys import KEY_HEADER, action_key, secret_key
from calla.logs import configure_logging
from calla.safety.screen import load_screen
from calla.watch import notify, signs_of_life

logger = logging.getLogger(__name__)
HOST = "127.0.0.1"


def main() -> int:
    """Serve until told to stop; returns the exit status."""
    configure_logging()
    try:
        config = settings()
    except SettingsError as problem:
        print(problem, file=sys.stderr)
        return 2
    try:
        key = action_key(secret_key(config))
    except OSError as error:
        print(f"{error.filename} cannot be used ({error.strerror}).", file=sys.stderr)
        return 2
    app = create_app("actions")
    guard(app, behind_tls=False)
    # Read now, not while somebody waits.
    load_screen()

    @app.middleware("request")
    async def only_calla(request: Request) -> Optional[HTTPResponse]:
        if request.path == "/health":
            return None
        if not hmac.compare_digest(request.headers.get(KEY_HEADER, "").encode(errors="replace"), key.encode()):
            return response.json({"error": "not allowed"}, status=403)
        return None

    @app.exception(Exception)
    async def failed(_: Request, error: Exception) -> HTTPResponse:
        # Rasa's own handler sends the request back, and logs it.
        logger.error("An action failed: %s", type(error).__name__)
        status = getattr(error, "status_code", 500)
        return response.json({"error": "the action failed"}, status=status)

    @app.listener("after_server_start")
    async def ready(app: Sanic, loop: asyncio.AbstractEventLoop) -> None:
        notify("READY=1")
        app.ctx.alive = loop.create_task(signs_of_life())

    configure_logging()
    app.run(host=HOST, port=config.action_port, access_log=False, motd=False, protocol=PatientProtocol)
    return 0


if __name__ == "__main__":
    sys.exit(main())
