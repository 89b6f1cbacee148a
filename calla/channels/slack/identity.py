"""Who is speaking in Slack, where the answer belongs, and the conversation that this is."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import asdict, dataclass
from typing import Any, Mapping, Optional

IM, SHARED, PRIVATE = "im", "shared", "private"
# What a message wants: an answer, a confirmed erasure of everything, or silence.
ASK, ERASE, STOP = "ask", "erase", "stop"


@dataclass(frozen=True)
class Place:
    """Where somebody asked, and so where the answer goes.

    Attributes:
        team: id of the workspace.
        channel: id of the channel or direct message.
        user: id of the person.
        kind: ``im`` (only the person reads it), ``shared`` (others read it too) or
            ``private`` (an answer in a channel that Slack shows to the person alone).
        thread: timestamp of the thread to answer in; ``None`` for the channel itself.
        open_thread: whether that thread had replies already. Slack shows a private
            message inside a thread only if it had.
        response_url: address for private answers, given by Slack with a command,
            shortcut or button; it takes five messages within 30 minutes.
        ts: timestamp of the message that asked, for links to it.
        enterprise: id of the organisation (Enterprise Grid) that the workspace is part of.
        home: id of the workspace or organisation that the person comes from, where it
            is not this one (shared channels).
    """

    team: str
    channel: str
    user: str
    kind: str
    thread: Optional[str] = None
    open_thread: bool = False
    response_url: Optional[str] = None
    ts: Optional[str] = None
    enterprise: Optional[str] = None
    home: Optional[str] = None

    def as_dict(self) -> dict[str, Any]:
        """Return the place in a form that JSON can hold."""
        return asdict(self)


@dataclass(frozen=True)
class Question:
    """A message for Calla, ready to be understood.

    Attributes:
        key: what makes the message one and the same, however often Slack delivers it.
        conversation: Rasa's sender id.
        person: who asks, hashed; the same in all their conversations.
        text: what the person wrote, decoded.
        place: where the answer goes.
        pressed: whether the text is the title of a button; the answer then repeats it.
        quiet: whether nobody mentioned Calla: small talk is then left alone.
        unread: whether there was a file that Calla cannot open.
        author: somebody else who wrote the text (the shortcut on a message).
        wish: ``ask``, ``erase`` (confirmed) or ``stop``.
        urgent: whether the safety screen found something; it goes before others.
    """

    key: str
    conversation: str
    text: str
    place: Place
    person: str = ""
    pressed: bool = False
    quiet: bool = False
    unread: bool = False
    author: Optional[str] = None
    wish: str = ASK
    urgent: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the question in a form that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Question:
        """Read what ``as_dict`` has written."""
        return cls(**{**values, "place": Place(**values["place"])})


def _hashed(parts: tuple[str, ...], key: str) -> str:
    return hmac.new(key.encode(), "\n".join(parts).encode(), hashlib.sha256).hexdigest()[:40]


def _owner(place: Place) -> str:
    """Return what user ids are unique in: the person's own organisation, else their workspace."""
    return place.home or place.enterprise or place.team


def person_id(place: Place, key: str) -> str:
    """Return the id under which a person is known, hashed.

    In an Enterprise Grid organisation a person has the same id in every workspace.

    Args:
        place: where the person speaks.
        key: secret of this installation, so that ids cannot be guessed from Slack's.
    """
    return _hashed(("person", _owner(place), place.user), key)


def conversation_id(place: Place, key: str) -> str:
    """Return the conversation that a place belongs to, hashed: person, channel and thread.

    Everybody has a conversation of their own, in a thread that others use too. All
    direct messages are one conversation, threads in them included; so is a channel for
    private answers.

    Args:
        place: where the person speaks.
        key: secret of this installation.
    """
    if place.kind == IM:
        room = thread = IM
    else:
        room, thread = place.channel, place.thread or (PRIVATE if place.kind == PRIVATE else "")
    return "slack_" + _hashed((_owner(place), place.user, room, thread), key)
