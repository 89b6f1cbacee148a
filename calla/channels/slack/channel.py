"""Calla in Slack: direct messages, mentions, ``/calla``, shortcut, Home tab.

One Rasa channel on slack_bolt, inside the server process. With ``SLACK_APP_TOKEN`` it
dials out to Slack (Socket Mode, no public address); with ``SLACK_SIGNING_SECRET`` it
takes signed requests at ``/webhooks/slack/webhook`` (HTTP mode).

An event is written down and acknowledged at once; it is understood and answered
afterwards, in order per conversation (``calla.channels.slack.lanes``).
"""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Any, Awaitable, Callable, Coroutine, Mapping, Optional

import aiohttp
import sqlalchemy as sa
from rasa.core.channels.channel import InputChannel, UserMessage
from sanic import Blueprint, Sanic, response
from sanic.request import Request
from sanic.response import HTTPResponse
from slack_bolt.adapter.sanic.async_handler import AsyncSlackRequestHandler
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.web.async_client import AsyncWebClient

from calla.agent import GuardedAgent
from calla.channels.slack import home as slack_home
from calla.channels.slack.lanes import ALIVE_EVERY, Lanes, Seen, Turn, seen_store
from calla.channels.slack.format import ASK, HELPFUL, NOT_HELPFUL, SHOW, Post, escaped, plain, render
from calla.channels.slack.identity import IM, PRIVATE, SHARED, Place, Question, conversation_id
from calla.channels.slack.inbox import Inbox
from calla.channels.slack.incoming import Spoken, decoded, read_message, words_of
from calla.channels.slack.output import (
    CALL_DEADLINE,
    ERASE_RESPONSE,
    DeliveryError,
    Handoff,
    Sender,
    SlackOutput,
    reason,
    retry_handlers,
)
from calla.channels.slack.words import SlackWords
from calla.database import DatabaseHangsError
from calla.settings import Settings
from calla.text import MAX_SCREENED

logger = logging.getLogger(__name__)

