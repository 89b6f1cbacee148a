"""What is said in answer to a message: one straight line from reading to plan."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Optional, Sequence

from calla.catalogue import CHAT, FAQ, Catalogue, Topic
from calla.plan import (
    ACUTE,
    MEMORY,
    SCREEN,
    TOPIC,
    Owed,
    Plan,
    Referral,
    in_short,
    is_referral,
    reduced,
    referral_name,
)
from calla.safety.screen import Finding
from calla.safety.vocabulary import KINDS
from calla.text import clean
from calla.understanding import reference
from calla.understanding.answering import MAX_OFFERS, OVER, REMARK, fixed, likeliest, plan_answer
from calla.understanding.asked import questions_of
from calla.understanding.context import speaks_of_a_person
from calla.understanding.cutting import parts_of
from calla.understanding.judgement import Judgement, Judging, Models
from calla.understanding.language import ENGLISH
from calla.understanding.memory import Memory
from calla.understanding.reading import Reading
from calla.understanding.urgency import Before, in_general, owed
from calla.understanding.weights import Weights

# Courtesies that answer nothing.
SMALL_TALK = frozenset({"greet", "goodbye", "thanks", "feedback_positive", "affirm", "deny", REMARK})
# Words up to which a message that names no subject may be about an open finding.
_FRAGMENT = 6
_WORDS = re.compile(r"[\w'-]+")
# Certainty from which a message right after an emergency is plainly about something else.
_UNRELATED_FROM = 0.9
# Topics of how one feels and helps, which go on with a crisis.
_FEELINGS = frozenset({"worried_or_anxious", "supporting_someone"})
# What has no answer that "is it common" could lean on: a symptom of one's own, an emergency, a crisis.
_WITHOUT_SUBJECT = frozenset({"red_flag_symptom", "after_biopsy", "emergency", "emotional_crisis"})
# A test or visit that is planned, or should be: no danger that stays open.
_DATE = "appointment"
# Certainty from which a message asks something plain by its own words, and share of what
# it says of the field from which a message of a finding names a topic.
_PLAIN_FROM = 0.6
_NAMED_FROM = 0.4
# Aspects under which somebody asks what to take, and what to take or to do. Right after an emergency's text
# that is no other matter: after an overdose of a blood thinner, foods with vitamin K are no answer.
_TO_TAKE = frozenset({"foods", "dose", "safety"})
_TO_ACT_ON = _TO_TAKE | {"action"}
# "Category 3" and its names, and the categories that are more.
_THREE = re.compile(r"\b(?:bi-?\s?rads|category|cat|acr|class|grade)?[\s:-]*(?:3|iii|three)\b|probably benign", re.I)
_MORE_THAN_THREE = re.compile(r"\b(?:[456][abc]?|iv|v|vi|four|five|six)\b|suspicious|malignan|cancer|dcis|biops", re.I)


def decide(
    reading: Reading,
    findings: Sequence[Finding],
    models: Models,
    weights: Weights,
    catalogue: Catalogue,
    memory: Memory,
    asked: str = "",
    *,
    over: bool = False,
) -> Plan:
    """Plan what is said.

    Args:
        reading: the message.
        findings: what the rules find in it.
        models: the trained models.
        weights: fitted weights.
        catalogue: topics, details and what they owe.
        memory: what is remembered of the turns before, one turn older.
        asked: the message before.
        over: whether the visitor has said that no emergency or crisis is meant.
    """
    reading = _meant(reading)
    judging = Judging(models, weights, memory.earlier)
    plan = fixed(reading, catalogue, memory)
    if plan is None:
        plan, named = _understood(reading, findings, judging, catalogue, memory, asked, over=over)
        return _settled(plan, reading, catalogue, memory, named)
    if plan.outcome == OVER:
        # An old button, or one pressed twice, ends nothing that came since.
        ends = not _referred_by(memory).isdisjoint(memory.acute())
        return _settled(plan, reading, catalogue, memory.without_acute() if ends else memory, None)
    # A title that was pressed is plain; what stands beside the name in a payload is not.
    # Nor does anything speak against what the rules find where nothing else is left to read ("susp1c10us").
    plan.owed.extend(Owed(f.topic, SCREEN) for f in findings if reading.payload or reading.says_nothing)
    if (plan.topic is None or reading.pictures) and not reading.payload:
        # "Yes" or a face after a cry for help says nothing that would end it.
        plan.owed.extend(Owed(name, MEMORY) for name in memory.acute()[:1])
    return _settled(plan, reading, catalogue, memory, None)


def _understood(
    reading: Reading,
    findings: Sequence[Finding],
    judging: Judging,
    catalogue: Catalogue,
    memory: Memory,
    asked: str,
    *,
    over: bool,
) -> tuple[Plan, Optional[str]]:
    """Plan the answer and what is owed to a message in plain words (arguments as for ``decide``).

    Returns:
        the plan, and what a finding of the message names.
    """
    judging.learn(reading.units)
    before = catalogue.find(memory.topic) if memory.topic else None
    just_referred = not _referred_by(memory).isdisjoint(memory.dangers)
    owes = owed(reading, findings, judging, Before(before, "" if just_referred else clean(asked)))
    if over:
        owes = [each for each in owes if KINDS[each.name] not in ACUTE]
    judged: list[Judgement] = []
    if reading.language == ENGLISH:
        leant_on = _leant_on(reading, judging, catalogue, memory) or before
        judged = questions_of(reading, judging, catalogue, leant_on)
    open_still = _remembered(reading, owes, judged, judging, catalogue, memory)
    dated = any(each.name == _DATE for each in open_still)
    # What sounded like an emergency still hides the question beside it.
    owing = over or bool(owes or (open_still and not dated))
    plan = plan_answer(reading, judged, judging, catalogue, memory, owes=owing)
    if dated and plan.outcome == "answer" and not _reassures(plan, catalogue):
        # Who has a date needs no second word about it before each practical answer, nor after each remark.
        open_still = []
    if plan.outcome == "answer" and reading.language == ENGLISH:
        owes = in_general(reading, owes, judging)
    if all(each.by == TOPIC for each in owes) or any(KINDS[each.name] in ACUTE for each in open_still):
        owes.extend(open_still)
    plan.owed = [*owes, *plan.owed]
    named = _spoken_of(reading, judging, catalogue) if plan.owed and reading.language == ENGLISH else None
    return plan, named


def after_danger(
    over: Plan,
    reading: Reading,
    findings: Sequence[Finding],
    models: Models,
    weights: Weights,
    catalogue: Catalogue,
    memory: Memory,
) -> Plan:
    """Return what is said when somebody ends an emergency or a crisis: that, and what it held back.

    Nothing else is said where a crisis was spoken of in the message before, nor what one could take
    ("how much is too much?") where an emergency was, or a crisis is open.

    Args:
        over: the plan of the message that ends it.
        reading: the message before.
        findings: what the rules find in that.
        models: the trained models.
        weights: fitted weights.
        catalogue: topics and details.
        memory: as before the message that ends it; something acute is open in it.
    """
    spoken_of = {KINDS[name] for name in memory.acute_just_now()}
    after = Memory.read(over.memory)
    if "crisis" in spoken_of or after.acute():
        return over
    held = decide(reading, findings, models, weights, catalogue, after, over=True)
    topics = [topic for name in held.responses if (topic := catalogue.by_response(name))]
    crisis = any(KINDS[name] == "crisis" for name in memory.acute())
    if (spoken_of or crisis) and any(topic.aspect in _TO_TAKE for topic in topics):
        held.responses, held.offers = [], []
    answers = held.topic is not None or held.outcome == "clarify"
    if any(r.kind in ACUTE for r in held.referrals) or not (held.referrals or answers):
        return over
    said = [*(r.response for r in held.referrals), *over.responses, *held.responses]
    return replace(held, responses=[*over.responses, *held.responses], memory={**held.memory, "said": said})


def _referred_by(memory: Memory) -> set[str]:
    """Return the names of the referrals of the last turn."""
    return {referral_name(name) for name in memory.said if is_referral(name)}


def _leant_on(reading: Reading, judging: Judging, catalogue: Catalogue, memory: Memory) -> Optional[Topic]:
    """Return what an open finding named, if a message is not clear without it."""
    if memory.named is None:
        return None
    alone = judging.one(reading.text)
    clear = alone.outcome == "answer" and alone.certainty >= _PLAIN_FROM
    return None if clear and not reference.refers_back(reading.text) else catalogue.find(memory.named)


def _spoken_of(reading: Reading, judging: Judging, catalogue: Catalogue) -> Optional[str]:
    """Return what a message of a finding names: "does it need treatment?" after it asks about that."""
    topic, share = likeliest(reading.text, judging, catalogue)
    if share < _NAMED_FROM:
        return None
    return topic.id if topic and catalogue.is_named(topic, reading.text) and not topic.reassures else None


def _meant(reading: Reading) -> Reading:
    """Leave out what a message only says by the way: politeness, the rejected one of two."""
    text = reference.without_rejected(reference.without_politeness(reading.text))
    if text == reading.text:
        return reading
    parts = tuple(parts_of(text, [s for s in reading.sentences if s in text] or [text]))
    return replace(reading, text=text, parts=parts, units=tuple(dict.fromkeys([text, *reading.units])))


def _remembered(
    reading: Reading,
    owes: Sequence[Owed],
    judged: Sequence[Judgement],
    judging: Judging,
    catalogue: Catalogue,
    memory: Memory,
) -> list[Owed]:
    """Return the open dangers that a message is still about (``owes``: what it is owed by itself)."""
    if reading.language != ENGLISH:
        return [Owed(name, MEMORY) for name in memory.acute()[:1]]
    if acute := memory.acute():
        if memory.acute_just_now():
            unrelated = _unrelated_next(reading, owes, judged, catalogue)
        else:
            unrelated = _unrelated(reading, judged, catalogue, memory)
        return [] if unrelated else [Owed(acute[0], MEMORY)]
    findings = sorted(memory.findings(), key=lambda name: name == _DATE)
    if findings and _is_about_it(reading, judged, judging, catalogue):
        return [Owed(findings[0], MEMORY)]
    return []


def _unrelated(reading: Reading, judged: Sequence[Judgement], catalogue: Catalogue, memory: Memory) -> bool:
    """Say whether a message is plainly about something else than an emergency that is open.

    It asks something that has an answer, and nothing about how one feels or helps, which goes on with a crisis;
    nor about what to take while each message still got the emergency's text.
    """
    topics = _plain_topics(judged, catalogue, _PLAIN_FROM)
    if reference.refers_back(reading.text):
        # "Everyone thinks it sometimes, is that common?"
        topics = [topic for topic in topics if not topic.reassures]
    if not _referred_by(memory).isdisjoint(memory.acute()):
        topics = [topic for topic in topics if topic.aspect not in _TO_TAKE]
    return bool(topics) and any(part.asks for part in reading.parts)


def _unrelated_next(reading: Reading, owes: Sequence[Owed], judged: Sequence[Judgement], catalogue: Catalogue) -> bool:
    """Say the same of the message right after an emergency, which is nearly always more of it.

    "He is 61 and takes amlodipine" is, and so is "could it be the D3?".
    """
    topics = _plain_topics(judged, catalogue, _UNRELATED_FROM)
    names = catalogue.names_subject(reading.text) and not reference.refers_back(reading.text)
    more = owes or speaks_of_a_person(reading.text) or any(topic.aspect in _TO_ACT_ON for topic in topics)
    return bool(topics) and names and not more


def _plain_topics(judged: Sequence[Judgement], catalogue: Catalogue, certain_from: float) -> list[Topic]:
    """Return the topics of the field that are asked for with certainty."""
    asked_for = [j for j in judged if j.certainty >= certain_from and j.outcome == "answer"]
    topics = [topic for j in asked_for if (topic := catalogue.by_intent(j.label))]
    return [topic for topic in topics if topic.group == FAQ and topic.topic_id not in _FEELINGS]


def _is_about_it(reading: Reading, judged: Sequence[Judgement], judging: Judging, catalogue: Catalogue) -> bool:
    """Say whether a message leans on the finding that was spoken of before.

    It does where it refers back, and where it is too short to say what it is about, unless its own
    words ask something plain ("what should I wear") that no open finding could be hidden in.
    """
    words = _WORDS.findall(reading.text)
    # "Was that bad?" after a finding is no thanks, however much it sounds like one.
    asks = any(part.asks for part in reading.parts)
    chat = [t for j in judged if (t := catalogue.by_intent(j.label)) and t.group == CHAT and j.outcome == "answer"]
    # Nor is "still tender", which tells of it.
    if any(topic.id != REMARK and (not asks or topic.id not in SMALL_TALK) for topic in chat):
        return False
    if len(words) > 2 * _FRAGMENT or catalogue.names_subject(reading.text):
        return False
    if reference.refers_back(reading.text):
        return True
    alone = judging.one(reading.text)
    topic = catalogue.by_intent(alone.label)
    plain = alone.outcome == "answer" and alone.certainty >= _PLAIN_FROM
    return len(words) <= _FRAGMENT and not (plain and topic and topic.group == FAQ and not topic.reassures)


def _settled(plan: Plan, reading: Reading, catalogue: Catalogue, memory: Memory, named: Optional[str]) -> Plan:
    """Put the referrals first, drop what they rule out, and remember the turn."""
    owes = [_milder(each, reading.text) for each in plan.owed]
    by_name: dict[str, Owed] = {}
    for each in owes:
        by_name.setdefault(each.name, each)
    if any(each.by != TOPIC for each in owes):
        # A finding of one's own is referred; the line before a word's meaning adds nothing.
        by_name.pop("word", None)
    if "after_biopsy" in by_name:
        # Whoever took the sample is the one to call about the spot, and on the same day: before all that is as urgent.
        spot, symptom = by_name.pop("after_biopsy"), by_name.pop("red_flag_symptom", None)
        by_name = {spot.name: Owed(spot.name, symptom.by if symptom else spot.by), **by_name}
    referrals = [
        Referral(name, catalogue.referrals[name].kind or "urgent", _form(name, reading, catalogue, memory), each.by)
        for name, each in by_name.items()
        if name in catalogue.referrals
    ]
    plan.referrals = reduced(referrals)
    if plan.referrals:
        if plan.referrals[0].kind in ACUTE:
            # Now is the time to act, not to read on.
            plan.responses, plan.offers, plan.topic = [], [], None
        elif plan.outcome not in ("answer", "repeat", "other_language"):
            # "Did you mean" or "I only know" after a referral would bury it; what may
            # have been meant is offered as buttons beneath.
            plan.responses = []
        elif any(r.by == MEMORY for r in plan.referrals) and _reassures(plan, catalogue):
            plan.responses = []
        else:
            # "You are welcome" beneath a referral would make light of it.
            kept = [name for name in plan.responses if not _is_small_talk(name, catalogue)]
            plan.responses, plan.offers = kept, plan.offers if kept else []
        if not plan.responses and not plan.offers and plan.referrals[0].kind not in ACUTE:
            plan.offers = list(catalogue.referrals[plan.referrals[0].name].related)
        plan.outcome = "referral" if plan.outcome != "other_language" else plan.outcome
    plan.owed = []
    last = catalogue.by_response(plan.responses[-1]) if plan.responses else None
    if last is not None and last.group == FAQ and plan.outcome != "repeat":
        plan.offers = [id for id in dict.fromkeys([*plan.offers, *catalogue.related_to(last)]) if id != last.id]
    if plan.outcome != "repeat":
        # What was read a moment ago is no suggestion.
        plan.offers = [id for id in plan.offers if id != memory.topic]
    plan.offers = plan.offers[:MAX_OFFERS]
    plan.memory = memory.after(
        topic=plan.topic,
        named=named if plan.referrals and plan.referrals[0].name not in _WITHOUT_SUBJECT else None,
        offers=plan.offers,
        anew=[r.name for r in plan.referrals if r.by not in (TOPIC, MEMORY)],
        given={r.name: r.response == f"utter_referral/{r.name}" for r in plan.referrals if r.by != TOPIC},
        said=[*(r.response for r in plan.referrals), *plan.responses],
    ).as_dict()
    return plan


def _reassures(plan: Plan, catalogue: Catalogue) -> bool:
    """Say whether an answer speaks of harmless calcifications: it is none to a remark about an open finding."""
    topics = [catalogue.by_response(name) for name in plan.responses]
    return any(topic and topic.reassures for topic in topics)


def _is_small_talk(response: str, catalogue: Catalogue) -> bool:
    topic = catalogue.by_response(response)
    return topic is not None and topic.group == CHAT and topic.id in SMALL_TALK


def _milder(each: Owed, text: str) -> Owed:
    """Return the calm text for "probably benign", which asks for a check and is no alarm."""
    if each.name == "suspicious_finding" and _THREE.search(text) and not _MORE_THAN_THREE.search(text):
        return Owed("probably_benign", each.by)
    return each


def _form(name: str, reading: Reading, catalogue: Catalogue, memory: Memory) -> str:
    """Return the response of a referral: in the visitor's language, in short where it was given a moment ago."""
    own = f"utter_referral_{reading.language}/{name}"
    if reading.language != ENGLISH and own in catalogue.responses:
        return own
    return in_short(name, catalogue) if name in memory.in_full else f"utter_referral/{name}"
