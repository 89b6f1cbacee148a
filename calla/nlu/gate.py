"""The gate: what is said in answer to a message, in which order.

It reads the screen's findings, the topic scores and the conversation so far, and
leaves a *plan* on the message: the referrals that are owed, then the responses that
answer the rest. The policies only carry the plan out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
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
from calla.nlu.encoder import sentence_vector
from calla.nlu.language import Reading, is_other_language, reading_of
from calla.nlu.topic_model import Scores
from calla.nlu.topics import SCORER, TopicScorer

PLAN = "plan"
FINDINGS = "findings"
CLARIFY_RESPONSE = "utter_did_you_mean"
FEATURES = ("bias", "best log-odds", "margin", "cosine", "outside log-odds", "cosine less outside cosine")
MAX_ANSWERS = 3
MAX_CANDIDATES = 3
# Stretches of a message looked at one by one; more would be a whole letter.
MAX_PARTS = 8
# Certainty from which a part needs no help from what was said before it.
SURE = 0.7
VERY_SURE = 0.95
# Probability from which the learned detector believes in an emergency or a crisis.
ACUTE_FROM = 0.5
_ACUTE = frozenset({f"{REFERRAL}/emergency", f"{REFERRAL}/emotional_crisis"})
# Sentences of an overlong message that the learned detector reads.
MAX_SENTENCES = 20
# What "they" are in a first message.
DEFAULT_SUBJECT = "breast calcifications"
# Turns of the visitor within which the same referral is given in its short form.
SHORT_WITHIN_TURNS = 4
# Small talk that stands beside a question and needs no answer of its own then.
_PASSING = frozenset({"greet", "goodbye", "thanks", "feedback_positive", "tell_me_more", "capabilities"})
# Denials in the manner of NegEx (Chapman et al. 2001): learned models read past them.
# They only raise the learned detector's bar, for the kinds of danger that can be denied;
# the screen has its own rules of context, and "but" takes a denial back.
_DENIAL = re.compile(
    r"\b(?:(?:no|without|neither|never had(?: a)?|don't have(?: a| any)?) (?:\w+ )?"
    r"(?:lump|mass|pain|discharge|symptom|problem|result|finding|abnormal|distortion|swelling|complaint|tablet|medic|"
    r"prescription|pill|trouble|sign)\w*|not (?:on|taking) (?:any|\w+ or any)|not (?:pregnant|ill|sick|a patient)|"
    r"all clear|negative|normal|nothing (?:found|suspicious|wrong)|scare is over|bi-?rads (?:1|2|one|two)|"
    r"(?:results?|everything|all|it|kidneys) (?:was|were|is|are|came back) (?:fine|ok|okay|good|clear|benign))\b",
    re.I,
)
_BUT = re.compile(r"\b(?:but|although|though|however|except|yet|still|until|not normal|abnormal)\b", re.I)
# What nobody denies by the way: these keep the ordinary bar.
_UNDENIABLE = frozenset({"emergency", "emotional_crisis", "refuse_or_delay_care"})
_WORDS = re.compile(r"[\w'-]+")


@dataclass(frozen=True)
class Judgement:
    """What the topic model makes of one text.

    Attributes:
        outcome: ``answer``, ``clarify`` or ``decline``.
        label: best label that can be answered (full retrieval intent), or out of scope.
        candidates: labels worth offering, best first.
        certainty: 0 to 1, how sure the gate is of ``label``.
        mass: probability of all labels together that owe a referral.
        head: probability of the binary referral head.
        danger: the most probable label that owes a referral.
        part: whether the text is only a part of the message.
    """

    outcome: str
    label: str
    candidates: tuple[str, ...]
    certainty: float
    mass: float
    head: float
    danger: str
    part: bool = False


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
            # Probability of being inside the field below which a message is declined.
            "inside_from": 0.25,
            # Weights of both: bias, log-odds of the best topic, margin to the second,
            # cosine to its nearest known question, log-odds of out of scope, that
            # cosine less the cosine to the nearest out-of-scope message. Fitted by
            # evaluation/thresholds.py.
            "certainty_weights": [-2.33, 1.29, -0.01, 1.72, -0.25, 1.2],
            "inside_weights": [-1.8, 1.11, -0.24, 0.8, -0.69, 1.35],
            # Certainty that each part needs before a message is cut into questions.
            "part_from": 0.35,
            # The same where the message as a whole is clear.
            "sure_part_from": 0.6,
            # A referral is owed where both the topics that owe one and the binary head
            # reach these probabilities, for a whole message, ...
            "referral_mass": 0.6,
            "referral_head": 0.6,
            # ... for a part of one (a part alone says less), ...
            "part_referral_mass": 0.9,
            "part_referral_head": 0.9,
            # ... and for a whole message that denies a finding ("normal", "no lump").
            "denied_referral_mass": 0.98,
            "denied_referral_head": 0.98,
        }

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config
        self._certainty = np.array(config["certainty_weights"], dtype=float)
        self._inside = np.array(config["inside_weights"], dtype=float)
        self._catalogues = CatalogueReader()
        self._catalogue = Catalogue({})

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
            InvalidConfigException: if one is out of range or the weights are not six.
        """
        for key in (
            "answer_from",
            "inside_from",
            "part_from",
            "sure_part_from",
            "referral_mass",
            "referral_head",
            "part_referral_mass",
            "part_referral_head",
            "denied_referral_mass",
            "denied_referral_head",
        ):
            if not 0 <= config.get(key, 0.5) <= 1:
                raise InvalidConfigException(f"AnswerGate: {key} must be between 0 and 1.")
        for key in ("certainty_weights", "inside_weights"):
            if len(config.get(key, FEATURES)) != len(FEATURES):
                raise InvalidConfigException(
                    f"AnswerGate: {key} must be {len(FEATURES)} numbers: {', '.join(FEATURES)}."
                )

    # ------------------------------------------------------------------ the component

    def process(
        self, messages: list[Message], domain: Domain, tracker: Optional[DialogueStateTracker] = None
    ) -> list[Message]:
        """Leave the plan, the intent and Rasa's response selection on each message."""
        catalogue = self._catalogue = self._catalogues.of(domain)
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
        denied = is_denied(reading.text)
        topics = [
            topic
            for j in judged
            if j.outcome == "answer"
            and (topic := catalogue.by_intent(j.label))
            and not (
                denied
                and topic.group == REFERRAL
                and _deniable(topic)
                and j.mass < self._config["denied_referral_mass"]
            )
        ]
        dangers = self._dangers(reading.text, judged, catalogue)
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

    def judge(self, scores: Scores, labels: list[str]) -> list[Judgement]:
        """Judge scored texts one by one.

        Args:
            scores: the scores, a row per text.
            labels: the labels of their columns.

        Returns:
            a judgement per text.
        """
        owing = self._owing(labels)
        acute = np.array([label in _ACUTE for label in labels])
        outside = labels.index(OUT_OF_SCOPE) if OUT_OF_SCOPE in labels else None
        judged = []
        for p, similarity, head in zip(*scores, strict=True):
            features, order = gate_features(p, similarity, outside)
            best = int(order[0])
            certainty = _logistic(features @ self._certainty)
            candidates = tuple(
                labels[i] for i in order[: MAX_CANDIDATES + 3] if p[i] > 0.02 and labels[i].startswith(f"{FAQ}/")
            )[:MAX_CANDIDATES]
            if _logistic(features @ self._inside) < self._config["inside_from"]:
                outcome = "decline"
            elif certainty >= self._config["answer_from"]:
                outcome = "answer"
            else:
                outcome = "clarify" if candidates else "decline"
            # Emergency and crisis end the conversation, so a small share does not suggest them.
            p_owing = np.where(owing & ~(acute & (p < ACUTE_FROM)), p, 0.0)
            danger = labels[int(np.argmax(p_owing))] if owing.any() else ""
            judged.append(
                Judgement(outcome, labels[best], candidates, certainty, float(p_owing.sum()), float(head), danger)
            )
        return judged

    def _owing(self, labels: list[str]) -> np.ndarray:
        """Return which labels are answered with a referral first: ``[labels]``, boolean."""
        topics = (self._catalogue.by_intent(label) for label in labels)
        return np.array([topic is not None and topic.referral == "always" for topic in topics])

    def _judge_message(
        self, message: Message, reading: Reading, scorer: TopicScorer, catalogue: Catalogue, last_topic: Optional[Topic]
    ) -> list[Judgement]:
        """Judge a message: as a follow-up, question by question, or whole."""
        whole = scorer.score([reading.text], sentence_vector(message))
        judged = self.judge(whole, scorer.labels)[0]
        follow_up = self._follow_up(reading.text, judged, scorer, last_topic)
        if follow_up:
            return [follow_up]
        spoken = not re.search(r"[.?!;\n]", reading.text)
        parts = [part for sentence in reading.sentences() for part in questions.cut(sentence, run_on=spoken)]
        if len(parts) < 2:
            return [judged]
        return self._judge_parts(parts[:MAX_PARTS], judged, scorer, catalogue)

    def _judge_parts(
        self,
        parts: list[questions.Part],
        judged_whole: Judgement,
        scorer: TopicScorer,
        catalogue: Catalogue,
    ) -> list[Judgement]:
        """Answer each question of a message, but never cut one question in two."""
        judged = self.judge(scorer.score([part.text for part in parts]), scorer.labels)
        asking = [i for i, part in enumerate(parts) if part.asks]
        # A message that is clear as a whole is cut only for parts that are clear too.
        needed = self._config["part_from"] if judged_whole.certainty < SURE else self._config["sure_part_from"]
        chosen: dict[str, Judgement] = {}
        previous: Optional[Topic] = None
        for i, part in enumerate(parts):
            judgement = self._resolved(part.text, judged[i], previous, scorer)
            topic = catalogue.by_intent(judgement.label)
            if topic is None or topic.group == REFERRAL or judgement.outcome == "decline":
                continue
            previous = topic if topic.group == FAQ else previous
            beside_mark = part.strong or any(p.strong for p in parts[i + 1 : i + 2])
            named = judgement.certainty > VERY_SURE and (beside_mark or judgement.label == judged_whole.label)
            wanted = part.asks or not asking or named
            if wanted and topic.id not in _PASSING and judgement.certainty >= needed:
                chosen.setdefault(judgement.label, replace(judgement, part=True))
        judged = [replace(j, part=True) for j in judged]
        remarks = [replace(j, outcome="ignore", candidates=()) for j in [judged_whole, *judged]]
        marked = any(part.strong for part in parts)
        if len(chosen) >= 2 and not (
            not marked and len(asking) < 2 and judged_whole.certainty > 0.8 and judged_whole.label in chosen
        ):
            return [replace(j, outcome="answer") for j in list(chosen.values())[:MAX_ANSWERS]] + remarks
        if len(asking) == 1 and chosen:
            # One question among remarks: the remarks may name what it is about, or drown
            # it. A finding in the remarks owes its referral and leaves the question to answer.
            only = next(iter(chosen.values()))
            finding = judged_whole.label.startswith(f"{REFERRAL}/")
            return [only if finding or only.certainty > judged_whole.certainty else judged_whole, *remarks]
        return [judged_whole, *remarks]

    def _resolved(self, text: str, judgement: Judgement, previous: Optional[Topic], scorer: TopicScorer) -> Judgement:
        """Judge a part again with what its "it" stands for, or what it leaves out."""
        pronoun = questions.has_pronoun(text)
        # "Which foods have it?" is clear only with what "it" is; "how do they find it"
        # is clear enough.
        limit = VERY_SURE if previous and questions.has_it(text) else SURE
        if judgement.certainty >= limit or not (pronoun or previous):
            return judgement
        subject = (previous.subject if previous else "") or DEFAULT_SUBJECT
        resolved = self.judge(scorer.score([questions.put_subject(text, subject)]), scorer.labels)[0]
        return resolved if resolved.certainty >= min(SURE, judgement.certainty) else judgement

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
        leads = questions.leads_on(text)
        pronoun = questions.has_pronoun(text)
        if corrected is None:
            if len(words) > (9 if leads or pronoun else 4):
                return None
            if not leads and not pronoun and whole.certainty > 0.8:
                return None
            small_talk = whole.label.startswith(f"{CHAT}/") and whole.label != f"{CHAT}/privacy"
            if small_talk and whole.certainty > 0.5:
                return None
        subject = last_topic.subject or last_topic.title
        core = corrected or questions.without_lead(text) or text
        # "Does it hurt?" and "which foods?" mean nothing by themselves.
        elliptic = pronoun or (corrected is None and len(words) <= 4 and questions.asks(text))
        variants = [] if elliptic else [core]
        if corrected is not None or (leads and not elliptic and len(words) <= 5):
            variants.append(questions.in_aspect(last_topic.aspect, core))
        if corrected is None:
            variants.append(questions.put_subject(core, subject))
        scores = scorer.score(variants)
        if last_topic.intent in scorer.labels:
            # Nobody asks the same again with "and ...?"; what is left of it keeps its
            # share, so that the certainty falls where nothing else fits.
            scores.probabilities[:, scorer.labels.index(last_topic.intent)] *= 0.2
        best = max(self.judge(scores, scorer.labels), key=lambda j: j.certainty)
        if best.outcome == "decline":
            return None
        if best.certainty < whole.certainty - 0.3:
            return None
        return best

    # ---------------------------------------------------------------------- danger

    def _dangers(self, text: str, judged: list[Judgement], catalogue: Catalogue) -> list[dict[str, str]]:
        """Referrals owed because the learned detector says so."""
        found = {}
        denied = is_denied(text)
        for judgement in judged:
            topic = catalogue.by_intent(judgement.danger)
            scope = "part_" if judgement.part else ""
            if denied and topic and _deniable(topic):
                if judgement.part:
                    continue
                scope = "denied_"
            if (
                judgement.mass >= self._config[f"{scope}referral_mass"]
                and judgement.head >= self._config[f"{scope}referral_head"]
            ):
                own = catalogue.by_intent(judgement.label)
                if own and own.referral == "always":
                    topic = own
                if topic and topic.referral_to:
                    found[topic.referral_to] = {"topic": topic.referral_to, "by": "detector"}
        return list(found.values())

    def _with_danger(self, plan: Plan, reading: Reading, scorer: Optional[TopicScorer], catalogue: Catalogue) -> Plan:
        if scorer is not None:
            sentences = self.judge(scorer.score(reading.sentences()[:MAX_SENTENCES]), scorer.labels)
            plan.referrals.extend(self._dangers(reading.text, [replace(j, part=True) for j in sentences], catalogue))
        return plan


