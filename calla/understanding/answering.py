"""From what a message asks to what is said: answers, clarification, decline, and the buttons beneath."""

from __future__ import annotations

import re
from typing import Optional, Sequence

from calla.catalogue import DANGER_OVER_RESPONSE, FAQ, REFERRAL, SOMETHING_ELSE_RESPONSE, Catalogue, Topic
from calla.plan import TOPIC, Owed, Plan
from calla.understanding import reference
from calla.understanding.asked import MAX_ANSWERS
from calla.understanding.context import speaks_of_a_person
from calla.understanding.judgement import DETAIL_OFFER_FROM, Judgement, Judging
from calla.understanding.language import ENGLISH
from calla.understanding.memory import Memory
from calla.understanding.picking import picked
from calla.understanding.reading import Reading

CLARIFY_RESPONSE = "utter_did_you_mean"
DECLINE_RESPONSE = "utter_out_of_scope"
MORE_RESPONSE, NO_MORE_RESPONSE, NO_TOPIC_RESPONSE = "utter_more_about", "utter_no_more", "utter_no_topic_yet"
OTHER_LANGUAGE = "utter_other_language"
MAX_OFFERS = 3
# Outcome of a message that ends an open emergency or crisis.
OVER = "danger_over"
# Share of all topics from which one is answered behind a referral, though the whole sounds most like a danger.
BEHIND_FROM = 0.6
# Small talk that is about the conversation itself: topic id to what it does.
REPEAT, AFFIRM, DENY, MORE, REMARK = "repeat", "affirm", "deny", "tell_me_more", "remark"
# What emoji alone say, by their Unicode names; the topic model knows words, not faces.
_PICTURES = (
    (re.compile(r"thumbs down|angry|pouting|rolling eyes"), "feedback_negative"),
    (re.compile(r"cry|worried|anxious|fearful|sad|disappointed|pensive|tired"), "worried_or_anxious"),
    (re.compile(r"folded hands"), "thanks"),
    (re.compile(r"thumbs up|heart|smil|grin|clap|party|OK hand|hundred|star"), "feedback_positive"),
)


def fixed(reading: Reading, catalogue: Catalogue, memory: Memory) -> Optional[Plan]:
    """Return the plan of a message that needs no understanding; ``None`` for all others.

    A payload, a button's title, a pick among what was offered, a picture, nothing at all.
    """
    if reading.payload and (topic := catalogue.by_intent(reading.payload)):
        return answered([topic])
    if reading.says_nothing:
        return Plan("empty", responses=["utter_empty_message"])
    if reading.pictures:
        meant = next((topic for words, topic in _PICTURES if words.search(reading.text)), "")
        found = catalogue.topics.get(meant)
        return answered([found]) if found else Plan("empty", responses=["utter_empty_message"])
    if catalogue.is_title_of(SOMETHING_ELSE_RESPONSE, reading.raw):
        return Plan("something_else", responses=[SOMETHING_ELSE_RESPONSE])
    if catalogue.is_title_of(DANGER_OVER_RESPONSE, reading.raw):
        # Pressed twice, or long after, it means the same.
        return Plan(OVER, responses=[DANGER_OVER_RESPONSE])
    chosen = catalogue.by_title(reading.raw) or catalogue.by_title(reading.text)
    chosen = chosen or picked(reading.text, memory.offers, catalogue)
    if chosen is None:
        return None
    return about_the_conversation(chosen, catalogue, memory) or answered([chosen])


def answered(topics: Sequence[Topic]) -> Plan:
    """Plan the answers to topics or details, in order; the last one is what "it" stands for."""
    plan = Plan("answer")
    for topic in topics[:MAX_ANSWERS]:
        if topic.referral == "always" and topic.referral_to:
            plan.owed.append(Owed(topic.referral_to, TOPIC))
        if topic.group == REFERRAL or topic.response in plan.responses:
            continue
        plan.responses.append(topic.response)
        plan.topic = topic.id if topic.group == FAQ else plan.topic
    return plan


