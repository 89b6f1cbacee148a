"""The agent with the last line of the guarantee around it."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Optional, Union

from rasa.core.agent import Agent
from rasa.core.channels.channel import OutputChannel, UserMessage
from rasa.core.nlg.response import TemplatedNaturalLanguageGenerator
from rasa.core.tracker_store import InMemoryTrackerStore, TrackerStore
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import BotUttered, UserUttered
from rasa.shared.core.trackers import DialogueStateTracker

from calla import intake
from calla.answers import CallaNaturalLanguageGenerator
from calla.domain import trust_trained_domains
from calla.erasure import Erasure, ErasureError
from calla.fair_pool import FairPool
from calla.handoff.handoffs import Handoffs
from calla.peers import Peers
from calla.plan import PLAN, referral_name
from calla.processor import SHARE_OF, CallaProcessor
from calla.records import Records
from calla.reporting.journal import Journal
from calla.reporting.turns import turn_of
from calla.status import MESSAGES, OUTCOMES, REFERRALS, STATUS, TO_END, TO_REFERRAL

logger = logging.getLogger(__name__)

# Seconds that understanding gets before what the screen found is said without it.
INTAKE_GRACE = 1.0
# Seconds after which a message that is owed a referral gets it from here, whatever
# holds the ordinary way up.
MESSAGE_DEADLINE = 2.4
# Seconds between two looks at a conversation's lock (Rasa's default is a whole second).
LOCK_WAIT = 0.05
# Messages that are understood at the same time. More would take the processor from the event loop.
THREADS = 2
# What is understood before anybody asks: two questions, one of them about a finding.
WARM_UP = "My report says BI-RADS 4. Also, what is vitamin K2?"
ASK_RESPONSE = "utter_chat/delete_my_data"
ERASE_RESPONSE = "utter_chat/confirm_erasure"
ERASED_RESPONSE = "utter_erased"
ERASED_PASSED_ON_RESPONSE = "utter_erased_passed_on"
ERASURE_NOTED_RESPONSE = "utter_erasure_noted"
# Texts that say that a conversation has been erased, or will be.
ERASED_RESPONSES = (ERASED_RESPONSE, ERASED_PASSED_ON_RESPONSE, ERASURE_NOTED_RESPONSE)
ERROR_RESPONSE = "utter_error"


class WatchedChannel(OutputChannel):
    """Passes messages on, remembers which named responses have gone out, and holds back a premature "erased".

    Attributes:
        sent: names of the responses that have gone out, or are on their way.
        ways: each referral of them to its kind and who gave it, ``kind:way``.
        to_referral: seconds to the first referral.
        erase: whether the conversation is to be erased.
    """

    def __init__(self, channel: OutputChannel) -> None:
        self._channel = channel
        self._stood_in: list[str] = []
        # A channel that screens before its queue knows when the message came; else it is now.
        self._began: float = getattr(channel, "message_arrived", None) or time.monotonic()
        self.sent: list[str] = []
        self.ways: dict[str, str] = {}
        self.to_referral: Optional[float] = None
        self.erase = False

    def name(self) -> str:  # type: ignore[override]
        """Name of the channel behind."""
        return self._channel.name()

    @property
    def seconds(self) -> float:
        """Seconds since the message came, also those that it waited to be screened."""
        return time.monotonic() - self._began

    @property
    def referrals(self) -> list[str]:
        """Names of the referrals that have gone out."""
        return [name for name in self.sent if intake.is_referral(name)]

    async def send_response(self, recipient_id: str, message: dict[str, Any], *, way: str = "plan") -> None:
        """Send a message once; a referral that has gone out already is not repeated.

        Args:
            recipient_id: the conversation.
            message: as the generator rendered it.
            way: ``plan`` in the normal case; who else speaks.
        """
        name = str(message.get("utter_action") or "")
        if name == ERASE_RESPONSE:
            self.erase = True
            return
        referral = intake.is_referral(name)
        if referral:
            if referral_name(name) in {referral_name(one) for one in self.referrals}:
                return
            if self._stood_in and way == "plan" and not intake.adds(name, self._stood_in):
                return
        # Before the channel has taken it: the ordinary way and a stand-in may meet here.
        self.sent.append(name)
        try:
            await self._channel.send_response(recipient_id, message)
        except Exception as error:
            self.sent.remove(name)
            if referral:
                STATUS.failed("undelivered_referrals", f"a referral was not delivered: {type(error).__name__}")
            raise
        if referral:
            if way != "plan":
                self._stood_in.append(name)
            if self.to_referral is None:
                self.to_referral = self.seconds
                TO_REFERRAL.observe(self.to_referral)
            kind = str((message.get("metadata") or {}).get("kind") or "urgent")
            REFERRALS.labels(kind, way).inc()
            self.ways[name] = f"{kind}:{way}"

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._channel, attribute)


class GuardedAgent(Agent):
    """Rasa's agent, with the promises kept when something around it breaks.

    Attributes:
        records: the record of referrals; ``None`` in tools that keep none.
        erasure: forgets conversations; ``None`` in tools that keep none.
        handoffs: hands conversations to people; ``None`` where nobody can be asked.
        journal: what became of each message; ``None`` in tools that keep none.
        peers: the other server processes; ``None`` if there are none.
        pool: the threads for understanding.
    """

    records: Optional[Records] = None
    erasure: Optional[Erasure] = None
    handoffs: Optional[Handoffs] = None
    journal: Optional[Journal] = None
    peers: Optional[Peers] = None

    def __init__(self, *, threads: int = THREADS, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pool = FairPool(threads)

    @staticmethod
    def _create_tracker_store(store: Optional[TrackerStore], domain: Optional[Domain]) -> TrackerStore:
        """Return the store as it is: it has a fallback of its own (``calla.store``)."""
        if store is None:
            return InMemoryTrackerStore(domain)  # type: ignore[arg-type]
        store.domain = domain
        return store

    def load_model(self, model_path: Union[str, Path], fingerprint: Optional[str] = None) -> None:
        """Load a trained model (see parent class)."""
        self.adopt(self.build(model_path))
        self._set_fingerprint(fingerprint)

    def build(self, model_path: Union[str, Path]) -> CallaProcessor:
        """Return a trained model, ready to answer, beside the one that answers."""
        trust_trained_domains()
        own = isinstance(self.nlg, CallaNaturalLanguageGenerator)
        generator = CallaNaturalLanguageGenerator() if own else self.nlg
        processor = CallaProcessor(
            self.pool,
            model_path=model_path,
            tracker_store=self.tracker_store,
            lock_store=self.lock_store,
            action_endpoint=self.action_endpoint,
            generator=generator,
            revise=self._revise,
        )
        if isinstance(generator, TemplatedNaturalLanguageGenerator):
            generator.responses = processor.domain.responses if processor.domain else {}
        return processor

    def adopt(self, processor: CallaProcessor) -> None:
        """Answer with another model from the next message on; one that is being answered keeps its own."""
        self.processor = processor
        self.domain = processor.domain
        self.nlg = processor.nlg
        self.tracker_store.domain = self.domain

    async def warm_up(self) -> None:
        """Understand one message before anybody asks, and alone.

        What is read at the first message (the catalogue of the domain, the model of languages)
        is then whole before a second thread looks at it, and nobody waits for it.
        """
        try:
            await self.processor.parse_message(UserMessage(WARM_UP))  # type: ignore[union-attr]
        except Exception as error:
            logger.error("Understanding failed before the first message: %s", type(error).__name__)
            STATUS.failed("handling_failures", f"warming up: {type(error).__name__}")

    async def _revise(self, message: UserMessage, tracker: DialogueStateTracker, parsed: dict[str, Any]) -> None:
        if self.handoffs is not None and self.handoffs.enabled:
            await self.handoffs.visitors.revise(message, tracker, parsed)

    # ------------------------------------------------------------------ the way of a message

    async def handle_message(self, message: UserMessage) -> Optional[list[dict[str, Any]]]:
        """Handle a message; a referral that is owed arrives even if handling fails, hangs or has to wait."""
        watched = WatchedChannel(message.output_channel or OutputChannel())
        message.text = await intake.look(SHARE_OF.get() or message.sender_id, message.text or "")
        channel_name = watched.name()
        message.output_channel = watched
        MESSAGES.labels(str(message.input_channel or channel_name)).inc()
        handling = asyncio.ensure_future(self._handle(message))
        result = None
        try:
            await self._accompany(handling, message, watched)
            result = await handling
        except Exception as error:
            # The text stays out of the log: only what kind of failure it was.
            logger.error("Handling a message failed: %s", type(error).__name__)
            STATUS.failed("handling_failures", f"handling: {type(error).__name__}")
            await self._stand_in(message, watched, self._owed(message, hints=True), "failure")
            if not watched.sent and not watched.erase:
                await self._send(ERROR_RESPONSE, message, watched)
        await self._record(watched, message.sender_id, channel_name)
        if watched.erase:
            asked = await self._was_asked(message.sender_id)
            await self._send(await self.forget(message.sender_id) if asked else ASK_RESPONSE, message, watched)
        self._note(message, watched, channel_name)
        return result

    def _note(self, message: UserMessage, watched: WatchedChannel, channel: str) -> None:
        """Count what became of a message, and have it noted; after an erasure there is nothing to note."""
        seconds = watched.seconds
        plan = (message.parse_data or {}).get(PLAN)
        TO_END.observe(seconds)
        OUTCOMES.labels(str((plan or {}).get("outcome") or "failed")).inc()
        if self.journal is not None and not watched.erase:
            turn = turn_of(
                conversation=message.sender_id,
                message=str(message.message_id),
                channel=channel,
                text=message.text or "",
                plan=plan,
                sent=watched.sent,
                ways=watched.ways,
                to_referral=watched.to_referral,
                to_end=seconds,
            )
            self.journal.note(turn)

    async def _accompany(
        self, handling: asyncio.Future[Optional[list[dict[str, Any]]]], message: UserMessage, watched: WatchedChannel
    ) -> None:
        """Watch a message being handled; say what it is owed when that takes too long.

        What the screen finds is said after a short grace, or at once if the queue is longer
        than that; what only understanding finds, as soon as it is known and late.
        """
        owed = intake.owed(message.text)
        if owed and self.expected_wait(message.sender_id, len(message.text)) > INTAKE_GRACE:
            await self._stand_in(message, watched, owed, "queue")
        spent = 0.0
        for deadline, way in ((INTAKE_GRACE, "intake"), (MESSAGE_DEADLINE, "deadline")):
            done, _ = await asyncio.wait({handling}, timeout=deadline - spent)
            if done:
                return
            spent = deadline
            # At the deadline doubt refers: nobody is left to confirm a hint in time.
            owed = self._owed(message, hints=True) if way == "deadline" else owed
            await self._stand_in(message, watched, owed, way)

    def expected_wait(self, conversation: str, size: int) -> float:
        """Return the seconds that a message of this size would wait before it is understood."""
        return self.pool.wait(SHARE_OF.get() or conversation, size)

    async def _handle(self, message: UserMessage) -> Optional[list[dict[str, Any]]]:
        """Process a message under its conversation's lock, or without one if locks fail."""
        if not self.is_ready():
            raise RuntimeError("no model is loaded")
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(self.lock_store.lock(message.sender_id, wait_time_in_seconds=LOCK_WAIT))
            except Exception as error:
                logger.error("The lock store failed: %s", type(error).__name__)
                STATUS.failed("lock_failures", f"lock store: {type(error).__name__}")
            handoffs = self.handoffs if self.handoffs is not None and self.handoffs.enabled else None
            if handoffs is not None and await handoffs.visitors.take(message, self):
                return None
            result: Optional[list[dict[str, Any]]] = await self.processor.handle_message(message)  # type: ignore[union-attr]
            if handoffs is not None:
                await handoffs.visitors.copy(message, self)
            return result

    async def _stand_in(self, message: UserMessage, watched: WatchedChannel, owed: list[str], way: str) -> None:
        """Send the referrals that a message is owed and that have not gone out."""
        given = watched.referrals
        for name in owed:
            if intake.adds(name, given):
                STATUS.failed("referral_stand_ins", f"referral given by the last line of the guarantee ({way})")
                await self._send(name, message, watched, way)

    @staticmethod
    def _owed(message: UserMessage, *, hints: bool = False) -> list[str]:
        """Return what a message is owed by its plan, if it was understood so far, else by the screen."""
        plan = (message.parse_data or {}).get(PLAN)
        if plan is not None:
            return [referral["response"] for referral in plan["referrals"]]
        return intake.owed(message.text, hints=hints)

    async def say(self, name: str, message: UserMessage) -> None:
        """Send a named response as part of the answer to a message."""
        await self._send(name, message, message.output_channel)  # type: ignore[arg-type]

    async def _send(self, name: str, message: UserMessage, watched: WatchedChannel, way: str = "agent") -> None:
        if not isinstance(self.nlg, CallaNaturalLanguageGenerator):
            return
        rendered = self.nlg.render(name)
        if rendered is not None:
            rendered["utter_action"] = name
            await watched.send_response(message.sender_id, rendered, way=way)

    async def _record(self, watched: WatchedChannel, conversation: str, channel: str) -> None:
        if self.records is None or not isinstance(self.nlg, CallaNaturalLanguageGenerator):
            return
        for name in watched.referrals:
            try:
                await self.records.referral(
                    topic=referral_name(name), kind=self.nlg.kind_of(name), channel=channel, conversation=conversation
                )
            except Exception as error:
                logger.error("The record of referrals failed: %s", type(error).__name__)
                STATUS.failed("record_failures", f"records: {type(error).__name__}")

    # ---------------------------------------------------------------------------- erasing

    async def erase(self, conversation: str) -> bool:
        """Forget a conversation everywhere; return whether that is certain, else it is noted and retried.

        Raises:
            ErasureError: if it could neither be done nor noted.
        """
        return await self.erasure.erase(conversation) if self.erasure is not None else True

    async def _was_asked(self, conversation: str) -> bool:
        """Say whether the person was asked, in the turn before this one, if everything is to be erased."""
        tracker = await self.tracker_store.retrieve(conversation)
        turns = 0
        for event in reversed(tracker.events if tracker is not None else ()):
            if isinstance(event, UserUttered):
                turns += 1
            elif isinstance(event, BotUttered) and event.metadata.get("utter_action") == ASK_RESPONSE:
                return turns == 1
            if turns > 1:
                break
        return False

    async def forget(self, conversation: str) -> str:
        """Forget a conversation everywhere; return the name of the text that truly says how far that got."""
        passed_on = self.handoffs is not None and await self.handoffs.was_passed_on(conversation)
        done = ERASED_PASSED_ON_RESPONSE if passed_on else ERASED_RESPONSE
        try:
            return done if await self.erase(conversation) else ERASURE_NOTED_RESPONSE
        except ErasureError:
            return ERROR_RESPONSE
