"""The catalogue of topics, read from the responses of the domain.

Every topic file under ``data/topics`` puts its facts into the ``metadata`` of its
response (see ``docs/editing-content.md``). Rasa merges those responses into the
domain, so the trained model carries the whole catalogue and no file is read at run
time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Iterable, Mapping, Optional

from rasa.shared.core.domain import Domain

FAQ, CHAT, REFERRAL = "faq", "chat", "referral"
OUT_OF_SCOPE = "out_of_scope"
SOMETHING_ELSE_RESPONSE = "utter_something_else"
# A referral that is given before the answer of a topic outside the safety section.
DEFAULT_REFERRAL = "appointment"
SHORT_REFERRAL_PREFIX = "utter_referral_short/"
REFERRAL_PREFIX = "utter_referral"
# Most urgent first (design: two kinds in one message, the more urgent one first).
URGENCY = ("emergency", "crisis", "urgent", "planned", "prescriber")


@dataclass(frozen=True)
class Topic:
    """One topic of the catalogue.

    Attributes:
        id: stable name, for example ``what_is_mk7``.
        group: retrieval intent: ``faq``, ``chat`` or ``referral``.
        title: what a person reads on a button.
        subject: the noun phrase that "it" stands for after this topic's answer.
        aspect: what the topic says about its subject (a word of the closed list).
        evidence: label of the evidence, or ``None`` for small talk.
        referral: ``none``, ``soft`` or ``always``.
        referral_to: name of the referral owed before the answer, if any.
        kind: kind of referral, for the topics and referrals that are referrals.
        sources: ``{"organisation", "title", "url"}`` each.
        reviewed: ISO date of the last check against the sources.
        related: ids of topics to offer next.
    """

    id: str
    group: str
    title: str = ""
    subject: str = ""
    aspect: str = "general"
    evidence: Optional[str] = None
    referral: str = "none"
    referral_to: Optional[str] = None
    kind: Optional[str] = None
    sources: tuple[Mapping[str, str], ...] = ()
    reviewed: str = ""
    related: tuple[str, ...] = ()

    @property
    def intent(self) -> str:
        """Full retrieval intent, for example ``faq/what_is_mk7``."""
        return f"{self.group}/{self.id}"

    @property
    def response(self) -> str:
        """Name of the response that answers the topic."""
        return f"utter_{self.group}/{self.id}"


def fold(text: str) -> str:
    """Reduce a text to lower-case words, for exact comparison of titles."""
    return re.sub(r"[^\w]+", " ", text.casefold()).strip()


# Words of subjects that say nothing without the rest: "which foods?" names no subject.
_NAME_NOTHING = frozenset(
    re.findall(
        r"\S+",
        "a an the of with in and or to your for on during after up foods food diet supportive limit tests other "
        "results cost screening benign conditions finding questions doctor methods natural home remedies getting rid "
        "removing preparing seeing imaging follow-up injury surgery treatment calcifications breast probably second "
        "opinion",
    )
)


class Catalogue:
    """All topics, with the look-ups that understanding and answering need."""

    def __init__(self, responses: Mapping[str, list[dict[str, Any]]]) -> None:
        self.topics: dict[str, Topic] = {}
        self.referrals: dict[str, Topic] = {}
        self.responses = frozenset(responses)
        for name, variations in responses.items():
            match = re.fullmatch(rf"utter_({FAQ}|{CHAT}|{REFERRAL})/(\w+)", name)
            if not match:
                continue
            group, topic_id = match.groups()
            topic = self._read(topic_id, group, variations[0].get("metadata") or {})
            if group == REFERRAL:
                self.referrals[topic_id] = topic
            self.topics[topic_id] = topic
        self._by_title = {fold(t.title): t for t in self.topics.values() if t.title}
        words = {word for t in self.topics.values() for word in re.findall(r"[\w'-]+", t.subject.casefold())}
        # Words that name what a question is about ("magnesium", "mk-7").
        self.subject_words = frozenset(words - _NAME_NOTHING)

    @staticmethod
    def _read(topic_id: str, group: str, metadata: Mapping[str, Any]) -> Topic:
        referral = metadata.get("referral", "always" if group == REFERRAL else "none")
        referral_to = metadata.get("referral_to")
        if group == REFERRAL:
            referral_to = topic_id
        elif referral == "always" and not referral_to:
            referral_to = DEFAULT_REFERRAL
        return Topic(
            id=topic_id,
            group=group,
            title=metadata.get("title", ""),
            subject=metadata.get("subject", ""),
            aspect=metadata.get("aspect", "general"),
            evidence=metadata.get("evidence"),
            referral=referral,
            referral_to=referral_to,
            kind=metadata.get("kind"),
            sources=tuple(metadata.get("sources") or ()),
            reviewed=str(metadata.get("reviewed", "")),
            related=tuple(metadata.get("related") or ()),
        )

    def names_subject(self, words: Iterable[str]) -> bool:
        """Say whether words of a message name what it is about."""
        return not self.subject_words.isdisjoint(word.casefold() for word in words)

    def by_intent(self, intent: str) -> Optional[Topic]:
        """Return the topic of a full retrieval intent, or ``None`` (out of scope)."""
        return self.topics.get(intent.rpartition("/")[2])

    def by_title(self, text: str) -> Optional[Topic]:
        """Return the topic whose title is exactly this text (a button was pressed)."""
        return self._by_title.get(fold(text))

    def by_response(self, response: str) -> Optional[Topic]:
        """Return the topic that a response belongs to (``utter_more/x`` included)."""
        return self.topics.get(response.rpartition("/")[2])

    def has_more(self, topic_id: str) -> bool:
        """Say whether "tell me more" has a text for the topic."""
        return f"utter_more/{topic_id}" in self.responses


class CatalogueReader:
    """Gives the catalogue of a domain, read again only when the domain changes."""

    def __init__(self) -> None:
        self._responses: object = None
        self._catalogue = Catalogue({})

    def of(self, domain: Domain) -> Catalogue:
        """Return the catalogue of ``domain``.

        Compared by identity: the hash of a Rasa domain is computed over its whole
        content, which would cost more than the rest of a message.
        """
        if self._responses is not domain.responses:
            self._responses = domain.responses
            self._catalogue = Catalogue(domain.responses)
        return self._catalogue
