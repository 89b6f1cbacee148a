"""Fit what speaks for a referral, and what for an emergency or a crisis."""

from __future__ import annotations

import random
import zlib
from typing import NamedTuple, Optional

import numpy as np

from calla.plan import ACUTE
from calla.safety.screen import load_screen
from calla.safety.vocabulary import KINDS
from calla.text import clean
from calla.understanding import urgency
from calla.understanding.judgement import Judging, logistic
from calla.understanding.language import ENGLISH
from calla.understanding.urgency import Before
from evaluation.composites import (
    OWED,
    after_a_question,
    beside,
    dangers,
    harmless,
    kinds_after_a_question,
    kinds_of_strangers,
    needs_of_strangers,
    questions_of_strangers,
    strangers,
    topics_of,
)
from evaluation.fitting import SEED, STRANGERS_COUNT, Fitting, follow_ups, in_pieces, talks


def _leant_on(fitting: Fitting, judging: Judging, before: Optional[str]) -> Before:
    """Return what a message may lean on after another one that was asked."""
    if before is None:
        return Before()
    return Before(fitting.catalogue.by_intent(judging.one(fitting.reading(before).text).label), clean(before))


def _danger(fitting: Fitting, turn: tuple[str, Optional[str]]) -> np.ndarray:
    text, before = turn
    reading, judging = fitting.reading(text), fitting.judging()
    said = urgency.told(reading, load_screen().find(text), _leant_on(fitting, judging, before))
    return urgency.evidence(reading, said, judging)


