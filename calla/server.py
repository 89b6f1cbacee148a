"""The one server process: channels, understanding, decision, answers.

``python -m calla.server`` serves; ``make run`` (``calla.run``) starts it together with
the action server.
"""

from __future__ import annotations

from calla.settings import Settings, SettingsError, settings, silence_dependencies

silence_dependencies()

import os

# Messages are understood in threads of their own; two more of linear algebra for each would
# only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import asyncio
import contextlib
import logging
import sys
from http import HTTPStatus
from pathlib import Path
from typing import Any, Coroutine, Optional

import orjson
import rasa.core.run
from rasa.core.channels.channel import InputChannel
from rasa.core.lock_store import InMemoryLockStore
from rasa.core.utils import AvailableEndpoints
from rasa.utils.endpoints import EndpointConfig
from sanic import Sanic, response
from sanic.request import Request
from sanic.response import HTTPResponse

from calla.action_endpoint import DeadlineEndpoint
from calla.agent import GuardedAgent
from calla.channels.rest import StrictRestInput
from calla.channels.slack.channel import SlackInput
from calla.channels.web.channel import WebInput
from calla.channels.web.sockets import MAX_SOCKETS
from calla.erased import FOLDER as ERASED
from calla.erased import TOMBSTONES, Erased
from calla.erasure import RETRY_EVERY, Erasure, Tombstones
from calla.handoff.handoffs import Handoffs
from calla.handoff.inbound import add_inbound
from calla.http_guard import PatientProtocol, guard, raise_descriptor_limit
from calla.keys import KEY_HEADER, action_key, secret_key
from calla.locks import SharedLockStore
from calla.logs import configure_logging
from calla.model import ModelMissingError, latest_model
from calla.peers import Peers
from calla.records import Records
from calla.reloading import Reloader, served_before
from calla.reporting.journal import Journal
from calla.reporting.own_words import cleaner
from calla.reporting.route import add_report
from calla.status import STATUS, gauge, metrics
from calla.store import ConversationStore
from calla.watch import PROBE_EVERY, PURGE_EVERY, Probes, Retention, notify, repeat, signs_of_life

logger = logging.getLogger(__name__)

NLG = "calla.answers.CallaNaturalLanguageGenerator"
PARSE = "/model/parse"
# Of Rasa's own HTTP API only these are served, and only with a token: the rest could
# replace the model or forge conversations.
API_ALLOWED = (("GET", "/conversations/", "/tracker"), ("POST", PARSE, ""))
# Connections that wait to be accepted. Sanic's 100 are few where a crowd comes at once while
# an answer is being worked out: the kernel then resets connections of people in the queue.
BACKLOG = 1024
# Descriptors beside those of visitors: model, database, logs, calls to others.
SPARE_DESCRIPTORS = 500
API_PREFIXES = ("/conversations", "/model", "/domain", "/status", "/version")
# Seconds for unsaved events when the server stops.
FLUSH_SECONDS = 5.0


def load_agent(config: Settings, model: Path, peers: Optional[Peers] = None) -> GuardedAgent:
    """Load the trained model with stores, record and time limits around it."""
    erased = Erased(config.data_folder / ERASED, secret_key(config))
    erasure = Erasure(Tombstones(config.data_folder / TOMBSTONES), erased.add)
    conversations = ConversationStore(url=config.database, erased=erasure.pending)
    records = Records(conversations.database, secret_key(config))
    agent = GuardedAgent(
        generator=EndpointConfig(type=NLG),
        tracker_store=conversations,
        lock_store=SharedLockStore(peers) if peers is not None else InMemoryLockStore(),
        action_endpoint=DeadlineEndpoint(
            url=config.action_endpoint,
            headers={KEY_HEADER: action_key(secret_key(config))},
            enable_selective_domain=True,
        ),
    )
    agent.load_model(model)
    agent.records = records
    agent.erasure = erasure
    agent.handoffs = Handoffs(config, conversations.database, lambda: agent)
    agent.peers = peers
    if peers is not None:
        # First: what another process still holds must not be written after the rest is gone.
        erasure.register("the other processes", peers.forget)
        peers.on_forget(conversations.let_go)
    erasure.register("conversations", conversations.erase)
    erasure.register("records", records.erase)
    erasure.register("hand-offs", agent.handoffs.erase)
    journal = Journal(
        conversations.database, secret_key(config), erasure.pending, cleaner if config.log_unanswered else None
    )
    agent.journal = journal
    erasure.register("journal", journal.erase)
    if peers is not None:
        peers.on_forget(journal.let_go)
    return agent


