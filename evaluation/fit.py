"""Fit every number of ``artefacts/weights.json`` on development data: ``python -m evaluation.fit``.

Nothing is trained on that data (``tests/nlu``, ``tests/safety``); the set that is looked at
once (``tests/strangers_11``) is never read. Prints what each threshold gives; writes the weights with
commit, date and sets.
"""

from __future__ import annotations

import argparse
import random
import sys
import zlib
from typing import Any, NamedTuple, Optional

import numpy as np

from calla.catalogue import FAQ, REFERRAL
from calla.understanding import asked, follow_up
from calla.understanding.judgement import FEATURES, Judgement, gate_features
from evaluation.fit_urgency import acute, detector
from evaluation.fitting import SEED, Fitting, follow_ups, in_pieces, lines_of
from evaluation.planner import Planner

# Share of in-scope messages that may be declined (the bar is 3 %).
DECLINED = 0.02
# Penalty of the conditional logits.
PENALTY = 3e-3


def gate(fitting: Fitting) -> None:
    """Fit how sure a topic is, and how sure it is that a message is inside the field."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    labels = fitting.labels
    outside = labels.index("out_of_scope")
    rows, right, inside, counts = [], [], [], []
    for name, in_scope in (("questions", True), ("misspelt", True), ("needs", True), ("out_of_scope", False)):
        lines = lines_of(name)
        texts = [fitting.reading(line["text"]).text for line in lines]
        scores = fitting.models.topics.score(texts, fitting.models.encoder.encode_many(texts))
        for line, p, similarity in zip(lines, scores.probabilities, scores.similarities, strict=True):
            features, order = gate_features(p, similarity, outside)
            rows.append(features[1:])
            right.append(in_scope and labels[order[0]].rpartition("/")[2] == line["topic"])
            inside.append(in_scope)
            counts.append(line["counts"])
    x, is_right, is_inside = np.array(rows), np.array(right), np.array(inside)
    weight = {"sample_weight": np.array(counts)}
    p = cross_val_predict(
        LogisticRegression(), x, is_inside, cv=StratifiedKFold(10, shuffle=True, random_state=SEED),
        method="predict_proba", fit_params=weight,
    )[:, 1]  # fmt: skip
    threshold = np.quantile(p[is_inside], DECLINED)
    print(
        f"right topic {is_right[is_inside].mean():.3f}; at {DECLINED:.0%} declined (from {threshold:.2f}) "
        f"{np.mean(p[~is_inside] < threshold):.3f} of what is outside is rejected"
    )
    for name, target in (("certainty", is_right), ("inside", is_inside)):
        fitted = LogisticRegression().fit(x, target, **weight)
        fitting.keep(name, FEATURES, (fitted.intercept_[0], *fitted.coef_[0]))


def choice(x: np.ndarray, chosen: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Fit a conditional logit (McFadden 1974) with a quadratic penalty.

    Args:
        x: ``[choices, options, evidence]``.
        chosen: ``[choices]``, index of the right option.
        weight: ``[choices]``, how much each counts.

    Returns:
        the weights, ``[evidence]``.
    """
    from scipy.optimize import minimize
    from scipy.special import softmax

    scale = x.std(axis=(0, 1)) + 1e-9
    scaled, at, share = x / scale, np.arange(len(chosen)), weight / weight.sum()

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        p = softmax(scaled @ w, axis=1)
        value = -float(share @ np.log(p[at, chosen] + 1e-12))
        p[at, chosen] -= 1
        return value + PENALTY * w @ w, np.einsum("n,nl,nlf->f", share, p, scaled) + 2 * PENALTY * w

    return np.asarray(minimize(loss, np.zeros(x.shape[2]), jac=True, method="L-BFGS-B").x / scale)


class Leaning(NamedTuple):
    """What leans on something.

    Attributes:
        source: where it is from.
        text: what is said.
        before: the topic before.
        right: index of the right label.
        counts: how much it counts.
        earlier: topics before that.
    """

    source: str
    text: str
    before: Optional[str]
    right: int
    counts: float
    earlier: tuple[str, ...] = ()


def _leaning_rows(fitting: Fitting) -> dict[str, list[Leaning]]:
    """Return what leans on something."""
    catalogue = fitting.catalogue
    index = {label.rpartition("/")[2]: i for i, label in enumerate(fitting.labels)}
    rows: dict[str, list[Leaning]] = {"follow-ups": [], "alone": [], "parts": []}
    for each in follow_ups():
        if each.last in catalogue.topics and catalogue.topics[each.last].group == FAQ and each.topic in index:
            read, line = fitting.reading(each.text).text, each.line
            right = index[each.topic]
            rows["follow-ups"].append(Leaning(line["turns"][0], read, each.last, right, line["counts"], each.earlier))
    for line in lines_of("multi"):
        reading = fitting.reading(line["text"])
        # Only where it is plain which part asks for which topic.
        if len(reading.parts) == len(line["topics"]):
            for before, part, topic in zip([None, *line["topics"]], reading.parts, line["topics"], strict=False):
                known = before if before and catalogue.topics[before].group == FAQ else None
                rows["parts"].append(Leaning(reading.text, part.text, known, index[topic], line["counts"]))
    chance = random.Random(SEED)
    for line in lines_of("questions") + lines_of("out_of_scope"):
        leant_on = chance.choice(rows["follow-ups"])
        if len(line["text"].split()) <= follow_up.MAX_WORDS and line["topic"] != leant_on.before:
            topic = catalogue.topics.get(line["topic"])
            if topic is None or topic.group != REFERRAL:
                read = fitting.reading(line["text"]).text
                right = index[line["topic"]]
                rows["alone"].append(Leaning(line["text"], read, leant_on.before, right, 1.0, leant_on.earlier))
    return rows


