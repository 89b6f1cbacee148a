"""Who is speaking in Slack, where the answer belongs, and the conversation that this is."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import asdict, dataclass
from typing import Any, Mapping, Optional

IM, SHARED, PRIVATE = "im", "shared", "private"


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
    """

    team: str
    channel: str
    user: str
    kind: str
    thread: Optional[str] = None
    open_thread: bool = False
    response_url: Optional[str] = None
    ts: Optional[str] = None

    def as_dict(self) -> dict[str, Any]:
        """Return the place in a form that JSON can hold."""
        return asdict(self)


@dataclass(frozen=True)
class Question:
    """A message for Calla, ready to be understood.

    Attributes:
        key: what makes the message one and the same, however often Slack delivers it.
        conversation: Rasa's sender id.
        text: what the person wrote, decoded.
        place: where the answer goes.
        pressed: whether the text is the title of a button; the answer then repeats it.
    """

    key: str
    conversation: str
    text: str
    place: Place
    pressed: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the question in a form that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Question:
        """Read what ``as_dict`` has written."""
        return cls(**{**values, "place": Place(**values["place"])})


def conversation_id(place: Place, key: str) -> str:
    """Return the conversation that a place belongs to: team, user and thread, hashed.

    Everybody has a conversation of their own, in a thread that others use too. In a
    direct message the whole chat is one thread; so is a channel for private answers.

    Args:
        place: where the person speaks.
        key: secret of this installation, so that ids cannot be guessed from Slack's.
    """
    room = IM if place.kind == IM else place.channel
    thread = place.thread or (PRIVATE if place.kind == PRIVATE else "")
    text = "\n".join((place.team, place.user, room, thread))
    return "slack_" + hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()[:40]