def is_denied(text: str) -> bool:
    """Say whether a message denies a finding ("normal", "no lump") without taking it back."""
    return bool(_DENIAL.search(text)) and not _BUT.search(text)


def _deniable(topic: Topic) -> bool:
    return topic.referral == "always" and topic.id not in _UNDENIABLE


def gate_features(
    probabilities: np.ndarray, similarities: np.ndarray, outside: Optional[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Compute what the gate weighs.

    Args:
        probabilities: ``[labels]``, one row of ``Scores.probabilities``.
        similarities: ``[labels]``, one row of ``Scores.similarities``.
        outside: index of the out-of-scope label, ``None`` if there is none.

    Returns:
        the features (``FEATURES``) and the indices of the labels inside the field, most
        probable first.
    """
    inside = probabilities.copy()
    p_outside, cosine_outside = 0.0, 0.0
    if outside is not None:
        p_outside, cosine_outside = float(probabilities[outside]), float(similarities[outside])
        inside[outside] = -1
    order = np.argsort(-inside)
    best, second = order[0], order[1]
    nearest = max(float(c) for i, c in enumerate(similarities) if i != outside)
    features = np.array(
        [
            1.0,
            _log_odds(inside[best]),
            inside[best] - inside[second],
            similarities[best],
            _log_odds(p_outside),
            nearest - cosine_outside,
        ]
    )
    return features, order


def _logistic(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


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