def leaning(fitting: Fitting) -> None:
    """Fit what a message means after the last answer, and a part after another.

    Accuracies are out of fold (ten-fold cross-validation, a dialogue in one fold). Messages
    that stand for themselves are put after an answer by chance: they must not be taken
    for follow-ups.
    """
    judging, rows = fitting.judging(), _leaning_rows(fitting)
    for key, names in (("follow_up", ("follow-ups", "alone")), ("part", ("parts",))):
        chosen = [(name, row) for name in names for row in rows[name]]
        x = np.array(
            [
                follow_up.evidence(
                    row.text, fitting.catalogue.topics.get(row.before or ""), judging, fitting.catalogue,
                    row.source if name == "parts" else None, row.earlier,
                )
                for name, row in chosen
            ]
        )  # fmt: skip
        y = np.array([row.right for _, row in chosen])
        kind = np.array([name for name, _ in chosen])
        fold = np.array([zlib.crc32(row.source.encode()) % 10 for _, row in chosen])
        counts = np.array([row.counts for _, row in chosen])
        # What stands for itself is drawn by chance and weighs as much as all that leans on something.
        weight = np.where(kind == "alone", counts[kind != "alone"].sum() / max(1, (kind == "alone").sum()), counts)
        top = np.zeros((len(y), len(fitting.labels)))
        for k in range(10):
            w = choice(x[fold != k], y[fold != k], weight[fold != k])
            for i in np.flatnonzero(fold == k):
                top[i] = follow_up.probabilities(x[i], w, fitting.labels)
        for name in names:
            of = kind == name
            sure = top[of].max(1) >= follow_up.ANSWER_FROM
            print(f"{name}: {np.mean(top[of].argmax(1) == y[of]):.3f} right of {of.sum()}, {sure.mean():.3f} sure")
        fitting.keep(key, follow_up.EVIDENCE, choice(x, y, weight))


def questions(fitting: Fitting) -> None:
    """Fit what tells a question from a part of one; show what each threshold gives (out of fold)."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_predict

    lines = [(name, line) for name in ("multi", "questions", "out_of_scope") for line in lines_of(name)]
    judged = in_pieces(_candidates, [line["text"] for _, line in lines])
    messages = [
        (name, line.get("topics") or [line["topic"]], whole, found)
        for (name, line), (whole, found) in zip(lines, judged, strict=True)
    ]
    rows = [candidate.evidence for *_, found in messages for candidate in found]
    own = [c.judgement.label.rpartition("/")[2] in wanted for _, wanted, _, found in messages for c in found]
    of = [n for n, (*_, found) in enumerate(messages) for _ in found]
    x, y, groups = np.array(rows), np.array(own), np.array(of)
    weight = np.array([lines[n][1]["counts"] for n in of])
    model = LogisticRegression(fit_intercept=False, max_iter=3000)
    fitting.keep("question", asked.EVIDENCE, model.fit(x, y, sample_weight=weight).coef_[0])
    probability = cross_val_predict(
        model, x, y, groups=groups, cv=GroupKFold(10), method="predict_proba", fit_params={"sample_weight": weight}
    )[:, 1]
    print("question_from  several, all answered  one with 'and', once  right first  answered twice  outside, answered")
    for threshold in (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5):
        shares = _answered(messages, groups, probability, threshold)
        print(f"{threshold:13.2f}" + "".join(f"{share:18.3f}" for share in shares))


def _candidates(fitting: Fitting, text: str) -> tuple[Judgement, list[asked.Candidate]]:
    reading, judging = fitting.reading(text), fitting.judging()
    judging.learn(reading.units)
    return judging.one(reading.text), asked.candidates_of(reading, judging, fitting.catalogue)


def _answered(messages: list[Any], groups: np.ndarray, probability: np.ndarray, threshold: float) -> list[float]:
    results: dict[str, list[bool]] = {"several": [], "one": [], "first": [], "twice": [], "outside": []}
    for n, (name, wanted, whole, found) in enumerate(messages):
        kept = [c for c, p in zip(found, probability[groups == n], strict=True) if p >= threshold]
        answers = asked.chosen(whole, kept)
        got = [j.label.rpartition("/")[2] for j in answers]
        if name == "questions":
            results["first"].append(got[0] == wanted[0])
            results["twice"].append(len(got) > 1)
        elif name == "out_of_scope":
            results["outside"].append(any(j.outcome == "answer" for j in answers))
        elif len(wanted) > 1:
            results["several"].append(set(wanted) <= set(got))
        else:
            results["one"].append(got == wanted)
    return [float(np.mean(hits)) for hits in results.values()]


def main() -> int:
    """Fit what is asked for, or everything; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m evaluation.fit", description=__doc__)
    steps = {"gate": gate, "leaning": leaning, "questions": questions, "detector": detector, "acute": acute}
    parser.add_argument("steps", nargs="*", choices=[[], *steps], help="which numbers (default: all)")
    chosen = parser.parse_args().steps or list(steps)
    fitting = Fitting(Planner())
    for name in chosen:
        steps[name](fitting)
    fitting.write({"tests/nlu", "tests/safety"})
    return 0


if __name__ == "__main__":
    sys.exit(main())
