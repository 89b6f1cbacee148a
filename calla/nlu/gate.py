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
from calla.nlu.danger import EVIDENCE, Danger, detect, sentences_of
from calla.nlu.judgement import FEATURES, Gate, Judgement, Judging
from calla.nlu.language import Reading, is_other_language, reading_of
from calla.nlu.topic_model import Scores
from calla.nlu.topics import SCORER, SCORES, TopicScorer

PLAN = "plan"
FINDINGS = "findings"
CLARIFY_RESPONSE = "utter_did_you_mean"
MAX_ANSWERS = 3
# Stretches of a message looked at one by one; more would be a whole letter.
MAX_PARTS = 8
# Certainty from which a part needs no help from what was said before it.
SURE = 0.7
VERY_SURE = 0.95
# Words from which a message is a story, and the certainty that a part of one needs.
LONG = 25
STORY_PART_FROM = 0.9
# Words up to which a follow-up is only a fragment of a question.
MAX_FRAGMENT = 5
# What "they" are in a first message.
DEFAULT_SUBJECT = "breast calcifications"
# Turns of the visitor within which the same referral is given in its short form.
SHORT_WITHIN_TURNS = 4
# Small talk that stands beside a question and needs no answer of its own then.
_PASSING = frozenset({"greet", "goodbye", "thanks", "feedback_positive", "tell_me_more", "capabilities"})
_WORDS = re.compile(r"[\w'-]+")


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
            "certainty_weights": [-2.86, 1.15, 0.04, 1.72, -0.31, 1.75],
            "inside_weights": [-2.48, 0.74, -0.4, 0.89, -0.9, 2.08],
            # Certainty that each part needs before a message is cut into questions.
            "part_from": 0.35,
            # The same where the message as a whole is clear.
            "sure_part_from": 0.5,
            # Weights of the learned detector's evidence (calla/nlu/danger.py), fitted by
            # evaluation/thresholds.py too.
            "danger_weights": [0.84, 0.49, 3.37, 0.31, 0.16, 3.19, 0.17, -1.82],
            # Probability from which the learned detector alone owes a referral, and from
            # which it confirms a hint of the screen.
            "referral_from": 0.75,
            "hinted_referral_from": 0.05,
        }

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config
        self.gate = Gate(
            np.array(config["certainty_weights"], dtype=float),
            np.array(config["inside_weights"], dtype=float),
            config["answer_from"],
            config["inside_from"],
        )
        self._danger_weights = np.array(config["danger_weights"], dtype=float)
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
            "part_from",
            "sure_part_from",
            "referral_from",
            "hinted_referral_from",
        ):
            if not 0 <= config.get(key, 0.5) <= 1:
                raise InvalidConfigException(f"AnswerGate: {key} must be between 0 and 1.")
        weighed = {"certainty_weights": FEATURES, "inside_weights": FEATURES, "danger_weights": EVIDENCE}
        for key, names in weighed.items():
            if len(config.get(key, names)) != len(names):
                raise InvalidConfigException(f"AnswerGate: {key} must be {len(names)} numbers: {', '.join(names)}.")

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
        follow_up = self._follow_up(reading.text, judging, catalogue, _last_topic(tracker, catalogue))
        danger = self.danger(reading, judging, catalogue, follow_up)
        hinted = danger.probability >= self._config["hinted_referral_from"]
        findings = [f for f in findings if hinted or not f.get("hint")]
        detected = danger.probability >= self._config["referral_from"]
        judged = [follow_up] if follow_up else self._judge_message(reading, judging, catalogue)
        plan = self._answer(reading, judged, catalogue, tracker, may_refer=detected or bool(findings))
        if detected and danger.topic is not None and danger.topic.referral_to:
            plan.referrals.append({"topic": danger.topic.referral_to, "by": "detector"})
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
                plan.responses, plan.topic = [], None
            elif plan.outcome != "answer":
                # "Did you mean" or "I only know" after a referral would bury it.
                plan.responses = []
            plan.outcome = "referral"
        return plan

    def danger(
        self, reading: Reading, judging: Judging, catalogue: Catalogue, follow_up: Optional[Judgement] = None
    ) -> Danger:
        """Ask the learned detector about a message.

        A short follow-up says nothing by itself ("because of the change?"); then it is
        asked about the completed question.
        """
        if follow_up is not None and len(_WORDS.findall(reading.text)) <= MAX_FRAGMENT:
            return detect(reading.text, follow_up, [], catalogue, self._danger_weights)
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
    ) -> Plan:
        """Plan the answer. Without ``may_refer`` the safety topics are no answer."""
        if reading.truncated:
            return Plan("too_long", responses=["utter_too_long"])
        other_language = is_other_language(reading.text)
        answers = [j for j in judged if j.outcome == "answer"]
        topics = [
            topic for j in answers if (topic := catalogue.by_intent(j.label)) and (may_refer or topic.group != REFERRAL)
        ]
        if topics and not (other_language and max(j.certainty for j in answers) < 0.8):
            return self._answer_topics(topics, catalogue, tracker)
        if other_language:
            return Plan("other_language", responses=["utter_other_language"])
        offered = next((j for j in judged if j.outcome == "clarify"), None) or next(iter(answers), None)
        candidates = [t.id for label in offered.candidates if (t := catalogue.by_intent(label))] if offered else []
        if candidates:
            return Plan("clarify", responses=[CLARIFY_RESPONSE], candidates=candidates)
        return Plan("decline", responses=["utter_out_of_scope"])

    def _answer_topics(
        self,
        topics: list[Topic],
        catalogue: Catalogue,
        tracker: Optional[DialogueStateTracker],
    ) -> Plan:
        plan = Plan("answer")
        last_topic = _last_topic(tracker, catalogue)
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

    def _judge_message(self, reading: Reading, judging: Judging, catalogue: Catalogue) -> list[Judgement]:
        """Judge a message question by question, or whole."""
        judged = judging.one(reading.text)
        parts: list[questions.Part] = []
        lines = [line.strip() for line in reading.text.split("\n")[1:]]
        marked = "?" in reading.text
        for sentence in reading.sentences():
            # Spoken sentences run on without any mark.
            found = questions.cut(sentence, run_on=not re.search(r"[.?!;:,]", sentence[:-1]))
            if found and any(line.startswith(sentence) for line in lines):
                found[0] = replace(found[0], strong=True)
            if marked and not sentence.endswith("?"):
                # Where questions carry their mark, a longer sentence without one tells a story.
                found = [part if questions.requests(part.text) else replace(part, asks=False) for part in found]
            parts.extend(found)
        if len(parts) < 2:
            return [judged]
        return self._judge_parts(parts[:MAX_PARTS], judged, judging, catalogue)

    def _judge_parts(
        self,
        parts: list[questions.Part],
        judged_whole: Judgement,
        judging: Judging,
        catalogue: Catalogue,
    ) -> list[Judgement]:
        """Answer each question of a message, but never cut one question in two."""
        judged = judging.all([part.text for part in parts])
        asking = [i for i, part in enumerate(parts) if part.asks]
        # A message that is clear as a whole is cut only for parts that are clear too.
        needed = self._config["part_from"] if judged_whole.certainty < SURE else self._config["sure_part_from"]
        length = sum(len(_WORDS.findall(part.text)) for part in parts)
        if length > LONG and judged_whole.certainty > VERY_SURE:
            # A story with one clear question: what it mentions by the way is no question.
            needed = STORY_PART_FROM
        chosen: dict[str, Judgement] = {}
        previous: Optional[Topic] = None
        for i, part in enumerate(parts):
            judgement = self._resolved(part.text, judged[i], previous, judging)
            topic = catalogue.by_intent(judgement.label)
            if topic is None or topic.group == REFERRAL or judgement.outcome == "decline":
                continue
            own = judgement.label == judged_whole.label
            if topic.referral == "always" and not own and judgement.certainty < VERY_SURE:
                # A stray clause is no reason to speak of biopsies; danger is found elsewhere.
                continue
            previous = topic if topic.group == FAQ else previous
            beside_mark = part.strong or any(p.strong for p in parts[i + 1 : i + 2])
            # "Calcium in breasts common or rare, is it a kind of cancer": beside a clear
            # question in the same sentence, a clear clause is one too.
            beside_question = any(
                0 <= n < len(parts)
                and parts[n].asks
                and parts[n].sentence == part.sentence
                and judged[n].certainty > SURE
                and judged[n].label != judgement.label
                for n in (i - 1, i + 1)
            )
            named = judgement.certainty > VERY_SURE and (beside_mark or beside_question or own)
            wanted = part.asks or not asking or named
            # "Can you help me?" is a way to begin, "what sort of thing may one ask?" is not.
            asked = topic.id == "capabilities" and part.asks and len(_WORDS.findall(part.text)) > 4
            passing = topic.id in _PASSING and not asked
            if wanted and not passing and judgement.certainty >= needed:
                chosen.setdefault(judgement.label, judgement)
        marked = any(part.strong for part in parts)
        sure = all(judgement.certainty > VERY_SURE for judgement in chosen.values())
        if len(chosen) >= 2 and not (
            not marked
            and not sure
            and len(asking) < 2
            and judged_whole.certainty > 0.8
            and judged_whole.label in chosen
        ):
            return [replace(j, outcome="answer") for j in list(chosen.values())[:MAX_ANSWERS]]
        if len(asking) == 1 and chosen:
            # One question among remarks: the remarks may name what it is about, or drown
            # it. A finding in the remarks owes its referral and leaves the question to answer.
            only = next(iter(chosen.values()))
            finding = judged_whole.label.startswith(f"{REFERRAL}/")
            return [only if finding or only.certainty > judged_whole.certainty else judged_whole]
        return [judged_whole]

    def _resolved(self, text: str, judgement: Judgement, previous: Optional[Topic], judging: Judging) -> Judgement:
        """Judge a part again with what its "it" stands for, or what it leaves out."""
        pronoun = questions.has_pronoun(text)
        # "Which foods have it?" is clear only with what "it" is, "why bad?" only with what is.
        bare = judgement.label.endswith("/tell_me_more")
        limit = VERY_SURE if previous and pronoun else SURE
        if not (pronoun or previous) or (judgement.certainty >= limit and not (bare and previous)):
            return judgement
        subject = (previous.subject if previous else "") or DEFAULT_SUBJECT
        resolved = judging.one(questions.put_subject(text, subject))
        return resolved if resolved.certainty >= min(SURE, judgement.certainty) else judgement

    # ------------------------------------------------------------------- follow-ups

    def _follow_up(
        self, text: str, judging: Judging, catalogue: Catalogue, last_topic: Optional[Topic]
    ) -> Optional[Judgement]:
        """Understand a short message in the light of the last answer.

        Returns:
            the judgement of the completed question, or ``None`` where the message
            stands for itself.
        """
        if last_topic is None:
            return None
        whole = judging.one(text)
        words = _WORDS.findall(text)
        corrected = questions.correction(text)
        leads = questions.leads_on(text)
        pronoun = questions.has_pronoun(text)
        names = bool(catalogue.subject_words.intersection(word.casefold() for word in words))
        if corrected is None:
            if len(words) > (9 if leads or pronoun else 4):
                return None
            if not leads and not pronoun and whole.certainty > 0.8 and (names or len(words) > 3):
                return None
            small_talk = whole.label.startswith(f"{CHAT}/") and whole.label != f"{CHAT}/privacy"
            if small_talk and whole.certainty > 0.5:
                return None
        subject = last_topic.subject or last_topic.title
        core = corrected or questions.without_lead(text) or text
        # "Does it hurt?" and "which foods?" mean nothing by themselves.
        elliptic = pronoun or (corrected is None and len(words) <= 4 and not names and questions.asks(text))
        variants = [] if elliptic else [core]
        if corrected is not None or (leads and not elliptic and len(words) <= 5):
            variants.append(questions.in_aspect(last_topic.aspect, core))
        if corrected is None:
            variants.append(questions.put_subject(core, subject))
        scorer = judging.scorer
        scores = scorer.score(variants)
        if last_topic.intent in scorer.labels:
            # Nobody asks the same again with "and ...?"; what is left of it keeps its
            # share, so that the certainty falls where nothing else fits.
            scores.probabilities[:, scorer.labels.index(last_topic.intent)] *= 0.05 if leads else 0.2
        best = max(judging.of(scores), key=lambda j: j.certainty)
        if best.outcome == "decline":
            return None
        if best.certainty < whole.certainty - 0.3:
            return None
        return best


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
