"""From what was measured to the table, the JSON file and the plots in ``docs/``."""

from __future__ import annotations

import json
import os
import re
import statistics
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Optional

from calla.settings import ROOT
from evaluation.bench import plots
from evaluation.bench.messages import CLASSES
from evaluation.bench.speed import CROWDS, spread
from evaluation.bench.state import State

PAGE = ROOT / "docs" / "performance.md"
FIGURES = ROOT / "docs" / "performance.json"
SYSTEMS = ("Calla", "stock")
_BLOCK = re.compile(r"(<!-- figures: make bench -->\n).*?(<!-- end of figures -->)", re.DOTALL)
Row = tuple[str, str, str, str, str]


def write(state: State, page: Path = PAGE, figures: Path = FIGURES) -> str:
    """Write table, JSON and plots; return the table."""
    found = summary(state)
    figures.write_text(json.dumps(found, indent=2) + "\n")
    table = as_table(found)
    page.write_text(_BLOCK.sub(lambda block: f"{block[1]}\n{table}\n{block[2]}", page.read_text()))
    plots.draw(found)
    return table


# --------------------------------------------------------------------------------- summary


def summary(state: State) -> dict[str, Any]:
    """Return the figures of a run, without its single messages; those not measured are missing."""
    steps = state.steps
    found: dict[str, Any] = {
        "began": state.began,
        "commits": state.commits,
        "options": state.key,
        "machine": machine(),
    }
    messages = [row for name, rows in steps.items() if name.startswith("messages") for row in rows]
    if messages:
        found["messages"] = _messages(messages)
    parts: dict[str, Callable[[str], Optional[Any]]] = {
        "crowds": lambda system: _by(steps, "{} clients, " + system, CROWDS),
        "conversations": lambda system: steps.get(f"long conversations, {system}"),
        "memory": lambda system: steps.get(f"memory, {system}"),
        "start_quiet": lambda system: _starts(steps, "quiet", system),
        "start_busy": lambda system: _starts(steps, "busy", system),
    }
    for part, of in parts.items():
        own = {system: figure for system in SYSTEMS if (figure := of(system))}
        if own:
            found[part] = own
    for step in ("training from nothing", "training after an edit", "encoder alone", "BANKING77", "CLINC150"):
        if step in steps:
            found[step] = steps[step]
    if "stages" in steps:
        number = steps["stages"]["messages"]
        found["stages"] = {name: each["ms"] / number for name, each in steps["stages"]["stages"].items()}
    topics = {name.split()[0]: result for name, result in steps.items() if name.endswith(" topics")}
    if topics:
        found["topics"] = topics
    return found


