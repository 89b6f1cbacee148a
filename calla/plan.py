"""The plan of a turn: what is owed, what is said, when two referrals are the same.

Everything that gives or checks a referral (policies, action, agent, channels) asks here.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Iterable, Mapping, Optional, Sequence

from calla.catalogue import REFERRAL_PREFIX, SHORT_REFERRAL_PREFIX, URGENCY, Catalogue
from calla.safety.screen import load_screen
from calla.safety.vocabulary import KINDS

PLAN = "plan"
ACUTE = frozenset({"emergency", "crisis"})
# Who found that a referral is owed.
SCREEN, MODEL, MEMORY, TOPIC = "screen", "model", "memory", "topic"


@dataclass(frozen=True)
class Owed:
    """A reason to refer, before it is settled what is said.

    Attributes:
        name: which referral.
        by: ``screen``, ``model``, ``memory`` or ``topic``.
    """

    name: str
    by: str


@dataclass(frozen=True)
class Referral:
    """A referral that is owed.

    Attributes:
        name: which one, for example ``suspicious_finding``.
        kind: a word of ``URGENCY``.
        response: the response that gives it, full or short.
        by: who found it: ``screen``, ``model``, ``memory`` or ``topic``.
    """

    name: str
    kind: str
    response: str
    by: str


@dataclass
class Plan:
    """What will be said in answer to a message.

    Attributes:
        outcome: ``answer``, ``clarify``, ``decline``, ``referral`` or the name of a special case.
        referrals: owed before anything else, most urgent first.
        responses: names of the responses after the referrals, in order.
        offers: ids of topics and details on the buttons.
        topic: id of the topic or detail answered last, for follow-ups.
        memory: what is remembered after this turn, as its slot keeps it.
        owed: reasons to refer that are not settled yet.
    """

    outcome: str
    referrals: list[Referral] = field(default_factory=list)
    responses: list[str] = field(default_factory=list)
    offers: list[str] = field(default_factory=list)
    topic: Optional[str] = None
    memory: dict[str, Any] = field(default_factory=dict)
    owed: list[Owed] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as it is kept with the message."""
        return {k: v for k, v in asdict(self).items() if k != "owed"}

    @classmethod
    def read(cls, value: Optional[Mapping[str, Any]]) -> Optional[Plan]:
        """Read a plan that was kept with a message; ``None`` where there is none."""
        if not value:
            return None
        known = {k: v for k, v in value.items() if k in cls.__dataclass_fields__}
        known["referrals"] = [Referral(**referral) for referral in value.get("referrals") or ()]
        return cls(**known)


def referral_name(response: str) -> str:
    """Return the name of a referral, whether its response is the full or the short form or in another language."""
    return response.rpartition("/")[2]


def is_referral(response: str) -> bool:
    """Say whether a response is a referral."""
    return response.startswith(REFERRAL_PREFIX)


def not_yet_given(owed: Iterable[str], said: Iterable[str]) -> list[str]:
    """Return the referral responses that are owed and have not been said, in any form."""
    given = {referral_name(name) for name in said if is_referral(name)}
    return [name for name in owed if referral_name(name) not in given]


def reduced(referrals: Sequence[Referral]) -> list[Referral]:
    """Order referrals by urgency and keep what is worth reading.

    Five referrals in a row would not be read: the first of each kind is kept. An emergency
    leaves room for nothing but a crisis; a crisis for an urgent finding beside it. A call
    today for a finding covers the appointment; medicines are another matter and stay.
    An emergency or a crisis that is only remembered comes after one that is spoken of now.
    """

    def place(referral: Referral) -> tuple[bool, bool, int]:
        acute = referral.kind in ACUTE
        return not acute, acute and referral.by == MEMORY, URGENCY.index(referral.kind)

    kept: list[Referral] = []
    for referral in sorted(referrals, key=place):
        kinds = {r.kind for r in kept}
        covered = (
            referral.kind in kinds
            or ("emergency" in kinds and referral.kind not in ACUTE)
            or ("crisis" in kinds and referral.kind not in ("emergency", "urgent"))
            or (referral.kind == "planned" and "urgent" in kinds)
        )
        if not covered:
            kept.append(referral)
    return kept


def screened(text: str) -> list[str]:
    """Return the referral responses that the rules alone find in a text, most urgent first, reduced.

    For wherever understanding did not run or failed. Hints count: nothing is there to doubt them.
    """
    found = (
        Referral(finding.topic, KINDS[finding.topic], f"{REFERRAL_PREFIX}/{finding.topic}", SCREEN)
        for finding in load_screen().find(text)
    )
    return [referral.response for referral in reduced(list(found))]


def owed_by(message: Mapping[str, Any]) -> list[str]:
    """Return the referral responses that a parsed message is owed: those of its plan, else what the rules find.

    Args:
        message: Rasa's parse data, or ``latest_message`` as an action sees it.
    """
    plan = Plan.read(message.get(PLAN))
    if plan is not None:
        return [referral.response for referral in plan.referrals]
    owed = screened(str(message.get("text") or ""))
    intent = str((message.get("intent") or {}).get("name") or "")
    if not owed and intent.startswith("referral"):
        owed = [f"{REFERRAL_PREFIX}/{intent.partition('/')[2] or 'suspicious_finding'}"]
    return owed


def in_short(name: str, catalogue: Catalogue) -> str:
    """Return the short form of a referral if there is one, else its full form."""
    short = f"{SHORT_REFERRAL_PREFIX}{name}"
    return short if short in catalogue.responses else f"{REFERRAL_PREFIX}/{name}"
