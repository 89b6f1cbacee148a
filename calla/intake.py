"""The first look at a message, before queues and limits: what it owes whatever becomes of it.

It costs a millisecond and needs neither the model nor a store, so a message that is refused,
queued for long, or not understood at all has been screened all the same. The worst texts take a
hundred times that, so the look has a thread of its own, beside the event loop, whose turns are
shared fairly (``calla.fair_pool``): who sends many of them waits for themselves.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from contextvars import ContextVar
from typing import Iterable, Optional, Sequence

from calla.catalogue import REFERRAL_PREFIX
from calla.fair_pool import FairPool
from calla.plan import SCREEN, Referral, is_referral, reduced, referral_name
from calla.safety.screen import Finding, load_screen
from calla.safety.vocabulary import KINDS
from calla.text import MAX_SCREENED

logger = logging.getLogger(__name__)

# The text that was screened last in the handling of a message, and what was found in it.
_SCREENED: ContextVar[Optional[tuple[str, Sequence[Finding]]]] = ContextVar("screened", default=None)
_LOOKS = FairPool(1)
_SURROGATES = re.compile("[\ud800-\udfff]")


def bounded(text: str) -> str:
    """Return ``text`` in a form whose cost is known: whole characters, at most ``MAX_SCREENED``.

    Half surrogates become the replacement character, since they cannot be stored or encoded.
    The length counts after compatibility normalisation, in which one character may become
    eighteen; such a text is cut, others stay as they were written.
    """
    text = _SURROGATES.sub("\ufffd", text[:MAX_SCREENED])
    if text.isascii() or len(unicodedata.normalize("NFKC", text)) <= MAX_SCREENED:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if len(unicodedata.normalize("NFKC", text[:middle])) <= MAX_SCREENED:
            low = middle
        else:
            high = middle - 1
    return text[:low]


def screened(text: str) -> Sequence[Finding]:
    """Return what the screen finds in a text; the next look in the handling of the same message costs nothing.

    What was found is kept with the handling of the message and goes with it.
    """
    found = _SCREENED.get()
    if found is None or found[0] != text:
        found = _look(text)
        _SCREENED.set(found)
    return found[1]


async def look(share: str, text: str) -> str:
    """Return a message as it is handled from now on (``bounded``), screened; at once if it has been.

    Args:
        share: whose share of the thread it takes: a network address, or a conversation.
        text: the message as it came.
    """
    known = _SCREENED.get()
    if known is not None and known[0] == text:
        return text
    try:
        known = await _LOOKS.run(share, len(text), _look, text)
    except RuntimeError as error:
        logger.error("A message was screened without a thread: %s", type(error).__name__)
        known = _look(text)
    _SCREENED.set(known)
    return known[0]


def _look(text: str) -> tuple[str, Sequence[Finding]]:
    text = bounded(text)
    return text, tuple(load_screen().find(text))


def owed(text: str, *, hints: bool = False) -> list[str]:
    """Return the referrals that a message owes by the screen alone, most urgent first.

    Reduced as in every plan: never five in a row, an emergency or crisis stands alone.

    Args:
        text: the message.
        hints: whether hints count too. Understanding has to confirm them; where it fails or
            comes too late, doubt refers.
    """
    found = [f for f in screened(text) if hints or not f.hint]
    referrals = [Referral(f.topic, f.kind, f"{REFERRAL_PREFIX}/{f.topic}", SCREEN) for f in found]
    return [referral.response for referral in reduced(referrals)]


def adds(name: str, given: Iterable[str]) -> bool:
    """Say whether a referral is still worth giving after others of the same answer.

    Args:
        name: name of its response, full or short.
        given: names of the referrals that the person has read already.
    """
    names = [referral_name(one) for one in (*given, name)]
    if names[-1] in names[:-1]:
        return False
    referrals = [Referral(one, KINDS.get(one, "urgent"), one, SCREEN) for one in names]
    return referrals[-1] in reduced(referrals)


__all__ = ["adds", "bounded", "is_referral", "look", "owed"]