def background(config: Settings, agent: GuardedAgent) -> list[Coroutine[Any, Any, None]]:
    """Return what runs beside answering for as long as the server does."""
    store, records, erasure = agent.tracker_store, agent.records, agent.erasure
    handoffs = agent.handoffs
    assert isinstance(store, ConversationStore) and records and erasure and handoffs
    probes = Probes(store.database, config.action_endpoint.replace("/webhook", "/health"), config.data_folder)
    gauge("calla_queue", "Messages that wait to be understood", lambda: float(agent.pool.queued))
    gauge("calla_unsaved", "Turns that wait to be written", lambda: float(store.unsaved))
    gauge("calla_erasures_pending", "Erasures that are noted and not done", lambda: float(erasure.number_pending))
    journal = agent.journal
    assert journal is not None
    erased = Erased(config.data_folder / ERASED, secret_key(config))
    retention = Retention(
        config.retention_days, store.purge, records.purge, handoffs.purge, journal.purge, erased.purge
    )
    questions = Retention(config.unanswered_days, journal.purge_questions, shown=False)
    return [
        repeat("Looking after the database", probes.look, PROBE_EVERY),
        repeat("Deleting by age", retention.purge, PURGE_EVERY),
        repeat("Deleting questions by age", questions.purge, PURGE_EVERY),
        journal.write(),
        repeat("Erasing what could not be erased", erasure.retry, RETRY_EVERY),
        *handoffs.start(),
        signs_of_life(),
    ]


def input_channels(config: Settings, peers: Optional[Peers] = None) -> list[InputChannel]:
    """Return the channels that the settings switch on."""
    channels: list[InputChannel] = [WebInput(config, secret_key(config), peers)]
    if config.environment == "development":
        # Rasa's plain REST channel trusts whatever sender a request names: for tests and
        # tools on this machine only.
        channels.append(StrictRestInput())
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
    peers = Peers(config.redis_url) if config.redis_url else None
    token = config.api_token.get_secret_value() if config.api_token else None
    app = rasa.core.run.configure_app(
        input_channels(config, peers),
        cors=config.origins or None,
        auth_token=token,
        enable_api=token is not None,
        endpoints=AvailableEndpoints(),
        port=config.port,
    )
    if config.proxies:
        app.config.PROXIES_COUNT = config.proxies
    guard(app, behind_tls=bool(config.proxies))

    jobs: list[asyncio.Task[None]] = []

    @app.listener("before_server_start")
    async def load(app: Sanic, _: asyncio.AbstractEventLoop) -> None:
        if peers is not None:
            await peers.start()
        app.ctx.agent = load_agent(config, model, peers)
        await app.ctx.agent.warm_up()
        await app.ctx.agent.journal.prepare()

    @app.listener("after_server_start")
    async def begin(app: Sanic, loop: asyncio.AbstractEventLoop) -> None:
        jobs.extend(loop.create_task(job) for job in background(config, app.ctx.agent))
        jobs.append(loop.create_task(Reloader(app.ctx.agent, model, config.data_folder).run()))
        logger.info("Calla is ready.")
        notify("READY=1")

    @app.listener("before_server_stop")
    async def end(app: Sanic, _: asyncio.AbstractEventLoop) -> None:
        notify("STOPPING=1")
        for job in jobs:
            job.cancel()
        await app.ctx.agent.handoffs.stop()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(app.ctx.agent.tracker_store.flush(), FLUSH_SECONDS)
        if peers is not None:
            await peers.close()

    add_health(app)
    add_inbound(app, config, lambda: getattr(getattr(app.ctx, "agent", None), "handoffs", None))
    add_report(app, token)

    close_api(app)
    return app


