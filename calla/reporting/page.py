"""The report as one page that asks nobody for anything: figures, clusters, the state of the content."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Optional, Sequence

import jinja2

from calla.catalogue import FAQ, REFERRAL, URGENCY
from calla.content.files import Entry
from calla.content.rules import grade
from calla.content.sources import table
from calla.reporting import pictures
from calla.reporting.clusters import Cluster
from calla.reporting.figures import PROMISED, Figures

TEMPLATE = Path(__file__).with_name("report.html")
# Rows of a table, and bars of a picture, at most.
MOST_ROWS, MOST_BARS, MOST_CLUSTERS = 25, 15, 40
# Days after which a text wants to be checked again, and the grade that texts may have.
REVIEW_DAYS, HARD_FROM = 365, 8.0


@dataclass(frozen=True)
class Thumbs:
    """Votes on one answer."""

    id: str
    up: int
    down: int
    why: tuple[tuple[int, int], ...]


def page(
    figures: Figures, clusters: Sequence[Cluster], entries: Sequence[Entry], *, days: int, kept: bool, today: date
) -> str:
    """Return the report.

    Args:
        figures: what was counted.
        clusters: the questions without an answer.
        entries: topics, details and referrals as they stand in their files.
        days: how many days are counted.
        kept: whether questions without an answer are kept.
        today: the day of the report.
    """
    by_id = {entry.id: entry for entry in entries if entry.group in (FAQ, "chat", REFERRAL)}
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        figures=figures,
        clusters=clusters,
        shown_clusters=clusters[:MOST_CLUSTERS],
        days=days,
        kept=kept,
        today=today.isoformat(),
        most=MOST_ROWS,
        title=lambda id: _title(by_id.get(id), id),
        entry=by_id.get,
        share=lambda number: _percent(number, figures.messages),
        **_asked(figures, by_id),
        **_thumbs(figures),
        **_referrals(figures),
        **_content(entries, figures, today),
    )


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "–"


def _title(entry: Optional[Entry], id: str) -> str:
    return (entry.value("title") if entry else "") or id


def _asked(figures: Figures, by_id: dict[str, Entry]) -> dict[str, Any]:
    topics: Counter[str] = Counter()
    details: Counter[str] = Counter()
    for name, number in figures.answers.items():
        id = name.rpartition("/")[2]
        if name.startswith(f"utter_{FAQ}/"):
            topics[id.partition(".")[0]] += number
            if "." in id:
                details[id] += number
    day_rows = _days(figures)
    curves = (("referral", figures.all_to_referral), ("end of the answer", figures.all_to_end))

    def top(counted: Counter[str]) -> list[tuple[str, float]]:
        return [(_title(by_id.get(id), id), float(number)) for id, number in counted.most_common(MOST_BARS)]

    return {
        "topics": pictures.bars(top(topics), "The topics that were answered most", ("Topic", "Answers"))
        if topics
        else None,
        "details": pictures.bars(top(details), "The details that were answered most", ("Detail", "Answers"))
        if details
        else None,
        "by_day": pictures.columns(day_rows, "Messages a day", ("Day", "messages"), max(1, len(day_rows) // 8))
        if figures.messages
        else None,
        "seconds": pictures.shares(
            curves, PROMISED, "Which share of messages had its referral, and its whole answer, within how many seconds"
        )
        if figures.messages
        else None,
    }


def _days(figures: Figures) -> list[tuple[str, float]]:
    """Return every day from the first with a message to the last, also those without."""
    if not figures.days:
        return []
    first, last = min(figures.days), max(figures.days)
    every = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return [(day.strftime("%m-%d"), float(figures.days[day])) for day in every]


def _thumbs(figures: Figures) -> dict[str, Any]:
    rows = []
    up = down = 0
    for response, votes in figures.thumbs.items():
        why = tuple((value, number) for value, number in votes.most_common() if value < 0)
        row = Thumbs(response.rpartition("/")[2], votes[1], sum(number for _, number in why), why)
        up, down = up + row.up, down + row.down
        if row.down:
            rows.append(row)
    return {"thumbs": sorted(rows, key=lambda row: -row.down)[:MOST_ROWS], "helpful": _percent(up, up + down)}


def _referrals(figures: Figures) -> dict[str, Any]:
    by_kind: Counter[str] = Counter()
    for (kind, _), number in figures.referrals.items():
        by_kind[kind] += number
    rows = [(name.replace("_", " "), float(number)) for name, number in figures.referred.most_common(MOST_BARS)]
    return {
        "kinds": sorted(by_kind, key=lambda kind: URGENCY.index(kind) if kind in URGENCY else len(URGENCY)),
        "ways": sorted({way for _, way in figures.referrals}, key=lambda way: (way != "plan", way)),
        "by_kind": by_kind,
        "referred": pictures.bars(rows, "The referrals that were given most", ("Referral", "Given")) if rows else None,
    }


def _content(entries: Sequence[Entry], figures: Figures, today: date) -> dict[str, Any]:
    texts = [entry for entry in entries if entry.text and entry.group in (FAQ, REFERRAL)]
    due = (today - timedelta(days=REVIEW_DAYS)).isoformat()
    dated = [entry for entry in texts if entry.group == FAQ]
    graded = _grades(texts)
    steps = Counter(int(value) for _, value in graded)
    rows = [
        (f"{step}–{step + 1}", float(steps[step])) for step in range(min(steps, default=0), max(steps, default=0) + 1)
    ]
    return {
        "number_of_texts": len(dated),
        "review_days": REVIEW_DAYS,
        "stale": sorted((e for e in dated if e.value("reviewed") < due), key=lambda e: e.value("reviewed")),
        "oldest_review": min((e.value("reviewed") for e in dated), default=""),
        "unopened": _unopened(texts, figures),
        "grades": pictures.columns(rows, "How hard texts are to read (Flesch-Kincaid grade)", ("Grade", "texts"))
        if graded
        else None,
        "hard_from": HARD_FROM,
        "hard": sorted((pair for pair in graded if pair[1] > HARD_FROM), key=lambda pair: -pair[1]),
    }


def _grades(texts: Sequence[Entry]) -> list[tuple[Entry, float]]:
    """Return the reading grade of each text; none where the tool for it is not installed."""
    try:
        return [(entry, grade(entry.text or "")) for entry in texts]
    except ImportError:
        return []


def _unopened(texts: Sequence[Entry], figures: Figures) -> list[dict[str, Any]]:
    """Return the sources that nobody has opened, those that people read most first."""
    cited: Counter[str] = Counter()
    said: Counter[str] = Counter()
    for entry in texts:
        for key in entry.values("sources"):
            cited[key] += 1
            said[key] += figures.answers[f"utter_{entry.name}"]
    rows = [
        {
            "key": key,
            "cited": cited[key],
            "said": said[key],
            **{k: source.get(k, "") for k in ("organisation", "title", "url")},
        }
        for key, source in table().items()
        if source.get("check")
    ]
    return sorted(rows, key=lambda row: (-row["said"], -row["cited"], row["key"]))
