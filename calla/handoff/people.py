"""What the people who answer do: join, write, leave."""

from __future__ import annotations

import time
import unicodedata
from typing import Optional

from calla.handoff.ledger import ENDED, OPEN, TAKEN, WAITING, Handoff, HandoffLedger
from calla.handoff.notes import Notes
from calla.handoff.speaking import Speaker
from calla.intake import bounded

MAX_NAME = 80
MAX_TEXT = 8_000


class OverError(LookupError):
    """There is no such talk, or it has ended: what was written reaches nobody."""


class People:
    """Carries what people do into the visitor's conversation.

    Args:
        ledger: the hand-offs.
        speaker: speaks in conversations.
        notes: the texts.
    """

    def __init__(self, ledger: HandoffLedger, speaker: Speaker, notes: Notes) -> None:
        self._ledger = ledger
        self._speaker = speaker
        self._notes = notes

    async def joined(self, handoff: Optional[Handoff], name: str) -> None:
        """Take that a person has the conversation.

        Raises:
            OverError: if the talk has ended.
        """
        one, name = _open(handoff), cleaned(name, MAX_NAME)
        now = time.time()
        known = one.state == TAKEN and one.person == (name or one.person)
        if not await self._ledger.change(one.id, OPEN, state=TAKEN, person=name or one.person, heard=now):
            raise OverError
        if not known:
            await self._speaker.say(one.conversation, "joined", person=self._notes.person(name))
            await self._speaker.changed(one.conversation)

    async def wrote(self, handoff: Optional[Handoff], key: str, name: str, text: str) -> None:
        """Take a message of a person; one that came before is shown once.

        Args:
            handoff: the hand-off.
            key: what makes the message one and the same.
            name: the person's name.
            text: the message.

        Raises:
            OverError: if the talk has ended.
        """
        one, text = _open(handoff), cleaned(text, MAX_TEXT, lines=True)
        if not text or not await self._ledger.is_new(one.id, key):
            return
        try:
            await self.joined(one, name)
            said_by = self._notes.person(cleaned(name, MAX_NAME) or one.person)
            await self._speaker.person(one.conversation, said_by, text)
        except Exception:
            # It comes again, and must not count as shown then.
            await self._ledger.forget_seen(one.id, key)
            raise

    async def left(self, handoff: Optional[Handoff]) -> None:
        """Take that a person gives the conversation back.

        Raises:
            OverError: if it has been given back already.
        """
        one = _open(handoff)
        if not await self._ledger.change(one.id, OPEN, state=ENDED):
            raise OverError
        await self._ledger.drop(one.id)
        await self._speaker.say(one.conversation, "left", person=self._notes.person(one.person))
        await self._speaker.changed(one.conversation)


def _open(handoff: Optional[Handoff]) -> Handoff:
    if handoff is None or handoff.state not in (WAITING, TAKEN):
        raise OverError
    return handoff


def cleaned(text: str, most: int, *, lines: bool = False) -> str:
    """Return a text without control characters, cut to a length.

    Args:
        text: as it came.
        most: characters that are kept.
        lines: whether line breaks stay.
    """
    kept = "".join(c if unicodedata.category(c)[0] != "C" or (lines and c == "\n") else " " for c in bounded(text))
    return kept.strip()[:most]
