"""What is remembered from turn to turn: the last topic, what was offered, an open danger.

It lives in the slots of the tracker (``domain.yml``) and expires.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Mapping, Optional

# Turns of the visitor for which an emergency or a crisis stays open, and any other finding.
ACUTE_TURNS, FINDING_TURNS = 6, 4
# Turns for which a topic is what "it" stands for, and what was offered can be picked.
TOPIC_TURNS, OFFER_TURNS = 12, 2
ACUTE_KINDS = frozenset({"emergency", "crisis"})
SLOT = "memory"


@dataclass(frozen=True)
class Memory:
    """What a conversation leaves behind for its next message.

    Attributes:
        topic: id of the topic or detail of the last answer.
        topic_age: turns since then.
        offers: ids of what was offered last, in order.
        offers_age: turns since then.
        danger: name of the referral that was given last.
        danger_kind: its kind.
        danger_age: turns since it was last spoken of.
        said: names of the responses of the last turn.
    """

    topic: Optional[str] = None
    topic_age: int = 0
    offers: tuple[str, ...] = ()
    offers_age: int = 0
    danger: Optional[str] = None
    danger_kind: Optional[str] = None
    danger_age: int = 0
    said: tuple[str, ...] = ()

    @classmethod
    def read(cls, value: Optional[Mapping[str, Any]]) -> Memory:
        """Read the memory from its slot; what is not there is not remembered."""
        known = {k: v for k, v in (value or {}).items() if k in cls.__dataclass_fields__}
        for name in ("offers", "said"):
            known[name] = tuple(known.get(name) or ())
        return cls(**known)

    def as_dict(self) -> dict[str, Any]:
        """Return the memory as its slot keeps it."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in self.__dict__.items()}

    @property
    def acute(self) -> bool:
        """Whether an emergency or a crisis is open."""
        return self.danger is not None and self.danger_kind in ACUTE_KINDS

    def aged(self) -> Memory:
        """Return the memory one turn later, without what has expired."""
        older = replace(
            self, topic_age=self.topic_age + 1, offers_age=self.offers_age + 1, danger_age=self.danger_age + 1
        )
        if older.topic_age > TOPIC_TURNS:
            older = replace(older, topic=None)
        if older.offers_age > OFFER_TURNS:
            older = replace(older, offers=())
        if older.danger_age > (ACUTE_TURNS if older.acute else FINDING_TURNS):
            older = replace(older, danger=None, danger_kind=None)
        return older
