"""Choose the numbers of the gate and of the learned detector on development data.

Prints the comparison of gate variants (which evidence separates what Calla can answer
from what it cannot), the fitted weights for ``calla/nlu/gate.py``, and the detector's
trade-off between missed referrals and needless ones; draws the latter as a curve into
``docs/images/detector-curve.png``. Uses only ``tests/nlu/dev`` and ``tests/safety``,
never ``tests/nlu/untouched``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from calla.settings import ROOT
from evaluation.bot import LoadedBot

DEVELOPMENT = ROOT / "tests" / "nlu" / "dev"
SAFETY = ROOT / "tests" / "safety"
EVIDENCE = ("best log-odds", "margin", "cosine", "outside log-odds", "cosine less outside cosine")
VARIANTS = ([0], [2], [3], [4], [0, 1], [2, 3], [0, 2, 3], [0, 1, 2, 3], [0, 1, 2, 3, 4])
# Share of in-scope messages that may be declined (the bar is 3 %).
DECLINED = 0.02


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


def gate(scorer: Any) -> None:
    """Compare variants of the gate by cross-validation and print the weights of the best."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import cross_val_predict

    from calla.nlu.gate import gate_features
    from calla.text import clean

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
        name = ", ".join(EVIDENCE[i] for i in columns)
        print(f"{name:82s} {roc_auc_score(is_inside, p):.4f}  {np.mean(p[~is_inside] < threshold):.3f}")
    for name, target in (("certainty_weights", is_right), ("inside_weights", is_inside)):
        fitted = LogisticRegression().fit(x, target)
        print(f'"{name}": {[round(float(w), 2) for w in (fitted.intercept_[0], *fitted.coef_[0])]}')


def detector(scorer: Any, the_gate: Any) -> None:
    """Print and draw what each threshold of the learned detector misses and refers needlessly."""
    from calla.nlu.language import Reading
    from calla.safety.screen import load_screen

    screen = load_screen()
    owed = read(SAFETY / "referral_messages.jsonl")
    benign = read(SAFETY / "benign_messages.jsonl")
    found: dict[str, np.ndarray] = {}
    for name, lines in (("owed", owed), ("benign", benign)):
        values = []
        for line in lines:
            (judged,) = the_gate.judge(scorer.score([Reading(line["text"]).text]), scorer.labels)
            values.append((bool(screen.find(line["text"])), judged.mass, judged.head))
        found[name] = np.array(values, dtype=float)
    points: list[tuple[float, ...]] = []
    print("\nthreshold  detector alone: recall, needless   with the screen: recall, needless")
    for threshold in np.arange(0.1, 1.0, 0.1):
        shares = []
        for table in found.values():
            learned = (table[:, 1] >= threshold) & (table[:, 2] >= threshold)
            shares += [float(learned.mean()), float((learned | (table[:, 0] > 0)).mean())]
        alone, both, needless, needless_both = shares
        points.append((float(threshold), alone, needless, both, needless_both))
        print(f"{threshold:9.1f}  {alone:.3f}, {needless:.3f}{'':22s}{both:.3f}, {needless_both:.3f}")
    draw(points)


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
    """Run both comparisons; returns the exit status."""
    scorer, the_gate = components(bot := LoadedBot())
    bot.ask("hello")  # the gate learns the catalogue with the first message
    gate(scorer)
    detector(scorer, the_gate)
    return 0


if __name__ == "__main__":
    sys.exit(main())
