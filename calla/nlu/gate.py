"""The gate: what is said in answer to a message, in which order.

It reads the screen's findings, the topic scores and the conversation so far, and
leaves a *plan* on the message: the referrals that are owed, then the responses that
answer the rest. The policies only carry the plan out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Optional

import numpy as np
from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.classifiers.classifier import IntentClassifier
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import BotUttered, UserUttered
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.shared.exceptions import InvalidConfigException
from rasa.shared.nlu.constants import INTENT, INTENT_RANKING_KEY, RESPONSE_SELECTOR
from rasa.shared.nlu.training_data.message import Message

from calla.catalogue import (
    CHAT,
    FAQ,
    OUT_OF_SCOPE,
    REFERRAL,
    REFERRAL_PREFIX,
    SHORT_REFERRAL_PREFIX,
    SOMETHING_ELSE_RESPONSE,
    URGENCY,
    Catalogue,
    CatalogueReader,
    Topic,
    fold,
)
from calla.nlu import follow_up, questions, several
from calla.nlu.danger import EVIDENCE, Danger, detect, sentences_of
from calla.nlu.judgement import FEATURES, MAX_CANDIDATES, Gate, Judgement, Judging
from calla.nlu.language import Reading, is_other_language, reading_of
from calla.nlu.topic_model import Scores
from calla.nlu.topics import SCORER, SCORES, TopicScorer

PLAN = "plan"
FINDINGS = "findings"
CLARIFY_RESPONSE = "utter_did_you_mean"
NO_MORE_RESPONSE = "utter_no_more"
# Words up to which a follow-up is only a fragment of a question.
MAX_FRAGMENT = 5
# Certainty from which a message that names its subject needs nothing said before it.
CLEAR_FROM = 0.95
# Turns of the visitor within which the same referral is given in its short form.
SHORT_WITHIN_TURNS = 4
# What emoji alone say, by their Unicode names; the topic model knows words, not faces.
_PICTURES = (
    (re.compile(r"thumbs down|angry|pouting|rolling eyes"), "feedback_negative"),
    (re.compile(r"cry|worried|anxious|fearful|sad|disappointed|pensive|tired"), "worried_or_anxious"),
    (re.compile(r"folded hands"), "thanks"),
    (re.compile(r"thumbs up|heart|smil|grin|clap|party|OK hand|hundred|star"), "feedback_positive"),
)
_WORDS = re.compile(r"[\w'-]+")
# What each set of weights in the config weighs.
_WEIGHED = {
    "certainty_weights": FEATURES,
    "inside_weights": FEATURES,
    "danger_weights": EVIDENCE,
    "question_weights": several.EVIDENCE,
    "follow_up_weights": follow_up.EVIDENCE,
    "part_weights": follow_up.EVIDENCE,
}


@dataclass
class Plan:
    """What will be said.

    Attributes:
        outcome: ``answer``, ``clarify``, ``decline`` or the name of a special case.
        referrals: ``{"topic", "kind", "response", "by"}`` each, most urgent first.
        responses: names of the responses after the referrals, in order.
        candidates: topic ids offered by a clarification, or beside an answer that might
            not be the one meant.
        topic: topic of the last answer, for follow-ups.
    """

    outcome: str
    referrals: list[dict[str, str]] = field(default_factory=list)
    responses: list[str] = field(default_factory=list)
    candidates: list[str] = field(default_factory=list)
    topic: Optional[str] = None


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=False)
class AnswerGate(GraphComponent, IntentClassifier):
    """Chooses between answering, asking back and declining; finds what owes a referral."""

    @classmethod
    def required_components(cls) -> list[type]:
        """Components that must come before this one."""
        return [IntentClassifier]

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        """Return the default config; the values were chosen on data (docs/evaluation.md)."""
        return {
            # Certainty from which a topic is answered without asking back.
            "answer_from": 0.5,
            # Probability of being inside the field below which a message is declined.
            "inside_from": 0.5,
            # The same for a part of a message: it says less by itself.
            "inside_part_from": 0.25,
            # Weights of both: bias, log-odds of the best topic, margin to the second,
            # cosine to its nearest known question, log-odds of out of scope, that
            # cosine less the cosine to the nearest out-of-scope message. Fitted by
            # evaluation/thresholds.py.
            "certainty_weights": {
                "bias": -1.86,
                "best log-odds": 0.84,
                "margin": 0.89,
                "cosine": 0.36,
                "outside log-odds": -0.2,
                "cosine less outside cosine": 0.74,
            },
            "inside_weights": {
                "bias": -2.19,
                "best log-odds": -0.2,
                "margin": 0.91,
                "cosine": 0.9,
                "outside log-odds": -0.92,
                "cosine less outside cosine": 1.09,
            },
            # Weights of what tells a question from a part of one (calla/nlu/several.py),
            # fitted by evaluation/thresholds.py, and the probability from which it is one.
            "question_weights": {
                "bias": 0.35,
                "certainty": 0.49,
                "certainty of the whole": 0.14,
                "share in the whole": 0.26,
                "same topic as the whole": 0.59,
                "whole outside the field": -1.84,
                "asks": -0.17,
                "ends with its mark": 0.06,
                "clear boundary": 0.90,
                "own sentence": 0.68,
                "other parts that ask": 0.83,
                "length": -0.23,
                "length of the message": -0.03,
                "share in the whole, length of the message": 0.17,
                "share in the whole, length": -0.07,
                "share in the whole, asks": -0.16,
                "certainty of the whole, own sentence": -0.03,
                "piece": -0.43,
                "certainty, piece": -0.27,
                "share in the whole, piece": 0.05,
                "asks, piece": -0.28,
                "length, piece": 0.66,
                "share in the part alone": 0.16,
                "inside the field": -0.20,
                "certainty of another topic": 0.14,
                "said more clearly elsewhere": 2.04,
            },
            "question_from": 0.2,
            # Weights of what a message means after the last answer, and a part of a message
            # after the part before it (calla/nlu/follow_up.py), fitted likewise.
            "follow_up_weights": {
                "alone": 0.60,
                "with the subject": 0.26,
                "for the aspect": 0.18,
                "same topic": 2.39,
                "related topic": 2.21,
                "same aspect": -0.67,
                "small talk": 1.38,
                "outside the field": 1.39,
                "in the message": 0.00,
                "cosine alone": 7.67,
                "cosine with the subject": 6.75,
                "alone, refers back": -0.09,
                "with the subject, refers back": 0.10,
                "for the aspect, refers back": 0.03,
                "same topic, refers back": -3.75,
                "related topic, refers back": -0.29,
                "same aspect, refers back": 1.81,
                "small talk, refers back": -0.90,
                "outside the field, refers back": -3.73,
                "in the message, refers back": 0.00,
                "alone, corrects": 0.16,
                "with the subject, corrects": -0.27,
                "for the aspect, corrects": 0.57,
                "same topic, corrects": -6.23,
                "related topic, corrects": -4.36,
                "same aspect, corrects": 4.80,
                "small talk, corrects": 2.28,
                "outside the field, corrects": -2.47,
                "in the message, corrects": 0.00,
            },
            "part_weights": {
                "alone": 0.61,
                "with the subject": 0.25,
                "for the aspect": 0.00,
                "same topic": -7.70,
                "related topic": 1.77,
                "same aspect": 1.42,
                "small talk": 0.08,
                "outside the field": -2.64,
                "in the message": 0.27,
                "cosine alone": 6.15,
                "cosine with the subject": 6.49,
                "alone, refers back": -0.04,
                "with the subject, refers back": 0.07,
                "for the aspect, refers back": 0.00,
                "same topic, refers back": -2.63,
                "related topic, refers back": -2.00,
                "same aspect, refers back": 0.23,
                "small talk, refers back": -1.01,
                "outside the field, refers back": -3.74,
                "in the message, refers back": 0.09,
                "alone, corrects": 0.01,
                "with the subject, corrects": 0.01,
                "for the aspect, corrects": 0.00,
                "same topic, corrects": 0.00,
                "related topic, corrects": 0.00,
                "same aspect, corrects": 0.00,
                "small talk, corrects": -0.01,
                "outside the field, corrects": -0.14,
                "in the message, corrects": 0.01,
            },
            # Weights of the learned detector's evidence (calla/nlu/danger.py), fitted by
            # evaluation/thresholds.py too.
            "danger_weights": {
                "bias": 1.33,
                "mass": 0.47,
                "wording": 0.4,
                "neighbours": 0.17,
                "mass of a sentence": 0.14,
                "wording of a sentence": 0.25,
                "neighbours of a sentence": 0.24,
                "denied": -1.71,
            },
            # Probability from which the learned detector alone owes a referral, and from
            # which it confirms a hint of the screen.
            "referral_from": 0.75,
            "hinted_referral_from": 0.1,
        }

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config
        self.gate = Gate(
            _weights(config, "certainty_weights"),
            _weights(config, "inside_weights"),
            config["answer_from"],
            config["inside_from"],
            config["inside_part_from"],
        )
        self._danger_weights = _weights(config, "danger_weights")
        self._weights = several.Weights(
            _weights(config, "question_weights"),
            _weights(config, "follow_up_weights"),
            _weights(config, "part_weights"),
        )
        self._catalogues = CatalogueReader()

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> AnswerGate:
        """Create the component (see parent class)."""
        return cls(config)

    @classmethod
    def validate_config(cls, config: dict[str, Any]) -> None:
        """Check the thresholds.

        Raises:
            InvalidConfigException: if one is out of range or weights are missing.
        """
        for key in (
            "answer_from",
            "inside_from",
            "inside_part_from",
            "question_from",
            "referral_from",
            "hinted_referral_from",
        ):
            if not 0 <= config.get(key, 0.5) <= 1:
                raise InvalidConfigException(f"AnswerGate: {key} must be between 0 and 1.")
        for key, names in _WEIGHED.items():
            if set(config.get(key, names)) != set(names):
                raise InvalidConfigException(f"AnswerGate: {key} must have a number for each of: {', '.join(names)}.")

    # ------------------------------------------------------------------ the component

    def process(
        self, messages: list[Message], domain: Domain, tracker: Optional[DialogueStateTracker] = None
    ) -> list[Message]:
        """Leave the plan, the intent and Rasa's response selection on each message."""
        catalogue = self._catalogues.of(domain)
        for message in messages:
            plan = self._plan(message, catalogue, tracker)
            message.set(PLAN, plan.__dict__, add_to_output=True)
            self._set_selection(message, plan, catalogue)
        return messages

    @staticmethod
    def _set_selection(message: Message, plan: Plan, catalogue: Catalogue) -> None:
        """Report the decision in the places where Rasa's tools look for it."""
        first = next((catalogue.by_response(r) for r in plan.responses if catalogue.by_response(r)), None)
        if plan.outcome == "decline":
            name: Optional[str] = OUT_OF_SCOPE
        elif first is not None:
            name = first.group
        elif plan.referrals:
            name = REFERRAL
        else:
            name = None
        ranking = message.get(INTENT_RANKING_KEY) or []
        confidence = next(
            (r["confidence"] for r in ranking if first and r["name"] == first.intent), 1.0 if name else 0.0
        )
        message.set(INTENT, {"name": name, "confidence": confidence}, add_to_output=True)
        if first is not None:
            selection = {
                "response": {
                    "intent_response_key": first.intent,
                    "utter_action": first.response,
                    "confidence": confidence,
                },
                "ranking": [{"intent_response_key": r["name"], "confidence": r["confidence"]} for r in ranking],
            }
            message.set(
                RESPONSE_SELECTOR,
                {"all_retrieval_intents": [FAQ, CHAT, REFERRAL], first.group: selection},
                add_to_output=True,
            )

    # ---------------------------------------------------------------------- the plan

    def _plan(self, message: Message, catalogue: Catalogue, tracker: Optional[DialogueStateTracker]) -> Plan:
        reading = reading_of(message)
        findings = message.get(FINDINGS) or []
        plan = self._fixed(reading, catalogue, tracker)
        if plan is None:
            plan, findings = self._understood(message, reading, findings, catalogue, tracker)
        return self._with_referrals(plan, findings, catalogue, tracker)

    def _understood(
        self,
        message: Message,
        reading: Reading,
        findings: list[dict[str, str]],
        catalogue: Catalogue,
        tracker: Optional[DialogueStateTracker],
    ) -> tuple[Plan, list[dict[str, str]]]:
        """Plan the answer by what the topic model makes of the message; keep the findings that count."""
        scorer: Optional[TopicScorer] = message.get(SCORER)
        if scorer is None:
            return Plan("decline", responses=["utter_out_of_scope"]), findings
        scores: Optional[Scores] = message.get(SCORES)
        judging = Judging(scorer, self.gate, catalogue, {} if scores is None else {reading.text: scores})
        before = _last_topic(tracker, catalogue)
        judged = several.judge(reading, judging, catalogue, self._weights, self._config["question_from"], before)
        leaning = self._follow_up(reading.text, judging, catalogue, before) if len(judged) == 1 else None
        danger = self.danger(reading, judging, catalogue, leaning)
        hinted = danger.probability >= self._config["hinted_referral_from"]
        findings = [f for f in findings if hinted or not f.get("hint")]
        detected = danger.probability >= self._config["referral_from"]
        if detected and danger.topic is not None and danger.topic.referral_to:
            findings.append({"topic": danger.topic.referral_to, "by": "detector"})
        if leaning and findings and before and leaning.label == before.intent:
            # "She takes Eliquis" is no question for more of the last answer.
            leaning = None
        plan = self._answer(
            reading, [leaning] if leaning else judged, catalogue, tracker, may_refer=bool(findings), leans=bool(leaning)
        )
        return plan, findings

    @staticmethod
    def _with_referrals(
        plan: Plan, findings: list[dict[str, str]], catalogue: Catalogue, tracker: Optional[DialogueStateTracker]
    ) -> Plan:
        """Put the referrals first that the screen, the detector or a topic of the answer owes."""
        owed = {f["topic"]: f for f in findings}
        for found in plan.referrals:
            owed.setdefault(found["topic"], found)
        referrals = [
            {
                "topic": name,
                "kind": catalogue.referrals[name].kind or "urgent",
                "response": _referral_response(name, tracker, catalogue),
                "by": finding["by"],
            }
            for name, finding in owed.items()
            if name in catalogue.referrals
        ]
        referrals.sort(key=lambda r: URGENCY.index(r["kind"]))
        plan.referrals = _without_repetition(referrals)
        if plan.referrals:
            if plan.referrals[0]["kind"] in ("emergency", "crisis"):
                # Now is the time to act, not to read on.
                plan.responses, plan.candidates, plan.topic = [], [], None
            elif plan.outcome != "answer":
                # "Did you mean" or "I only know" after a referral would bury it; what may
                # have been meant is offered as buttons beneath.
                plan.responses = []
            plan.outcome = "referral"
        return plan

    def danger(
        self, reading: Reading, judging: Judging, catalogue: Catalogue, leaning: Optional[Judgement] = None
    ) -> Danger:
        """Ask the learned detector about a message.

        A short follow-up says nothing by itself ("because of the change?"); then it is
        asked about the completed question.
        """
        if leaning is not None and len(_WORDS.findall(reading.text)) <= MAX_FRAGMENT:
            return detect(reading.text, leaning, [], catalogue, self._danger_weights)
        whole = judging.one(reading.text)
        return detect(reading.text, whole, sentences_of(reading, judging), catalogue, self._danger_weights)

    def _fixed(
        self,
        reading: Reading,
        catalogue: Catalogue,
        tracker: Optional[DialogueStateTracker],
    ) -> Optional[Plan]:
        """Return the plan of a message that needs no understanding: a payload, a button, nothing at all."""
        if reading.payload and (topic := catalogue.by_intent(reading.payload)):
            return self._answer_topics([topic], catalogue, tracker)
        if not re.search(r"\w", reading.text):
            return Plan("empty", responses=["utter_empty_message"])
        if reading.pictures:
            meant = next((topic for words, topic in _PICTURES if words.search(reading.text)), "")
            if topic := catalogue.topics.get(meant):
                return self._answer_topics([topic], catalogue, tracker)
            return Plan("empty", responses=["utter_empty_message"])
        if pressed := catalogue.by_title(reading.text):
            return self._answer_topics([pressed], catalogue, tracker)
        if fold(reading.text) == "something else":
            return Plan("something_else", responses=[SOMETHING_ELSE_RESPONSE])
        return None

    def _answer(
        self,
        reading: Reading,
        judged: list[Judgement],
        catalogue: Catalogue,
        tracker: Optional[DialogueStateTracker],
        *,
        may_refer: bool,
        leans: bool = False,
    ) -> Plan:
        """Plan the answer.

        Args:
            reading: the message.
            judged: a judgement per question.
            catalogue: topics and what they owe.
            tracker: the conversation.
            may_refer: whether a safety topic may be an answer.
            leans: whether the message was understood by the last answer; the same topic
                again asks for more then.
        """
        if reading.truncated:
            return Plan("too_long", responses=["utter_too_long"])
        other_language = is_other_language(reading.text)
        answers = [j for j in judged if j.outcome == "answer"]
        topics = [
            topic for j in answers if (topic := catalogue.by_intent(j.label)) and (may_refer or topic.group != REFERRAL)
        ]
        if topics and not (other_language and max(j.certainty for j in answers) < 0.8):
            plan = self._answer_topics(topics, catalogue, tracker, leans=leans)
            if len(topics) == 1 and topics[0].group != CHAT and NO_MORE_RESPONSE not in plan.responses:
                plan.candidates = [c for c in _offered(answers[0], catalogue) if c != topics[0].id]
            return plan
        if other_language:
            return Plan("other_language", responses=["utter_other_language"])
        offered = next((j for j in judged if j.outcome == "clarify"), None) or next(iter(answers), None)
        if offered and (candidates := _offered(offered, catalogue)):
            last_topic = _last_topic(tracker, catalogue)
            if last_topic and last_topic.id in candidates:
                # It was answered a moment ago; what is near to it is more likely meant.
                others = [c for c in candidates if c != last_topic.id]
                candidates = list(dict.fromkeys([*others, *last_topic.related]))[:MAX_CANDIDATES]
            return Plan("clarify", responses=[CLARIFY_RESPONSE], candidates=candidates[:MAX_CANDIDATES])
        return Plan("decline", responses=["utter_out_of_scope"])

    def _answer_topics(
        self,
        topics: list[Topic],
        catalogue: Catalogue,
        tracker: Optional[DialogueStateTracker],
        *,
        leans: bool = False,
    ) -> Plan:
        plan = Plan("answer")
        last_topic = _last_topic(tracker, catalogue)
        for topic in topics[: several.MAX_ANSWERS]:
            if topic.referral == "always" and topic.referral_to:
                plan.referrals.append({"topic": topic.referral_to, "by": "topic"})
            if topic.group == REFERRAL:
                continue
            if topic.id == "tell_me_more" or (leans and topic is last_topic):
                plan.responses.append(_more(last_topic, catalogue, tracker))
                plan.topic = last_topic.id if last_topic else None
                if plan.responses[-1] == NO_MORE_RESPONSE and last_topic:
                    plan.candidates = list(last_topic.related)
            elif topic.response not in plan.responses:
                plan.responses.append(topic.response)
                plan.topic = topic.id if topic.group == FAQ else plan.topic
        return plan

    # ------------------------------------------------------------------- follow-ups

    def _follow_up(
        self, text: str, judging: Judging, catalogue: Catalogue, before: Optional[Topic]
    ) -> Optional[Judgement]:
        """Understand a message in the light of the last answer.

        Returns:
            the judgement, or ``None`` where the message stands for itself.
        """
        words = _WORDS.findall(text)
        if before is None or len(words) > follow_up.MAX_WORDS:
            return None
        whole = judging.one(text)
        clear = catalogue.names_subject(words) and not questions.refers_back(text)
        if clear and whole.outcome == "answer" and whole.certainty >= CLEAR_FROM:
            return None
        return follow_up.judge(text, before, judging, catalogue, self._weights.follow_up)


