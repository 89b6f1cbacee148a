"""Where one question ends and the next begins, and the clauses that a message is made of.

Pure text functions. ``parts_of`` and ``pieces`` cut where a second question could begin;
whether a cut is kept is decided by what the topic model makes of both sides
(``asked``). ``clauses_of`` cuts finer, at every joint: a danger hides in a clause.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Iterator, Sequence

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


# Stretches of a message looked at one by one; more would be a whole letter.
MAX_PARTS = 8
MAX_CLAUSES = 24


def parts_of(text: str, sentences: Sequence[str]) -> list[Part]:
    """Cut a message wherever a second question could begin.

    Args:
        text: the message.
        sentences: its sentences, in order.
    """
    parts: list[Part] = []
    lines = [line.strip() for line in text.split("\n")[1:]]
    marked = "?" in text
    for sentence in sentences:
        # Spoken sentences run on without any mark.
        found = cut(sentence, run_on=not re.search(r"[.?!;:,]", sentence[:-1]))
        if found and any(line.startswith(sentence) for line in lines):
            found[0] = replace(found[0], strong=True)
        if marked and not sentence.endswith("?"):
            # Where questions carry their mark, a longer sentence without one tells a story.
            found = [part if requests(part.text) else replace(part, asks=False) for part in found]
        parts.extend(found)
    # Of a long story the parts that ask count first.
    first = sorted(range(len(parts)), key=lambda i: (not parts[i].asks, i))[:MAX_PARTS]
    return [parts[i] for i in sorted(first)]


# A word or a mark.
_TOKEN = re.compile(r"[^\W_]+(?:['./-][^\W_]+)*%?|[^\s\w]|\n")
_MARK = frozenset(".?!;:,()[]\n…")
_DASH = frozenset('-–—"+/&|')
_JOINT = frozenset(
    "and but because cos coz cuz bcos bc so also plus then though although while whereas which however anyway btw ps "
    "oh except unless until yet still only otherwise besides since as after nd n".split()
)
# Subjects that begin a clause without any mark ("does it hurt i have this hard bit"), and the
# words that they belong to instead ("can i", "that she").
_SUBJECT = frozenset(
    "i i'm im i've ive i'd my she she's he he's they they've we we've it's mine hers there there's theres his "
    "our".split()
)
_HOLDS_SUBJECT = frozenset(
    "if that do does did can could should would will shall may might must am is are was were has have had when "
    "where what which who why how than as because and but so to for of in on at with by from about like under "
    "over behind near inside say says said think thinks know knows tell told hope hoped feel felt see since while "
    "before after until whether the a an my your his her our their all or nor not i we you they he she it".split()
)
_QUESTION_WORD = frozenset("what whats what's wats which how hows how's why when where who whos".split())
_BEGINS_QUESTION = _QUESTION_WORD | frozenset("can could should does do is are will would".split())
_HOLDS_QUESTION = _NEEDS_QUESTION_WORD | frozenset(
    "i we you he she the a an my your his her this these no not as than".split()
)


def clauses_of(text: str) -> list[str]:
    """Cut a message into clauses: at marks, joints, and where a new subject or question begins.

    Returns:
        the clauses in order, at most ``MAX_CLAUSES``, each of two words or more where the
        message has them. Long messages keep their first and their last clauses.
    """
    found: list[str] = []
    held = ""
    for span in _spans(text):
        held = f"{held} {span}".strip()
        if len(held.split()) >= 2:
            found.append(held)
            held = ""
    if held:
        found = [*found[:-1], f"{found[-1]} {held}"] if found else [held]
    half = MAX_CLAUSES // 2
    return found if len(found) <= MAX_CLAUSES else [*found[:half], *found[-half:]]


def _spans(text: str) -> Iterator[str]:
    """Yield the stretches between the joints of a text, without the marks around them."""
    begin, words, before, open_question = 0, 0, "", False
    tokens = list(_TOKEN.finditer(text))
    for at, token in enumerate(tokens):
        word = token.group().casefold()
        if word in _MARK or (word in _DASH and (token.start() == 0 or text[token.start() - 1] == " ")):
            yield from _told(text[begin : token.start()])
            begin, words, before, open_question = token.end(), 0, "", False
            continue
        last = at + 1 == len(tokens)
        if not last and (
            (words >= 2 and word in _JOINT)
            or (words >= 3 and word in _SUBJECT and before not in _HOLDS_SUBJECT)
            or (
                (words >= 3 and word in _BEGINS_QUESTION and before not in _HOLDS_QUESTION)
                # "How much magnesium is in it": a verb belongs to the question word before it.
                and not (open_question and word not in _QUESTION_WORD)
            )
        ):
            yield from _told(text[begin : token.start()])
            begin, words, open_question = token.start(), 0, False
        before, words = word, words + 1
        open_question = open_question or word in _QUESTION_WORD
    yield from _told(text[begin:])


def _told(span: str) -> Iterator[str]:
    span = span.strip(' ,.?!;:()[]"-–—\n')
    if re.search(r"\w", span):
        yield span