def machine() -> str:
    """Return the machine in words."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return f"{os.cpu_count()} cores, {cpu[1] if cpu else 'processor unknown'}"


def _messages(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in (*CLASSES, "all"):
        own = [row for row in rows if name in (row["class"], "all")]
        if own:
            found[name] = {"number": len(own)} | {
                system: {
                    **spread([row[system]["ms"] for row in own]),
                    "cpu_ms": statistics.mean(row[system]["cpu_ms"] for row in own),
                }
                for system in SYSTEMS
            }
    return found


def _by(steps: dict[str, Any], name: str, numbers: Iterable[int]) -> dict[str, Any]:
    return {str(n): steps[name.format(n)] for n in numbers if name.format(n) in steps}


def _starts(steps: dict[str, Any], kind: str, system: str) -> Optional[dict[str, float]]:
    own = [r for name, r in steps.items() if name.startswith(f"start {kind}") and name.endswith(f", {system}")]
    return {key: statistics.median(one[key] for one in own) for key in own[0]} if own else None


# ----------------------------------------------------------------------------------- table


def as_table(found: dict[str, Any]) -> str:
    """Return the figures against their bars, in Markdown."""
    rows: list[Row] = [*_speed(found), *_crowds(found), *_rest(found)]
    head = (
        f"Measured on {found['began']} at commit {', '.join(found['commits'])} on {found['machine']}; "
        f"the stock assistant with {found['options']['epochs']} epochs and the first "
        f"{found['options']['examples']} examples of each topic and detail.\n"
    )
    lines = ["| what | bar | Calla | stock | Calla / stock |", "|---|---|---|---|---|"]
    lines.extend(f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([head, *lines, *_stages(found), *_topics(found), *_data_sets(found), ""])


def _pair(what: str, bar: str, pair: Sequence[Optional[float]], form: str = "{:.0f} ms") -> Row:
    calla, stock = pair
    ratio = f"{calla / stock:.2f}" if calla is not None and stock else ""
    return what, bar, *("" if v is None else form.format(v) for v in pair), ratio  # type: ignore[return-value]


def _speed(found: dict[str, Any]) -> Iterable[Row]:
    for name, row in found.get("messages", {}).items():
        label = f"message to answer, {name} ({row['number']})"
        bar = {"up to 15 words": "1/4 of stock", "all": "1/2 of stock"}.get(name, "")
        yield _pair(f"{label}, median", bar, [row[system]["median"] for system in SYSTEMS])
        yield _pair(f"{label}, 95th percentile", "stock", [row[system]["p95"] for system in SYSTEMS])
        bar = "12 ms" if name == "all" else ""
        yield _pair(f"processor time, {name}", bar, [row[system]["cpu_ms"] for system in SYSTEMS], "{:.1f} ms")


def _crowds(found: dict[str, Any]) -> Iterable[Row]:
    crowds = found.get("crowds", {})
    for n in map(str, CROWDS):
        values = [crowds.get(system, {}).get(n, {}).get("per_second") for system in SYSTEMS]
        if any(values):
            yield _pair(f"messages per second, {n} client{'s' * (n != '1')}", "3 times stock", values, "{:.1f}")


def _rest(found: dict[str, Any]) -> Iterable[Row]:
    if memory := found.get("memory"):
        for what, key in (("resident", "resident"), ("shared parts by share", "proportional")):
            bar = "450 MB" if key == "resident" else ""
            values = [memory.get(system, {}).get(key) for system in SYSTEMS]
            yield _pair(f"memory after 1,000 messages, {what}", bar, values, "{:.0f} MB")
        calla, stock = ("" if s not in memory else "yes" if memory[s]["tensorflow"] else "no" for s in SYSTEMS)
        yield "TensorFlow loaded", "no", calla, stock, ""
    for kind, bar in (("quiet", "12 s"), ("busy", "20 s")):
        if start := found.get(f"start_{kind}"):
            words = "" if kind == "quiet" else ", one core kept busy"
            values = [start.get(system, {}).get("seconds") for system in SYSTEMS]
            yield _pair(f"start to first answer{words}", bar, values, "{:.1f} s")
            values = [start.get(system, {}).get("cpu_seconds") for system in SYSTEMS]
            yield _pair(f"processor time of that{words}", "", values, "{:.1f} s")
    for step, bar in (("training from nothing", "45 s"), ("training after an edit", "20 s")):
        if row := found.get(step):
            yield _pair(step, bar, [row["seconds"], None], "{:.0f} s")
            yield _pair(f"processor time of {step}", "", [row["cpu_seconds"], None], "{:.0f} s")
    for n in dict.fromkeys(n for own in found.get("conversations", {}).values() for n in own):
        values = [found["conversations"].get(system, {}).get(n) for system in SYSTEMS]
        yield _pair(f"message in a conversation of {n} turns, median", "same within 20 %", values)
    if (floor := found.get("encoder alone")) and (messages := found.get("messages")):
        times = messages["all"]["Calla"]["cpu_ms"] / floor["all"]["cpu_ms"]
        yield "the encoder alone, once over the message", "", f"{floor['all']['cpu_ms']:.1f} ms", "", ""
        yield "processor time of a message, times the encoder alone", "", f"{times:.1f}", "", ""


def _stages(found: dict[str, Any]) -> list[str]:
    if "stages" not in found:
        return []
    total = sum(found["stages"].values())
    rows = sorted(found["stages"].items(), key=lambda row: -row[1])
    return [
        "",
        f"Stages of a message (mean of 300, each without those it calls; {total:.1f} ms in all):",
        "",
        "| stage | ms | share |",
        "|---|---|---|",
        *(f"| {name} | {ms:.2f} | {100 * ms / total:.0f} % |" for name, ms in rows),
    ]


def _topics(found: dict[str, Any]) -> list[str]:
    if not (topics := found.get("topics")):
        return []
    numbers = sorted(topics, key=int)
    lines = ["", "| stage | " + " | ".join(f"{n} topics" for n in numbers) + " |", "|---" * (len(numbers) + 1) + "|"]
    for stage in topics[numbers[0]]:
        lines.append(f"| {stage} | " + " | ".join(f"{topics[n][stage]:.2f}" for n in numbers) + " |")
    return lines


def _data_sets(found: dict[str, Any]) -> list[str]:
    lines: list[str] = []
    if banking := found.get("BANKING77"):
        lines.append(f"| BANKING77, 10 examples of each intent | 86 % | {100 * banking['accuracy']:.1f} % |")
    if clinc := found.get("CLINC150"):
        for key, what in (("best_sum", "threshold of the best sum"), ("inside_kept", "of 95 % inside")):
            inside, outside = 100 * clinc[key]["inside"], 100 * clinc[key]["outside"]
            lines.append(f"| CLINC150 full, {what}: inside / outside | 95 / 66 % | {inside:.1f} / {outside:.1f} % |")
    return ["", "| public data | bar | Calla's pipeline |", "|---|---|---|", *lines] if lines else []
