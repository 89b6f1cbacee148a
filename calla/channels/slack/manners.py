"""When Calla speaks among others: what in a channel, a thread or a group is meant for it."""

from __future__ import annotations

from typing import Awaitable, Callable

from calla.channels.slack.identity import IM, STOP, Place
from calla.channels.slack.incoming import Spoken
from calla.channels.slack.words import SlackWords

# Says whether Calla takes part, unmentioned, in the conversation of a place.
TakesPart = Callable[[Place], Awaitable[bool]]


async def meant_for_calla(spoken: Spoken, takes_part: TakesPart) -> bool:
    """Say whether a message is for Calla.

    In a direct message: all. Elsewhere: mentions, and in a thread of a channel what the
    person who mentioned Calla there writes next, unless it is addressed to somebody else.
    In a group of direct messages: mentions only.

    Args:
        spoken: the message.
        takes_part: whether this person has brought Calla into the thread.
    """
    if spoken.place.kind == IM or spoken.mentioned:
        return True
    if spoken.group or spoken.to_others or not spoken.place.open_thread:
        return False
    return await takes_part(spoken.place)


def wish_of(spoken: Spoken, words: SlackWords, ask: str) -> str:
    """Return what a message wants: ``stop`` where it only tells Calla to be silent, else ``ask``.

    In a direct message nobody is disturbed, so there it is a message like any other.
    """
    return STOP if spoken.place.kind != IM and words.means_stop(spoken.text) else ask