def plan_answer(
    reading: Reading, judged: Sequence[Judgement], judging: Judging, catalogue: Catalogue, memory: Memory, *, owes: bool
) -> Plan:
    """Plan the answer to what a message asks.

    Args:
        reading: the message.
        judged: a judgement per question.
        judging: judges texts.
        catalogue: topics and details.
        memory: what is remembered of the turns before.
        owes: whether a referral is owed: then a likely answer is given rather than asked for.
    """
    if reading.truncated:
        return Plan("too_long", responses=["utter_too_long"])
    if reading.language != ENGLISH:
        own = f"{OTHER_LANGUAGE}/{reading.language}"
        return Plan("other_language", responses=[own if own in catalogue.responses else OTHER_LANGUAGE])
    answer_from = judging.weights.threshold("answer_beside_referral_from") if owes else 1.0
    sure = [j for j in judged if j.outcome == "answer" or (owes and j.certainty >= answer_from)]
    topics = [topic for j in sure if (topic := resolved(j, judging, catalogue)) and topic.group != REFERRAL]
    if not topics and owes:
        topics = _behind(reading, judging, catalogue)
    if topics:
        again = bool(sure) and len(topics) == 1 and topics[0].id == memory.topic and memory.topic_age == 1
        if again and (further := _further(sure[0], reading, judging, catalogue, memory)):
            topics = [further]
        elif again and _leans(reading, catalogue) and not catalogue.speaks_of(topics[0].response, reading.text):
            # The same again is no answer, unless the words asked about stand in it.
            return _more(catalogue, memory)
        if len(topics) == 1 and (said := about_the_conversation(topics[0], catalogue, memory)):
            return said
        plan = answered(topics)
        plan.offers = _beside(sure[-1], topics, judging, catalogue) if sure and topics[-1].group == FAQ else []
        return plan
    return _unsure(judged, judging, catalogue, memory)


def resolved(judgement: Judgement, judging: Judging, catalogue: Catalogue) -> Optional[Topic]:
    """Return the detail that is asked for, or the topic where no detail is sure enough."""
    best, p = next(iter(judging.details(judgement.wording, judgement.label).items()))
    sure = p >= judging.weights.threshold("detail_from")
    return (catalogue.by_intent(best) if sure else None) or catalogue.by_intent(judgement.label)


def likeliest(text: str, judging: Judging, catalogue: Catalogue) -> tuple[Optional[Topic], float]:
    """Return the topic or detail that a text names if it names any, and its share of all topics that are answered."""
    row = judging.scores(text).probabilities[0]
    faq = [i for i, label in enumerate(judging.labels) if label.startswith(f"{FAQ}/")]
    best = max(faq, key=lambda i: row[i])
    named = Judgement("", judging.labels[best], (), 0.0, 0.0, text)
    return resolved(named, judging, catalogue), float(row[best] / (row[faq].sum() or 1.0))


def _behind(reading: Reading, judging: Judging, catalogue: Catalogue) -> list[Topic]:
    """Return what is answered behind a referral that hid it: the harmless question beside a danger."""
    asking = [part.text for part in reading.parts if part.asks and not speaks_of_a_person(part.text)]
    asking = [text for text in asking if judging.urgency(text).odds[0] < 0]
    named = [likeliest(text, judging, catalogue) for text in asking]
    return [topic for topic, share in named if topic and share >= BEHIND_FROM and not topic.reassures]


def _further(
    judgement: Judgement, reading: Reading, judging: Judging, catalogue: Catalogue, memory: Memory
) -> Optional[Topic]:
    """Return the detail that a follow-up within a topic asks for by its own words, beside the one just given."""
    core = reference.without_lead(reading.text) or reading.text
    if reference.has_pronoun(core) and not catalogue.names_a_thing(core):
        # "Is that bad?" after one word of a report must not be answered by its neighbour.
        return None
    found = judging.details(core, judgement.label)
    others = [(t, p) for label, p in found.items() if (t := catalogue.by_intent(label)) and t.id != memory.topic]
    if not others:
        return None
    best, p = others[0]
    sure = p >= judging.weights.threshold("detail_from") * sum(share for _, share in others)
    return best if best.parent and sure else None


def likely_details(judgement: Judgement, judging: Judging, catalogue: Catalogue) -> list[Topic]:
    """Return the details of a topic that may be asked for, the likeliest first."""
    found = judging.details(judgement.wording, judgement.label).items()
    return [t for label, p in found if p >= DETAIL_OFFER_FROM and (t := catalogue.by_intent(label)) and t.parent]


