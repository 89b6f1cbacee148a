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
from calla.nlu import questions
from calla.nlu.language import Reading, is_other_language, reading_of
from calla.nlu.topics import SCORER, TopicScorer

PLAN = "plan"
FINDINGS = "findings"
CLARIFY_RESPONSE = "utter_did_you_mean"
MAX_ANSWERS = 3
MAX_CANDIDATES = 3
# Turns of the visitor within which the same referral is given in its short form.
SHORT_WITHIN_TURNS = 4
# Small talk that stands beside a question and needs no answer of its own then.
_PASSING = frozenset({"greet", "goodbye", "thanks", "feedback_positive", "tell_me_more", "capabilities"})
_WORDS = re.compile(r"[\w'-]+")


@dataclass(frozen=True)
class Judgement:
    """What the topic model makes of one text.

    Attributes:
        outcome: ``answer``, ``clarify`` or ``decline``.
        label: best label that can be answered (full retrieval intent), or out of scope.
        candidates: labels worth offering, best first.
        certainty: 0 to 1, how sure the gate is of ``label``.
        mass: probability of all ``referral/*`` labels together.
        head: probability of the binary referral head.
    """

    outcome: str
    label: str
    candidates: tuple[str, ...]
    certainty: float
    mass: float
    head: float
    danger: str


