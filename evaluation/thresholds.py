"""Choose the numbers of the gate, of cutting and of the learned detector on development data.

Prints the comparison of gate variants (which evidence separates what Calla can answer
from what it cannot), the fitted weights for ``calla/nlu/gate.py``, how well follow-ups and
second questions are understood, how many of several questions each threshold finds, and
the detector's trade-off between missed referrals and needless ones; draws the latter as a
curve into ``docs/images/detector-curve.png``. Uses only ``tests/nlu/dev`` and
``tests/safety``, never ``tests/nlu/untouched``.
"""

from __future__ import annotations

import json
import random
import sys
import zlib
from itertools import pairwise
from pathlib import Path
from typing import Any, Iterable, Optional, Sequence

import numpy as np

from calla.catalogue import FAQ, REFERRAL, Catalogue
from calla.nlu import follow_up, several
from calla.nlu.judgement import FEATURES, Judging, gate_features
from calla.nlu.language import Reading
from calla.settings import ROOT
from calla.text import clean
from evaluation.bot import LoadedBot
from evaluation.evaluate import catalogue_facts

DEVELOPMENT = ROOT / "tests" / "nlu" / "dev"
SAFETY = ROOT / "tests" / "safety"
# Messages that owe a referral, and messages that do not. Nothing is trained on any of them.
OWED = (
    "referral_messages",
    "attack_1",
    "attack_2",
    "attack_3",
    "attack_4",
    "attack_5",
    "attack_6",
    "attack_7",
    "calibration_referral",
)
BENIGN = ("benign_messages", "benign_3", "benign_4", "benign_5", "benign_6", "calibration_benign")
VARIANTS = ([0], [2], [3], [4], [0, 1], [2, 3], [0, 2, 3], [0, 1, 2, 3], [0, 1, 2, 3, 4])
# Share of in-scope messages that may be declined (the bar is 3 %).
DECLINED = 0.02
# Penalty of the conditional logits, and the seed of what is put together by chance.
PENALTY = 3e-3
SEED = 7


def read(file: Path) -> list[dict[str, Any]]:
    """Read a JSON-lines file."""
    return [json.loads(line) for line in file.read_text().splitlines()]


def components(bot: LoadedBot) -> tuple[Any, Any]:
    """Return the trained scorer and the gate of a loaded bot."""
    from calla.nlu.gate import AnswerGate
    from calla.nlu.topics import TopicClassifier

    nodes = [node._component for node in bot.agent.processor.graph_runner._instantiated_nodes.values()]  # type: ignore[union-attr]
    scorer = next(n._scorer for n in nodes if isinstance(n, TopicClassifier))
    return scorer, next(n for n in nodes if isinstance(n, AnswerGate))


def show(name: str, evidence: Sequence[str], weights: Iterable[float]) -> None:
    """Print fitted weights as they stand in the gate's config."""
    print(f'\n"{name}": {{')
    for each, weight in zip(evidence, weights, strict=True):
        print(f'    "{each}": {weight:.2f},')
    print("},")


