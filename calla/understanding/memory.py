"""What is remembered from turn to turn: the last topic, what was offered, open dangers.

It lives in a slot of the tracker (``domain.yml``) and expires.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Iterable, Mapping, Optional

from calla.safety.vocabulary import KINDS

# Turns of the visitor for which an emergency or a crisis stays open, and any other finding.
ACUTE_TURNS, FINDING_TURNS = 6, 4
# Turns for which a referral that was given in full is given in its short form.
SHORT_TURNS = 4
# Turns for which a topic is what "it" stands for, and what was offered can be picked.
TOPIC_TURNS, OFFER_TURNS = 12, 2
# Topics that are remembered beside the last one.
EARLIER = 3
SLOT = "memory"
_ACUTE = frozenset({"emergency", "crisis"})


@dataclass(frozen=True)
class Memory:
    """What a conversation leaves behind for its next message.

    Attributes:
        topic: id of the topic or detail of the last answer.
        topic_age: turns since then.
        offers: ids of what was offered last, in order.
        offers_age: turns since then.
        dangers: referral name to turns since a message was owed it by itself.
        in_full: referral name to turns since it was last given in full.
        said: names of the responses of the last turn.
        named: id of the topic or detail that an open finding named, which was only referred.
        earlier: ids of topics that were answered before the last, the latest first, each once.
    """

    topic: Optional[str] = None
    topic_age: int = 0
    offers: tuple[str, ...] = ()
    offers_age: int = 0
    dangers: Mapping[str, int] = field(default_factory=dict)
    in_full: Mapping[str, int] = field(default_factory=dict)
    said: tuple[str, ...] = ()
    named: Optional[str] = None
    earlier: tuple[str, ...] = ()

    @classmethod
    def read(cls, value: Optional[Mapping[str, Any]]) -> Memory:
        """Read the memory from its slot; what is not there is not remembered."""
        known = {k: v for k, v in (value or {}).items() if k in cls.__dataclass_fields__}
        for name in ("earlier", "offers", "said"):
            known[name] = tuple(known.get(name) or ())
        return cls(**known)

    def as_dict(self) -> dict[str, Any]:
        """Return the memory as its slot keeps it."""
        return {
            k: list(v) if isinstance(v, tuple) else dict(v) if isinstance(v, Mapping) else v
            for k, v in self.__dict__.items()
        }

    def acute(self) -> list[str]:
        """Return the emergency or crisis that is open, the latest first."""
        return [name for name in self._latest() if KINDS.get(name) in _ACUTE]

    def acute_just_now(self) -> list[str]:
        """Return those that the message before was owed by itself, not from memory (of a memory one turn older)."""
        return [name for name in self.acute() if self.dangers[name] == 1]

    def without_acute(self) -> Memory:
        """Return the memory when the emergency or crisis is over: the next one is told in full again."""
        acute = self.acute()
        dangers, in_full = (
            {name: age for name, age in kept.items() if name not in acute} for kept in (self.dangers, self.in_full)
        )
        return replace(self, dangers=dangers, in_full=in_full)

    def findings(self) -> list[str]:
        """Return the other referrals that are open, the latest first."""
        return [name for name in self._latest() if KINDS.get(name) not in _ACUTE]

    def _before(self, topic: str) -> tuple[str, ...]:
        """Return what was spoken of before a topic that is answered now."""
        known = [self.topic.partition(".")[0]] if self.topic else []
        own = topic.partition(".")[0]
        return tuple(each for each in dict.fromkeys([*known, *self.earlier]) if each != own)[:EARLIER]

    def _latest(self) -> list[str]:
        return sorted(self.dangers, key=lambda name: self.dangers[name])

    def aged(self) -> Memory:
        """Return the memory one turn later, without what has expired."""
        dangers = {
            name: age + 1
            for name, age in self.dangers.items()
            if age < (ACUTE_TURNS if KINDS.get(name) in _ACUTE else FINDING_TURNS)
        }
        return Memory(
            topic=self.topic if self.topic_age < TOPIC_TURNS else None,
            topic_age=self.topic_age + 1,
            earlier=self.earlier if self.topic_age < TOPIC_TURNS else (),
            named=self.named if dangers else None,
            offers=self.offers if self.offers_age < OFFER_TURNS else (),
            offers_age=self.offers_age + 1,
            dangers=dangers,
            # After that the full text is due again, however often the short one was given.
            in_full={name: age + 1 for name, age in self.in_full.items() if name in dangers and age < SHORT_TURNS},
            said=self.said,
        )

    def after(
        self,
        *,
        topic: Optional[str],
        named: Optional[str] = None,
        offers: Iterable[str],
        anew: Iterable[str],
        given: Mapping[str, bool],
        said: Iterable[str],
    ) -> Memory:
        """Return the memory after a turn.

        Args:
            topic: id of what was answered, ``None`` if nothing was.
            named: id of what a finding was about, where nothing was answered.
            offers: ids of what was offered.
            anew: names of the referrals that the message itself is owed; only they keep a danger open for longer.
            given: name of each referral that was given to whether it was given in full.
            said: names of the responses that were said.
        """
        offered = tuple(offers)
        later = replace(self, said=tuple(said))
        if topic:
            later = replace(later, topic=topic, topic_age=0, earlier=self._before(topic), named=None)
        elif named:
            later = replace(later, named=named)
        if offered:
            later = replace(later, offers=offered, offers_age=0)
        full = {name: 0 for name, in_full in given.items() if in_full}
        return replace(
            later,
            dangers={**dict.fromkeys(given, 0), **self.dangers, **dict.fromkeys(anew, 0)},
            in_full={**self.in_full, **full},
        )
