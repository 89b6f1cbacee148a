"""The Slack channel put together, once the server's event loop runs."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from typing import Any, Callable, Collection, Coroutine, Optional

import aiohttp
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.error import BoltUnhandledRequestError
from slack_bolt.response import BoltResponse
from slack_sdk.http_retry.builtin_async_handlers import (
    AsyncConnectionErrorRetryHandler,
    AsyncRateLimitErrorRetryHandler,
    AsyncServerErrorRetryHandler,
)
from slack_sdk.web.async_client import AsyncWebClient

from calla.agent import GuardedAgent
from calla.channels.slack import forgetting
from calla.channels.slack.answering import Answering, OnNewMessage
from calla.channels.slack.audience import Audience
from calla.channels.slack.blocks import Post
from calla.channels.slack.care import Care, CareInbox
from calla.channels.slack.connection import Connection
from calla.channels.slack.errors import reason
from calla.channels.slack.feedback import Feedback
from calla.channels.slack.forgetting import TableEraser
from calla.channels.slack.identity import Place, Question, conversation_id, person_id
from calla.channels.slack.inbox import Inbox
from calla.channels.slack.intake import Intake
from calla.channels.slack.lanes import Lanes
from calla.channels.slack.ledger import AGAIN, Ledger
from calla.channels.slack.letters import Letters, directly, letter_for
from calla.channels.slack.outbox import Outbox
from calla.channels.slack.privacy import Privacy
from calla.channels.slack.rooms import Rooms
from calla.channels.slack.seen import ALIVE_EVERY, seen_store
from calla.channels.slack.sending import CALL_DEADLINE, Sender
from calla.channels.slack.words import SlackWords
from calla.database import DATABASE_FAILURES
from calla.erasure import RETRY_EVERY
from calla.handoff.inboxes import SLACK
from calla.intake import owed
from calla.settings import Settings
from calla.status import STATUS
from calla.watch import DAY, PURGE_EVERY, repeat

logger = logging.getLogger(__name__)

# Seconds that open answers get when the server stops; the rest goes out after it starts again.
DRAIN = 8.0
# Seconds that what runs beside answering gets to end, once it is told to.
JOBS_END = 2.0
# Times that a call is repeated which is no message: when Slack limits the rate (after the
# seconds it names), when the connection breaks, and when Slack's server fails.
RATE_RETRIES, CONNECTION_RETRIES, SERVER_RETRIES = 6, 4, 2


class SlackApp:
    """All parts of the channel; made in the running event loop.

    Args:
        config: the settings; ``slack_bot_token`` is set.
        key: secret that ids are hashed with.
        agent: gives the agent that is serving now.
        handle: gives a message to it.

    Attributes:
        bolt: Slack's own framework, which takes requests and envelopes.
        connection: what is known about Slack.
        lanes: tells understanding what is being taken in.
        outbox: messages on their way.
    """

    def __init__(self, config: Settings, key: str, agent: Callable[[], GuardedAgent], handle: OnNewMessage) -> None:
        self._config = config
        self._key = key
        self._agent = agent
        self._jobs: set[asyncio.Task[None]] = set()
        self.stopping = self._looking = False
        owner = uuid.uuid4().hex
        self._owner = owner
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=CALL_DEADLINE))
        client = self._client(
            AsyncRateLimitErrorRetryHandler(max_retry_count=RATE_RETRIES),
            AsyncConnectionErrorRetryHandler(max_retry_count=CONNECTION_RETRIES),
            AsyncServerErrorRetryHandler(max_retry_count=SERVER_RETRIES),
        )
        self._seen = seen_store(config.redis_url)
        self._ledger = Ledger(config.database)
        self._inbox = Inbox(self._ledger, owner)
        self._letters = Letters(self._ledger, owner)
        self.lanes = Lanes(self._answer)
        app_token = config.slack_app_token.get_secret_value() if config.slack_app_token else None
        self.connection = Connection(client, app_token, config.slack_care_channel, self.lanes, self._well)
        # Messages wait in the outbox, which looks at every failure itself.
        self.outbox = Outbox(self._letters, Sender(self._client()), self.connection.refused)
        words = SlackWords(agent)
        care = Care(client, words, self.outbox, self._letters, config.slack_care_channel)
        self._rooms = Rooms(client, words, self.outbox, self._seen, care)
        self._tables = TableEraser(self._ledger)
        privacy = Privacy(
            client, words, self._inbox, self._letters, self._tables, self.outbox, self._forget, self._forget_message
        )
        audience = Audience(client, config.slack_allowed_outsiders)
        self._answering = Answering(
            handle,
            self._inbox,
            self.outbox,
            self._seen,
            words,
            care,
            audience,
            privacy,
            self._erase_later,
            self._heard,
        )
        self._intake = Intake(
            lambda: self.connection.state.team,
            key,
            self._inbox,
            self.lanes,
            self._seen,
            words,
            Feedback(client, words, self._record, self._aside),
            privacy,
            self._rooms,
            self._beside,
            self.connection.refused,
        )
        self.bolt = self._bolt()
        self._intake.listen(self.bolt)

    def _client(self, *retries: Any) -> AsyncWebClient:
        token = self._config.slack_bot_token
        return AsyncWebClient(
            token=token.get_secret_value() if token else None,
            base_url=self._config.slack_api_url,
            session=self._session,
            retry_handlers=list(retries),
        )

    def _bolt(self) -> AsyncApp:
        secret, token = self._config.slack_signing_secret, self._config.slack_bot_token

        async def authorize() -> AuthorizeResult:
            team = self.connection.state.team
            return AuthorizeResult(
                enterprise_id=team.enterprise,
                team_id=team.team,
                bot_user_id=next(iter(team.bots), None),
                bot_token=token.get_secret_value() if token else None,
            )

        # Bolt's warnings quote what arrived, so only its errors are logged.
        log = logging.getLogger("calla.channels.slack.bolt")
        log.setLevel(logging.CRITICAL)
        bolt = AsyncApp(
            # Not "calla": Bolt sets the level of the logger of that name.
            name="calla-in-slack",
            # Without a token of its own: who Calla is has been asked once, at start.
            client=AsyncWebClient(base_url=self._config.slack_api_url),
            signing_secret=secret.get_secret_value() if secret else "",
            authorize=authorize,
            # Listeners only write down, so the acknowledgement may wait for them: what
            # is acknowledged is never lost.
            process_before_response=True,
            raise_error_for_unhandled_request=True,
            logger=log,
        )

        @bolt.error
        async def failed(error: Exception) -> BoltResponse:
            if isinstance(error, BoltUnhandledRequestError):
                # Nothing of Calla's: a button of an older version, an event nobody asked for.
                return BoltResponse(status=200, body="")
            logger.error("Taking in from Slack failed: %s", type(error).__name__)
            # Slack delivers it again.
            return BoltResponse(status=503, body="")

        return bolt

    # ------------------------------------------------------------------ start and stop

    def start(self) -> None:
        """Take up what a restart left, and reach for Slack without holding up the server."""
        STATUS.facts["slack"] = self.health
        erasure = self._agent().erasure
        if erasure is not None:
            erasure.register("Slack", self._tables.erase)
        handoffs = getattr(self._agent(), "handoffs", None)
        if handoffs is not None and self._config.handoff == SLACK:
            # Its own attempts are repeated by the hand-off, so they go through a client that repeats nothing.
            channel = self._config.slack_care_channel or ""
            inbox = CareInbox(self._client(), channel, handoffs, lambda: self.connection.state.team.bots)
            self._intake.care_inbox = handoffs.inbox = inbox
        if (peers := self._agent().peers) is not None:
            # Nothing of what is to be erased may be written late by this process.
            peers.on_forget(self._ledger.caught_up)
        self._beside("deleting by age", repeat("Deleting by age in Slack's tables", self._purge, PURGE_EVERY))
        self._beside("connecting", self.connection.keep(self.bolt))

    async def _purge(self) -> None:
        await self._tables.purge(time.time() - self._config.retention_days * DAY)

    def _erase_later(self, wish: Question) -> None:
        async def once_more() -> None:
            await asyncio.sleep(RETRY_EVERY)
            self.lanes.put(wish, left=True)

        self._beside("erasing once more", once_more())

    def _well(self) -> None:
        """Slack accepts Calla: take up what was left, send what waits."""
        self.outbox.kick()
        if not self._looking:
            self._beside("looking after what was left", self._look_after())

    async def _look_after(self) -> None:
        """Take up what processes that are gone have left; again and again where there are several."""
        self._looking = True
        try:
            while not self.stopping:
                alive = await self._seen.alive(self._owner)
                pause = float(ALIVE_EVERY)
                try:
                    if alive is not None:
                        await self._take_over(alive if self._config.redis_url else ())
                    if not self._config.redis_url:
                        return
                except DATABASE_FAILURES as error:
                    logger.error("What was left cannot be read (%s); trying again.", type(error).__name__)
                    pause = AGAIN
                await asyncio.sleep(pause)
        finally:
            self._looking = False

    async def _take_over(self, others: Collection[str]) -> None:
        letters = await self.outbox.take_over(others)
        await self._give_up()
        questions = await self._inbox.take_over(others)
        if letters or questions:
            logger.info("%d questions and %d messages of Slack's were left.", len(questions), letters)
        for question in questions:
            self.lanes.put(question, left=True)

    async def _give_up(self) -> None:
        """Close what is too old to be answered; the referrals that it was owed count as lost."""
        for question, accepted in await self._inbox.give_up():
            logger.error("A question of Slack's was given up after a day.")
            for name in owed(question.text, hints=True) if question.urgent else ():
                letter = letter_for(question, name, "", [], directly(question.place))
                letter.accepted = accepted
                await self.outbox.put(letter)

    async def stop(self) -> None:
        """Take nothing new, answer what is open, close."""
        self.stopping = True
        await self.connection.close()
        jobs = set(self._jobs)
        for job in jobs:
            job.cancel()
        if jobs:
            await asyncio.wait(jobs, timeout=JOBS_END)
        await self.lanes.drain(DRAIN)
        await self.outbox.drain(DRAIN / 2)
        await self._ledger.close()
        await self._seen.close()
        await self._session.close()

    def _beside(self, what: str, job: Coroutine[Any, Any, None]) -> None:
        """Run something that no acknowledgement has to wait for."""

        async def watched() -> None:
            try:
                await job
            except Exception as error:
                logger.error("Slack: %s failed (%s).", what, reason(error))

        task = asyncio.get_running_loop().create_task(watched(), name=f"slack: {what}")
        self._jobs.add(task)
        task.add_done_callback(self._jobs.discard)
        # One that is cancelled before it has begun.
        task.add_done_callback(lambda _: job.close())

    def health(self) -> dict[str, Any]:
        """Return what ``/health`` shows of the channel."""
        return {**self.connection.state.as_dict(), **self.outbox.counts()}

    # ------------------------------------------------------------- between the parts

    async def _answer(self, question: Question, left: bool, turn: Any) -> None:
        await self._answering.answer(question, left, turn)

    async def _heard(self, conversation: str, message: str) -> bool:
        return await forgetting.is_stored(self._agent(), conversation, message)

    async def _record(self, message: str, response: str, value: int, place: Place) -> None:
        records: Optional[Any] = self._agent().records
        if records is not None:
            conversation = conversation_id(place, self._key)
            # Before the vote: whoever erases everything erases it too, also where they never asked.
            await self._inbox.met(Question("", conversation, "", place, person_id(place, self._key)))
            await records.feedback(
                message=message, response=response, value=value, channel="slack", conversation=conversation
            )

    async def _aside(self, place: Place, post: Post) -> None:
        key = f"aside:{uuid.uuid4().hex}"
        question = Question(key, conversation_id(place, self._key), "", place, person_id(place, self._key))
        await self._rooms.aside(question, post)

    async def _forget(self, conversation: str) -> bool:
        return await forgetting.forget_conversation(self._agent(), conversation)

    async def _forget_message(self, conversation: str, message: str) -> None:
        await forgetting.forget_message(self._agent(), conversation, message)
