"""Where one question ends and the next begins, and what "it" stands for.

Pure text functions; whether a cut is kept is decided by the gate, which asks the topic
model about both sides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

# A clause that starts with one of these asks something.
_ASKING = (
    r"(?:(?:at|in|for|by|to|on|from|with|about) (?:what|which|how|whom)|what|whats|wats|wat|wot|wots|which|who|whos|"
    r"when|where|why|how|"
    r"hows|is|are|isn't|aren't|was|were|do|does|did|don't|doesn't|"
    r"can|can't|could|couldn't|should|shouldn't|shall|will|would|has|have|had|may|might|must|am|any|"
    r"tell me|explain|give me|show me|please tell|please explain|i(?:'d| would) like to know|i want to know|"
    r"i need to know|i wanna know|i(?:'m| am) wondering|i wonder|wondering|whether|"
    r"if i (?:can|should|could)|if (?:so|not|yes|no)|what about|how about)"
)
_STARTS_ASKING = re.compile(
    r"^(?:(?:hi|hey|hello|so|ok|okay|well|um|uh|erm|and|also|plus|but|then|or|please|pls|now|just|sorry|good morning|"
    r"thanks|thank you|my question is|question|quick question|first|firstly|second|secondly|third|lastly|"
    r"\d[.):]|[-*•])[\s,:!.-]+)*" + _ASKING + r"\b",
    re.I,
)
_ASKS_INSIDE = re.compile(
    r"\b(?:tell me|explain|wondering|wonder|want(?:ed)? to know|like to know|need to know|my question|"
    r"no idea (?:what|how|why|if)|don't (?:know|understand|get) (?:what|how|why|if|whether)|"
    r"not sure (?:what|how|if|whether)|"
    r"curious (?:what|how|why|if|about)|ask (?:you )?(?:about|if|whether|what|how))\b",
    re.I,
)
_ASKS_AFTER_MARK = re.compile(rf"(?:[:,]\s*(?:and\s+|so\s+)?|\b(?:so|then)\s+){_ASKING}\b", re.I)
# Boundaries that may separate two questions of one sentence. A strong one separates
# whatever follows it, a weak one only a clause that starts to ask.
_STRONG = (
    r"(?:\?+|;|\n|\s[+/]\s|\.\.+\s|\s(?=\d[.):]\s))\s*(?:\d[.):]\s+|and\s+|also\s+|plus\s+)?"
    r"|[,.]?\s+(?:and also|but also|also|plus|and then|and after that|oh and|as well as|and secondly|secondly|"
    r"another thing|(?:and )?(?:the )?(?:second|third|next|other|last) (?:question|thing)(?: is)?|"
    r"(?:and )?(?:number|question) (?:two|three|2|3))[\s,:]+"
)
_WEAK = rf"(?:[,.]\s+|[,.]?\s+(?:and|or|but|then|&|n|nd)\s+|\s+-\s+)(?={_ASKING}\b)"
# Spoken messages have no marks at all: there only a question word begins a question,
# and not where the word before it needs it ("tell me what", "depends on how").
_RUN_ON = r"\s+(?=(?:what|whats|which|how|why|when|where)\b)"
# A verb before its subject begins one too, after a question that has its own verb:
# "must I drink more must I leave coffee".
_INVERTED = (
    r"(?:(?:do|can|could|should|must|will|would|may|am)\s+(?:i|you|we|they|he|she|it|people|women|these|those)|"
    r"(?:is|are|was|were)\s+(?:it|they|there|this|that|these|those)|does\s+\w+)\b"
)
_VERB = re.compile(r"\b(?:do|does|did|can|could|should|must|will|would|may|am|is|are|was|were|has|have)\b", re.I)
_NEEDS_QUESTION_WORD = frozenset(
    [
        "about",
        "and",
        "ask",
        "asked",
        "but",
        "by",
        "depends",
        "exactly",
        "explain",
        "find",
        "for",
        "from",
        "get",
        "hello",
        "hey",
        "hi",
        "how",
        "if",
        "it",
        "that",
        "they",
        "there",
        "what",
        "when",
        "where",
        "which",
        "who",
        "why",
        "idea",
        "in",
        "is",
        "just",
        "know",
        "known",
        "me",
        "of",
        "ok",
        "on",
        "or",
        "out",
        "question",
        "said",
        "say",
        "says",
        "see",
        "so",
        "sure",
        "tell",
        "to",
        "understand",
        "well",
        "with",
        "wonder",
        "wondering",
    ]
)
_CUT = re.compile(
    rf"(?P<strong>{_STRONG})|(?P<weak>{_WEAK})|(?P<run_on>{_RUN_ON})|(?P<inverted>\s+(?={_INVERTED}))", re.I
)
# Between two things that are asked about with one verb, or none: "stress and smoking", "k2
# what is it how much". Most such places separate nothing.
_LOOSE = re.compile(
    r"\s*,\s+(?:(?:and|or|then|also|so|but|oh)\s+)*|\s+(?:and|then|or|also|plus|&|nd|n)\s+(?:(?:then|also)\s+)?"
    rf"|(?P<run_on>{_RUN_ON})|(?P<inverted>\s+(?={_INVERTED}))",
    re.I,
)
# "1) ...", "- ...", "first question ..." at the beginning.
_LIST_MARK = re.compile(
    r"^\s*(?:(?:\d+[.):]|[-*•])\s*|(?:(?:so|and|my) )?(?:(?:first|number one|number 1|question one)"
    r"(?:(?: question| thing)(?: is)?[\s,:]+|[,:]\s*)))",
    re.I,
)
# Pieces of a part that are looked at, and words up to which it is cut into them at all.
_MAX_PIECES = 5
_MAX_LOOSE_WORDS = 30
# Words up to which a question without its mark is still taken for one; up to which one that
# begins with a question word is, before it goes on after a comma.
_BRIEF = 8
_BRIEF_CLAUSE = 12
_STARTS_WITH_WORD = re.compile(
    r"^(?:(?:so|ok|okay|well|um|uh|erm|and|also|plus|but|then|oh|please|pls|just|sorry)[\s,:!.-]+)*"
    r"(?:what|whats|what's|wat|which|how|hows|how's|why|who|whos|who's)\b",
    re.I,
)
_PRONOUN = re.compile(r"\b(?:it's|its|it|they|them|these|those|this|that|that one|this one|theirs|their)\b", re.I)
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


@dataclass(frozen=True)
class Part:
    """A stretch of a message that may be a question of its own.

    Attributes:
        text: its words.
        asks: whether it is phrased as a question.
        strong: whether the boundary before it separates questions by itself.
        sentence: the sentence it was cut from.
        piece: whether it is a piece of the part before it (``pieces``).
    """

    text: str
    asks: bool
    strong: bool = False
    sentence: str = ""
    piece: bool = False


def asks(text: str) -> bool:
    """Say whether a text is phrased as a question or a request to be told something."""
    return (
        text.rstrip().endswith("?")
        or bool(_STARTS_ASKING.match(text))
        or bool(_ASKS_INSIDE.search(text))
        or bool(_ASKS_AFTER_MARK.search(text))
    )


def requests(text: str) -> bool:
    """Say whether a text asks although it has no question mark: in so many words, or briefly."""
    clause = text.partition(",")[0]
    return (
        bool(_ASKS_INSIDE.search(text))
        or (len(text.split()) <= _BRIEF and asks(text))
        or (len(clause.split()) <= _BRIEF_CLAUSE and bool(_STARTS_WITH_WORD.match(clause)))
    )


def cut(sentence: str, *, run_on: bool = False) -> list[Part]:
    """Cut a sentence at every place where a second question could begin.

    Args:
        sentence: the sentence.
        run_on: also cut before a question word without any mark or "and", as in spoken
            messages.

    Returns:
        the parts in order; a sentence without such a place is one part.
    """
    sentence = _LIST_MARK.sub("", sentence)
    parts: list[Part] = []
    start, strong = 0, False
    for match in _CUT.finditer(sentence):
        if match.group("run_on") and not (run_on and _stands_alone(sentence[: match.start()])):
            continue
        if match.group("inverted") and not (
            run_on and _stands_alone(sentence[: match.start()]) and _VERB.search(sentence[start : match.start()])
        ):
            continue
        piece = sentence[start : match.start() + (match.group().startswith("?") and 1)].strip()
        words = len(re.findall(r"\w+", piece))
        if words >= 3 or (words == 2 and (match.group("strong") or match.group("weak"))):
            parts.append(Part(piece, asks(piece), strong, sentence))
            start, strong = match.end(), bool(match.group("strong"))
    rest = sentence[start:].strip()
    if re.search(r"\w", rest):
        parts.append(Part(rest, asks(rest), strong, sentence))
    return parts


def pieces(part: Part) -> list[Part]:
    """Cut a part wherever it may go on to another thing without asking anew.

    Returns:
        its pieces; none where it is of one piece, or too long to be a question.
    """
    if len(part.text.split()) > _MAX_LOOSE_WORDS:
        return []
    found: list[str] = []
    start = 0
    for match in _LOOSE.finditer(part.text):
        before = part.text[start : match.start()].strip()
        if not before or ((match["run_on"] or match["inverted"]) and not _stands_alone(part.text[: match.start()])):
            continue
        found.append(before)
        start = match.end()
    if rest := part.text[start:].strip(" ?!.,"):
        found.append(rest)
    if not 2 <= len(found) <= _MAX_PIECES:
        return []
    return [replace(part, text=text, asks=asks(text), strong=False, piece=True) for text in found]


def _stands_alone(before: str) -> bool:
    words = before.split()
    return bool(words) and words[-1].casefold() not in _NEEDS_QUESTION_WORD


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
