"""Which questions a message asks: one, two or three.

A message is cut wherever a second question could begin (``calla.nlu.questions``); each
part is judged by the topic model, with the subject it may leave out. A small regression
then weighs for each part whether it is a question of its own or only belongs to one. Its
weights are fitted by ``evaluation/thresholds.py`` on messages that were not trained on.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from calla.catalogue import CHAT, FAQ, REFERRAL, Catalogue, Topic
from calla.nlu import questions
from calla.nlu.judgement import Judgement, Judging, log_odds, logistic
from calla.nlu.language import Reading

MAX_ANSWERS = 3
# Stretches of a message looked at one by one; more would be a whole letter.
MAX_PARTS = 8
EVIDENCE = (
    "bias",
    "certainty",
    "certainty of the whole",
    "share in the whole",
    "same topic as the whole",
    "whole outside the field",
    "asks",
    "ends with its mark",
    "clear boundary",
    "own sentence",
    "other parts that ask",
    "length",
    "length of the message",
    "share in the whole, length of the message",
    "share in the whole, length",
    "share in the whole, asks",
    "certainty of the whole, own sentence",
)
# What "they" are in a first message.
DEFAULT_SUBJECT = "breast calcifications"
# Weight of the wording completed by its subject beside the bare one.
COMPLETED = 0.4
# Certainty from which an earlier part says what "it" is.
NAMES_FROM = 0.6
# Certainty from which a part needs no help from what was said before it.
SURE = 0.7
VERY_SURE = 0.95
# Small talk that stands beside a question and needs no answer of its own then.
_PASSING = frozenset({"greet", "goodbye", "thanks", "feedback_positive", "tell_me_more", "capabilities"})
_WORDS = re.compile(r"[\w'-]+")


class Candidate(NamedTuple):
    """A part that may be a question of its own.

    Attributes:
        judgement: what the topic model makes of it.
        evidence: a number for each of ``EVIDENCE``.
    """

    judgement: Judgement
    evidence: np.ndarray


def parts_of(reading: Reading) -> list[questions.Part]:
    """Cut a message wherever a second question could begin."""
    parts: list[questions.Part] = []
    lines = [line.strip() for line in reading.text.split("\n")[1:]]
    marked = "?" in reading.text
    for sentence in reading.sentences():
        # Spoken sentences run on without any mark.
        found = questions.cut(sentence, run_on=not re.search(r"[.?!;:,]", sentence[:-1]))
        if found and any(line.startswith(sentence) for line in lines):
            found[0] = replace(found[0], strong=True)
        if marked and not sentence.endswith("?"):
            # Where questions carry their mark, a longer sentence without one tells a story.
            found = [part if questions.requests(part.text) else replace(part, asks=False) for part in found]
        parts.extend(found)
    # Of a long story the parts that ask count first.
    first = sorted(range(len(parts)), key=lambda i: (not parts[i].asks, i))[:MAX_PARTS]
    return [parts[i] for i in sorted(first)]


def candidates_of(reading: Reading, judging: Judging, catalogue: Catalogue) -> list[Candidate]:
    """Return the parts of a message that could be answered by themselves, in order.

    None where the message is one part.
    """
    parts = parts_of(reading)
    if len(parts) < 2:
        return []
    whole = judging.one(reading.text)
    judging.all([part.text for part in parts])
    found: list[Candidate] = []
    subject = ""
    resolved: list[Judgement] = []
    for part in parts:
        judgement = _resolved(part.text, judging, subject, catalogue)
        topic = catalogue.by_intent(judgement.label)
        if topic is not None and topic.group == FAQ and judgement.certainty >= NAMES_FROM:
            subject = topic.subject or subject
        resolved.append(judgement)
    for i, (part, judgement) in enumerate(zip(parts, resolved, strict=True)):
        topic = catalogue.by_intent(judgement.label)
        own = judgement.label == whole.label
        if (
            topic is None
            or judgement.inside < judging.gate.inside_part_from
            or not _answerable(topic, part, judgement, own)
        ):
            continue
        share = judging.share(reading.text, judgement.label)
        found.append(Candidate(judgement, _evidence(i, parts, resolved, whole, share, reading.text)))
    return found


def _evidence(
    i: int, parts: list[questions.Part], judged: list[Judgement], whole: Judgement, share: float, text: str
) -> np.ndarray:
    """Collect what speaks for part ``i`` being a question of its own: a number for each of ``EVIDENCE``."""
    part, judgement, after = parts[i], judged[i], parts[i + 1 : i + 2]
    others = sum(
        other.asks and j.label != judgement.label for other, j in zip(parts, judged, strict=True) if other is not part
    )
    begins = i == 0 or parts[i - 1].sentence != part.sentence
    alone = begins and not any(p.sentence == part.sentence for p in after)
    whole_certainty, share_odds = log_odds(whole.certainty), log_odds(share)
    length = float(np.log(len(_WORDS.findall(part.text)) + 1))
    message_length = float(np.log(len(_WORDS.findall(text)) + 1))
    weighed = [
        1.0,
        log_odds(judgement.certainty),
        whole_certainty,
        share_odds,
        judgement.label == whole.label,
        whole.outcome == "decline",
        part.asks,
        part.text.endswith("?"),
        part.strong or any(p.strong for p in after),
        alone,
        min(others, 2),
        length,
        message_length,
        share_odds * message_length,
        share_odds * length,
        share_odds * part.asks,
        whole_certainty * alone,
    ]
    return np.array(weighed, dtype=float)


def judge(
    reading: Reading, judging: Judging, catalogue: Catalogue, weights: np.ndarray, question_from: float
) -> list[Judgement]:
    """Judge a message question by question, or whole.

    Args:
        reading: the message.
        judging: judges texts.
        catalogue: topics and what they owe.
        weights: a number for each of ``EVIDENCE``.
        question_from: probability from which a part is a question of its own.

    Returns:
        a judgement per question, at most ``MAX_ANSWERS``, in the order asked.
    """
    asked = [
        candidate.judgement
        for candidate in candidates_of(reading, judging, catalogue)
        if logistic(float(candidate.evidence @ weights)) >= question_from
    ]
    return chosen(judging.one(reading.text), asked)


def chosen(whole: Judgement, asked: list[Judgement]) -> list[Judgement]:
    """Choose between a message as a whole and the questions found in it."""
    distinct = list({judgement.label: judgement for judgement in reversed(asked)}.values())[::-1]
    if len(distinct) >= 2:
        return [replace(judgement, outcome="answer") for judgement in distinct[:MAX_ANSWERS]]
    # One question among remarks: the remarks may name what it is about, or drown it. A
    # finding in the remarks owes its referral and leaves the question to answer.
    finding = whole.label.startswith(f"{REFERRAL}/")
    return [only for only in distinct if finding or only.certainty > whole.certainty] or [whole]


def _answerable(topic: Topic, part: questions.Part, judgement: Judgement, own: bool) -> bool:
    """Say whether a part can be answered by itself at all."""
    if topic.group == REFERRAL:
        # Danger is found elsewhere.
        return False
    if topic.referral == "always" and not own and judgement.certainty < VERY_SURE:
        # A stray clause is no reason to speak of biopsies.
        return False
    if topic.group == CHAT and judgement.certainty < SURE:
        # "... and where do I get it?" does not ask for sources.
        return False
    # "Can you help me?" is a way to begin, "what sort of thing may one ask?" is not.
    asked = topic.id == "capabilities" and part.asks and len(_WORDS.findall(part.text)) > 4
    return asked or topic.group != CHAT or topic.id not in _PASSING


def _resolved(text: str, judging: Judging, subject: str, catalogue: Catalogue) -> Judgement:
    """Judge a part together with what its "it" stands for, or what it leaves out."""
    bare = judging.one(text)
    pronoun = questions.has_pronoun(text)
    names = catalogue.names_subject(_WORDS.findall(text))
    if names and not pronoun:
        return bare
    if not subject:
        if not pronoun or (bare.certainty >= SURE and not bare.label.startswith(f"{REFERRAL}/")):
            return bare
        subject = DEFAULT_SUBJECT
    return judging.together(text, questions.put_subject(text, subject), COMPLETED)
