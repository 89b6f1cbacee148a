"""The catalogue of topics and their details, read from the responses of the domain.

Every topic file under ``data/topics`` puts its facts into the ``metadata`` of its
responses (see ``docs/editing-content.md``): ``utter_faq/<topic>`` is the overview,
``utter_faq/<topic>.<detail>`` the short answer to one thing that people ask. Rasa
merges those responses into the domain, so the trained model carries the whole
catalogue; only the table of sources is read beside it, once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Mapping, Optional

from calla.content.sources import resolve

if TYPE_CHECKING:  # the check of the content reads the catalogue too, and must not wait for Rasa
    from rasa.shared.core.domain import Domain

FAQ, CHAT, REFERRAL = "faq", "chat", "referral"
OUT_OF_SCOPE = "out_of_scope"
SOMETHING_ELSE_RESPONSE = "utter_something_else"
# Said when somebody chooses, by its title, to end an emergency or a crisis that is still open.
DANGER_OVER_RESPONSE = "utter_danger_over"
# A referral that is given before the answer of a topic outside the safety section.
DEFAULT_REFERRAL = "appointment"
# The tone of an answer that speaks of harmless calcifications.
REASSURING = "reassuring"
SHORT_REFERRAL_PREFIX = "utter_referral_short/"
REFERRAL_PREFIX = "utter_referral"
# Most urgent first (design: two kinds in one message, the more urgent one first).
URGENCY = ("emergency", "crisis", "urgent", "planned", "prescriber")


@dataclass(frozen=True)
class Topic:
    """One topic of the catalogue, or one detail of a topic.

    Attributes:
        id: stable name, for example ``what_is_mk7``; of a detail ``what_is_mk7.sources``.
        group: retrieval intent: ``faq``, ``chat`` or ``referral``.
        title: what a person reads on a button.
        subject: the noun phrase that "it" stands for after this topic's answer.
        aspect: what the topic says about its subject (a word of the closed list).
        evidence: label of the evidence, or ``None`` for small talk.
        referral: ``none``, ``soft`` or ``always``.
        referral_to: name of the referral owed before the answer, if any; a detail inherits
            it, like subject and aspect, from its topic.
        kind: kind of referral, for the topics and referrals that are referrals.
        reassures: whether the answer speaks of calcifications that are harmless (``tone:
            reassuring``); it is no answer to "is that common?" about an open finding. A detail
            inherits it.
        sources: ``{"organisation", "title", "url"}`` each.
        reviewed: ISO date of the last check against the sources.
        related: ids of topics or details to offer next.
        parent: id of the topic that a detail belongs to, ``None`` for a topic.
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
    reassures: bool = False
    sources: tuple[Mapping[str, str], ...] = ()
    reviewed: str = ""
    related: tuple[str, ...] = ()
    parent: Optional[str] = None

    @property
    def topic_id(self) -> str:
        """Id of the topic: its own, or that of the topic a detail belongs to."""
        return self.parent or self.id

    @property
    def intent(self) -> str:
        """Full retrieval intent, for example ``faq/what_is_mk7``."""
        return f"{self.group}/{self.id}"

    @property
    def response(self) -> str:
        """Name of the response that answers the topic."""
        return f"utter_{self.group}/{self.id}"


# A topic's overview, or a detail after the full stop.
_ANSWER = re.compile(rf"utter_({FAQ}|{CHAT}|{REFERRAL})/(\w+)(?:\.(\w+))?")


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
        "opinion around assessment benefits breasts checking clinic daily days life limits others report result risk "
        "someone supporting telling words",
    )
)


# Words of questions that name no thing.
_ASK_ONLY = frozenset(
    "what when where which that this these those they them their there does have with from about would could should "
    "will many much often long more most some than then else only also just same good".split()
)


