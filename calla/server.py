"""The one server process: channels, understanding, decision, answers.

``python -m calla.server`` serves; ``make run`` (``calla.run``) starts it together with
the action server.
"""

from __future__ import annotations

from calla.settings import Settings, SettingsError, settings, silence_dependencies

silence_dependencies()

import asyncio
import logging
import secrets
import sys
from pathlib import Path
from typing import Optional

import rasa.core.run
from rasa.core.channels.channel import InputChannel
from rasa.core.channels.rest import RestInput
from rasa.core.lock_store import InMemoryLockStore
from rasa.core.utils import AvailableEndpoints
from rasa.utils.endpoints import EndpointConfig
from sanic import Sanic, response
from sanic.request import Request
from sanic.response import HTTPResponse

from calla.agent import DeadlineEndpoint, GuardedAgent
from calla.channels.slack.channel import SlackInput
from calla.channels.web import WebInput
from calla.model import ModelMissingError, latest_model
from calla.records import Records
from calla.status import STATUS
from calla.store import ConversationStore

logger = logging.getLogger(__name__)

NLG = "calla.answers.CallaNaturalLanguageGenerator"
# Of Rasa's own HTTP API only these are served, and only with a token: the rest could
# replace the model or forge conversations.
API_ALLOWED = (("GET", "/conversations/", "/tracker"), ("POST", "/model/parse", ""))
# Connections that wait to be accepted. Sanic's 100 are few where a crowd comes at once while
# an answer is being worked out: the kernel then resets connections of people in the queue.
BACKLOG = 1024
API_PREFIXES = ("/conversations", "/model", "/domain", "/status", "/version")


def secret_key(config: Settings) -> str:
    """Return the key that signs sessions and hashes conversation ids.

    From ``CALLA_SECRET``, else made once and kept in the data folder (readable by the
    owner only), so that sessions survive a restart on a fresh machine too.
    """
    if config.secret is not None:
        return config.secret.get_secret_value()
    file = config.data_folder / "secret"
    if not file.is_file():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(32))
    return file.read_text().strip()


def load_agent(config: Settings, model: Path) -> GuardedAgent:
    """Load the trained model with stores, record and time limits around it."""
    conversations = ConversationStore(url=config.database)
    agent = GuardedAgent(
        generator=EndpointConfig(type=NLG),
        tracker_store=conversations,
        lock_store=InMemoryLockStore(),
        action_endpoint=DeadlineEndpoint(url=config.action_endpoint, enable_selective_domain=True),
    )
    agent.load_model(model)
    agent.conversations = conversations
    agent.records = Records(config.database, secret_key(config))
    return agent


def input_channels(config: Settings) -> list[InputChannel]:
    """Return the channels that the settings switch on."""
    channels: list[InputChannel] = [WebInput(config, secret_key(config))]
    if config.environment == "development":
        # Rasa's plain REST channel trusts whatever sender a request names: for tests and
        # tools on this machine only.
        channels.append(RestInput())
    if config.slack_bot_token is not None:
        channels.append(SlackInput(config, secret_key(config)))
    return channels


def create_app(config: Settings, model: Path) -> Sanic:
    """Build the server.

    Args:
        config: the settings.
        model: the trained model to load when the server starts.

    Returns:
        the Sanic app with all channels and ``/health``.
    """
    token = config.api_token.get_secret_value() if config.api_token else None
    app = rasa.core.run.configure_app(
        input_channels(config),
        cors=config.origins or None,
        auth_token=token,
        enable_api=token is not None,
        endpoints=AvailableEndpoints(),
        port=config.port,
    )
    if config.proxies:
        app.config.PROXIES_COUNT = config.proxies

    @app.listener("before_server_start")
    async def load(app: Sanic, _: asyncio.AbstractEventLoop) -> None:
        app.ctx.agent = load_agent(config, model)
        logger.info("Calla is ready.")

    @app.get("/health")
    async def health(_: Request) -> HTTPResponse:
        agent: Optional[GuardedAgent] = getattr(app.ctx, "agent", None)
        ready = agent is not None and agent.is_ready()
        body = {"status": "ok" if ready else "starting", **STATUS.as_dict()}
        return response.json(body, status=200 if ready else 503)

    @app.middleware("request")
    async def only_known_api(request: Request) -> Optional[HTTPResponse]:
        if request.path.startswith(API_PREFIXES) and not any(
            request.method == method and request.path.startswith(start) and request.path.endswith(end)
            for method, start, end in API_ALLOWED
        ):
            return response.json({"error": "not found"}, status=404)
        return None

    return app


def main() -> int:
    """Serve until told to stop; returns the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for chatty in ("rasa", "matplotlib", "sanic.root", "apscheduler"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        config = settings()
        model = latest_model()
    except (SettingsError, ModelMissingError) as problem:
        print(problem, file=sys.stderr)
        return 2
    config.data_folder.mkdir(parents=True, exist_ok=True)
    app = create_app(config, model)
    app.run(host=config.host, port=config.port, backlog=BACKLOG, access_log=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
