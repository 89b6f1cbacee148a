"""What a message leans on: pronouns, corrections, and the wordings that complete a fragment."""

from __future__ import annotations

import re

from calla.understanding.cutting import asks

# "They've" and "they'll" are people.
_PRONOUN = re.compile(
    r"\b(?:it's|its|it|they(?!'(?:ve|ll|d)\b)|them|these|those|this|that|that one|this one|theirs|their)\b", re.I
)
_LEADING = re.compile(
    r"^(?:and|or|but|so|ok|okay|also|then|what about|how about|what of|and what about|and how about|same for|"
    r"how is it with|what if it's|and for|for|with)\b[\s,]*",
    re.I,
)
_REFUSAL = r"(?:no+|nope|nah|not that(?: one)?|sorry|wrong|that's not it|not what i (?:asked|meant)|actually)"
_MEANT = (
    r"(?:i (?:meant|mean|was asking about|asked about|am asking about)|i'm asking about|rather"
    r"|not that(?: one)?[,\s]+(?:the|about))"
)
_CORRECTION = re.compile(
    rf"^(?:{_REFUSAL}[\s,.!:-]+)*{_MEANT}\s+|^(?:no+|nope|nah|sorry|actually)[\s,.!:-]+(?=\w)",
    re.I,
)

# How a question about an aspect is usually asked: lets "and magnesium?" after a
# question on foods become a question on foods that hold magnesium.
ASPECT_QUESTIONS = {
    "definition": "what is {}?",
    "foods": "which foods contain {}?",
    "dose": "how much {} should I take?",
    "safety": "is {} safe, what are the side effects?",
    "comparison": "which is better, {}?",
    "cause": "what causes {}?",
    "evidence": "is there proof that {} works?",
    "benefit": "does {} help?",
    "experience": "what is {} like, does it hurt?",
    "meaning": "what does {} mean?",
    "action": "what should I do about {}?",
    "general": "what about {}?",
}


# Politeness before a question: "thanks, and the dose?" asks for the dose.
_POLITE = re.compile(
    r"^(?:(?:many )?(?:thanks|thank you|thx|ta|cheers|ok|okay|great|good|perfect|lovely|hi|hello|hey|"
    r"good (?:morning|evening|afternoon))"
    r"(?: (?:so much|very much|a lot|a million|again|there|calla|for that|for this))*[\s,.!;:-]+)+(?=\w+\W+\w)",
    re.I,
)
# Of two things one is turned down: "not mk7, mk4".
_REJECTED = re.compile(
    r"^(?:no[,. ]+)?not (?:the |that )?(?P<rejected>[\w-]+(?: [\w-]+)?)[,;.]? (?:but |i (?:mean|meant) |rather |the )*"
    r"(?P<wanted>[\w-]+(?: [\w-]+){0,2})\W*$",
    re.I,
)


def without_politeness(text: str) -> str:
    """Take thanks and greetings from the beginning of a question."""
    rest = _POLITE.sub("", text)
    return rest if asks(rest) else text


def without_rejected(text: str) -> str:
    """Return a correction by what is wanted alone: "not mk7, mk4" gives "I meant mk4"."""
    match = _REJECTED.match(text)
    return f"I meant {match['wanted']}" if match else text


def has_pronoun(text: str) -> bool:
    """Say whether a text refers back with "it", "they", "that" and the like."""
    return bool(_PRONOUN.search(text))


def put_subject(text: str, subject: str) -> str:
    """Replace the first pronoun by the subject, or append it where there is none."""
    if _PRONOUN.search(text):
        return _PRONOUN.sub(subject, text, count=1)
    return f"{text.rstrip(' ?!.')} {subject}?"


def without_lead(text: str) -> str:
    """Take "and", "what about" and the like from the beginning."""
    return _LEADING.sub("", text).strip(" ?!.,")


def correction(text: str) -> str | None:
    """Return what a correction ("no, I meant magnesium") is about, or ``None``."""
    match = _CORRECTION.match(text)
    if not match or not match.group():
        return None
    return text[match.end() :].strip(" ?!.,") or None


def leads_on(text: str) -> bool:
    """Say whether a text begins like a follow-up ("and", "what about", ...)."""
    return bool(_LEADING.match(text))


def refers_back(text: str) -> bool:
    """Say whether a text leans on what was said before: by how it begins, or by a pronoun."""
    return leads_on(text) or has_pronoun(text)


def in_aspect(aspect: str, subject: str) -> str:
    """Ask for an aspect of a subject, in the words of ``ASPECT_QUESTIONS``."""
    return ASPECT_QUESTIONS.get(aspect, ASPECT_QUESTIONS["general"]).format(subject)
