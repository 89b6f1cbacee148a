"""The learned half of the detection: how likely does a message owe a medical referral?

The rules (``calla.safety``) know words; this knows meanings. It weighs what the topic
model makes of the whole message and of its most dangerous sentence. The weights are
fitted by ``evaluation/thresholds.py`` on messages that were not trained on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Optional, Sequence

import numpy as np

from calla.catalogue import Catalogue, Topic
from calla.nlu.judgement import Judgement, Judging, log_odds, logistic
from calla.nlu.language import Reading

EVIDENCE = (
    "bias",
    "mass",
    "wording",
    "neighbours",
    "mass of a sentence",
    "wording of a sentence",
    "neighbours of a sentence",
    "denied",
)
# Sentences of a message that are judged one by one.
MAX_SENTENCES = 16
# Share beyond which the vote of a few neighbours says no more.
VOTE_FLOOR = 0.01
# Denials in the manner of NegEx (Chapman et al. 2001): learned models read past them.
# They are only evidence against a danger that can be denied; the screen has its own rules
# of context, and "but" takes a denial back.
_DENIAL = re.compile(
    r"\b(?:(?:no|without|neither|never had(?: a)?|don't have(?: a| any)?) (?:\w+ )?"
    r"(?:lump|mass|pain|discharge|symptom|problem|result|finding|abnormal|distortion|swelling|complaint|tablet|medic|"
    r"prescription|pill|trouble|sign)\w*|not (?:on|taking) (?:any|\w+ or any)|not (?:pregnant|ill|sick|a patient)|"
    r"all clear|negative|normal|nothing (?:found|suspicious|wrong)|scare is over|bi-?rads (?:1|2|one|two)|"
    r"(?:results?|everything|all|it|kidneys) (?:was|were|is|are|came back) (?:fine|ok|okay|good|clear|benign))\b",
    re.I,
)
_BUT = re.compile(r"\b(?:but|although|though|however|except|yet|still|until|not normal|abnormal)\b", re.I)
# What nobody denies by the way.
UNDENIABLE = frozenset({"emergency", "emotional_crisis", "refuse_or_delay_care"})


@dataclass(frozen=True)
class Danger:
    """What the learned detector finds.

    Attributes:
        probability: 0 to 1, that the message owes a referral.
        topic: the topic it would be, if any owes one.
    """

    probability: float
    topic: Optional[Topic]


def is_denied(text: str) -> bool:
    """Say whether a message denies a finding ("normal", "no lump") without taking it back."""
    return bool(_DENIAL.search(text)) and not _BUT.search(text)


def sentences_of(reading: Reading, judging: Judging) -> list[Judgement]:
    """Judge the sentences of a message one by one; none if there is only one."""
    sentences = reading.sentences()[:MAX_SENTENCES]
    return judging.all(sentences) if len(sentences) > 1 else []


def evidence(
    text: str, whole: Judgement, sentences: Sequence[Judgement], catalogue: Catalogue
) -> tuple[np.ndarray, Optional[Topic]]:
    """Collect what speaks for a referral.

    Args:
        text: the message.
        whole: what the topic model makes of it.
        sentences: what it makes of its sentences; none if there is only one.
        catalogue: topics and what they owe.

    Returns:
        a number for each of ``EVIDENCE``, of each kind for the whole message and for its
        worst sentence; and the topic to refer for, if any owes a referral.
    """
    topic = _topic(whole, sentences, catalogue)
    denied = is_denied(text) and not (topic and topic.id in UNDENIABLE)
    sentences = sentences or [whole]
    weighed = [
        1.0,
        log_odds(whole.mass),
        log_odds(whole.wording),
        _vote_odds(whole),
        max(log_odds(j.mass) for j in sentences),
        max(log_odds(j.wording) for j in sentences),
        max(_vote_odds(j) for j in sentences),
        float(denied),
    ]
    return np.array(weighed), topic


def detect(
    text: str, whole: Judgement, sentences: Sequence[Judgement], catalogue: Catalogue, weights: np.ndarray
) -> Danger:
    """Weigh a message (arguments as for ``evidence``; ``weights``: a number for each of ``EVIDENCE``)."""
    weighed, topic = evidence(text, whole, sentences, catalogue)
    return Danger(logistic(float(weighed @ weights)), topic)


def _vote_odds(judgement: Judgement) -> float:
    """Return the log-odds of the neighbours' vote; a few voters are never quite certain."""
    return log_odds(min(max(judgement.neighbours, VOTE_FLOOR), 1 - VOTE_FLOOR))


def _topic(whole: Judgement, sentences: Sequence[Judgement], catalogue: Catalogue) -> Optional[Topic]:
    """Return the topic to refer for: the message's own if it owes a referral, else that of its worst sentence."""
    own = catalogue.by_intent(whole.label)
    if own is not None and own.referral == "always":
        return own
    worst = max([whole, *sentences], key=lambda j: j.mass)
    own = catalogue.by_intent(worst.label)
    return own if own is not None and own.referral == "always" else catalogue.by_intent(worst.danger)