def gate(scorer: Any) -> None:
    """Compare variants of the gate by cross-validation and print the weights of the best."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import cross_val_predict

    outside = scorer.labels.index("out_of_scope")
    rows, right, inside = [], [], []
    for name, in_scope in (("questions", True), ("out_of_scope", False)):
        for line in read(DEVELOPMENT / f"{name}.jsonl"):
            scores = scorer.score([clean(line["text"])])
            features, order = gate_features(scores.probabilities[0], scores.similarities[0], outside)
            rows.append(features[1:])
            right.append(in_scope and scorer.labels[order[0]].rpartition("/")[2] == line["topic"])
            inside.append(in_scope)
    x, is_right, is_inside = np.array(rows), np.array(right), np.array(inside)
    print(f"{'evidence':82s} {'AUC':>6s}  out of scope rejected at {DECLINED:.0%} declined")
    for columns in VARIANTS:
        p = cross_val_predict(LogisticRegression(), x[:, columns], is_inside, cv=10, method="predict_proba")[:, 1]
        threshold = np.quantile(p[is_inside], DECLINED)
        name = ", ".join(FEATURES[i + 1] for i in columns)
        print(f"{name:82s} {roc_auc_score(is_inside, p):.4f}  {np.mean(p[~is_inside] < threshold):.3f}")
    for name, target in (("certainty_weights", is_right), ("inside_weights", is_inside)):
        fitted = LogisticRegression().fit(x, target)
        show(name, FEATURES, (fitted.intercept_[0], *fitted.coef_[0]))


def detector(scorer: Any, the_gate: Any, catalogue: Any) -> None:
    """Fit the weights of the learned detector's evidence and show what each threshold costs.

    Probabilities in the table are out of fold (ten-fold cross-validation).
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict

    from calla.nlu.danger import EVIDENCE, evidence, sentences_of
    from calla.safety.screen import load_screen

    screen = load_screen()
    _, always = catalogue_facts()
    sets = {name: read(SAFETY / f"{name}.jsonl") for name in (*OWED, *BENIGN)}
    sets["dev"] = [
        line
        for name in ("questions", "out_of_scope", "multi")
        for line in read(DEVELOPMENT / f"{name}.jsonl")
        if line.get("topic") not in always
    ]
    rows, owed, names, sure, hinted = [], [], [], [], []
    for name, lines in sets.items():
        for line in lines:
            reading = Reading(line["text"])
            judging = Judging(scorer, the_gate.gate, catalogue)
            weighed, _ = evidence(reading.text, judging.one(reading.text), sentences_of(reading, judging), catalogue)
            rows.append(weighed)
            owed.append(name in OWED)
            names.append(name)
            findings = screen.find(line["text"])
            sure.append(any(not f.hint for f in findings))
            hinted.append(any(f.hint for f in findings))
    x, y, part = np.array(rows), np.array(owed), np.array(names)
    screened, hints = np.array(sure), np.array(hinted)
    model = LogisticRegression(fit_intercept=False, max_iter=1000)
    show("danger_weights", EVIDENCE, model.fit(x, y).coef_[0])
    probability = cross_val_predict(model, x, y, cv=10, method="predict_proba")[:, 1]

    def found(threshold: float, hint_threshold: float) -> np.ndarray:
        return screened | (probability >= threshold) | (hints & (probability >= hint_threshold))

    print(f"{'referral_from, hinted':22s}" + "".join(f"{name:>24s}" for name in sets))
    for threshold in (0.6, 0.7, 0.75, 0.8, 0.85, 0.9):
        for hint_threshold in (0.05, 0.1, 0.15, 0.2):
            referred = found(threshold, hint_threshold)
            cells = []
            for name in sets:
                at = part == name
                hit = int(referred[at].sum())
                cells.append(
                    f"{int(at.sum()) - hit} of {int(at.sum())} missed"
                    if name in OWED
                    else f"{hit / at.sum():.1%} of {at.sum()}"
                )
            print(f"{threshold:8.2f}, {hint_threshold:.2f}{'':8s}" + "".join(f"{cell:>24s}" for cell in cells))
    points: list[tuple[float, ...]] = []
    for threshold in np.arange(0.05, 1.0, 0.05):
        alone, both = probability >= threshold, found(float(threshold), 0.1)
        points.append(
            (float(threshold), alone[y].mean(), alone[part == "dev"].mean(), both[y].mean(), both[part == "dev"].mean())
        )
    draw(points)


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


def leaning(scorer: Any, the_gate: Any, catalogue: Catalogue) -> several.Weights:
    """Fit the weights of what a message means after the last answer, and a part after another.

    Accuracies are out of fold (ten-fold cross-validation, a dialogue in one fold). Messages
    that stand for themselves are put after an answer by chance: they must not be taken
    for follow-ups.
    """
    judging = Judging(scorer, the_gate.gate, catalogue)
    index = {label.rpartition("/")[2]: i for i, label in enumerate(scorer.labels)}
    rows: dict[str, list[tuple[str, str, Optional[str], int]]] = {"follow-ups": [], "alone": [], "parts": []}
    for line in read(DEVELOPMENT / "followups.jsonl"):
        turns = line["turns"][-len(line["topics"]) :]
        for (_, before), (text, topic) in pairwise(zip(turns, line["topics"], strict=True)):
            if before in catalogue.topics and catalogue.topics[before].group == FAQ and topic in index:
                rows["follow-ups"].append((line["turns"][0], text, before, index[topic]))
    for line in read(DEVELOPMENT / "multi.jsonl"):
        parts = several.parts_of(Reading(line["text"]))
        # Only where it is plain which part asks for which topic.
        if len(parts) == len(line["topics"]):
            for before, part, topic in zip([None, *line["topics"]], parts, line["topics"], strict=False):
                known = before if before and catalogue.topics[before].group == FAQ else None
                rows["parts"].append((line["text"], part.text, known, index[topic]))
    chance = random.Random(SEED)
    for line in read(DEVELOPMENT / "questions.jsonl") + read(DEVELOPMENT / "out_of_scope.jsonl"):
        before = chance.choice(rows["follow-ups"])[2]
        if len(line["text"].split()) <= follow_up.MAX_WORDS and line["topic"] != before:
            owed = catalogue.topics.get(line["topic"])
            if owed is None or owed.group != REFERRAL:
                rows["alone"].append((line["text"], clean(line["text"]), before, index[line["topic"]]))
    fitted = []
    for key, names in (("follow_up_weights", ("follow-ups", "alone")), ("part_weights", ("parts",))):
        chosen = [(name, *row) for name in names for row in rows[name]]
        x = np.array(
            [
                follow_up.evidence(
                    text, catalogue.topics.get(before or ""), judging, catalogue, message if name == "parts" else None
                )
                for name, message, text, before, _ in chosen
            ]
        )
        y = np.array([right for *_, right in chosen])
        kind = np.array([name for name, *_ in chosen])
        fold = np.array([zlib.crc32(source.encode()) % 10 for _, source, *_ in chosen])
        weight = np.where(kind == "alone", len(rows["follow-ups"]) / len(rows["alone"]), 1.0)
        top = np.zeros((len(y), len(scorer.labels)))
        for k in range(10):
            w = choice(x[fold != k], y[fold != k], weight[fold != k])
            for i in np.flatnonzero(fold == k):
                top[i] = follow_up.probabilities(x[i], w, scorer.labels)
        for name in names:
            of = kind == name
            right = np.mean(top[of].argmax(1) == y[of])
            sure = top[of].max(1) >= follow_up.ANSWER_FROM
            print(f"{name}: {right:.3f} right of {of.sum()}, {sure.mean():.3f} sure enough to be answered")
        fitted.append(choice(x, y, weight))
        show(key, follow_up.EVIDENCE, fitted[-1])
    return several.Weights(np.zeros(len(several.EVIDENCE)), *fitted)