def _weights(config: dict[str, Any], key: str) -> np.ndarray:
    """Return a set of weights in the order of what it weighs."""
    return np.array([config[key][name] for name in _WEIGHED[key]], dtype=float)


def _offered(judgement: Judgement, catalogue: Catalogue) -> list[str]:
    """Return the ids of the topics worth offering, best first."""
    return [topic.id for label in judgement.candidates if (topic := catalogue.by_intent(label))]


def _last_topic(tracker: Optional[DialogueStateTracker], catalogue: Catalogue) -> Optional[Topic]:
    """Return the topic of the latest answer in the conversation."""
    if tracker is None:
        return None
    for event in reversed(tracker.events):
        if isinstance(event, BotUttered):
            name = event.metadata.get("utter_action") or ""
            if name.startswith((f"utter_{FAQ}/", "utter_more/")):
                return catalogue.by_response(name)
    return None


def _more(last_topic: Optional[Topic], catalogue: Catalogue, tracker: Optional[DialogueStateTracker]) -> str:
    """Return the response that says more about the last topic."""
    if last_topic is None:
        return "utter_no_topic_yet"
    name = f"utter_more/{last_topic.id}"
    if not catalogue.has_more(last_topic.id):
        return NO_MORE_RESPONSE
    for event in reversed(tracker.events if tracker else []):
        if isinstance(event, BotUttered):
            said = event.metadata.get("utter_action")
            if said == name:
                return NO_MORE_RESPONSE
            if said == last_topic.response:
                return name
    return name


