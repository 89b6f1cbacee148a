"""What a topic, a detail and a referral must be: each rule is a sentence of ``docs/editing-content.md``."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Callable, Iterator, Mapping

from calla.catalogue import CHAT, FAQ, OUT_OF_SCOPE, REASSURING, REFERRAL, fold
from calla.content.files import Entry, Problem, did_you_mean

# Words.
MAX_OVERVIEW, WISHED_OVERVIEW, MAX_DETAIL, MAX_REFERRAL, MAX_WORD_REFERRAL = 120, 90, 60, 110, 40
# Flesch-Kincaid grades.
MAX_GRADE, MAX_REFERRAL_GRADE = 8.0, 6.0
# Characters; a longer title does not fit on a button.
MAX_TITLE = 45
# So short that two people write the same by chance.
MAX_COMMON_WORDS = 3
# Sentences from the one that names the article to the end.
MAX_AFTER_ARTICLE = 5
# Buttons under an answer.
MAX_RELATED = 3
MIN_EXAMPLES, MIN_EXAMPLES_OF_DETAIL = 25, 12
MIN_EXAMPLES_BY_GROUP = {CHAT: 10, OUT_OF_SCOPE: 300}
SHORT_REFERRAL = "referral_short"
# Explains a word: one line before the answer.
WORD_REFERRAL = "referral/word"
ASPECTS = (
    "definition", "foods", "dose", "safety", "comparison", "cause",
    "evidence", "benefit", "experience", "meaning", "action", "general",
)  # fmt: skip
LEVELS = ("none", "soft", "always")
KINDS = ("emergency", "crisis", "urgent", "planned", "prescriber")
TONES = (REASSURING,)
PRESSED_BY_CHANCE = frozenset({"yes", "no", "on", "off", "ok", "okay", "more", "stop", "help", "true", "false"})
FORBIDDEN = re.compile(
    r"\b(?:dissolv\w*|cur(?:e|es|ed|ing|able)|detox\w*|revers\w*)\b|nothing to worry about|nothing is wrong"
    r"|no need to worry|no reason to worry|you are fine|you're fine",
    re.IGNORECASE,
)
MARKDOWN_OR_LINK = re.compile(r"https?://|www\.\w|\*\*|^#|\[[^\]]+\]\(", re.MULTILINE)
CARE_TEAM = re.compile(
    r"\b(?:doctors?|gps?|prescriber|pharmacists?|midwife|nurses?|radiologist|radiographer|surgeon|dentist|clinics?|team"
    r"|service|unit|programme|hospital|\{\w+\})(?!\w)",
    re.IGNORECASE,
)
# A beginning that needs the question to be understood ("It is normal to ..." does not).
NO_SUBJECT = re.compile(
    r"(?:yes|no)\s*[,.;:!–]|(?:they|most do|some do|many do|not always)\b"
    r"|it (?!(?:is|was|can be|may be|makes|takes|helps|feels)\b.*\b(?:to|that|if|when)\b)"
    r"|(?:this|that|these|those) (?:is|are|was|were|do|does|can|may|will|means?|happens?|depends?)\b",
    re.IGNORECASE,
)
PLACEHOLDER = re.compile(r"\{(\w*)\}")
NUMBER = re.compile(r"\d")


@dataclass(frozen=True)
class Content:
    """Everything that the rules look at.

    Attributes:
        entries: topics, details and referrals.
        labels: names of the evidence labels.
        placeholders: names that may stand in braces -> what they say where the operator has set nothing.
        sources: keys of the table of sources.
        unread: ids of topics whose files cannot be read; nothing else is held against them.
        test_messages: folded messages of the test sets -> the file they are in.
    """

    entries: tuple[Entry, ...] = ()
    labels: tuple[str, ...] = ()
    placeholders: Mapping[str, str] = field(default_factory=dict)
    sources: frozenset[str] = frozenset()
    unread: frozenset[str] = frozenset()
    test_messages: Mapping[str, str] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        """Say whether there is an answer of this name, for example ``referral/word``."""
        return any(entry.name == name and entry.text for entry in self.entries)

    def shown(self, entry: Entry) -> str:
        """Return the answer as people read it where the operator has set no contacts."""
        return PLACEHOLDER.sub(lambda m: self.placeholders.get(m.group(1), m.group()), entry.text or "")

    def offered(self) -> frozenset[str]:
        """Ids that a button may lead to."""
        return frozenset(entry.id for entry in self.entries if entry.group != SHORT_REFERRAL)


EntryRule = Callable[[Entry, Content], Iterator[Problem]]


def _is_referral(entry: Entry) -> bool:
    return entry.group in (REFERRAL, SHORT_REFERRAL)


def _says_its_sources(entry: Entry) -> bool:
    """Small talk needs no label, sources and date, unless it gives one of them."""
    return entry.group in (FAQ, REFERRAL, SHORT_REFERRAL) or "evidence" in entry.metadata


def has_both_halves(entry: Entry, content: Content) -> Iterator[Problem]:
    """Examples have an answer, and an answer has examples (referrals before an answer need none)."""
    if entry.text is None and entry.group != OUT_OF_SCOPE:
        yield entry.problem(f"no answer: the response utter_{entry.name} is missing{_other_half(entry, content)}")
    if not entry.has_intent and entry.group in (FAQ, CHAT):
        yield entry.problem(f"no examples: the intent {entry.name} is missing{_other_half(entry, content)}")


def _other_half(entry: Entry, content: Content) -> str:
    """Return a hint at a half of the same file that lacks this one: one of the two names is misspelt."""
    lonely = [
        other.id.rpartition(".")[2]
        for other in content.entries
        if other.path == entry.path
        and other.has_intent != entry.has_intent
        and other.has_intent == (other.text is None)
    ]
    return did_you_mean(entry.id.rpartition(".")[2], lonely)


def has_enough_examples(entry: Entry, content: Content) -> Iterator[Problem]:
    """25 examples for a topic, 12 for a detail, 10 for small talk, 300 out of scope."""
    if not entry.has_intent:
        return
    wanted = MIN_EXAMPLES_OF_DETAIL if entry.is_detail else MIN_EXAMPLES_BY_GROUP.get(entry.group, MIN_EXAMPLES)
    if len(entry.examples) < wanted:
        yield entry.problem(f"{len(entry.examples)} examples, at least {wanted} are needed")


def owes_what_exists(entry: Entry, content: Content) -> Iterator[Problem]:
    """Examples that owe a referral owe one that there is."""
    known = [other.id for other in content.entries if other.group == REFERRAL]
    for owes in sorted({example.owes for example in entry.examples} - {"", *known}):
        line = next(example.line for example in entry.examples if example.owes == owes)
        hint = did_you_mean(owes, known) or f"; known are {', '.join(sorted(known))}"
        yield Problem(entry.path, line, f"the examples from here on owe '{owes}', which is no referral{hint}")


def has_a_title(entry: Entry, content: Content) -> Iterator[Problem]:
    """The title fits on a button and says by itself what a press asks."""
    if entry.text is None or entry.group == SHORT_REFERRAL:
        return
    title = entry.value("title")
    if not title and entry.group != REFERRAL:
        yield entry.problem("no title")
    if len(title) > MAX_TITLE:
        yield entry.problem(
            f"the title has {len(title)} characters, at most {MAX_TITLE} fit on a button: '{title}'", "title"
        )
    if fold(title) in PRESSED_BY_CHANCE and entry.group != CHAT:
        yield entry.problem(f"the title '{title}' says nothing by itself: name what is asked", "title")
    if title[:1] in "“”‘’" and title:
        yield entry.problem("the title begins with a curly quotation mark: use straight ones", "title")


def says_what_it_is_about(entry: Entry, content: Content) -> Iterator[Problem]:
    """Follow-ups ("is it safe?") need a subject and a known aspect; a detail may inherit them."""
    if entry.group != FAQ or entry.text is None:
        return
    if not entry.is_detail and not entry.value("subject"):
        yield entry.problem("no subject (what 'it' stands for after this answer)")
    aspect = entry.value("aspect")
    if aspect not in ASPECTS and not (entry.is_detail and "aspect" not in entry.metadata):
        hint = did_you_mean(aspect, ASPECTS) or f"; known are {', '.join(ASPECTS)}"
        yield entry.problem(f"the aspect is '{aspect}'{hint}", "aspect")


def shows_its_evidence(entry: Entry, content: Content) -> Iterator[Problem]:
    """The evidence label is one that has a text."""
    if entry.text is None or not _says_its_sources(entry):
        return
    label = entry.value("evidence")
    if label not in content.labels:
        hint = did_you_mean(label, content.labels) or f"; known are {', '.join(content.labels)}"
        yield entry.problem(f"the evidence label is '{label}'{hint}", "evidence")


def cites_the_table(entry: Entry, content: Content) -> Iterator[Problem]:
    """Sources are keys of ``data/sources.yml``; an answer to a question has at least one."""
    keys = entry.values("sources")
    if not keys and entry.text is not None and _says_its_sources(entry):
        number = " although it names numbers" if NUMBER.search(entry.text) else ""
        yield entry.problem(f"no source{number}", "sources")
    for key in keys:
        if "http" in key or key.startswith("{"):
            yield entry.problem("a source is a key of data/sources.yml; the address belongs there", "sources")
        elif key not in content.sources:
            yield entry.problem(
                f"the source '{key}' is not in data/sources.yml{did_you_mean(key, content.sources)}", "sources"
            )
    if len(set(keys)) != len(keys):
        yield entry.problem("a source is cited twice", "sources")


def says_when_it_was_checked(entry: Entry, content: Content) -> Iterator[Problem]:
    """The review date is a date, and not in the future."""
    if entry.text is None or not _says_its_sources(entry):
        return
    try:
        if date.fromisoformat(entry.value("reviewed")) > date.today():
            yield entry.problem(f"the review date {entry.value('reviewed')} is in the future", "reviewed")
    except ValueError:
        yield entry.problem(
            f"the review date is '{entry.value('reviewed')}', not a date such as \"2026-11-29\"", "reviewed"
        )


def offers_what_exists(entry: Entry, content: Content) -> Iterator[Problem]:
    """One to three related topics or details, none unknown, none the answer itself."""
    related = entry.values("related")
    if entry.group == FAQ and entry.text is not None and not entry.is_detail and not related:
        yield entry.problem("no related topic: name one to three, the most useful next question first", "related")
    if len(related) > MAX_RELATED:
        yield entry.problem(f"{len(related)} related topics, at most {MAX_RELATED} are shown", "related")
    for other in (*related, *filter(None, [entry.value("yes_means")])):
        if other == entry.id:
            yield entry.problem("offers itself as related", "related")
        elif other not in content.offered() and other.partition(".")[0] not in content.unread:
            yield entry.problem(
                f"the related '{other}' does not exist{did_you_mean(other, content.offered())}", "related"
            )


def is_short(entry: Entry, content: Content) -> Iterator[Problem]:
    """60 words for a detail; an overview should end at 90 and must at 120; a referral at 110."""
    words = len(content.shown(entry).split())
    limit = MAX_REFERRAL if _is_referral(entry) else MAX_DETAIL if entry.is_detail else MAX_OVERVIEW
    if entry.name == WORD_REFERRAL:
        limit = MAX_WORD_REFERRAL
    if words > limit:
        yield entry.problem(f"the answer has {words} words, at most {limit}", "text")
    elif limit == MAX_OVERVIEW and words > WISHED_OVERVIEW:
        yield entry.problem(
            f"the answer has {words} words; up to {WISHED_OVERVIEW} is easier to read", "text", wish=True
        )


def is_plain(entry: Entry, content: Content) -> Iterator[Problem]:
    """Reading grade 8 at most, a referral 6."""
    limit = MAX_REFERRAL_GRADE if _is_referral(entry) else MAX_GRADE
    if entry.text and (found := grade(content.shown(entry))) > limit:
        yield entry.problem(
            f"the answer is too hard to read: grade {found:.1f}, at most {limit:.0f}; use shorter sentences and words",
            "text",
        )


def avoids_forbidden_words(entry: Entry, content: Content) -> Iterator[Problem]:
    """No promise of a cure, not even to deny it; no all-clear; no links or Markdown in the text."""
    for where, text in (("title", entry.value("title")), ("text", entry.text or "")):
        shown = "title" if where == "title" else "answer"
        for match in FORBIDDEN.finditer(text):
            yield entry.problem(f"the {shown} says '{match.group()}': find other words", where)
        if MARKDOWN_OR_LINK.search(text):
            yield entry.problem(f"the {shown} holds a link or Markdown, which is shown as it stands", where)


def fills_its_placeholders(entry: Entry, content: Content) -> Iterator[Problem]:
    """Only names that the operator can set may stand in braces."""
    for name in PLACEHOLDER.findall(entry.text or ""):
        if name not in content.placeholders:
            hint = did_you_mean(name, content.placeholders) or f"; known are {', '.join(content.placeholders)}"
            yield entry.problem(f"unknown placeholder {{{name}}}{hint}", "text")


def answers_at_once(entry: Entry, content: Content) -> Iterator[Problem]:
    """The first sentence names its subject; the article behind Calla comes after the answer."""
    if entry.group != FAQ or not entry.text:
        return
    first = sentences(entry.text)[0]
    if NO_SUBJECT.match(first):
        yield entry.problem(f"the first sentence does not name what it is about: '{first}'", "text")
    after = re.split(r"\barticle\b", entry.text, maxsplit=1)[1:]
    if after and len(sentences(after[0])) > MAX_AFTER_ARTICLE:
        yield entry.problem("the article comes too early: readers do not know it, say it at the end", "text")


def refers_as_it_says(entry: Entry, content: Content) -> Iterator[Problem]:
    """Referral level and tone are known; a soft one ends with the care team; ``referral_to`` has its texts."""
    if entry.text is None:
        return
    level, to = entry.value("referral"), entry.value("referral_to")
    if (entry.group == FAQ or level) and level not in LEVELS:
        hint = did_you_mean(level, LEVELS) or f"; known are {', '.join(LEVELS)}"
        yield entry.problem(f"the referral is '{level}'{hint}", "referral")
    if _is_referral(entry) and level != "always":
        yield entry.problem("a referral has 'referral: always'", "referral")
    if _is_referral(entry) and entry.value("kind") not in KINDS:
        hint = did_you_mean(entry.value("kind"), KINDS) or f"; known are {', '.join(KINDS)}"
        yield entry.problem(f"the kind of referral is '{entry.value('kind')}'{hint}", "kind")
    if entry.group == REFERRAL and not content.has(f"{SHORT_REFERRAL}/{entry.id}"):
        yield entry.problem(f"its short form utter_referral_short/{entry.id} is missing")
    if (tone := entry.value("tone")) and tone not in TONES:
        yield entry.problem(f"the tone is '{tone}'{did_you_mean(tone, TONES) or f'; known is {TONES[0]}'}", "tone")
    last = sentences(entry.text)[-1] if entry.text else ""
    if level == "soft" and not CARE_TEAM.search(last):
        yield entry.problem(f"'referral: soft', but the last sentence names nobody to turn to: '{last}'", "text")
    if to and level != "always":
        yield entry.problem("'referral_to' counts only with 'referral: always'", "referral_to")
    elif to and not content.has(f"{REFERRAL}/{to}"):
        known = [other.id for other in content.entries if other.group == REFERRAL]
        yield entry.problem(f"there is no referral '{to}'{did_you_mean(to, known)}", "referral_to")


ENTRY_RULES: tuple[EntryRule, ...] = (
    has_both_halves,
    has_enough_examples,
    owes_what_exists,
    has_a_title,
    says_what_it_is_about,
    shows_its_evidence,
    cites_the_table,
    says_when_it_was_checked,
    offers_what_exists,
    is_short,
    is_plain,
    avoids_forbidden_words,
    fills_its_placeholders,
    answers_at_once,
    refers_as_it_says,
)


def titles_are_unique(content: Content) -> Iterator[Problem]:
    """A pressed button sends its title, so no two answers share one."""
    owners: dict[str, Entry] = {}
    for entry in content.entries:
        title = fold(entry.value("title"))
        if title and title in owners:
            yield entry.problem(f"{owners[title].id} has the title '{entry.value('title')}' too", "title")
        elif title:
            owners[title] = entry


def examples_are_unique(content: Content) -> Iterator[Problem]:
    """No example stands twice, in one topic or in two."""
    first: dict[str, tuple[Entry, int]] = {}
    for entry in content.entries:
        for example in entry.examples:
            words = fold(example.text) or example.text
            if words in first:
                other, line = first[words]
                text = f"the example '{example.text[:60]}' also stands in {other.path}:{line} ({other.id})"
                yield Problem(entry.path, example.line, text)
            else:
                first[words] = (entry, example.line)


def examples_are_not_test_messages(content: Content) -> Iterator[Problem]:
    """What measures Calla is never shown to it; a word or three are nobody's own ("yes", "what is ADH")."""
    for entry in content.entries:
        for example in entry.examples:
            yield from copied(example.text, entry.path, example.line, content)


