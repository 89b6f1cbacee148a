"""From a message that has been answered to its line in the journal."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Sequence

from calla import intake
from calla.plan import is_referral, referral_name
from calla.reporting.journal import WITHOUT_ANSWER, Turn
from calla.understanding.memory import Memory


def turn_of(
    *,
    conversation: str,
    message: str,
    channel: str,
    text: str,
    plan: Optional[Mapping[str, Any]],
    sent: Sequence[str],
    ways: Mapping[str, str],
    to_referral: Optional[float],
    to_end: float,
) -> Turn:
    """Return what the journal notes of a message.

    Args:
        conversation: id of the conversation.
        message: id of the message.
        channel: name of the channel.
        text: the message; it is only passed on where it may be kept.
        plan: the plan, as it is kept with the message; ``None`` if it was not understood.
        sent: names of the responses that went out.
        ways: response name of a referral to ``kind:way``.
        to_referral: seconds to the first referral.
        to_end: seconds to the end of the answer.
    """
    plan = plan or {}
    outcome = str(plan.get("outcome") or "failed")
    return Turn(
        conversation=conversation,
        message=message,
        channel=channel,
        outcome=outcome,
        answers=tuple(name for name in sent if not is_referral(name)),
        offers=tuple(plan.get("offers") or ()),
        referrals=tuple(f"{referral_name(name)}:{way}" for name, way in ways.items()),
        to_referral=to_referral,
        to_end=to_end,
        question=text if outcome in WITHOUT_ANSWER and _may_be_kept(text, plan, ways) else None,
    )


def _may_be_kept(text: str, plan: Mapping[str, Any], ways: Mapping[str, str]) -> bool:
    """Say whether a question without an answer may be logged.

    Nothing of a message that got a medical referral, or for which one was weighed; nothing
    that is said while an emergency or a crisis is open.
    """
    if ways or plan.get("referrals") or Memory.read(plan.get("memory")).acute():
        return False
    return not intake.owed(text, hints=True)
