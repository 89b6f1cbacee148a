"""Models with scores made by hand, so that a decision can be tested without training."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

import numpy as np

from calla.catalogue import Catalogue
from calla.understanding import asked, follow_up, urgency
from calla.understanding.judgement import FEATURES, Models
from calla.understanding.topic_model import Scores
from calla.understanding.urgency_model import Urgencies
from calla.understanding.weights import Weights

OUT = "out_of_scope"


def response(title: str, **metadata: Any) -> list[dict[str, Any]]:
    return [{"text": f"{title}.", "metadata": {"title": title, **metadata}}]


RESPONSES: Mapping[str, list[dict[str, Any]]] = {
    "utter_faq/oats": response("What are oats?", subject="oats", related=["butter"]),
    "utter_faq/oats.dose": response("How many oats a day?"),
    "utter_faq/oats.storage": response("How do I keep oats?"),
    "utter_faq/butter": response("Is butter bad?", subject="butter", aspect="foods", tone="reassuring"),
    "utter_faq/biopsy": response(
        "What is a biopsy?", subject="the biopsy", referral="always", referral_to="appointment"
    ),
    "utter_faq/biopsy.bleeding": response("What if it bleeds?", referral="always", referral_to="after_biopsy"),
    "utter_faq/words.mass": response("What does mass mean?", referral="always", referral_to="word"),
    "utter_faq/words": response("Report words", subject="report words"),
    "utter_chat/thanks": response("Thanks"),
    "utter_chat/remark": response("I only wanted to tell you"),
    "utter_chat/repeat": response("Say that again"),
    "utter_chat/affirm": response("Yes"),
    "utter_chat/deny": response("No"),
    "utter_chat/tell_me_more": response("Tell me more"),
    "utter_chat/delete_my_data": response("Delete my conversation", yes_means="confirm_erasure"),
    "utter_chat/confirm_erasure": response("Yes, delete everything"),
    **{
        f"utter_referral/{name}": response(name, kind=kind)
        for name, kind in (
            ("emergency", "emergency"),
            ("emotional_crisis", "crisis"),
            ("red_flag_symptom", "urgent"),
            ("after_biopsy", "urgent"),
            ("suspicious_finding", "urgent"),
            ("probably_benign", "planned"),
            ("appointment", "planned"),
            ("word", "planned"),
            ("medicines", "prescriber"),
        )
    },
    **{f"utter_referral_short/{name}": response(f"short {name}") for name in ("emergency", "red_flag_symptom")},
    "utter_danger_over": response("No danger now"),
    "utter_other_language": response("English only"),
    "utter_other_language/es": response("Español"),
    "utter_referral_es/emergency": response("Llame ahora"),
}
NAMES = ["appointment", "emergency", "emotional_crisis", "medicines", "red_flag_symptom", "suspicious_finding"]
DETAILS = [
    "chat/affirm", "chat/delete_my_data", "chat/deny", "chat/remark", "chat/repeat", "chat/tell_me_more", "chat/thanks",
    "faq/biopsy", "faq/biopsy.bleeding", "faq/butter", "faq/oats", "faq/oats.dose", "faq/oats.storage", "faq/words",
    "faq/words.mass", OUT,
]  # fmt: skip
TOPICS = sorted({detail.partition(".")[0] for detail in DETAILS})


class HandMadeTopics:
    """Gives each text the detail that the test names, with probability 0.97 unless it says otherwise."""

    labels, details = TOPICS, DETAILS

    def __init__(self, asked_for: Mapping[str, str | Mapping[str, float]]) -> None:
        self._asked_for = asked_for

    def score(self, texts: Sequence[str], vectors: np.ndarray) -> Scores:
        rows = np.full((len(texts), len(DETAILS)), 0.03 / len(DETAILS))
        for row, text in zip(rows, texts, strict=True):
            given = self._asked_for.get(text, OUT)
            for label, p in ({given: 0.97} if isinstance(given, str) else given).items():
                row[DETAILS.index(label)] += p
        rows /= rows.sum(axis=1, keepdims=True)
        starts = [next(i for i, d in enumerate(DETAILS) if d.partition(".")[0] == topic) for topic in TOPICS]
        topics = np.add.reduceat(rows, starts, axis=1)
        return Scores(topics, topics, rows)

    def details_of(self, label: str, row: np.ndarray) -> dict[str, float]:
        own = [i for i, detail in enumerate(DETAILS) if detail.partition(".")[0] == label]
        total = row[own].sum()
        return {DETAILS[i]: float(row[i] / total) for i in sorted(own, key=lambda i: -row[i])}


class HandMadeUrgency:
    """Gives a text the referral that the test names; others owe nothing."""

    names = NAMES

    def __init__(self, owed: Mapping[str, str]) -> None:
        self._owed = owed

    def score(self, texts: Sequence[str], vectors: np.ndarray) -> Urgencies:
        odds = np.array([6.0 if text in self._owed else -6.0 for text in texts])
        names = np.full((len(texts), len(NAMES)), 0.02)
        for row, text in zip(names, texts, strict=True):
            row[NAMES.index(self._owed.get(text, "appointment"))] = 0.9
        return Urgencies(odds, names)


class _Encoder:
    def encode(self, texts: Sequence[str]) -> np.ndarray:
        return np.zeros((len(texts), 4), dtype=np.float32)


def models(asked_for: Mapping[str, str | Mapping[str, float]], owed: Mapping[str, str] | None = None) -> Models:
    """Return models that know these texts: what each asks for and what each is owed."""
    return Models(_Encoder(), HandMadeTopics(asked_for), HandMadeUrgency(owed or {}))  # type: ignore[arg-type]


def weights() -> Weights:
    """Return weights whose meaning is plain: the best topic, the worst clause, any rule."""
    only = {
        "certainty": (FEATURES, {"best log-odds": 1.0}),
        "inside": (FEATURES, {"outside log-odds": -1.0}),
        "question": (asked.EVIDENCE, {"certainty": 1.0, "asks": 1.0}),
        "follow_up": (follow_up.EVIDENCE, {"alone": 1.0, "with the subject": 1.0}),
        "part": (follow_up.EVIDENCE, {"alone": 1.0, "with the subject": 1.0}),
        "acute": (
            urgency.ACUTE_EVIDENCE,
            {"bias": -1.5, "clause": 1.0, "outside the field, clause": -0.5, "hint": 9.0, "sure rule": 9.0},
        ),
        "urgency": (urgency.EVIDENCE, {"worst clause": 1.0, "whole": 0.1, "sure rule": 9.0, "denied": -9.0}),
    }
    thresholds = {
        "answer_from": 0.5, "answer_beside_referral_from": 0.3, "inside_from": 0.5, "inside_part_from": 0.25,
        "question_from": 0.5, "detail_from": 0.5, "referral_from": 0.5, "planned_from": 0.5,
        "told_from": 0.5, "hint_from": 0.9,
        "clause_from": 1.0, "acute_from": 0.5, "acute_owed_from": 0.5, "outside_from": 0.8,
        "general_sure_from": 0.9, "general_below": -4.0, "general_sure_below": -1.0,
        "general_person_below": -5.0,
    }  # fmt: skip
    return Weights({k: {e: own.get(e, 0.0) for e in names} for k, (names, own) in only.items()}, thresholds)


def catalogue() -> Catalogue:
    return Catalogue(RESPONSES)
