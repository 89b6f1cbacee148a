"""The topic files as the content tests see them: read from YAML, without Rasa.

``load()`` reads ``catalogue.yml`` (what there must be) and ``data/`` (what there is) into
one ``Content``. A missing file or field is an empty value here; the rules in
``test_catalogue.py`` say what is missing. A topic that is added later needs no line in the
catalogue: its file is found and held against the same rules.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Iterator, Mapping

import yaml

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
TOPICS = ROOT / "data" / "topics"
# The C reader is ten times as fast as the one in Python.
_YAML_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(path: Path) -> Any:
    """Read one YAML file."""
    return yaml.load(path.read_text(encoding="utf-8"), Loader=_YAML_LOADER)


def fold(text: str) -> str:
    """Reduce a text to its words in lower case, for comparing; emoji alone stay as they are."""
    return re.sub(r"[\W_]+", " ", text.casefold()).strip() or text.strip()


@dataclass(frozen=True)
class Topic:
    """One entry of the catalogue with its file.

    Attributes:
        id: stable name, for example ``what_is_mk7``.
        section: folder of the file under ``data/topics``.
        referral: level asked for by the catalogue; empty for small talk.
        origin: ``article`` or ``beyond``; empty for small talk.
        has_file: whether the file is where it belongs.
        intent: intent of the examples as written in the file.
        examples: the training examples, as written.
        answer: the text that answers; placeholders such as ``{crisis_line}`` filled.
        more: what "tell me more" adds.
        metadata: title, evidence, sources and so on, as written.
    """

    id: str
    section: str
    referral: str = ""
    origin: str = ""
    has_file: bool = False
    intent: str = ""
    examples: tuple[str, ...] = ()
    answer: str = ""
    more: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def group(self) -> str:
        """First half of the topic's intent: ``faq``, ``chat``, ``referral`` or ``out_of_scope``."""
        if self.id == "out_of_scope":
            return self.id
        if self.section == "conversation":
            return "chat"
        # A worry is answered; the other safety topics are nothing but a referral.
        return "referral" if self.section == "safety" and self.referral == "always" else "faq"

    @property
    def title(self) -> str:
        """What a person reads on a button."""
        return str(self.metadata.get("title", ""))

    @property
    def related(self) -> tuple[str, ...]:
        """Topics offered next."""
        return tuple(self.metadata.get("related") or ())


@dataclass(frozen=True)
class Content:
    """Everything that the rules look at.

    Attributes:
        topics: the catalogue in its order, then the topics that were added since.
        labels: text of each evidence label, by its name.
        referral_texts: every referral that is not a topic of its own, by response name.
        test_messages: folded messages of the tests -> the file they are in.
    """

    topics: tuple[Topic, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    referral_texts: Mapping[str, str] = field(default_factory=dict)
    test_messages: Mapping[str, str] = field(default_factory=dict)

    @property
    def ids(self) -> frozenset[str]:
        """Ids of all topics."""
        return frozenset(topic.id for topic in self.topics)


@lru_cache(maxsize=1)
def load() -> Content:
    """Read the catalogue and all files it speaks of, once per run."""
    contacts = _texts(ROOT / "data" / "safety" / "contacts.yml", "utter_contact/")
    return Content(
        topics=tuple(_topics(contacts)),
        labels=_texts(ROOT / "domain.yml", "utter_evidence/"),
        referral_texts={
            name: fill(text, contacts) for name, text in _texts(ROOT / "data" / "safety" / "referrals.yml", "").items()
        },
        test_messages=dict(_test_messages()),
    )


def path_of(topic: Topic) -> Path:
    """Return where the file of a topic belongs."""
    return TOPICS / topic.section / f"{topic.id}.yml"


def fill(text: str, contacts: Mapping[str, str]) -> str:
    """Fill placeholders as on a machine where the operator has set no contacts."""
    return re.sub(r"\{(\w+)\}", lambda match: contacts.get(match.group(1), match.group()), text)


def _topics(contacts: Mapping[str, str]) -> Iterator[Topic]:
    listed = [
        Topic(section=section, **entry)
        for section, entries in read_yaml(HERE / "catalogue.yml").items()
        for entry in entries
    ]
    known = {path_of(topic) for topic in listed}
    added = [_added(path) for path in sorted(TOPICS.rglob("*.yml")) if path not in known]
    for topic in listed + added:
        yield _with_file(topic, contacts) if path_of(topic).is_file() else topic


def _added(path: Path) -> Topic:
    """Return the entry of a topic that somebody added: its file says which referral it wants."""
    level = re.search(r"^ +referral: (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    return Topic(id=path.stem, section=path.parent.name, referral=level.group(1) if level else "none")


def _with_file(topic: Topic, contacts: Mapping[str, str]) -> Topic:
    content = read_yaml(path_of(topic)) or {}
    nlu = (content.get("nlu") or [{}])[0]
    responses = content.get("responses") or {}
    answer = (responses.get(f"utter_{topic.group}/{topic.id}") or [{}])[0]
    more = (responses.get(f"utter_more/{topic.id}") or [{}])[0]
    return Topic(
        id=topic.id,
        section=topic.section,
        referral=topic.referral,
        origin=topic.origin,
        has_file=True,
        intent=nlu.get("intent", ""),
        examples=tuple(line.strip()[2:] for line in nlu.get("examples", "").splitlines() if line.strip()),
        answer=fill(answer.get("text", ""), contacts),
        more=more.get("text", ""),
        metadata=answer.get("metadata") or {},
    )


def _texts(path: Path, prefix: str) -> dict[str, str]:
    """Return the texts of the responses in a file, by name without ``prefix``."""
    responses = read_yaml(path).get("responses", {})
    return {n[len(prefix) :]: variations[0]["text"] for n, variations in responses.items() if n.startswith(prefix)}


def _test_messages() -> Iterator[tuple[str, str]]:
    for folder in ("nlu", "safety"):
        for path in sorted((ROOT / "tests" / folder).rglob("*.jsonl")):
            for line in path.read_text(encoding="utf-8").splitlines():
                message = json.loads(line) if line.strip() else {}
                for text in (*message.get("turns", ()), message.get("text")):
                    if text:
                        yield fold(text), str(path.relative_to(ROOT))
