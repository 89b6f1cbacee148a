"""Which questions a message asks: one, two or three.

A message is cut wherever a second question could begin (``cutting``); each part is judged
by the topic model, with the subject it may leave out: that of the part before it, of the
last answer for the first part. A small regression then weighs for each part whether it is
a question of its own or only belongs to one. A follow-up is a message of one part. The
weights are fitted by ``evaluation/fit.py`` on messages that were not trained on.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import NamedTuple, Optional, Sequence

import numpy as np

from calla.catalogue import CHAT, FAQ, REFERRAL, Catalogue, Topic
from calla.understanding import cutting, follow_up, reference
from calla.understanding.context import is_denied
from calla.understanding.judgement import MAX_CANDIDATES, Judgement, Judging, log_odds, logistic
from calla.understanding.reading import Reading

MAX_ANSWERS = 3
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
    "piece",
    "certainty, piece",
    "share in the whole, piece",
    "asks, piece",
    "length, piece",
    "share in the part alone",
    "inside the field",
    "certainty of another topic",
    "said more clearly elsewhere",
)
# Certainty from which an earlier part says what "it" is.
NAMES_FROM = 0.6
# Certainty from which a part needs no help from what was said before it.
SURE = 0.7
VERY_SURE = 0.95
# Probability of being a question of its own from which a part's topic is offered.
OFFER_FROM = 0.05
# Words up to which a part that does not ask may be a catchword.
BRIEF = 8
# Certainty from which a piece of a part may ask something else than its other pieces.
PIECE_FROM = 0.3
# Small talk that stands beside a question and needs no answer of its own then.
_PASSING = frozenset({"greet", "goodbye", "thanks", "feedback_positive", "tell_me_more", "capabilities", "remark"})
_WORDS = re.compile(r"[\w'-]+")


class Candidate(NamedTuple):
    """A part that may be a question of its own.

    Attributes:
        place: number of the part it is, or is a piece of.
        part: its words.
        judgement: what the topic model makes of it.
        evidence: a number for each of ``EVIDENCE``.
    """

    place: int
    part: cutting.Part
    judgement: Judgement
    evidence: np.ndarray


def candidates_of(
    reading: Reading, judging: Judging, catalogue: Catalogue, before: Optional[Topic] = None
) -> list[Candidate]:
    """Return the parts of a message that could be answered by themselves, in order.

    Args:
        reading: the message.
        judging: judges texts.
        catalogue: topics and what they owe.
        before: topic of the last answer.

    Returns:
        the parts, each followed by its pieces; none where the message is one part of one
        piece.
    """
    parts = list(reading.parts)
    asking = any(part.asks for part in parts)
    pieces = [cutting.pieces(part) if part.asks or not asking or _is_brief(part) else [] for part in parts]
    if len(parts) < 2 and not any(pieces):
        return []
    whole = judging.one(reading.text)
    judging.all([each.text for part, own in zip(parts, pieces, strict=True) for each in (part, *own)])
    pieces = [own if _differ(judging.all([piece.text for piece in own])) else [] for own in pieces]
    placed = _placed(parts, pieces, judging, catalogue, before)
    leaning = [
        (part.asks or part.piece or not asking or _is_brief(part)) and _leans(part, topic, judging, catalogue)
        for _, part, topic in placed
    ]
    # All wordings at once: one batch is faster than many.
    judging.all(
        [
            wording
            for (_, part, topic), leans in zip(placed, leaning, strict=True)
            if leans
            for wording in follow_up.wordings(part.text, topic, catalogue, part=True)
        ]
    )
    found, resolved = _resolved(placed, leaning, whole, reading.text, judging, catalogue, before)
    best: dict[str, float] = {}
    for *_, judgement in found:
        best[judgement.label] = max(best.get(judgement.label, 0.0), judgement.certainty)
    candidates = []
    for i, each, judgement in found:
        evidence = [
            *_evidence(i, each, judgement, parts, resolved, judging, reading.text),
            log_odds(max((best[label] for label in best if label != judgement.label), default=0.0)),
            best[judgement.label] > judgement.certainty,
        ]
        candidates.append(Candidate(i, each, judgement, np.array(evidence, dtype=float)))
    return candidates


def _resolved(
    placed: Sequence[tuple[int, cutting.Part, Optional[Topic]]],
    leaning: Sequence[bool],
    whole: Judgement,
    message: str,
    judging: Judging,
    catalogue: Catalogue,
    before: Optional[Topic],
) -> tuple[list[tuple[int, cutting.Part, Judgement]], list[Judgement]]:
    """Judge the parts, those that lean with the subject they lack.

    Returns:
        the parts and pieces that can be answered, and what was made of each part.
    """
    found: list[tuple[int, cutting.Part, Judgement]] = []
    resolved: list[Judgement] = []
    for (i, part, topic), leans in zip(placed, leaning, strict=True):
        judgement = judging.one(part.text)
        if leans:
            leant = "follow_up" if topic is not None and topic is before else "part"
            judgement = follow_up.judge(part.text, topic, judging, catalogue, leant, message)
        if not part.piece:
            resolved.append(judgement)
        answer = catalogue.by_intent(judgement.label)
        inside = leans or judgement.inside >= judging.weights.threshold("inside_part_from")
        if answer is not None and inside and _answerable(answer, part, judgement, judgement.label == whole.label):
            found.append((i, part, judgement))
    return found, resolved


def _named(judgement: Judgement, catalogue: Catalogue) -> Optional[Topic]:
    """Return the topic that a part names for those after it, if it is certain enough."""
    topic = catalogue.by_intent(judgement.label)
    return topic if topic is not None and topic.group == FAQ and judgement.certainty >= NAMES_FROM else None


def _placed(
    parts: list[cutting.Part],
    pieces: list[list[cutting.Part]],
    judging: Judging,
    catalogue: Catalogue,
    before: Optional[Topic],
) -> list[tuple[int, cutting.Part, Optional[Topic]]]:
    """Return all parts and pieces in order: the place, the words, the topic they may lean on."""
    found: list[tuple[int, cutting.Part, Optional[Topic]]] = []
    for i, (part, own) in enumerate(zip(parts, pieces, strict=True)):
        found.append((i, part, before))
        inner = before
        for piece in own:
            found.append((i, piece, inner))
            inner = _named(judging.one(piece.text), catalogue) or inner
        before = _named(judging.one(part.text), catalogue) or inner
    return found


def _leans(part: cutting.Part, before: Optional[Topic], judging: Judging, catalogue: Catalogue) -> bool:
    """Say whether a part needs more than its own words to be understood."""
    named = before is None or catalogue.names_subject(part.text)
    return not named or reference.has_pronoun(part.text) or judging.one(part.text).certainty < VERY_SURE


def _is_brief(part: cutting.Part) -> bool:
    """Say whether a part is short enough to be a catchword ("and price") rather than a story."""
    return len(part.text.split()) <= BRIEF


def _differ(judged: list[Judgement]) -> bool:
    """Say whether pieces of a part seem to ask different things."""
    return len({judgement.label for judgement in judged if judgement.certainty >= PIECE_FROM}) >= 2


def _evidence(
    i: int,
    part: cutting.Part,
    judgement: Judgement,
    parts: list[cutting.Part],
    judged: list[Judgement],
    judging: Judging,
    text: str,
) -> list[float]:
    """Collect what speaks for part ``i``, or a piece of it, being a question of its own.

    Returns:
        a number for each of ``EVIDENCE`` but the last two, which compare candidates.
    """
    whole, share = judging.one(text), judging.share(text, judgement.label)
    after = parts[i + 1 : i + 2]
    others = sum(
        other.asks and j.label != judgement.label
        for other, j in zip(parts, judged, strict=True)
        if other is not parts[i]
    )
    begins = i == 0 or parts[i - 1].sentence != part.sentence
    alone = begins and not part.piece and not any(p.sentence == part.sentence for p in after)
    certainty, whole_certainty, share_odds = (log_odds(p) for p in (judgement.certainty, whole.certainty, share))
    length = float(np.log(len(_WORDS.findall(part.text)) + 1))
    message_length = float(np.log(len(_WORDS.findall(text)) + 1))
    return [
        1.0,
        certainty,
        whole_certainty,
        share_odds,
        judgement.label == whole.label,
        whole.outcome == "decline",
        part.asks,
        part.text.endswith("?"),
        part.strong or (not part.piece and any(p.strong for p in after)),
        alone,
        min(others, 2),
        length,
        message_length,
        share_odds * message_length,
        share_odds * length,
        share_odds * part.asks,
        whole_certainty * alone,
        part.piece,
        certainty * part.piece,
        share_odds * part.piece,
        part.asks * part.piece,
        length * part.piece,
        log_odds(judging.share(part.text, judgement.label)),
        log_odds(judgement.inside),
    ]


def questions_of(
    reading: Reading, judging: Judging, catalogue: Catalogue, before: Optional[Topic] = None
) -> list[Judgement]:
    """Judge a message question by question.

    Args:
        reading: the message.
        judging: judges texts.
        catalogue: topics and what they owe.
        before: topic of the last answer.

    Returns:
        a judgement per question, at most ``MAX_ANSWERS``, in the order asked; one where
        the message is a single question or none.
    """
    weights = judging.weights.vector("question", EVIDENCE)
    question_from = judging.weights.threshold("question_from")
    weighed = [
        (candidate, logistic(float(candidate.evidence @ weights)))
        for candidate in candidates_of(reading, judging, catalogue, before)
    ]
    judged = chosen(judging.one(reading.text), [candidate for candidate, p in weighed if p >= question_from])
    if len(judged) > 1:
        return judged
    only = _in_context(reading.text, judging, catalogue, before) or judged[0]
    # What may have been asked besides is a press away.
    besides = [c.judgement.label for c, p in weighed if p >= OFFER_FROM and c.judgement.label.startswith(f"{FAQ}/")]
    labels = dict.fromkeys([only.label, *besides, *only.candidates])
    # A danger is no choice on a button.
    offered = [label for label in labels if not label.startswith(f"{REFERRAL}/")]
    return [replace(only, candidates=tuple(offered[: MAX_CANDIDATES + 1]))] if besides else [only]


def _in_context(text: str, judging: Judging, catalogue: Catalogue, before: Optional[Topic]) -> Optional[Judgement]:
    """Judge a whole message in the light of the last answer; ``None`` where it stands for itself."""
    words = _WORDS.findall(text)
    if before is None or len(words) > follow_up.MAX_WORDS:
        return None
    whole = judging.one(text)
    clear = catalogue.names_subject(text) and not reference.refers_back(text)
    if clear and whole.outcome == "answer" and whole.certainty >= VERY_SURE:
        return None
    return follow_up.judge(text, before, judging, catalogue, "follow_up")


def chosen(whole: Judgement, asked: list[Candidate]) -> list[Judgement]:
    """Choose between a message as a whole and the questions found in it."""
    in_pieces = {
        candidate.place
        for candidate in asked
        if len({other.judgement.label for other in asked if other.part.piece and other.place == candidate.place}) >= 2
    }
    # A part of which two pieces ask different things is no third question.
    kept = [c.judgement for c in asked if c.part.piece or c.place not in in_pieces]
    distinct = list({judgement.label: judgement for judgement in reversed(kept)}.values())[::-1]
    if len(distinct) >= 2:
        return [replace(judgement, outcome="answer") for judgement in distinct[:MAX_ANSWERS]]
    # One question among remarks: the remarks may name what it is about, or drown it. A
    # finding in the remarks owes its referral and leaves the question to answer.
    finding = whole.label.startswith(f"{REFERRAL}/")
    return [only for only in distinct if finding or only.certainty > whole.certainty] or [whole]


def _answerable(topic: Topic, part: cutting.Part, judgement: Judgement, own: bool) -> bool:
    """Say whether a part can be answered by itself at all."""
    if topic.group == REFERRAL:
        # Danger is found elsewhere.
        return False
    if topic.referral == "always" and not own and judgement.certainty < VERY_SURE:
        # A stray clause is no reason to speak of biopsies.
        return False
    if topic.referral == "always" and not part.asks and is_denied(part.text):
        # "I'm not on warfarin" asks nothing about warfarin.
        return False
    if topic.group == CHAT and judgement.certainty < SURE:
        # "... and where do I get it?" does not ask for sources.
        return False
    # "Can you help me?" is a way to begin, "what sort of thing may one ask?" is not.
    asked = topic.id == "capabilities" and part.asks and len(_WORDS.findall(part.text)) > 4
    return asked or topic.group != CHAT or topic.id not in _PASSING