def _referral_response(name: str, tracker: Optional[DialogueStateTracker], catalogue: Catalogue) -> str:
    """Return the full referral, or its short form when it was given a few turns ago."""
    full, short = f"{REFERRAL_PREFIX}/{name}", f"{SHORT_REFERRAL_PREFIX}{name}"
    if tracker is None or short not in catalogue.responses:
        return full
    turns = 0
    for event in reversed(tracker.events):
        if isinstance(event, UserUttered):
            turns += 1
            if turns >= SHORT_WITHIN_TURNS:
                return full
        elif isinstance(event, BotUttered) and event.metadata.get("utter_action") in (full, short):
            return short
    return full


def _without_repetition(referrals: list[dict[str, str]]) -> list[dict[str, str]]:
    """Keep the first referral of each kind, and planned ones only if nothing is more urgent.

    Five referrals in a row would not be read. A call today for a finding covers the
    appointment; medicines are another matter and stay.
    """
    kept: list[dict[str, str]] = []
    for referral in referrals:
        kinds = {r["kind"] for r in kept}
        if referral["kind"] in kinds:
            continue
        if kinds & {"emergency", "crisis"} and referral["kind"] not in ("emergency", "crisis"):
            continue
        if referral["kind"] == "planned" and "urgent" in kinds:
            continue
        kept.append(referral)
    return kept
