"""Every topic of the catalogue is complete, sourced, short and plain.

Each rule below is a sentence of ``docs/editing-content.md``. A failing run prints one
list of everything that is missing, so that an editor can work through it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from datetime import date
from typing import Any, Callable, Iterator

import pytest
import textstat
from topic_files import Content, Topic, fold, load

# Words.
MAX_BODY, MAX_MORE, MAX_REFERRAL, MAX_SHOWN = 90, 70, 110, 120
# Flesch-Kincaid grades.
MAX_GRADE, MAX_REFERRAL_GRADE = 8.0, 6.0
# Characters; a longer title does not fit on a button.
MAX_TITLE = 45
MIN_EXAMPLES, MIN_EXAMPLES_OF_NEIGHBOURS, MIN_OUT_OF_SCOPE = 25, 40, 300
# The plain-text channel lists the first two sources of an answer.
SOURCES_SHOWN = 2
ASPECTS = frozenset(
    {
        "definition",
        "foods",
        "dose",
        "safety",
        "comparison",
        "cause",
        "evidence",
        "benefit",
        "experience",
        "meaning",
        "action",
        "general",
    }
)
FORBIDDEN = re.compile(
    r"\b(?:dissolv\w*|cur(?:e|es|ed|ing|able)|detox\w*|revers\w*)\b|nothing to worry about", re.IGNORECASE
)
MARKDOWN_OR_LINK = re.compile(r"https?://|\*\*|^#|\[[^\]]+\]\(", re.MULTILINE)
CARE_TEAM = re.compile(
    r"\b(?:doctors?|prescriber|pharmacist|midwife|nurse|radiologist|clinic|team|service)\b", re.IGNORECASE
)
# Neighbours that a message of few words can confuse: each needs more examples.
NEIGHBOURS = (
    ("what_is_mk4", "what_is_mk7", "mk4_vs_mk7"),
    ("what_are_macrocalcifications", "what_are_microcalcifications", "macro_vs_micro"),
    ("follow_up_imaging", "probably_benign_follow_up", "suspicious_finding"),
    ("supplement_evidence", "can_calcifications_go_away", "other_remedies"),
    ("are_calcifications_cancer", "can_calcifications_turn_into_cancer"),
    ("what_causes_calcifications", "inflammation_and_calcification"),
    ("what_is_stereotactic_biopsy", "biopsy_experience", "biopsy_risks"),
    ("what_is_birads", "how_calcifications_are_classified"),
    ("magnesium_supplements", "magnesium_dose_and_side_effects"),
    ("vitamin_k2_dose", "vitamin_k2_side_effects"),
)

TopicRule = Callable[[Topic, Content], Iterator[str]]
ContentRule = Callable[[Content], Iterator[str]]


# -- about one topic ------------------------------------------------------------------


def has_its_file(topic: Topic, content: Content) -> Iterator[str]:
    """The file is ``data/topics/<section>/<id>.yml`` and its intent carries the id."""
    wanted = topic.id if topic.group == "out_of_scope" else f"{topic.group}/{topic.id}"
    if not topic.has_file:
        yield f"no file data/topics/{topic.section}/{topic.id}.yml"
    elif topic.intent != wanted:
        yield f"the intent is '{topic.intent}' instead of '{wanted}'"


def has_enough_examples(topic: Topic, content: Content) -> Iterator[str]:
    """25 examples, 40 where a neighbour is easily confused, 300 out of scope."""
    wanted = MIN_EXAMPLES
    if topic.group == "out_of_scope":
        wanted = MIN_OUT_OF_SCOPE
    elif any(topic.id in group for group in NEIGHBOURS):
        wanted = MIN_EXAMPLES_OF_NEIGHBOURS
    if len(topic.examples) < wanted:
        yield f"{len(topic.examples)} examples, at least {wanted} are needed"


def has_an_answer(topic: Topic, content: Content) -> Iterator[str]:
    """There is an answer, and for a question also a text for "tell me more"."""
    if topic.group != "out_of_scope" and not topic.answer.strip():
        yield f"no answer utter_{topic.group}/{topic.id}"
    if topic.group == "faq" and not topic.more.strip():
        yield f"no text utter_more/{topic.id}"


def has_a_short_title(topic: Topic, content: Content) -> Iterator[str]:
    """The title is there and fits on a button."""
    if topic.group == "out_of_scope":
        return
    if not topic.title:
        yield "no title"
    if len(topic.title) > MAX_TITLE:
        yield f"the title has {len(topic.title)} characters, at most {MAX_TITLE} fit on a button"


def says_what_it_is_about(topic: Topic, content: Content) -> Iterator[str]:
    """Follow-ups ("is it safe?") need a subject and a known aspect."""
    if topic.group != "faq":
        return
    if not topic.metadata.get("subject"):
        yield "no subject"
    if topic.metadata.get("aspect") not in ASPECTS:
        yield f"the aspect '{topic.metadata.get('aspect')}' is none of {', '.join(sorted(ASPECTS))}"


def shows_its_evidence(topic: Topic, content: Content) -> Iterator[str]:
    """The evidence label is one that has a text."""
    if topic.group in ("faq", "referral") and topic.metadata.get("evidence") not in content.labels:
        yield f"the evidence label '{topic.metadata.get('evidence')}' is none of {', '.join(content.labels)}"


def names_its_sources(topic: Topic, content: Content) -> Iterator[str]:
    """At least one source; each with organisation, title and a secure link."""
    if topic.group not in ("faq", "referral"):
        return
    sources: list[dict[str, Any]] = topic.metadata.get("sources") or []
    if not sources:
        yield "no source"
    for number, source in enumerate(sources, 1):
        for key in ("organisation", "title", "url"):
            if not source.get(key):
                yield f"source {number} has no {key}"
        if not re.match(r"https://[\w.-]+\.\w+", source.get("url", "")):
            yield f"source {number} has no https link: {source.get('url')}"


def says_when_it_was_checked(topic: Topic, content: Content) -> Iterator[str]:
    """The review date is a date."""
    if topic.group not in ("faq", "referral"):
        return
    try:
        date.fromisoformat(str(topic.metadata.get("reviewed")))
    except ValueError:
        yield f"the review date is '{topic.metadata.get('reviewed')}', not a date such as 2026-11-22"


def offers_topics_that_exist(topic: Topic, content: Content) -> Iterator[str]:
    """Two or three related topics for an answer; none of them unknown or the topic itself."""
    if topic.group == "faq" and len(topic.related) not in (2, 3):
        yield f"{len(topic.related)} related topics instead of two or three"
    for related in topic.related:
        if related not in content.ids:
            yield f"the related topic '{related}' does not exist"
        if related == topic.id:
            yield "offers itself as a related topic"


def is_short(topic: Topic, content: Content) -> Iterator[str]:
    """A person never has to read more than 120 words, label and sources included."""
    limits = {"answer": MAX_REFERRAL if topic.group == "referral" else MAX_BODY, "more": MAX_MORE}
    for name, text in (("answer", topic.answer), ("more", topic.more)):
        if len(text.split()) > limits[name]:
            yield f"the {name} has {len(text.split())} words, at most {limits[name]}"
    shown = len(all_that_is_shown(topic, content).split())
    if topic.group == "faq" and shown > MAX_SHOWN:
        yield f"answer, label and sources together have {shown} words, at most {MAX_SHOWN}"


def is_plain(topic: Topic, content: Content) -> Iterator[str]:
    """Reading grade 8 at most, a referral 6."""
    limit = MAX_REFERRAL_GRADE if topic.group == "referral" else MAX_GRADE
    for name, text in (("answer", topic.answer), ("more", topic.more)):
        if text and grade(text) > limit:
            yield f"the {name} has reading grade {grade(text):.1f}, at most {limit:.0f}"


def avoids_forbidden_words(topic: Topic, content: Content) -> Iterator[str]:
    """No promise of a cure, not even to deny it; no links or Markdown in the text."""
    for name, text in (("title", topic.title), ("answer", topic.answer), ("more", topic.more)):
        for word in FORBIDDEN.findall(text):
            yield f"the {name} says '{word}'"
        if MARKDOWN_OR_LINK.search(text):
            yield f"the {name} holds a link or Markdown"


def refers_as_the_catalogue_asks(topic: Topic, content: Content) -> Iterator[str]:
    """The referral level is the catalogue's; a soft one ends with the care team."""
    if topic.group not in ("faq", "referral"):
        return
    level = topic.metadata.get("referral")
    if level != topic.referral:
        yield f"the referral level is '{level}', the catalogue asks for '{topic.referral}'"
    if topic.referral == "soft" and not CARE_TEAM.search(last_sentence(topic.answer)):
        yield f"the last sentence names nobody to turn to: '{last_sentence(topic.answer)}'"
    if (
        topic.group == "faq"
        and level == "always"
        and f"utter_referral/{topic.metadata.get('referral_to')}" not in (content.referral_texts)
    ):
        yield f"referral_to '{topic.metadata.get('referral_to')}' has no text in data/safety/referrals.yml"


