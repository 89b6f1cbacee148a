"""What a text says of its own words: that they are denied, that they are about somebody."""

from __future__ import annotations

import re

# Evidence of a person: a message about nobody's body, care or medicine is no report.
_PERSON = re.compile(
    r"\b(?:i|i'm|im|i've|ive|i'd|my|me|mine|we|our|us|wifes?|husband|mums?|moms?|mother|dad|sister|brother|partner|"
    r"daughter|son|aunt|gran|nan|friend|hers?|she|she's|shes|he|he's|hes|his|him|they|patient|toddler|baby|child)\b",
    re.I,
)
# In a few words the person is left out: "had some since Sunday", "got that too".
_LEFT_OUT = re.compile(
    r"^(?:(?:yes|yeah|yep|yup|well|so|and|but|also|ok|actually)[\s,.]+)*(?:have|having|had|got|getting|been|feel|felt|"
    r"found|noticed|seen|saw|took|taking|take|taken|stopped|started|missed|skipped|cancelled|same here|me too)\b",
    re.I,
)
# Denials in the manner of NegEx (Chapman et al. 2001): learned models read past them.
# They are only evidence against a danger that can be denied; the screen has its own rules
# of context, and "but" takes a denial back.
_DENIAL = re.compile(
    r"\b(?:(?:no|without|neither|never had(?: a)?|don't have(?: a| any)?) (?:\w+ )?"
    r"(?:lump|mass|pain|discharge|symptom|problem|result|finding|abnormal|distortion|swelling|complaint|tablet|medic|"
    r"prescription|pill|trouble|sign)\w*|(?:not|\w+n't) (?:on|take|taking) (?:any|\w+(?: or any)?)|"
    r"not (?:pregnant|ill|sick|a patient)|(?:did|does|do)(?: not|n't) (?:say|mention|show|find)|"
    r"all clear|negative|normal|nothing (?:found|suspicious|wrong)|scare is over|bi-?rads (?:1|2|one|two)|"
    r"(?:results?|everything|all|it|kidneys) (?:was|were|is|are|came back) (?:fine|ok|okay|good|clear|benign))\b",
    re.I,
)
_BUT = re.compile(r"\b(?:but|although|though|however|except|yet|still|until|not normal|abnormal)\b", re.I)
# What nobody denies by the way.
UNDENIABLE = frozenset({"emergency", "emotional_crisis", "refuse_or_delay_care"})


def is_denied(text: str) -> bool:
    """Say whether a text denies a finding ("normal", "no lump") without taking it back."""
    return bool(_DENIAL.search(text)) and not _BUT.search(text)


def speaks_of_a_person(text: str) -> bool:
    """Say whether a text is about somebody: the writer, or somebody near."""
    return bool(_PERSON.search(text))


def leaves_out_a_person(text: str) -> bool:
    """Say whether a text tells something of the writer without a word for her."""
    return bool(_LEFT_OUT.search(text))