def _beside(judgement: Judgement, topics: Sequence[Topic], judging: Judging, catalogue: Catalogue) -> list[str]:
    """Return what may have been meant beside what is answered: details of the topic, then other topics."""
    said = {topic.id for topic in topics}
    details = [topic.id for topic in likely_details(judgement, judging, catalogue)]
    others = [t.id for label in judgement.candidates if (t := catalogue.by_intent(label)) and t.id not in said]
    own = catalogue.by_intent(judgement.label)
    others = [id for id in others if own is None or id != own.id]
    return [id for id in dict.fromkeys([*details[:2], *others[:1], *details[2:], *others[1:]]) if id not in said]


def _unsure(judged: Sequence[Judgement], judging: Judging, catalogue: Catalogue, memory: Memory) -> Plan:
    """Ask back where something of the field is likely, else decline."""
    unsure = next((j for j in judged if j.outcome == "clarify"), None) or next(
        (j for j in judged if j.outcome == "answer"), None
    )
    offers: list[str] = []
    if unsure:
        for label in unsure.candidates:
            topic = resolved(Judgement("", label, (), 0.0, 0.0, unsure.wording), judging, catalogue)
            if topic and topic.id != memory.topic:
                offers.append(topic.id)
        last = catalogue.find(memory.topic) if memory.topic else None
        if last and len(offers) < MAX_OFFERS:
            # It was answered a moment ago; what is near to it is more likely meant.
            offers.extend(id for id in last.related if id not in offers)
    if not offers:
        return Plan("decline", responses=[DECLINE_RESPONSE])
    return Plan("clarify", responses=[CLARIFY_RESPONSE], offers=offers[:MAX_OFFERS])


def about_the_conversation(topic: Topic, catalogue: Catalogue, memory: Memory) -> Optional[Plan]:
    """Plan what "say that again", "yes", "no", "tell me more" and a remark mean now; ``None`` for other topics."""
    if topic.id == REPEAT and memory.said:
        return Plan("repeat", responses=list(memory.said), offers=list(memory.offers), topic=memory.topic)
    if topic.id == MORE:
        return _more(catalogue, memory)
    if topic.id == REMARK:
        # Whoever tells of herself goes on with what she was asking about.
        last = catalogue.find(memory.topic) if memory.topic else None
        offers = catalogue.related_to(last)[:MAX_OFFERS] if last else []
        return Plan("answer", responses=[topic.response], offers=offers)
    if topic.id == AFFIRM:
        meant = next((catalogue.yes_means[name] for name in memory.said if name in catalogue.yes_means), None)
        if meant in catalogue.topics:
            return answered([catalogue.topics[meant]])
        if CLARIFY_RESPONSE in memory.said and (offered := [t for id in memory.offers if (t := catalogue.find(id))]):
            return (
                answered(offered[:1])
                if len(offered) == 1
                else Plan("clarify", responses=[CLARIFY_RESPONSE], offers=list(memory.offers))
            )
    if topic.id == DENY and CLARIFY_RESPONSE in memory.said:
        return Plan("something_else", responses=[SOMETHING_ELSE_RESPONSE])
    return None


def _leans(reading: Reading, catalogue: Catalogue) -> bool:
    """Say whether a message names nothing by itself."""
    return not catalogue.names_subject(reading.text)


def _more(catalogue: Catalogue, memory: Memory) -> Plan:
    """Offer what has not been said of the last topic."""
    last = catalogue.find(memory.topic) if memory.topic else None
    if last is None:
        return Plan("answer", responses=[NO_TOPIC_RESPONSE])
    details = [detail.id for detail in catalogue.of_topic(last.topic_id) if detail.id != last.id]
    # What was offered a moment ago and not taken comes last.
    details.sort(key=lambda id: id in memory.offers)
    if details:
        return Plan("answer", responses=[MORE_RESPONSE], offers=details[:MAX_OFFERS], topic=last.id)
    return Plan("answer", responses=[NO_MORE_RESPONSE], offers=list(last.related)[:MAX_OFFERS], topic=last.id)