TOPIC_RULES: tuple[TopicRule, ...] = (
    has_its_file,
    has_enough_examples,
    has_an_answer,
    has_a_short_title,
    says_what_it_is_about,
    shows_its_evidence,
    names_its_sources,
    says_when_it_was_checked,
    offers_topics_that_exist,
    is_short,
    is_plain,
    avoids_forbidden_words,
    refers_as_the_catalogue_asks,
)


# -- about all of them ----------------------------------------------------------------


def titles_are_unique(content: Content) -> Iterator[str]:
    """A pressed button sends its title, so no two topics share one."""
    by_title: dict[str, list[str]] = defaultdict(list)
    for topic in content.topics:
        if topic.title:
            by_title[fold(topic.title)].append(topic.id)
    for title, ids in by_title.items():
        if len(ids) > 1:
            yield f"{', '.join(ids)}: share the title '{title}'"


def examples_are_unique(content: Content) -> Iterator[str]:
    """No example stands twice, in one topic or in two."""
    owners: dict[str, list[str]] = defaultdict(list)
    for topic in content.topics:
        for example in topic.examples:
            owners[fold(example)].append(topic.id)
    for example, ids in owners.items():
        if len(ids) > 1:
            yield f"{', '.join(ids)}: the example '{example}' stands {len(ids)} times"