def copied(text: str, path: str, line: int, content: Content) -> Iterator[Problem]:
    """Complain of an example or a turn of a talk that is a message of a test set."""
    words = fold(text)
    file = content.test_messages.get(words)
    if file is not None and len(words.split()) > MAX_COMMON_WORDS:
        yield Problem(path, line, f"'{text[:60]}' is a message of {file}: take it out")


def names_are_neighbours_of_their_topic(content: Content) -> Iterator[Problem]:
    """A detail stands under a topic that has an overview."""
    by_topic: dict[str, list[Entry]] = defaultdict(list)
    for entry in content.entries:
        by_topic[entry.name.partition(".")[0]].append(entry)
    for name, entries in by_topic.items():
        if all(entry.is_detail for entry in entries):
            yield entries[0].problem(f"the topic {name} itself is missing")


CONTENT_RULES: tuple[Callable[[Content], Iterator[Problem]], ...] = (
    titles_are_unique,
    examples_are_unique,
    examples_are_not_test_messages,
    names_are_neighbours_of_their_topic,
)


@lru_cache(maxsize=4096)
def grade(text: str) -> float:
    """Return the Flesch-Kincaid grade of a text."""
    import textstat  # a tool of development; the bot never needs it

    return float(textstat.flesch_kincaid_grade(text))


def sentences(text: str) -> list[str]:
    """Return the sentences of a text; a line break ends one too."""
    return [part for part in re.split(r"(?<=[.?!])\s+|\n+", text.strip()) if part] or [""]