def asked(scorer: Any, the_gate: Any, catalogue: Any, weights: several.Weights) -> None:
    """Fit the weights of what tells a question from a part of one; show what each threshold gives.

    Probabilities are out of fold (ten-fold cross-validation, a message in one fold).
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_predict

    def id_of(label: str) -> str:
        return label.rpartition("/")[2]

    messages: list[tuple[str, list[str], Any, list[several.Candidate]]] = []
    rows: list[np.ndarray] = []
    own: list[bool] = []
    of: list[int] = []
    for name in ("multi", "questions", "out_of_scope"):
        for line in read(DEVELOPMENT / f"{name}.jsonl"):
            reading, wanted = Reading(line["text"]), line.get("topics") or [line["topic"]]
            judging = Judging(scorer, the_gate.gate, catalogue)
            found = several.candidates_of(reading, judging, catalogue, weights)
            rows.extend(candidate.evidence for candidate in found)
            own.extend(id_of(candidate.judgement.label) in wanted for candidate in found)
            of.extend([len(messages)] * len(found))
            messages.append((name, wanted, judging.one(reading.text), found))
    x, y, groups = np.array(rows), np.array(own), np.array(of)
    model = LogisticRegression(fit_intercept=False, max_iter=3000)
    show("question_weights", several.EVIDENCE, model.fit(x, y).coef_[0])
    probability = cross_val_predict(model, x, y, groups=groups, cv=GroupKFold(10), method="predict_proba")[:, 1]
    print("question_from  several, all answered  one with 'and', once  right first  answered twice  outside, answered")
    for threshold in (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5):
        results: dict[str, list[bool]] = {"several": [], "one": [], "first": [], "twice": [], "outside": []}
        for n, (name, wanted, whole, found) in enumerate(messages):
            kept = [c for c, p in zip(found, probability[groups == n], strict=True) if p >= threshold]
            answers = several.chosen(whole, kept)
            got = [id_of(j.label) for j in answers]
            if name == "questions":
                results["first"].append(got[0] == wanted[0])
                results["twice"].append(len(got) > 1)
            elif name == "out_of_scope":
                results["outside"].append(any(j.outcome == "answer" for j in answers))
            elif len(wanted) > 1:
                results["several"].append(set(wanted) <= set(got))
            else:
                results["one"].append(got == wanted)
        print(f"{threshold:13.2f}" + "".join(f"{np.mean(hits):18.3f}" for hits in results.values()))


def draw(points: list[tuple[float, ...]]) -> None:
    """Draw the trade-off."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    table = np.array(points)
    figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    axes.plot(100 * table[:, 2], 100 * table[:, 1], "o-", color="#b06a3b", label="learned detector alone")
    axes.plot(100 * table[:, 4], 100 * table[:, 3], "o-", color="#17475c", label="detector or screen")
    axes.axvline(3, color="#999", linewidth=0.8, linestyle=":")
    axes.set_xlabel("benign messages referred first, %")
    axes.set_ylabel("owed referrals found, %")
    axes.legend()
    figure.savefig(ROOT / "docs" / "images" / "detector-curve.png", dpi=110)


def main() -> int:
    """Run all comparisons; returns the exit status."""
    scorer, the_gate = components(bot := LoadedBot())
    catalogue = Catalogue(bot.agent.domain.responses)  # type: ignore[union-attr]
    gate(scorer)
    asked(scorer, the_gate, catalogue, leaning(scorer, the_gate, catalogue))
    detector(scorer, the_gate, catalogue)
    return 0


if __name__ == "__main__":
    sys.exit(main())