SHORTCUT = "ask_calla"
OPENINGS = ("app_home_opened", "assistant_thread_started")
COMMAND_HELP = "utter_chat/capabilities"
ERROR_RESPONSE = "utter_error"
# Bytes of a request. Slack's largest event, 40,000 characters twice, stays below.
MAX_REQUEST = 1_000_000
# Seconds that answering one message may take altogether, before its lane goes on.
ANSWER_DEADLINE = 60.0
# Seconds that open answers get when the server stops; the rest is answered after it starts again.
DRAIN = 8.0
# Seconds between two attempts to reach Slack, from the first to the last.
RECONNECT = (1, 2, 5, 10, 30)
# Seconds between two signs of life on a socket.
PING = 5
# Seconds within which the same button pressed twice asks once.
DOUBLE_PRESS = 3
_REFUSED = (
    "invalid_auth",
    "not_authed",
    "account_inactive",
    "token_revoked",
    "token_expired",
    "not_allowed_token_type",
)
_SIGNATURE = re.compile(r"v0=[0-9a-f]{64}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_ANYTHING = re.compile(r".*", re.S)

OnNewMessage = Callable[[UserMessage], Awaitable[Any]]


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
        self._app: Optional[Sanic] = None
        self._on_new_message: Optional[OnNewMessage] = None
        self._team = self._bot_user = ""
        self._bolt: Optional[AsyncApp] = None
        self._socket: Optional[AsyncSocketModeHandler] = None
        self._inbox: Optional[Inbox] = None
        self._stopping = False
        self._side_jobs: set[asyncio.Task[None]] = set()
        self._words = SlackWords(self._agent)
        self._seen: Seen
        self._client: AsyncWebClient
        self._sender: Sender
        self._handoff: Handoff
        self._lanes = Lanes(self._answer)

    @classmethod
    def name(cls) -> str:
        """Name of the channel, and of its address."""
        return "slack"

    def blueprint(self, on_new_message: OnNewMessage) -> Blueprint:
        """Return the routes and listeners of the channel."""
        blueprint = Blueprint("slack_webhook", __name__)
        self._on_new_message = on_new_message

        @blueprint.listener("after_server_start")
        async def start(app: Sanic, _: asyncio.AbstractEventLoop) -> None:
            self._start(app)

        @blueprint.listener("before_server_stop")
        async def stop(app: Sanic, _: asyncio.AbstractEventLoop) -> None:
            await self._stop()

        if self._config.slack_signing_secret is not None:

            @blueprint.post("/webhook")
            async def webhook(request: Request) -> HTTPResponse:
                return await self._receive(request)

        return blueprint

    # ------------------------------------------------------------------ start and stop

    def _start(self, app: Sanic) -> None:
        """Build what needs the running loop, then reach for Slack without holding up the server."""
        self._app = app
        self._seen = seen_store(self._config.redis_url)
        token = self._config.slack_bot_token
        self._client = AsyncWebClient(
            token=token.get_secret_value() if token else None,
            base_url=self._config.slack_api_url,
            session=aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=CALL_DEADLINE)),
            retry_handlers=retry_handlers(),
        )
        self._sender = Sender(self._client)
        self._handoff = Handoff(
            self._client, self._words, self._config.slack_care_channel, self._seen.claim, self._seen.forget
        )
        try:
            self._inbox = Inbox(self._config.database)
        except sa.exc.SQLAlchemyError as error:
            logger.error("Slack's inbox failed (%s); a restart would lose open questions.", type(error).__name__)
        self._bolt = self._bolt_app()
        self._beside("connecting", self._connect())

    def _bolt_app(self) -> AsyncApp:
        secret, token = self._config.slack_signing_secret, self._config.slack_bot_token

        async def authorize() -> AuthorizeResult:
            return AuthorizeResult(
                enterprise_id=None,
                team_id=self._team,
                bot_user_id=self._bot_user,
                bot_token=token.get_secret_value() if token else None,
            )

        # Bolt's warnings quote what arrived, so only its errors are logged.
        log = logging.getLogger("calla.channels.slack.bolt")
        log.setLevel(logging.ERROR)
        bolt = AsyncApp(
            name="calla",
            # Without a token of its own: who Calla is has been asked once, at start.
            client=AsyncWebClient(base_url=self._config.slack_api_url),
            signing_secret=secret.get_secret_value() if secret else "",
            authorize=authorize,
            # Listeners only write down, so the acknowledgement may wait for them: what
            # is acknowledged is never lost.
            process_before_response=True,
            logger=log,
        )
        bolt.event(_ANYTHING)(self._on_event)
        bolt.command(_ANYTHING)(self._on_command)
        bolt.shortcut({"type": "message_action", "callback_id": SHORTCUT})(self._on_shortcut)
        bolt.action(_ANYTHING)(self._on_action)
        return bolt

    async def _connect(self) -> None:
        """Learn who Calla is, take up what a restart left, open the socket."""
        if not await self._persistently(self._introduce, "SLACK_BOT_TOKEN"):
            return
        await self._look_after_inbox(await self._seen.alive(self._inbox.owner if self._inbox else ""))
        if self._config.redis_url:
            self._beside("looking after the inbox", self._keep_looking())
        if self._config.slack_signing_secret is not None:
            logger.info("Calla takes Slack's requests (HTTP mode).")
        if self._config.slack_app_token is not None:
            await self._persistently(self._open_socket, "SLACK_APP_TOKEN")

    async def _persistently(self, step: Callable[[], Awaitable[None]], setting: str) -> bool:
        """Try a step until Slack answers; ``False`` once it refuses the token."""
        attempt = 0
        while not self._stopping:
            try:
                await step()
                return True
            except (SlackApiError, aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
                why = reason(error)
                if why in _REFUSED:
                    logger.error("Slack refuses %s (%s): make a new token; Calla runs on without Slack.", setting, why)
                    return False
                logger.warning("Slack cannot be reached (%s); trying again.", why)
            await asyncio.sleep(RECONNECT[min(attempt, len(RECONNECT) - 1)])
            attempt += 1
        return False

    async def _introduce(self) -> None:
        answer = await self._client.auth_test()
        self._team, self._bot_user = str(answer.get("team_id") or ""), str(answer["user_id"])

    async def _open_socket(self) -> None:
        token = self._config.slack_app_token
        assert token is not None and self._bolt is not None
        opened = await self._client.apps_connections_open(app_token=token.get_secret_value())
        handler = AsyncSocketModeHandler(
            self._bolt,
            token.get_secret_value(),
            logger=logging.getLogger("calla.channels.slack.socket"),
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
        await handler.connect_async()
        logger.info("Calla listens to Slack (Socket Mode).")

    async def _stop(self) -> None:
        """Take nothing new, answer what is open, close."""
        self._stopping = True
        if self._socket is not None:
            await self._socket.close_async()
        for job in list(self._side_jobs):
            job.cancel()
        await self._lanes.drain(DRAIN)
        await self._seen.close()
        if self._client.session is not None:
            await self._client.session.close()

    def _beside(self, what: str, job: Coroutine[Any, Any, None]) -> None:
        """Run something that no acknowledgement has to wait for."""

        async def watched() -> None:
            try:
                await job
            except Exception as error:
                logger.error("Slack: %s failed (%s).", what, reason(error))

        task = asyncio.get_running_loop().create_task(watched())
        self._side_jobs.add(task)
        task.add_done_callback(self._side_jobs.discard)

    def _agent(self) -> GuardedAgent:
        agent = getattr(self._app.ctx, "agent", None) if self._app is not None else None
        if agent is None:
            raise RuntimeError("no agent is loaded")
        return agent  # type: ignore[no-any-return]

    # -------------------------------------------------------------------- HTTP mode

    async def _receive(self, request: Request) -> HTTPResponse:
        """Check and pass on one request of Slack's; the signature itself is Bolt's to check."""
        if len(request.body) > MAX_REQUEST:
            return response.text("too large", status=413)
        # Bolt would stumble over these instead of refusing them.
        signature = request.headers.get("x-slack-signature", "")
        timestamp = request.headers.get("x-slack-request-timestamp", "")
        if not _SIGNATURE.fullmatch(signature) or not _TIMESTAMP.fullmatch(timestamp):
            return response.json({"error": "invalid request"}, status=401)
        if self._stopping or self._bolt is None or not self._bot_user:
            # Slack sends it again.
            return response.json({"error": "not ready"}, status=503, headers={"Retry-After": "5"})
        try:
            with self._lanes.intake():
                return await AsyncSlackRequestHandler(self._bolt).handle(request)
        except (ValueError, AttributeError, TypeError):
            # Signed, yet nothing that Slack sends: no JSON, or no object.
            return response.json({"error": "invalid request"}, status=400)

    # ------------------------------------------------------------------ what arrives

    async def _on_event(self, body: dict[str, Any]) -> None:
        """Take an event: a message, a mention, somebody opening Calla."""
        event = body.get("event") or {}
        team = str(body.get("team_id") or self._team)
        kind = event.get("type")
        if kind in ("message", "app_mention"):
            spoken = read_message(event, team=team, bot_user=self._bot_user)
            if spoken is not None and await self._for_calla(spoken):
                await self._accept(f"{spoken.place.channel}:{spoken.place.ts}", spoken.place, spoken.text)
        elif kind in OPENINGS and await self._seen.claim(f"event:{body.get('event_id') or event.get('event_ts')}"):
            opening = self._opened(event) if kind == "app_home_opened" else self._thread_started(event)
            self._beside("welcoming", opening)

    async def _for_calla(self, spoken: Spoken) -> bool:
        """Say whether a message is meant for Calla.

        In a direct message: all. In a group of direct messages: what is not addressed to
        somebody else. In a channel: mentions, and what the same person writes next in that
        thread, unless it is addressed to somebody else.
        """
        place = spoken.place
        if place.kind == IM or spoken.mentioned:
            return True
        if spoken.to_others or not (spoken.group or place.open_thread):
            return False
        if spoken.group:
            return True
        return await self._takes_part(place)

    async def _takes_part(self, place: Place) -> bool:
        """Say whether the person has a conversation with Calla in this thread."""
        conversation = conversation_id(place, self._key)
        if await self._seen.known(f"with:{conversation}"):
            return True
        return await self._agent().tracker_store.retrieve_full_tracker(conversation) is not None

    async def _on_command(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """Take ``/calla <question>``; without a question it tells what Calla can do."""
        place = Place(
            team=str(body.get("team_id") or self._team),
            channel=str(body["channel_id"]),
            user=str(body["user_id"]),
            kind=PRIVATE,
            response_url=str(body.get("response_url") or ""),
        )
        text = decoded(str(body.get("text") or ""), self._bot_user).strip()[:MAX_SCREENED]
        text = text or self._words.first_title(COMMAND_HELP) or ""
        await self._accept(f"command:{body.get('trigger_id')}", place, text)
        await ack()

    async def _on_shortcut(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """Take 'Ask Calla about this' on a message."""
        place = Place(
            team=_id(body, "team") or self._team,
            channel=_id(body, "channel"),
            user=_id(body, "user"),
            kind=PRIVATE,
            response_url=str(body.get("response_url") or ""),
        )
        text = words_of(body.get("message") or {}, self._bot_user)
        await self._accept(f"shortcut:{body.get('trigger_id') or body.get('action_ts')}", place, text)
        await ack()

    async def _on_action(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """Take a button: a question, a vote, 'show to channel'. Others mean nothing."""
        action = (body.get("actions") or [{}])[0]
        name, value = str(action.get("action_id") or ""), str(action.get("value") or "")
        place = self._place_of_press(body, action)
        if not place.user:
            await ack()
            return
        message = str((body.get("container") or {}).get("message_ts"))
        if name.startswith(f"{ASK}_") and self._words.may_be_pressed(value):
            press = f"{place.channel}:{message}:{place.user}:{value}"
            if await self._seen.claim(f"press:{press}", DOUBLE_PRESS):
                await self._accept(f"action:{press}:{action.get('action_ts')}", place, value, pressed=True)
        elif name in (HELPFUL, NOT_HELPFUL) and self._words.may_be_shown(value):
            if await self._seen.claim(f"vote:{place.channel}:{message}:{place.user}:{name}:{value}", DOUBLE_PRESS):
                self._beside("recording a vote", self._voted(place, message, value, 1 if name == HELPFUL else -1))
        elif (
            name == SHOW
            and self._words.may_be_shown(value)
            and await self._seen.claim(f"show:{place.channel}:{message}:{place.user}:{value}")
        ):
            self._beside("showing an answer", self._show(place, value))
        await ack()

    def _place_of_press(self, body: Mapping[str, Any], action: Mapping[str, Any]) -> Place:
        """Return where a button was pressed, and so where its answer goes."""
        container, message = body.get("container") or {}, body.get("message") or {}
        team, user, channel = _id(body, "team") or self._team, _id(body, "user"), _id(body, "channel")
        if not channel or container.get("type") == "view":
            # The Home tab: the answer goes to the direct messages, which Slack opens for a user id.
            return Place(team, user, user, IM)
        inside: Optional[str] = message.get("thread_ts") or container.get("thread_ts")
        channel_name = str((body.get("channel") or {}).get("name") or "")
        if channel.startswith("D") and not container.get("is_ephemeral"):
            return Place(team, channel, user, IM, inside, bool(inside), ts=message.get("ts"))
        if container.get("is_ephemeral"):
            thread: Optional[str] = inside or str(action.get("block_id") or "").rpartition("|")[2] or None
            url = str(body.get("response_url") or "")
            return Place(team, channel, user, PRIVATE, thread, bool(inside), response_url=url)
        if channel_name.startswith("mpdm-"):
            return Place(team, channel, user, SHARED, inside, bool(inside), ts=message.get("ts"))
        thread = inside or str(container.get("message_ts") or "") or None
        return Place(team, channel, user, SHARED, thread, bool(inside), ts=container.get("message_ts"))

    async def _accept(self, key: str, place: Place, text: str, *, pressed: bool = False) -> None:
        """Write a question down and queue it, unless it has been already."""
        question = Question(key, conversation_id(place, self._key), text, place, pressed)
        if not await self._written(question):
            return
        # Only the inbox is waited for, which keeps the order of arrival.
        self._lanes.put(question)
        if place.kind != IM:
            await self._seen.claim(f"with:{question.conversation}")

    async def _written(self, question: Question) -> bool:
        """Write a question into the inbox; ``False`` if it is there already."""
        if self._inbox is None:
            return True
        try:
            return await self._inbox.database.call(self._inbox.add, question)
        except (sa.exc.SQLAlchemyError, DatabaseHangsError) as error:
            logger.error("Slack's inbox failed: %s", type(error).__name__)
            return True

    async def _inbox_note(self, note: Callable[[Inbox], None]) -> None:
        """Change the inbox; an answer does not fail because its note does."""
        if self._inbox is None:
            return
        try:
            await self._inbox.database.call(note, self._inbox)
        except (sa.exc.SQLAlchemyError, DatabaseHangsError) as error:
            logger.error("Slack's inbox failed: %s", type(error).__name__)

    # --------------------------------------------------------------------- answering

    async def _answer(self, question: Question, sent: Optional[int], turn: Turn) -> None:
        """Understand and answer one question (see ``Lanes``), unless that has been done."""
        assert self._on_new_message is not None
        if sent is None and not await self._seen.claim(question.key):
            await self._inbox_note(lambda inbox: inbox.done(question))
            return
        output = SlackOutput(
            question,
            self._sender,
            self._words,
            self._handoff,
            sent=sent or 0,
            note=lambda number: self._inbox_note(lambda inbox: inbox.sent(question, number)),
        )
        delivery = asyncio.ensure_future(output.deliver())
        try:
            async with turn():
                message = UserMessage(question.text, output, question.conversation, input_channel=self.name())
                await asyncio.wait_for(self._on_new_message(message), ANSWER_DEADLINE)
        except asyncio.CancelledError:
            # The server stops; the inbox keeps the question.
            delivery.cancel()
            raise
        except Exception as error:
            logger.error("Understanding a Slack message failed: %s", type(error).__name__)
        if not output.names:
            await output.send_response(question.conversation, self._words.message(ERROR_RESPONSE))
        output.finish()
        await delivery
        if ERASE_RESPONSE in output.names:
            await self._seen.forget(f"with:{question.conversation}")
        await self._inbox_note(lambda inbox: inbox.done(question))

    async def _look_after_inbox(self, alive: Optional[list[str]]) -> None:
        """Take up the questions of processes that are gone; none if nobody knows who is."""
        if self._inbox is None or alive is None:
            return
        try:
            left = await self._inbox.database.call(self._inbox.take_over, alive if self._config.redis_url else ())
        except (sa.exc.SQLAlchemyError, DatabaseHangsError) as error:
            logger.error("Slack's inbox failed: %s", type(error).__name__)
            return
        if left:
            logger.info("%d questions from Slack were still open and are answered now.", len(left))
        for question, sent in left:
            self._lanes.put(question, sent)

    async def _keep_looking(self) -> None:
        """Give signs of life, and take over from processes that give none any more."""
        while not self._stopping:
            await asyncio.sleep(ALIVE_EVERY)
            await self._look_after_inbox(await self._seen.alive(self._inbox.owner if self._inbox else ""))

    # --------------------------------------------------------------- beside questions

    async def _voted(self, place: Place, message: str, name: str, value: int) -> None:
        """Record a vote on an answer, without any text, and say thank you."""
        records = self._agent().records
        if records is not None:
            await records.feedback(
                message=f"{message} {name} {place.user}",
                response=name,
                value=value,
                channel=self.name(),
                conversation=conversation_id(place, self._key),
            )
        await self._reply_privately(place, plain("utter_slack/thanks", self._words))

    async def _show(self, place: Place, name: str) -> None:
        """Show an answer to the channel, at the wish of the person who got it."""
        posts = render(self._words.message(name), self._words, thread=place.thread)
        by = escaped(self._words.text("utter_slack/shown_by", person="\x01")).replace("\x01", f"<@{place.user}>")
        posts[0].blocks.insert(0, {"type": "context", "elements": [{"type": "mrkdwn", "text": by}]})
        try:
            for post in posts:
                await self._sender.respond(place, post, show=True)
        except DeliveryError as problem:
            logger.error("Slack did not show %s to a channel: %s", name, problem)
            await self._reply_privately(place, plain("utter_slack/not_shown", self._words))

    async def _reply_privately(self, place: Place, post: Post) -> None:
        if place.kind == PRIVATE:
            await self._sender.respond(place, post)
        elif place.kind == SHARED:
            await self._sender.to_person(place, post)
        else:
            await self._sender.to_place(place, post)

    async def _opened(self, event: Mapping[str, Any]) -> None:
        """Show the Home tab, or greet a person who opens the messages for the first time."""
        user, channel = str(event.get("user") or ""), str(event.get("channel") or "")
        if event.get("tab") == "home":
            await self._client.views_publish(user_id=user, view=slack_home.home_view(self._words))
        elif event.get("tab") == "messages" and channel:
            await self._suggest(channel, None)
            await self._welcome(user, channel)

    async def _thread_started(self, event: Mapping[str, Any]) -> None:
        """Offer questions in a new conversation of Slack's assistant pane."""
        thread = event.get("assistant_thread") or {}
        await self._suggest(str(thread.get("channel_id") or ""), thread.get("thread_ts"))

    async def _suggest(self, channel: str, thread: Optional[str]) -> None:
        """Offer questions above the composer; plans and clients without them are no fault."""
        try:
            await self._client.assistant_threads_setSuggestedPrompts(
                channel_id=channel,
                thread_ts=thread,
                title=self._words.text("utter_slack/typical_questions"),
                prompts=slack_home.prompts(self._words),
            )
        except SlackApiError as error:
            logger.info("Slack shows no suggested prompts here (%s).", reason(error))

    async def _welcome(self, user: str, channel: str) -> None:
        """Greet once. Slack's own history tells whether anything was said before."""
        if await self._seen.known(f"welcome:{user}"):
            return
        history = await self._client.conversations_history(channel=channel, limit=1)
        if history.get("messages") or not await self._seen.claim(f"welcome:{user}"):
            return
        place = Place(self._team, channel, user, IM)
        await self._sender.to_place(place, slack_home.welcome(self._words))


def _id(body: Mapping[str, Any], what: str) -> str:
    """Return the id of a team, user or channel in an interaction."""
    found = body.get(what)
    return str(found.get("id") or "") if isinstance(found, Mapping) else ""