def examples_are_not_test_messages(content: Content) -> Iterator[str]:
    """What measures Calla was never shown to it: take the line out of ``data``."""
    for topic in content.topics:
        for example in topic.examples:
            if fold(example) in content.test_messages:
                yield f"{topic.id}: '{example}' also stands in {content.test_messages[fold(example)]}"


def referral_texts_are_short_and_plain(content: Content) -> Iterator[str]:
    """Referrals that stand before an answer keep the limits of referrals."""
    for name, text in content.referral_texts.items():
        if len(text.split()) > MAX_REFERRAL:
            yield f"{name}: {len(text.split())} words, at most {MAX_REFERRAL}"
        if grade(text) > MAX_REFERRAL_GRADE:
            yield f"{name}: reading grade {grade(text):.1f}, at most {MAX_REFERRAL_GRADE:.0f}"
        for word in FORBIDDEN.findall(text):
            yield f"{name}: says '{word}'"


CONTENT_RULES: tuple[ContentRule, ...] = (
    titles_are_unique,
    examples_are_unique,
    examples_are_not_test_messages,
    referral_texts_are_short_and_plain,
)


# -- measures -------------------------------------------------------------------------


def grade(text: str) -> float:
    """Return the Flesch-Kincaid grade of a text."""
    return float(textstat.flesch_kincaid_grade(text))


def last_sentence(text: str) -> str:
    """Return the last sentence of a text."""
    return re.split(r"(?<=[.?!])\s+", text.strip())[-1]