def detector(fitting: Fitting) -> None:
    """Fit the evidence for a referral on messages alone and beside others; show what thresholds cost (out of fold)."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_predict

    rng = random.Random(SEED)
    owing, fine = dangers(), harmless(fitting.catalogue)
    alone = [
        *(("alone", text, True) for text in owing),
        *(("beside", text, True) for text in beside(owing, fine, rng)),
        *(("harmless", text, False) for text in fine),
        *(("harmless beside", text, False) for text in beside(fine, fine, rng)),
        *(("strangers", text, True) for text in strangers(owing=True)),
        *(("harmless strangers", text, False) for text in strangers(owing=False)),
    ]
    after = [
        *(("after a question", text, before, True) for text, before in after_a_question(owing=True)),
        *(("harmless after a question", text, before, False) for text, before in after_a_question(owing=False)),
        *(("follow-ups", text, before, False) for text, before in _follow_ups(fitting)),
        *(("talks", text, before, True) for text, before, kind in talks() if kind != "none"),
        *(("harmless talks", text, before, False) for text, before, kind in talks() if kind == "none"),
    ]
    sets = [*((name, text, None, owes) for name, text, owes in alone), *after]
    rows = in_pieces(_danger, [(text, before) for _, text, before, _ in sets])
    x, y = np.array(rows), np.array([owes for *_, owes in sets])
    kind = np.array([name for name, *_ in sets])
    groups = np.array([zlib.crc32((before or text)[:24].encode()) % 1000 for _, text, before, _ in sets])
    # Strangers are few and count for more: they are what is to come.
    of_strangers = [name.endswith(("strangers", "question", "talks")) for name in kind]
    weight = np.where(of_strangers, STRANGERS_COUNT, 1.0)
    model = LogisticRegression(fit_intercept=False, max_iter=3000, C=10)
    fitting.keep("urgency", urgency.EVIDENCE, model.fit(x, y, sample_weight=weight).coef_[0])
    p = cross_val_predict(
        model, x, y, groups=groups, cv=GroupKFold(10), method="predict_proba", fit_params={"sample_weight": weight}
    )[:, 1]
    names = tuple(dict.fromkeys(kind))
    print(f"{'referral_from':14s}" + "".join(f"{name:>27s}" for name in names) + "   referred")
    for threshold in (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8):
        cells = [f"{np.mean(p[kind == n] >= threshold):.3f}" for n in names]
        print(f"{threshold:14.2f}" + "".join(f"{cell:>27s}" for cell in cells))
    _show_worst(sets, p, y)


def _follow_ups(fitting: Fitting) -> list[tuple[str, str]]:
    """Return harmless questions that follow another one of the same talk, and that one."""
    owing = {t.topic_id for t in fitting.catalogue.topics.values() if t.referral == "always"}
    return [
        (each.text, each.before)
        for each in follow_ups()
        if "owes" not in each.line and each.topic not in {*KINDS, *owing}
    ]


def _show_worst(sets: list[tuple[str, str, Optional[str], bool]], p: np.ndarray, y: np.ndarray) -> None:
    """Print the messages that are furthest on the wrong side."""
    for title, order in (("missed", np.argsort(np.where(y, p, 2))), ("referred", np.argsort(np.where(y, 2, -p)))):
        for i in order[:40]:
            print(f"{title}: {p[i]:.2f} [{sets[i][0]}] {sets[i][2] or ''} / {sets[i][1][:150]!r}")


class Case(NamedTuple):
    """A message and which acute referral it is owed.

    Attributes:
        text: the message.
        before: what the message before it asked, if there was one.
        owes: name of the referral, ``None`` where it is another or none.
        counts: how much it counts.
        source: which set it is from.
    """

    text: str
    before: Optional[str]
    owes: Optional[str]
    counts: float
    source: str


def _cases(fitting: Fitting) -> list[Case]:
    rng = random.Random(SEED)
    own = [(text, topic) for name in OWED for text, topic in topics_of(name)]
    fine = harmless(fitting.catalogue)
    alone = [Case(text, None, _acute(KINDS.get(topic, ""), topic), 1.0, "own") for text, topic in own]
    apart = [
        Case(text, before, _acute(kind), STRANGERS_COUNT, "strangers")
        for text, before, kind in kinds_of_strangers()
        if before is None
    ]
    apart += [
        Case(text, before, _acute(kind), STRANGERS_COUNT, "strangers")
        for text, before, kind in kinds_after_a_question()
    ]
    # Most dangers are not acute; a part of them is enough.
    halves = [case for case in (*alone, *apart) if case.before is None and (case.owes or rng.random() < 0.4)]
    joined = [Case(text, None, case.owes, 1.0, "beside") for case in halves for text in beside([case.text], fine, rng)]
    follow = [
        Case(each.text, each.before, None, 1.0, "follow-ups")
        for each in follow_ups()
        if "owes" not in each.line and KINDS.get(each.topic) not in ACUTE
    ]
    follow += [Case(text, before, _acute(kind), STRANGERS_COUNT, "talks") for text, before, kind in talks()]
    asked = [Case(text, None, _acute(kind), STRANGERS_COUNT, "needs") for text, kind in needs_of_strangers()]
    fine += questions_of_strangers(fitting.catalogue)
    return [*alone, *apart, *joined, *follow, *asked, *(Case(text, None, None, 1.0, "harmless") for text in fine)]


def _acute(kind: str, topic: Optional[str] = None) -> Optional[str]:
    names = {each: name for name, each in KINDS.items() if each in ACUTE}
    return (topic or names[kind]) if kind in ACUTE else None


def _acute_rows(fitting: Fitting, case: Case) -> list[tuple[str, np.ndarray]]:
    """Return the evidence for each acute referral; nothing for other languages, which are left to the rules."""
    reading, judging = fitting.reading(case.text), fitting.judging()
    if reading.language != ENGLISH:
        return []
    said = urgency.told(reading, load_screen().find(case.text), _leant_on(fitting, judging, case.before))
    weights = judging.weights.vector("urgency", urgency.EVIDENCE)
    p = logistic(float(urgency.evidence(reading, said, judging) @ weights))
    return [(name, urgency.acute_evidence(name, reading, said, judging, p)) for name in urgency.acute_names(judging)]


def acute(fitting: Fitting) -> None:
    """Fit the evidence for an emergency and for a crisis; show what thresholds cost (out of fold)."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_predict

    cases = _cases(fitting)
    found = in_pieces(_acute_rows, cases)
    rows = [
        (case, case.owes == name, evidence)
        for case, own in zip(cases, found, strict=True)
        for name, evidence in own
        # A crisis may be an emergency too.
        if case.owes in (None, name)
    ]
    x, y = np.array([evidence for *_, evidence in rows]), np.array([owes for _, owes, _ in rows])
    source = np.array([case.source for case, *_ in rows])
    groups = np.array([zlib.crc32(case.text[:24].encode()) % 1000 for case, *_ in rows])
    weight = np.array([case.counts for case, *_ in rows])
    model = LogisticRegression(fit_intercept=False, max_iter=3000, C=10)
    fitting.keep("acute", urgency.ACUTE_EVIDENCE, model.fit(x, y, sample_weight=weight).coef_[0])
    p = cross_val_predict(
        model, x, y, groups=groups, cv=GroupKFold(10), method="predict_proba", fit_params={"sample_weight": weight}
    )[:, 1]
    names = ("own", "strangers", "beside", "follow-ups", "talks", "needs", "harmless")
    print(f"{'acute_from':12s}" + "".join(f"{name:>24s}" for name in names) + "   given its text: owed, not owed")
    for threshold in (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5):
        cells = [
            " ".join(f"{np.mean(p[of] >= threshold):.3f}" if of.any() else "-" for of in (here & y, here & ~y))
            for here in (source == name for name in names)
        ]
        print(f"{threshold:12.2f}" + "".join(f"{cell:>24s}" for cell in cells))
