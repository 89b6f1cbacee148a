"""Which messages of a conversation have been taken, are being answered, or are answered.

A browser repeats a message when it does not know whether it arrived. The id that it
gave the message decides: known ones are replayed, never answered twice.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Iterable, Optional

from calla.channels.web.messages import Payload

# Conversations and turns kept in memory; older ones are in the tracker store.
CONVERSATIONS = 2_000
TURNS = 10


@dataclass
class Turn:
    """A message of the visitor and what was answered.

    Attributes:
        id: the id that the browser gave the message.
        text: the message.
        messages: what has been sent in answer so far.
        finished: set when the answer is complete.
        left: whether another process began to answer it and is gone.
        refused: whether it was not taken after all.
        elsewhere: whether another process answers it, as far as anybody knows.
        arrived: when the message came, by the clock that only goes on.
    """

    id: str
    text: str
    messages: list[Payload] = field(default_factory=list)
    finished: asyncio.Event = field(default_factory=asyncio.Event)
    left: bool = False
    refused: bool = False
    elsewhere: bool = False
    arrived: Optional[float] = None

    @property
    def running(self) -> bool:
        """Whether more messages may come."""
        return not self.finished.is_set()

    def payload(self) -> Payload:
        """Return the turn as ``messages.history`` returns turns."""
        return {"id": self.id, "text": self.text, "messages": list(self.messages)}


class Conversation:
    """What this process knows of one conversation.

    Args:
        stored: turns from the tracker store.
    """

    def __init__(self, stored: Iterable[Payload] = ()) -> None:
        self._stored = {turn["id"]: turn for turn in stored}
        self._turns: OrderedDict[str, Turn] = OrderedDict()
        # Referrals that went out for messages which are not taken yet.
        self._ahead: OrderedDict[str, list[Payload]] = OrderedDict()

    def turn(self, turn_id: str) -> Optional[Turn]:
        """Return the turn with this id, finished or running, or ``None`` if it is new."""
        if turn_id in self._turns:
            return self._turns[turn_id]
        if turn_id in self._stored:
            stored = self._stored[turn_id]
            turn = Turn(turn_id, stored["text"], list(stored["messages"]))
            turn.finished.set()
            return turn
        return None

    @property
    def running(self) -> Optional[Turn]:
        """The turn that is being answered, if any."""
        return next((turn for turn in self._turns.values() if turn.running), None)

    @property
    def answering(self) -> bool:
        """Whether a turn is being answered here; what another process answers is for Redis to say."""
        return any(turn.running and not turn.elsewhere for turn in self._turns.values())

    def start(self, turn_id: str, text: str) -> Turn:
        """Take a new message; what went out ahead of it belongs to its answer."""
        return self.adopt(Turn(turn_id, text, self._ahead.pop(turn_id, [])))

    def refuse(self, turn: Turn) -> None:
        """Take a message back that was taken too early; what has gone out for it stays ahead of it."""
        self._turns.pop(turn.id, None)
        if turn.messages:
            self._ahead[turn.id] = list(turn.messages)
        turn.refused = True
        turn.finished.set()

    def adopt(self, turn: Turn) -> Turn:
        """Remember a turn, and forget the oldest."""
        self._turns[turn.id] = turn
        while len(self._turns) > TURNS:
            old_id, old = next(iter(self._turns.items()))
            self._stored[old_id] = old.payload()
            del self._turns[old_id]
        while len(self._stored) > 2 * TURNS:
            del self._stored[next(iter(self._stored))]
        return turn

    def ahead(self, turn_id: str) -> list[Payload]:
        """Return the list of what has gone out for a message that had to be refused for now."""
        sent = self._ahead.setdefault(turn_id, [])
        while len(self._ahead) > TURNS:
            self._ahead.popitem(last=False)
        return sent

    def merged(self, stored: Iterable[Payload]) -> list[Payload]:
        """Return the stored turns and, after them, those that only memory holds."""
        turns = {turn["id"]: turn for turn in stored}
        for turn in self._turns.values():
            if turn.running or turn.id not in turns:
                turns.pop(turn.id, None)
                turns[turn.id] = turn.payload()
        return list(turns.values())


class Conversations:
    """The conversations of this process, the least recently used forgotten first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Conversation] = OrderedDict()

    def get(self, sender: str) -> Optional[Conversation]:
        """Return a conversation if this process has seen it."""
        conversation = self._kept.get(sender)
        if conversation is not None:
            self._kept.move_to_end(sender)
        return conversation

    def add(self, sender: str, stored: Iterable[Payload]) -> Conversation:
        """Return the conversation, made from its stored turns if this process has none yet."""
        conversation = self._kept.setdefault(sender, Conversation(stored))
        self._kept.move_to_end(sender)
        if len(self._kept) > CONVERSATIONS:
            idle = next((key for key, kept in self._kept.items() if kept.running is None and key != sender), None)
            self._kept.pop(idle or "", None)
        return conversation

    def forget(self, sender: str) -> None:
        """Forget a conversation."""
        self._kept.pop(sender, None)
