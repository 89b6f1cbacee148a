"""What a text means after what was said before it.

"And magnesium?", "how often?", "the other one": a follow-up leaves out what it is about,
and so does the second question of a message. Every topic is weighed by how well it fits
the text alone, the text completed by the subject of the topic before, and the text put
as a question for the same aspect, by the rest of the message, by how it is related to
the topic before, and by whether it was spoken of earlier. The weights are those of a
conditional logit (McFadden 1974), fitted by ``evaluation/fit.py`` on dialogues and messages
that were not trained on.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Collection, Optional, Sequence

import numpy as np
from scipy.special import softmax

from calla.catalogue import CHAT, FAQ, OUT_OF_SCOPE, REFERRAL, Catalogue, Topic
from calla.understanding import reference
from calla.understanding.judgement import FLOOR, MAX_CANDIDATES, Judgement, Judging

_PLAIN = (
    "alone",
    "with the subject",
    "for the aspect",
    "related topic",
    "same aspect",
    "earlier topic",
    "small talk",
    "outside the field",
    "in the message",
)
EVIDENCE = (
    *_PLAIN,
    "cosine alone",
    "cosine with the subject",
    *(f"{name}, refers back" for name in _PLAIN),
    *(f"{name}, corrects" for name in _PLAIN),
)
# What "they" are where nothing was said before.
DEFAULT_SUBJECT = "breast calcifications"
# Words up to which a message may lean on what was said before.
MAX_WORDS = 14
# Probability from which a follow-up is answered without asking back, and from which it is
# taken for outside the field; "it" hardly ever is.
ANSWER_FROM = 0.33
OUTSIDE_FROM = 0.7
OUTSIDE_FROM_REFERRING = 0.85
# Probability from which a topic is worth offering.
OFFER_FROM = 0.04
# A topic that names the one before among its own related ones is half as near as one that
# is named by it.
_RELATED_BACK = 0.5


def wordings(text: str, before: Optional[Topic], catalogue: Catalogue, *, part: bool = False) -> list[str]:
    """Return a text as it is, completed by the subject before, and put for the aspect before.

    Args:
        text: a message or a part of one.
        before: the topic that was answered, or asked for, just before, if any.
        catalogue: says which words name a subject: "and MK-4?" after MK-7 has one of its own.
        part: whether it is a part; then it has an aspect of its own nearly always, and is
            not put for another (which costs time).
    """
    core = reference.correction(text) or reference.without_lead(text) or text
    subject = (before.subject or before.title) if before else DEFAULT_SUBJECT
    complete = catalogue.names_subject(core) and not reference.has_pronoun(core)
    found = [text, core if complete else reference.put_subject(core, subject)]
    return found if part or before is None else [*found, reference.in_aspect(before.aspect, core)]


def evidence(
    text: str,
    before: Optional[Topic],
    judging: Judging,
    catalogue: Catalogue,
    message: Optional[str] = None,
    earlier: Collection[str] = (),
) -> np.ndarray:
    """Collect what speaks for each topic.

    Args:
        text: a message or a part of one.
        before: the topic that was answered, or asked for, just before, if any.
        judging: judges texts.
        catalogue: topics and how they are related.
        message: the message that ``text`` is a part of.
        earlier: ids of the topics that were spoken of before that.

    Returns:
        ``[labels, EVIDENCE]``, labels in the order of the topic model.
    """
    labels = judging.labels
    worded = wordings(text, before, catalogue, part=message is not None)
    judging.all(worded)
    scores = [judging.scores(wording) for wording in worded]
    fits = [np.log(s.probabilities[0] + FLOOR) for s in scores]
    aspect = fits[2] if len(fits) > 2 else np.zeros(len(labels))
    whole = np.log(judging.scores(message).probabilities[0] + FLOOR) if message else np.zeros(len(labels))
    topics = [catalogue.by_intent(label) for label in labels]
    related = [
        (
            _related(topic, before),
            topic.group == FAQ and topic.aspect == before.aspect != "general",
            topic.id in earlier and topic.id != before.topic_id,
        )
        if topic and before
        else (0.0, False, False)
        for topic in topics
    ]
    kinds = [
        (topic is not None and topic.group == CHAT, label == OUT_OF_SCOPE)
        for topic, label in zip(topics, labels, strict=True)
    ]
    plain = np.stack([*fits[:2], aspect, *np.array(related, dtype=float).T, *np.array(kinds, dtype=float).T, whole])
    refers_back = reference.refers_back(text)
    corrects = reference.correction(text) is not None
    cosines = np.stack([scores[0].similarities[0], scores[1].similarities[0]])
    return np.concatenate([plain, cosines, plain * refers_back, plain * corrects]).T


def probabilities(evidence: np.ndarray, weights: np.ndarray, labels: Sequence[str]) -> np.ndarray:
    """Return how probable each label is, ``[labels]``; those of danger are found elsewhere and get none."""
    p = softmax(evidence @ weights)
    p[[label.startswith(f"{REFERRAL}/") for label in labels]] = 0.0
    return np.asarray(p / p.sum())


def judge(
    text: str,
    before: Optional[Topic],
    judging: Judging,
    catalogue: Catalogue,
    leant: str,
    message: Optional[str] = None,
) -> Judgement:
    """Judge a text in the light of the topic before it (arguments as for ``evidence``).

    Args:
        leant: name of the weights: ``follow_up`` for what leans on the last answer,
            ``part`` for what leans on another part of the message.
        message: the message that ``text`` is a part of.

    Returns:
        the judgement, with the wording that best says what was chosen.
    """
    labels = judging.labels
    weights = judging.weights.vector(leant, EVIDENCE)
    p = probabilities(evidence(text, before, judging, catalogue, message, judging.earlier), weights, labels)
    order = np.argsort(-p)
    candidates = tuple(labels[i] for i in order if labels[i].startswith(f"{FAQ}/") and p[i] >= OFFER_FROM)
    best, certainty = labels[int(order[0])], float(p[order[0]])
    if best == OUT_OF_SCOPE:
        refers_back = reference.refers_back(text)
        outside = certainty >= (OUTSIDE_FROM_REFERRING if refers_back else OUTSIDE_FROM)
        outcome = "decline" if outside or not candidates else "clarify"
        best, next_certainty = labels[int(order[1])], float(p[order[1]])
        if refers_back and not outside and next_certainty >= ANSWER_FROM:
            # "What about losing a few kilos" leans on the answer before, whatever its words alone sound like.
            outcome, certainty = "answer", next_certainty
    elif certainty >= ANSWER_FROM:
        outcome = "answer"
    else:
        outcome = "clarify" if candidates else "decline"
    judged = judging.all(wordings(text, before, catalogue, part=message is not None))
    # What is said to Calla itself ("can I talk to a person") is about no subject that could complete it.
    own = judged[:1] if best.startswith(f"{CHAT}/") else [j for j in judged if j.label == best]
    surest = max(own or judged, key=lambda j: j.certainty)
    return replace(surest, outcome=outcome, label=best, candidates=candidates[:MAX_CANDIDATES], certainty=certainty)


def _related(topic: Topic, before: Topic) -> float:
    if topic.id == before.topic_id:
        return 0.0
    return 1.0 if topic.id in before.related else _RELATED_BACK * (before.id in topic.related)