class Catalogue:
    """All topics and details, with the look-ups that understanding and answering need.

    Attributes:
        topics: the overviews by topic id; referrals are among them.
        details: the details by their full id, ``topic.detail``, in file order.
        referrals: the topics that are referrals, by id.
    """

    def __init__(self, responses: Mapping[str, list[dict[str, Any]]]) -> None:
        self.topics: dict[str, Topic] = {}
        self.details: dict[str, Topic] = {}
        self.referrals: dict[str, Topic] = {}
        self.responses = frozenset(responses)
        self._texts = {name: v[0].get("text", "").casefold() for name, v in responses.items()}
        self._titles = {name: fold(str((v[0].get("metadata") or {}).get("title", ""))) for name, v in responses.items()}
        # What "yes" means after a response that asks something: id of a topic.
        self.yes_means = {
            name: str(v[0]["metadata"]["yes_means"])
            for name, v in responses.items()
            if (v[0].get("metadata") or {}).get("yes_means")
        }
        details: list[tuple[str, str, str, Mapping[str, Any]]] = []
        for name, variations in responses.items():
            match = _ANSWER.fullmatch(name)
            if not match:
                continue
            group, topic_id, detail = match.groups()
            metadata = variations[0].get("metadata") or {}
            if detail:
                details.append((f"{topic_id}.{detail}", group, topic_id, metadata))
                continue
            self.topics[topic_id] = _read(topic_id, group, metadata)
            if group == REFERRAL:
                self.referrals[topic_id] = self.topics[topic_id]
        self._of_topic: dict[str, list[Topic]] = {}
        for id, group, topic_id, metadata in details:  # after all topics, from which they inherit
            self.details[id] = _read(id, group, metadata, self.topics.get(topic_id), topic_id)
            self._of_topic.setdefault(topic_id, []).append(self.details[id])
        self._by_title = {fold(t.title): t for t in (*self.details.values(), *self.topics.values()) if t.title}
        words = {word for t in self.topics.values() for word in re.findall(r"[\w'-]+", t.subject.casefold())}
        # Words that name what a question is about ("magnesium", "mk-7").
        self.subject_words = frozenset(words - _NAME_NOTHING)

    def names_subject(self, text: str) -> bool:
        """Say whether a text names what it is about."""
        return not self.subject_words.isdisjoint(word.casefold() for word in re.findall(r"[\w'-]+", text))

    @staticmethod
    def is_named(topic: Topic, text: str) -> bool:
        """Say whether a text holds a word of a topic's subject or title that names a thing."""
        own = set(fold(f"{topic.subject} {topic.title}").split()) - _NAME_NOTHING - _ASK_ONLY
        return not {word for word in own if len(word) > 1}.isdisjoint(fold(text).split())

    def find(self, id: str) -> Optional[Topic]:
        """Return the topic or the detail with this id."""
        return self.topics.get(id) or self.details.get(id)

    def of_topic(self, topic_id: str) -> list[Topic]:
        """Return the details of a topic, in the order of its file."""
        return list(self._of_topic.get(topic_id, ()))

    def speaks_of(self, response: str, text: str) -> bool:
        """Say whether a response's text holds a word of a message that names a thing (four letters or more)."""
        said = set(re.findall(r"[\w'-]+", self._texts.get(response, "")))
        return not _things(text).isdisjoint(said)

    @staticmethod
    def names_a_thing(text: str) -> bool:
        """Say whether a text holds any word of four letters or more that is no mere word of questions."""
        return bool(_things(text))

    def related_to(self, topic: Topic) -> list[str]:
        """Ids to offer after an answer, the likeliest first.

        What the editor named comes first; a detail without any inherits from its topic,
        after the details that stand next to it in the file.
        """
        siblings = [detail.id for detail in self.of_topic(topic.topic_id)]
        if topic.parent is None or topic.related:
            return [*topic.related, *siblings]
        at = siblings.index(topic.id)
        overview = self.find(topic.parent)
        return [*siblings[at + 1 :], *siblings[:at], *(overview.related if overview else ())]

    def by_intent(self, intent: str) -> Optional[Topic]:
        """Return the topic or detail of a full retrieval intent, or ``None`` (out of scope)."""
        return self.find(intent.rpartition("/")[2])

    def by_title(self, text: str) -> Optional[Topic]:
        """Return the topic or detail whose title is exactly this text (a button was pressed)."""
        return self._by_title.get(fold(text))

    def is_title_of(self, response: str, text: str) -> bool:
        """Say whether a text is exactly the title of this response (its button was pressed), and asks nothing."""
        title = self._titles.get(response)
        return bool(title) and fold(text) == title and not text.rstrip().endswith("?")

    def by_response(self, response: str) -> Optional[Topic]:
        """Return the topic or detail that a response belongs to (short referrals included)."""
        return self.find(response.rpartition("/")[2])


def _read(
    id: str, group: str, metadata: Mapping[str, Any], topic: Optional[Topic] = None, parent: Optional[str] = None
) -> Topic:
    """Read the metadata of a response; what a detail leaves out comes from its ``topic``."""
    referral = metadata.get("referral", "always" if group == REFERRAL else "none")
    referral_to = metadata.get("referral_to")
    if group == REFERRAL:
        referral_to = id
    elif referral == "always" and not referral_to:
        referral_to = (topic.referral_to if topic else None) or DEFAULT_REFERRAL
    return Topic(
        id=id,
        group=group,
        title=metadata.get("title", ""),
        subject=metadata.get("subject") or (topic.subject if topic else ""),
        aspect=metadata.get("aspect") or (topic.aspect if topic else "general"),
        evidence=metadata.get("evidence"),
        referral=referral,
        referral_to=referral_to,
        kind=metadata.get("kind"),
        reassures=metadata["tone"] == REASSURING if "tone" in metadata else topic is not None and topic.reassures,
        sources=resolve(metadata.get("sources") or ()),
        reviewed=str(metadata.get("reviewed", "")),
        related=tuple(metadata.get("related") or ()),
        parent=parent,
    )


def _things(text: str) -> set[str]:
    return set(re.findall(r"[\w'-]{4,}", text.casefold())) - _NAME_NOTHING - _ASK_ONLY


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
            # In this order: another thread must not take the old catalogue for the new one.
            self._catalogue = Catalogue(domain.responses)
            self._responses = domain.responses
        return self._catalogue