def close_api(app: Sanic) -> None:
    """Refuse those of Rasa's own routes that are not served, and what the others would stumble over.

    Rasa's errors tell its version, repeat what arrived, and call a client's mistake the server's.
    """

    @app.middleware("request")
    async def only_known_api(request: Request) -> Optional[HTTPResponse]:
        if request.path.startswith(API_PREFIXES) and not any(
            request.method == method and request.path.startswith(start) and request.path.endswith(end)
            for method, start, end in API_ALLOWED
        ):
            return response.json({"error": "not found"}, status=404)
        if request.path.startswith(PARSE) and not _has_text(request.body):
            return response.json({"error": "the body must be a JSON object with a 'text'"}, status=400)
        return None

    @app.middleware("response")
    async def without_details(request: Request, answer: HTTPResponse) -> None:
        if request.path.startswith(API_PREFIXES) and answer.status >= 400 and b'"version"' in (answer.body or b""):
            answer.body = orjson.dumps({"error": HTTPStatus(answer.status).phrase.lower()})


def _has_text(body: bytes) -> bool:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return isinstance(parsed, dict) and isinstance(parsed.get("text"), str)


def add_health(app: Sanic) -> None:
    """Add ``/health`` with its two short forms, and ``/metrics``."""

    def is_ready() -> bool:
        agent: Optional[GuardedAgent] = getattr(app.ctx, "agent", None)
        return agent is not None and agent.is_ready()

    @app.get("/health")
    async def health(_: Request) -> HTTPResponse:
        ready = is_ready()
        body = {"status": "ok" if ready else "starting", "live": True, "ready": ready, **STATUS.as_dict()}
        return response.json(body, status=200 if ready else 503)

    @app.get("/health/live")
    async def live(_: Request) -> HTTPResponse:
        return response.json({"live": True})

    @app.get("/health/ready")
    async def ready(_: Request) -> HTTPResponse:
        return response.json({"ready": is_ready()}, status=200 if is_ready() else 503)

    @app.get("/metrics")
    async def numbers(_: Request) -> HTTPResponse:
        return response.raw(metrics(), content_type="text/plain; version=0.0.4; charset=utf-8")


def present_model(config: Settings) -> Path:
    """Return the model to serve: that of the present state, or after a crash in the middle of an edit the one before.

    Raises:
        ModelMissingError: if there is neither.
    """
    try:
        return latest_model()
    except ModelMissingError as problem:
        model = served_before(config.data_folder)
        if model is None:
            raise
        logger.warning("%s Until then Calla answers with the model that served before, %s.", problem, model.name)
        return model


def folder_problem(config: Settings) -> Optional[str]:
    """Return a sentence if what Calla cannot do without in the data folder cannot be used."""
    try:
        config.data_folder.mkdir(parents=True, exist_ok=True)
        Tombstones(config.data_folder / TOMBSTONES)
        secret_key(config)
    except OSError as error:
        return (
            f"{error.filename or config.data_folder} cannot be used ({error.strerror}): everything in the data folder "
            "must belong to the user that Calla runs as. make doctor says more."
        )
    return None


def main() -> int:
    """Serve until told to stop; returns the exit status."""
    configure_logging()
    # What is stored is for Calla's user alone.
    os.umask(0o077)
    try:
        config = settings()
        model = present_model(config)
    except (SettingsError, ModelMissingError) as problem:
        print(problem, file=sys.stderr)
        return 2
    if problem_with_folder := folder_problem(config):
        print(problem_with_folder, file=sys.stderr)
        return 2
    # The event loop gets its turn a little sooner from the threads that understand.
    sys.setswitchinterval(0.001)
    if shortage := raise_descriptor_limit(MAX_SOCKETS + SPARE_DESCRIPTORS):
        logger.warning(shortage)
    app = create_app(config, model)
    # Sanic has set up its own meanwhile.
    configure_logging()
    app.run(host=config.host, port=config.port, backlog=BACKLOG, access_log=False, motd=False, protocol=PatientProtocol)
    return 0


if __name__ == "__main__":
    sys.exit(main())