@dataclass
class Plan:
    """What will be said.

    Attributes:
        outcome: ``answer``, ``clarify``, ``decline`` or the name of a special case.
        referrals: ``{"topic", "kind", "response", "by"}`` each, most urgent first.
        responses: names of the responses after the referrals, in order.
        candidates: topic ids offered by a clarification.
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
            # Certainty from which topics are offered instead of a decline.
            "offer_from": 0.15,
            # Weights of the certainty: bias, log-odds of the best topic, margin to the
            # second, cosine to its nearest known question, log-odds of out of scope.
            "weights": [-4.0, 0.6, 1.5, 6.0, -0.4],
            # Certainty that each part needs before a message is cut into questions.
            "part_from": 0.55,
            # Mass of the safety topics from which a referral is owed.
            "referral_mass": 0.35,
            # Probability of the binary head from which a referral is owed.
            "referral_head": 0.8,
        }

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config
        self._weights = np.array(config["weights"], dtype=float)
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
            InvalidConfigException: if one is out of range or the weights are not five.
        """
        for key in ("answer_from", "offer_from", "part_from", "referral_mass", "referral_head"):
            if not 0 <= config.get(key, 0.5) <= 1:
                raise InvalidConfigException(f"AnswerGate: {key} must be between 0 and 1.")
        if len(config.get("weights", [0] * 5)) != 5:
            raise InvalidConfigException("AnswerGate: weights must be five numbers.")

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
        confidence = next((r["confidence"] for r in ranking if first and r["name"] == first.intent), 1.0 if name else 0.0)
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
        scorer: Optional[TopicScorer] = message.get(SCORER)
        last_topic = _last_topic(tracker, catalogue)
        answered = self._answer(message, reading, scorer, catalogue, last_topic, tracker)
        owed = {f["topic"]: f for f in message.get(FINDINGS) or []}
        for found in answered.referrals:
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
        answered.referrals = _without_repetition(referrals)
        if answered.referrals:
            if answered.referrals[0]["kind"] in ("emergency", "crisis"):
                # Now is the time to act, not to read on.
                answered.responses, answered.topic = [], None
            elif answered.outcome != "answer":
                # "Did you mean" or "I only know" after a referral would bury it.
                answered.responses = []
            answered.outcome = "referral"
        return answered

    def _answer(
        self,
        message: Message,
        reading: Reading,
        scorer: Optional[TopicScorer],
        catalogue: Catalogue,
        last_topic: Optional[Topic],
        tracker: Optional[DialogueStateTracker],
    ) -> Plan:
        if reading.payload:
            topic = catalogue.by_intent(reading.payload)
            if topic:
                return self._answer_topics([topic], catalogue, last_topic, tracker)
        if not re.search(r"\w", reading.text):
            return Plan("empty", responses=["utter_empty_message"])
        pressed = catalogue.by_title(reading.text)
        if pressed:
            return self._answer_topics([pressed], catalogue, last_topic, tracker)
        if fold(reading.text) == "something else":
            return Plan("something_else", responses=[SOMETHING_ELSE_RESPONSE])
        if reading.truncated:
            return self._with_danger(Plan("too_long", responses=["utter_too_long"]), reading, scorer, catalogue)
        if scorer is None:
            return Plan("decline", responses=["utter_out_of_scope"])
        other_language = is_other_language(reading.text)
        judged = self._judge_message(message, reading, scorer, catalogue, last_topic)
        topics = [t for j in judged if j.outcome == "answer" and (t := catalogue.by_intent(j.label))]
        dangers = self._dangers(judged, catalogue)
        if topics and not (other_language and max(j.certainty for j in judged) < 0.8):
            plan = self._answer_topics(topics, catalogue, last_topic, tracker)
        elif other_language:
            plan = Plan("other_language", responses=["utter_other_language"])
        elif any(j.outcome == "clarify" for j in judged):
            best = next(j for j in judged if j.outcome == "clarify")
            candidates = [t.id for label in best.candidates if (t := catalogue.by_intent(label))]
            plan = Plan("clarify", responses=[CLARIFY_RESPONSE], candidates=candidates)
        else:
            plan = Plan("decline", responses=["utter_out_of_scope"])
        plan.referrals.extend(dangers)
        return plan

    def _answer_topics(
        self,
        topics: list[Topic],
        catalogue: Catalogue,
        last_topic: Optional[Topic],
        tracker: Optional[DialogueStateTracker],
    ) -> Plan:
        plan = Plan("answer")
        for topic in topics[:MAX_ANSWERS]:
            if topic.referral == "always" and topic.referral_to:
                plan.referrals.append({"topic": topic.referral_to, "by": "topic"})
            if topic.group == REFERRAL:
                continue
            if topic.id == "tell_me_more":
                plan.responses.append(_more(last_topic, catalogue, tracker))
                plan.topic = last_topic.id if last_topic else None
            elif topic.response not in plan.responses:
                plan.responses.append(topic.response)
                plan.topic = topic.id if topic.group == FAQ else plan.topic
        return plan

    # ------------------------------------------------------------------ the judgement

    def judge(self, scorer: TopicScorer, texts: list[str], first_vector: Optional[np.ndarray] = None) -> list[Judgement]:
        """Judge texts one by one.

        Args:
            scorer: the trained topic scorer.
            texts: the texts.
            first_vector: sentence vector of the first text, if it is known already.

        Returns:
            a judgement per text.
        """
        scores = scorer.score(texts, first_vector)
        labels = scorer.labels
        safety = np.array([label.startswith(f"{REFERRAL}/") for label in labels])
        outside = labels.index(OUT_OF_SCOPE) if OUT_OF_SCOPE in labels else None
        judged = []
        for p, similarity, head in zip(scores.probabilities, scores.similarities, scores.referral):
            inside = p.copy()
            p_outside = 0.0
            if outside is not None:
                p_outside = float(p[outside])
                inside[outside] = -1
            order = np.argsort(-inside)
            best, second = int(order[0]), int(order[1])
            features = np.array(
                [
                    1.0,
                    _log_odds(inside[best]),
                    inside[best] - inside[second],
                    similarity[best],
                    _log_odds(p_outside),
                ]
            )
            certainty = float(1 / (1 + np.exp(-features @ self._weights)))
            if certainty >= self._config["answer_from"]:
                outcome = "answer"
            elif certainty >= self._config["offer_from"]:
                outcome = "clarify"
            else:
                outcome = "decline"
            candidates = tuple(
                labels[i]
                for i in order[: MAX_CANDIDATES + 3]
                if inside[i] > 0.02 and labels[i].startswith(f"{FAQ}/")
            )[:MAX_CANDIDATES]
            if outcome == "clarify" and not candidates:
                outcome = "decline"
            danger = labels[int(np.argmax(np.where(safety, p, -1)))] if safety.any() else ""
            judged.append(
                Judgement(outcome, labels[best], candidates, certainty, float(p[safety].sum()), float(head), danger)
            )
        return judged

    def _judge_message(
        self,
        message: Message,
        reading: Reading,
        scorer: TopicScorer,
        catalogue: Catalogue,
        last_topic: Optional[Topic],
    ) -> list[Judgement]:
        """Judge a message: whole, as a follow-up, and question by question."""
        from calla.nlu.encoder import sentence_vector

        whole = self.judge(scorer, [reading.text], sentence_vector(message))[0]
        follow_up = self._follow_up(reading.text, whole, scorer, last_topic)
        if follow_up:
            return [follow_up]
        parts = [part for sentence in reading.sentences() for part in questions.cut(sentence)]
        if len(parts) < 2:
            return [whole]
        return self._judge_parts(parts, whole, scorer, catalogue)

    def _judge_parts(
        self, parts: list[questions.Part], whole: Judgement, scorer: TopicScorer, catalogue: Catalogue
    ) -> list[Judgement]:
        """Answer each question of a message, but never cut one question in two."""
        parts = parts[:8]
        judged = self.judge(scorer, [part.text for part in parts])
        chosen: list[Judgement] = []
        any_asks = any(part.asks for part in parts)
        previous: Optional[Topic] = None
        for part, judgement in zip(parts, judged):
            if previous and questions.has_pronoun(part.text):
                judgement = self._better(
                    judgement, self.judge(scorer, [questions.put_subject(part.text, previous.subject or "")])[0]
                )
            topic = catalogue.by_intent(judgement.label)
            if topic and judgement.certainty >= self._config["part_from"]:
                if (part.asks or not any_asks) and topic.id not in _PASSING:
                    chosen.append(judgement)
                previous = topic if topic.group == FAQ else previous
        distinct = {j.label: j for j in reversed(chosen)}
        in_order = [j for j in dict.fromkeys(chosen) if distinct[j.label] is j]
        whole_topic = catalogue.by_intent(whole.label)
        if len(in_order) >= 2 and not (whole.certainty > 0.9 and whole.label not in distinct and not any_asks):
            return in_order[:MAX_ANSWERS]
        if len(in_order) == 1:
            only = in_order[0]
            # One question among remarks: the remarks may name what it is about.
            if whole.label == only.label or only.certainty >= whole.certainty or not whole_topic:
                return [only, *self._only_danger([whole, *judged])]
        return [whole, *self._only_danger(judged)]

    @staticmethod
    def _only_danger(judged: list[Judgement]) -> list[Judgement]:
        """Keep what matters for safety of parts that are not answered."""
        return [Judgement("ignore", j.label, (), 0.0, j.mass, j.head, j.danger) for j in judged]

    @staticmethod
    def _better(one: Judgement, other: Judgement) -> Judgement:
        return other if other.certainty > one.certainty else one

    # ------------------------------------------------------------------- follow-ups

    def _follow_up(
        self, text: str, whole: Judgement, scorer: TopicScorer, last_topic: Optional[Topic]
    ) -> Optional[Judgement]:
        """Understand a short message in the light of the last answer.

        Returns:
            the judgement of the completed question, or ``None`` where the message
            stands for itself.
        """
        if last_topic is None:
            return None
        words = _WORDS.findall(text)
        corrected = questions.correction(text)
        if corrected is None and len(words) > 9:
            return None
        leads = questions.leads_on(text)
        pronoun = questions.has_pronoun(text)
        if corrected is None and not leads and not pronoun and (len(words) > 5 or whole.certainty > 0.8):
            return None
        if whole.label.startswith(f"{CHAT}/") and whole.certainty > 0.6 and corrected is None:
            return None
        subject = last_topic.subject or last_topic.title
        core = corrected or questions.without_lead(text)
        variants = []
        if corrected is not None or leads or len(words) <= 3:
            variants.append(questions.in_aspect(last_topic.aspect, core))
        if corrected is not None or leads:
            variants.append(core)
        if pronoun or not leads:
            variants.append(questions.put_subject(core or text, subject))
        judged = self.judge(scorer, variants)
        # A question that names its own subject ("and MK-4?") is about that subject.
        best = max(judged, key=lambda j: j.certainty)
        if best.certainty < self._config["offer_from"] or best.certainty < whole.certainty - (0.3 if pronoun else 0.0):
            return None
        return best

    # ---------------------------------------------------------------------- danger

    def _dangers(self, judged: list[Judgement], catalogue: Catalogue) -> list[dict[str, str]]:
        """Referrals owed because the learned detector says so."""
        found = {}
        for judgement in judged:
            if judgement.mass >= self._config["referral_mass"] or judgement.head >= self._config["referral_head"]:
                topic = catalogue.by_intent(judgement.danger)
                own = catalogue.by_intent(judgement.label)
                if own and own.referral == "always":
                    topic = own
                if topic and topic.referral_to:
                    found[topic.referral_to] = {"topic": topic.referral_to, "by": "detector"}
        return list(found.values())

    def _with_danger(self, plan: Plan, reading: Reading, scorer: Optional[TopicScorer], catalogue: Catalogue) -> Plan:
        if scorer is not None:
            plan.referrals.extend(self._dangers(self.judge(scorer, reading.sentences()[:20]), catalogue))
        return plan


def _log_odds(p: float) -> float:
    p = min(max(float(p), 1e-4), 1 - 1e-4)
    return float(np.log(p / (1 - p)))


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
        return "utter_no_more"
    for event in reversed(tracker.events if tracker else []):
        if isinstance(event, BotUttered):
            said = event.metadata.get("utter_action")
            if said == name:
                return "utter_no_more"
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
