"""The first look at a message, before queues and limits: what it owes whatever becomes of it.

It costs a millisecond and needs neither the model nor a store, so a message that is refused,
queued for long, or not understood at all has been screened all the same.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Iterable

from calla.catalogue import REFERRAL_PREFIX, SHORT_REFERRAL_PREFIX
from calla.nlu.gate import _without_repetition
from calla.policies.plan import referral_name
from calla.safety.screen import load_screen
from calla.safety.vocabulary import KINDS
from calla.text import MAX_SCREENED

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


def owed(text: str, *, hints: bool = False) -> list[str]:
    """Return the referrals that a message owes by the screen alone, most urgent first.

    Reduced as in every plan: never five in a row, an emergency or crisis stands alone.

    Args:
        text: the message.
        hints: whether hints count too. Understanding has to confirm them; where it fails or
            comes too late, doubt refers.
    """
    found = [f for f in load_screen().find(bounded(text)) if hints or not f.hint]
    referrals = [{"response": f"{REFERRAL_PREFIX}/{f.topic}", "kind": f.kind} for f in found]
    return [referral["response"] for referral in _without_repetition(referrals)]


def adds(name: str, given: Iterable[str]) -> bool:
    """Say whether a referral is still worth giving after others of the same answer.

    Args:
        name: name of its response, full or short.
        given: names of the referrals that the person has read already.
    """
    names = [referral_name(one) for one in (*given, name)]
    if names[-1] in names[:-1]:
        return False
    referrals = [{"response": one, "kind": KINDS.get(one, "urgent")} for one in names]
    return _without_repetition(referrals)[-1:] == referrals[-1:]


def is_referral(name: str) -> bool:
    """Say whether a response is a referral, full or short."""
    return name.startswith((REFERRAL_PREFIX, SHORT_REFERRAL_PREFIX))