def all_that_is_shown(topic: Topic, content: Content) -> str:
    """Return the answer as the plain-text channel shows it."""
    label = content.labels.get(str(topic.metadata.get("evidence")), "")
    sources = (topic.metadata.get("sources") or [])[:SOURCES_SHOWN]
    listed = "; ".join(f"{s.get('organisation')}, {s.get('title')}: {s.get('url')}" for s in sources)
    return f"{topic.answer}\n{label}\nSources: {listed}"


def complaints(content: Content) -> list[str]:
    """Return everything that any rule finds missing, topic by topic."""
    of_topics = [
        f"{topic.id}: {complaint}"
        for topic in content.topics
        for rule in TOPIC_RULES
        for complaint in rule(topic, content)
    ]
    return of_topics + [complaint for rule in CONTENT_RULES for complaint in rule(content)]


# -- tests ----------------------------------------------------------------------------


def test_nothing_is_missing() -> None:
    """The one list for editors."""
    missing = complaints(load())
    assert not missing, f"{len(missing)} things to do:\n- " + "\n- ".join(missing)


def test_neighbours_are_topics() -> None:
    """A topic that is renamed must not lose its higher number of examples."""
    assert {topic_id for group in NEIGHBOURS for topic_id in group} <= load().ids


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"has_file": False}, "no file data/topics/supplements/what_is_mk7.yml"),
        ({"intent": "faq/mk7"}, "the intent is 'faq/mk7' instead of 'faq/what_is_mk7'"),
        ({"examples": ("mk7?",) * 39}, "39 examples, at least 40 are needed"),
        ({"answer": ""}, "no answer utter_faq/what_is_mk7"),
        ({"answer": "word " * 91}, "the answer has 91 words, at most 90"),
        ({"answer": "It can dissolve calcium."}, "the answer says 'dissolve'"),
        ({"answer": "We curated this text for you."}, None),
        ({"answer": "Physiological mineralisation necessitates multidisciplinary evaluation."}, "reading grade"),
        ({"more": ""}, "no text utter_more/what_is_mk7"),
        ({"referral": "always"}, "the referral level is 'none', the catalogue asks for 'always'"),
        ({"referral": "soft", "answer": "Ask your doctor. It is a vitamin."}, "names nobody to turn to"),
        ({"metadata": {"title": "x" * 46}}, "the title has 46 characters"),
        ({"metadata": {}}, "no title"),
        ({"metadata": {}}, "no subject"),
        ({"metadata": {}}, "no source"),
        ({"metadata": {"evidence": "proven"}}, "the evidence label 'proven' is none of"),
        ({"metadata": {"sources": [{"organisation": "NIH", "title": "K", "url": "http://nih.gov"}]}}, "no https link"),
        ({"metadata": {"reviewed": "last week"}}, "the review date is 'last week'"),
        ({"metadata": {"related": ["mk7", "what_is_mk4"]}}, "the related topic 'mk7' does not exist"),
    ],
)
def test_a_broken_topic_is_named(change: dict[str, Any], complaint: str | None) -> None:
    """Each rule sees its fault in an otherwise complete topic."""
    content = load()
    whole = next(topic for topic in content.topics if topic.id == "what_is_mk7")
    broken = replace(whole, **change)
    found = [text for rule in TOPIC_RULES for text in rule(broken, content)]
    assert (not found) if complaint is None else any(complaint in text for text in found)


def test_repeated_lines_are_named() -> None:
    """Case and punctuation do not make another example."""
    topics = (Topic("a", "diet", examples=("What is MK-7?",)), Topic("b", "diet", examples=("what is mk 7",)))
    content = Content(topics=topics, test_messages={"what is mk 7": "tests/nlu/x.jsonl"})
    assert list(examples_are_unique(content)) == ["a, b: the example 'what is mk 7' stands 2 times"]
    assert len(list(examples_are_not_test_messages(content))) == 2
