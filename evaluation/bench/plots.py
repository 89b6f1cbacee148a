"""The plots of the report, as SVG files whose text stays text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

from calla.settings import ROOT

IMAGES = ROOT / "docs" / "images"
# Told apart by people who see colours otherwise, too (Okabe and Ito 2008).
COLOURS = {"Calla": "#0072b2", "stock": "#e69f00"}
# The same picture gives the same file.
matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "calla", "axes.spines.top": False})
matplotlib.rcParams.update({"axes.spines.right": False, "font.size": 9})


def draw(found: dict[str, Any], folder: Path = IMAGES) -> None:
    """Draw what was measured."""
    if "messages" in found:
        _latency(found["messages"], folder / "bench-latency.svg")
    if len(found.get("crowds", {})) == len(COLOURS):
        _crowds(found["crowds"], folder / "bench-crowds.svg")
    if "stages" in found:
        _stages(found["stages"], folder / "bench-stages.svg")
    if len(found.get("topics", {})) > 1:
        _topics(found["topics"], folder / "bench-topics.svg")


def _save(figure: Any, file: Path) -> None:
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)


def _bars(axis: Any, groups: list[str], values: dict[str, list[float]]) -> None:
    for n, (system, own) in enumerate(values.items()):
        places = [i + 0.4 * n - 0.2 for i in range(len(groups))]
        axis.bar(places, own, 0.38, label=system, color=COLOURS[system])
        for place, value in zip(places, own, strict=True):
            axis.annotate(f"{value:.0f}", (place, value), ha="center", va="bottom", fontsize=7)
    axis.set_xticks(range(len(groups)), groups)


def _latency(messages: dict[str, Any], file: Path) -> None:
    figure, axes = plt.subplots(1, 3, figsize=(10, 3.2))
    for axis, (key, title) in zip(
        axes,
        (("median", "median, ms"), ("p95", "95th percentile, ms"), ("cpu_ms", "processor time, ms")),
        strict=True,
    ):
        groups = list(messages)
        labels = [name.replace(" words", "").replace("up to", "≤") for name in groups]
        _bars(axis, labels, {system: [messages[name][system][key] for name in groups] for system in COLOURS})
        axis.set_title(f"Message to answer: {title}", fontsize=9)
        axis.set_xlabel("words of the message")
    axes[0].legend(frameon=False)
    _save(figure, file)


def _crowds(crowds: dict[str, Any], file: Path) -> None:
    figure, axis = plt.subplots(figsize=(5, 3))
    groups = [n for n in crowds["Calla"] if n in crowds["stock"]]
    _bars(axis, groups, {system: [crowds[system][n]["per_second"] for n in groups] for system in COLOURS})
    axis.set_xlabel("clients that ask without pause")
    axis.set_title("Messages per second", fontsize=9)
    axis.legend(frameon=False)
    _save(figure, file)


def _stages(stages: dict[str, float], file: Path) -> None:
    rows = sorted(stages.items(), key=lambda row: row[1])
    figure, axis = plt.subplots(figsize=(7, 4.5))
    axis.barh([name for name, _ in rows], [ms for _, ms in rows], color=COLOURS["Calla"])
    axis.set_title("A message through the server: ms of each stage", fontsize=9)
    _save(figure, file)


def _topics(topics: dict[str, Any], file: Path) -> None:
    numbers = sorted(map(int, topics))
    figure, axis = plt.subplots(figsize=(6, 3.5))
    for stage in topics[str(numbers[0])]:
        first = topics[str(numbers[0])][stage]
        axis.plot(numbers, [topics[str(n)][stage] / (first or 1) for n in numbers], marker="o", label=stage)
    axis.plot(numbers, [n / numbers[0] for n in numbers], "k:", label="linear")
    axis.set(xscale="log", yscale="log", xlabel="topics", title="Times the cost with the fewest topics")
    axis.legend(frameon=False, fontsize=7)
    _save(figure, file)
