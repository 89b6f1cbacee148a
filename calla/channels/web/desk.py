"""What a visitor can ask of the web channel, whichever way the request came.

Socket.IO (``sockets``) and plain requests (``requests``) are two doors to this one desk.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import re
import time
from typing import Any, Awaitable, Callable, Mapping, Optional

from rasa.core.channels.channel import OutputChannel, UserMessage
from rasa.shared.core.events import Event
from sanic import Sanic
from socketio import AsyncServer

from calla import intake
from calla.agent import ERASED_RESPONSES, ERROR_RESPONSE, LOCK_WAIT
from calla.channels.web.elsewhere import Elsewhere
from calla.channels.web.limits import Limits, address_key
from calla.channels.web.messages import RATINGS, Payload, before_turn, bot_message, history, notice, said_again
from calla.channels.web.refusals import BUSY_RESPONSE, LIMITED_RESPONSE, RefusedError
from calla.channels.web.sessions import Session, Sessions
from calla.channels.web.turns import Conversation, Conversations, Turn
from calla.handoff.visitors import PASSED_ON
from calla.peers import Peers
from calla.processor import SHARE_OF
from calla.settings import Settings
from calla.status import REFERRALS, REFUSED, TO_REFERRAL

logger = logging.getLogger(__name__)

NAME = "web"
# Seconds after which a client may come again when the server itself is busy.
BUSY_WAIT = 1.0
OVERLOAD_WAIT = 3.0
# As how many calls one counts that reads a conversation from its beginning.
EXPORT_COST, BEFORE_COST = 40, 4
# Seconds that a message may have to wait before it is understood. Who would wait longer is
# asked to come again; the referral has gone out by then.
LONGEST_WAIT = 2.0
_TURN_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_MESSAGE_ID = re.compile(r"(?P<turn>[A-Za-z0-9_-]{8,64}):(?P<name>utter_[\w/.]{1,100})(?:#\d{1,2})?")

Reply = dict[str, Any]
OnNewMessage = Callable[[UserMessage], Awaitable[Any]]


class WebOutput(OutputChannel):
    """Sends the bot's messages of one turn to every window of the conversation.

    Args:
        sio: the Socket.IO server.
        turn: id of the visitor's message that is answered.
        messages: what has been sent for it; grows.
        sent: told after each.

    Attributes:
        message_arrived: when the message came, by the clock that only goes on.
    """

    message_arrived: Optional[float] = None

    def __init__(
        self, sio: AsyncServer, turn: str, messages: list[Payload], sent: Optional[Callable[[], Awaitable[None]]] = None
    ) -> None:
        self._sio = sio
        self._turn = turn
        self._messages = messages
        self._sent = sent

    @classmethod
    def name(cls) -> str:
        """Name of the channel, on both transports."""
        return NAME

    async def send_response(self, recipient_id: str, message: dict[str, Any]) -> None:
        """Send one message.

        Args:
            recipient_id: the conversation.
            message: as the generator rendered it (``calla.answers``).
        """
        payload = bot_message(self._turn, message, [sent["id"] for sent in self._messages])
        if said_again(payload["name"], self._messages):
            return
        self._messages.append(payload)
        await tell(self._sio, "bot", payload, room=recipient_id)
        if self._sent is not None:
            await self._sent()


class Desk:
    """Takes messages and calls of visitors; knows what is being answered.

    Args:
        config: the settings.
        key: the server's secret (``calla.keys.secret_key``).
        sio: the Socket.IO server.
        peers: the other server processes, if there are any.
    """

    def __init__(self, config: Settings, key: str, sio: AsyncServer, peers: Optional[Peers] = None) -> None:
        self.sessions = Sessions(key, config.session_hours, config.retention_days)
        self.limits = Limits(
            config.messages_per_minute, config.address_messages_per_minute, config.sessions_per_hour, peers
        )
        self.conversations = Conversations()
        self._elsewhere = Elsewhere(peers, self._stored, self.resume) if peers is not None else None
        self.sio = sio
        self.app: Optional[Sanic] = None
        self.on_new_message: OnNewMessage = _nowhere
        self._max_in_flight = config.max_in_flight
        self._in_flight = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._reading = asyncio.Lock()
        self.calls: dict[str, Callable[[Session, Reply, Optional[str]], Awaitable[Reply]]] = {
            "sync": self.sync,
            "rate": self.rate,
            "erase": self.erase,
            "export": self.export,
        }

    async def call(self, name: str, session: Session, data: Reply, address: str, socket: Optional[str] = None) -> Reply:
        """Answer a call by its name.

        Args:
            name: which of ``calls``.
            session: the conversation.
            data: what came with it.
            address: where it comes from.
            socket: the window that it came from, if it came by a socket.

        Raises:
            RefusedError: too many calls from the address, or what the call itself refuses.
        """
        cost = EXPORT_COST if name == "export" else BEFORE_COST if data.get("before") is not None else 1
        if wait := await self.limits.call(address, cost):
            raise RefusedError(429, "rate_limited", LIMITED_RESPONSE, wait)
        return await self.calls[name](session, data, socket)

    @property
    def agent(self) -> Any:
        """The agent, once the server has loaded it."""
        return getattr(self.app.ctx, "agent", None) if self.app is not None else None

    # ---------------------------------------------------------------------------- messages

    async def _conversation(self, sender: str) -> Conversation:
        """Return a conversation, with what the tracker store knows of it."""
        return self.conversations.get(sender) or self.conversations.add(sender, await self._stored(sender))

    async def _stored(self, sender: str, before: object = None) -> list[Payload]:
        """Return the turns in the tracker store (before one, if named); none if it fails: answering goes on."""
        try:
            if before is None:
                return history(await self.agent.tracker_store.last_events(sender))
            return await self._whole(sender, lambda events: history(before_turn(events, before)))
        except Exception as error:
            logger.error("Reading a conversation failed: %s", type(error).__name__)
            return []

    async def _whole(self, sender: str, made: Callable[[list[Event]], list[Payload]]) -> list[Payload]:
        """Return what is made of a conversation read from its beginning: beside the event loop, one at a time."""
        async with self._reading:
            events = await self.agent.tracker_store.last_events(sender, None)
            return await asyncio.to_thread(made, events)

    async def take(self, session: Session, data: Mapping[str, Any], address: str) -> tuple[Turn, bool]:
        """Take a message, or find the turn of one that was taken before.

        Returns:
            the turn, and whether it is new.

        Raises:
            RefusedError: malformed, still answering, too many. Its referrals have gone out all
                the same: a refusal holds up an answer, never a referral.
        """
        arrived, turn_id, text = time.monotonic(), data.get("id"), data.get("text")
        if not isinstance(turn_id, str) or not _TURN_ID.fullmatch(turn_id):
            raise RefusedError(400, "bad_request", reason="id: 8 to 64 of A-Z a-z 0-9 - _")
        if not isinstance(text, str):
            raise RefusedError(400, "bad_request", reason="text: a string")
        if wait := await self.limits.flood(address, len(text)):
            raise _counted(RefusedError(429, "rate_limited", LIMITED_RESPONSE, wait))
        SHARE_OF.set(address_key(address))
        text = await intake.look(address_key(address), text)
        try:
            turn, new = await self._take(session, turn_id, text, address)
        except RefusedError as refused:
            refused.messages = await self.refer(session, turn_id, text, arrived)
            raise _counted(refused) from None
        if new:
            turn.arrived = arrived
        return turn, new

    async def _take(self, session: Session, turn_id: str, text: str, address: str) -> tuple[Turn, bool]:
        conversation = await self._conversation(session.sender)
        known = conversation.turn(turn_id)
        if known is not None:
            return known, False
        if conversation.answering:
            raise RefusedError(409, "busy", BUSY_RESPONSE, BUSY_WAIT)
        expected = self.agent.expected_wait(session.sender, len(text))
        if self._in_flight >= self._max_in_flight or expected > LONGEST_WAIT:
            raise RefusedError(503, "overloaded", LIMITED_RESPONSE, max(OVERLOAD_WAIT, expected))
        # Last: what is not taken for other reasons does not count.
        wait = await self.limits.message(session.sender, address)
        if wait:
            raise RefusedError(429, "rate_limited", LIMITED_RESPONSE, wait)
        # While the limits were asked, a copy of the message may have come another way.
        conversation = await self._conversation(session.sender)
        known = conversation.turn(turn_id)
        if known is not None:
            return known, False
        if conversation.answering:
            raise RefusedError(409, "busy", BUSY_RESPONSE, BUSY_WAIT)
        turn = conversation.start(turn_id, text)
        if self._elsewhere is None:
            return turn, True
        # It is this process's already, so that a copy that comes meanwhile finds it.
        try:
            ours = await self._elsewhere.begin(session.sender, turn)
            if ours is None:
                raise RefusedError(409, "busy", BUSY_RESPONSE, BUSY_WAIT)
        except BaseException:
            # Also where the visitor hangs up just now: nobody would answer it, nor end it.
            conversation.refuse(turn)
            raise
        return turn, ours

    async def refer(self, session: Session, turn_id: str, text: str, arrived: Optional[float]) -> list[Payload]:
        """Send the referrals that a refused message owes; they belong to its answer when it comes again."""
        # Nobody confirms a hint of a message that is not understood now: doubt refers.
        owed = intake.owed(text, hints=True)
        if not owed or self.agent is None:
            return []
        conversation = await self._conversation(session.sender)
        sent = conversation.ahead(turn_id)
        output = WebOutput(self.sio, turn_id, sent)
        for name in owed:
            rendered = self.agent.nlg.render(name)
            if rendered is not None:
                await output.send_response(session.sender, {**rendered, "utter_action": name})
                REFERRALS.labels(str((rendered.get("metadata") or {}).get("kind") or "urgent"), "refused").inc()
        if sent and arrived is not None:
            TO_REFERRAL.observe(time.monotonic() - arrived)
        return list(sent)

    def answer(self, session: Session, turn: Turn, socket: Optional[str] = None) -> None:
        """Begin to answer a turn; it goes on whether or not the visitor stays connected.

        Args:
            session: the conversation.
            turn: the turn.
            socket: the window that the message came from; the others are shown it.
        """
        self._begin(session.sender, turn, socket)

    def resume(self, sender: str, turn: Turn) -> None:
        """Answer a turn anew that another process began; messages get the same ids again."""
        turn.messages.clear()
        turn.elsewhere = False
        self._begin(sender, turn, None)

    def _begin(self, sender: str, turn: Turn, socket: Optional[str]) -> None:
        self._in_flight += 1
        task = asyncio.get_running_loop().create_task(self._run(sender, turn, socket))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, sender: str, turn: Turn, socket: Optional[str]) -> None:
        elsewhere = self._elsewhere
        sent = functools.partial(elsewhere.progress, sender, turn) if elsewhere is not None else None
        output = WebOutput(self.sio, turn.id, turn.messages, sent)
        output.message_arrived = turn.arrived
        await tell(self.sio, "user", {"id": turn.id, "text": turn.text}, room=sender, skip_sid=socket)
        message = UserMessage(turn.text, output, sender, input_channel=NAME, message_id=turn.id, metadata={})
        try:
            await self.on_new_message(message)
        except Exception as error:
            logger.error("A message of the web channel failed: %s", type(error).__name__)
        try:
            if not turn.messages and PASSED_ON not in message.metadata:
                rendered = self.agent.nlg.render(ERROR_RESPONSE) or {}
                await output.send_response(sender, {**rendered, "utter_action": ERROR_RESPONSE})
        except Exception as error:
            logger.error("The text for a fault is missing: %s", type(error).__name__)
        finally:
            self._in_flight -= 1
            erased = any(message["name"] in ERASED_RESPONSES for message in turn.messages)
            if elsewhere is not None:
                await elsewhere.end(sender, turn)
                if erased:
                    await elsewhere.forget(sender)
            turn.finished.set()
            await tell(self.sio, "done", {"turn": turn.id}, room=sender)
            if erased:
                await tell(self.sio, "erased", {}, room=sender, skip_sid=socket)

    # ------------------------------------------------------------------------- other calls

    async def sync(self, session: Session, data: Reply, _: Optional[str] = None) -> Reply:
        """Return the last turns, with those still being answered named in ``running``; or those before a turn."""
        if data.get("before") is not None:
            return {"ok": True, "history": await self._stored(session.sender, data["before"]), "running": []}
        conversation = await self._conversation(session.sender)
        if self._elsewhere is not None:
            await self._elsewhere.adopt(session.sender, conversation)
        turns = conversation.merged(await self._stored(session.sender))
        running = [conversation.running.id] if conversation.running else []
        return {"ok": True, "history": turns, "running": running, **await self._handoff(session.sender)}

    async def _handoff(self, sender: str) -> Reply:
        """Return how things stand with the hand-off to a person; nothing if that cannot be said now."""
        handoffs = getattr(self.agent, "handoffs", None)
        try:
            return {"handoff": await handoffs.status(sender) if handoffs is not None else None}
        except Exception as error:
            logger.error("Looking for a hand-off failed: %s", type(error).__name__)
            return {}

    async def spoken(self, sender: str, number: int) -> None:
        """Show the last messages of a conversation, which no message of the visitor has asked for."""
        turns = await self._stored(sender)
        for message in turns[-1]["messages"][-number:] if turns else ():
            await tell(self.sio, "bot", message, room=sender)

    async def handoff_changed(self, sender: str) -> None:
        """Show how things stand with the hand-off."""
        await tell(self.sio, "handoff", await self._handoff(sender), room=sender)

    async def rate(self, session: Session, data: Reply, _: Optional[str] = None) -> Reply:
        """Record a thumb up or down, or take it back; without any text."""
        match = _MESSAGE_ID.fullmatch(data["message"]) if isinstance(data.get("message"), str) else None
        value = RATINGS.get(str(data.get("value")))
        if match is None or value is None or match["name"] not in self.agent.domain.responses:
            raise RefusedError(400, "bad_request")
        if self.agent.records is not None:
            await self.agent.records.feedback(
                message=match.group(), response=match["name"], value=value, channel=NAME, conversation=session.sender
            )
        return {"ok": True}

    async def erase(self, session: Session, _: Reply, socket: Optional[str] = None) -> Reply:
        """Forget the conversation everywhere and begin a new one; say how far the forgetting got."""
        try:
            async with self.agent.lock_store.lock(session.sender, wait_time_in_seconds=LOCK_WAIT):
                said = await self.agent.forget(session.sender)
        except Exception as error:
            # Without the lock a message that is being answered might be stored after
            # the erasure; erasing without it is still better than not erasing.
            logger.error("Erasing under the lock failed: %s", type(error).__name__)
            said = await self.agent.forget(session.sender)
        if said == ERROR_RESPONSE:
            raise RefusedError(503, "not_erased", ERROR_RESPONSE, OVERLOAD_WAIT)
        await tell(self.sio, "erased", {}, room=session.sender, skip_sid=socket)
        return {"ok": True, "token": self.sessions.mint().token, "message": notice(self.agent, said)}

    async def export(self, session: Session, _: Reply, __: Optional[str] = None) -> Reply:
        """Return all that is kept of the conversation, for the person whose it is."""
        turns = await self._whole(session.sender, lambda events: history(events, None))
        records = await self.agent.records.of(session.sender) if self.agent.records is not None else {}
        noted = await self.agent.journal.of(session.sender) if getattr(self.agent, "journal", None) else {}
        return {"ok": True, "turns": turns, "records": {**records, **noted}}

    async def forget(self, sender: str) -> None:
        """Erase what this channel has of a conversation (see ``calla.erasure``)."""
        self.conversations.forget(sender)
        if self._elsewhere is not None:
            await self._elsewhere.forget(sender)
        if sender.startswith(NAME):
            await self.sessions.revoke(sender)

    async def forget_here(self, sender: str) -> None:
        """Drop what this process has of a conversation that another one erases."""
        self.conversations.forget(sender)
        if sender.startswith(NAME):
            self.sessions.revoke_here(sender)


def _counted(refused: RefusedError) -> RefusedError:
    REFUSED.labels(refused.error).inc()
    return refused


async def tell(sio: AsyncServer, event: str, data: Payload, **where: Any) -> None:
    """Send an event; should that fail, the windows find it when they ask again (``sync``)."""
    try:
        await sio.emit(event, data, **where)
    except Exception as error:
        logger.error("Telling the windows of a conversation failed: %s", type(error).__name__)


async def _nowhere(_: UserMessage) -> None:
    """Stand for the agent until the server has one."""
