"""Pictures of the report: SVG within the page, in the colours of the page, readable without seeing them."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import Any, Sequence

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.ticker import MaxNLocator

# Stand-ins that the page's own colours replace.
_TEXT, _BAR, _SECOND = "#010203", "#040506", "#070809"
_COLOURS = {_TEXT: "currentColor", _BAR: "var(--bar)", _SECOND: "var(--second)"}
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 11,
    "text.color": _TEXT,
    "axes.labelcolor": _TEXT,
    "axes.edgecolor": _TEXT,
    "xtick.color": _TEXT,
    "ytick.color": _TEXT,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


@dataclass(frozen=True)
class Picture:
    """A picture.

    Attributes:
        svg: the drawing, hidden from screen readers: the table beside it says the same.
        alt: what it shows, in a sentence.
        head: names of the two columns of the table.
        rows: the same in numbers.
    """

    svg: str
    alt: str
    head: tuple[str, str]
    rows: tuple[tuple[str, str], ...]


def bars(rows: Sequence[tuple[str, float]], alt: str, head: tuple[str, str]) -> Picture:
    """Draw lying bars, one a row, the first on top."""
    with plt.rc_context(_STYLE):
        figure, axes = plt.subplots(figsize=(7.5, 0.34 * max(len(rows), 1) + 0.7))
        labels = [label for label, _ in rows][::-1]
        drawn = axes.barh(range(len(rows)), [value for _, value in rows][::-1], color=_BAR, height=0.7)
        axes.set_yticks(range(len(rows)), labels)
        axes.bar_label(drawn, fmt="%g", padding=3, color=_TEXT)
        axes.xaxis.set_visible(False)
        axes.spines["bottom"].set_visible(False)
        axes.margins(x=0.1, y=0.01)
        return Picture(_svg(figure), alt, head, tuple((label, f"{value:g}") for label, value in rows))


def columns(rows: Sequence[tuple[str, float]], alt: str, head: tuple[str, str], every: int = 1) -> Picture:
    """Draw standing bars, such as days or grades; only every so many are labelled."""
    with plt.rc_context(_STYLE):
        figure, axes = plt.subplots(figsize=(7.5, 2.4))
        axes.bar(range(len(rows)), [value for _, value in rows], color=_BAR)
        shown = range(0, len(rows), every)
        axes.set_xticks(list(shown), [rows[at][0] for at in shown])
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.set_ylabel(head[1])
        return Picture(_svg(figure), alt, head, tuple((label, f"{value:g}") for label, value in rows))


def shares(curves: Sequence[tuple[str, Sequence[float]]], bound: float, alt: str) -> Picture:
    """Draw which share of something was done within how many seconds, a curve each, and the bound."""
    with plt.rc_context(_STYLE):
        figure, axes = plt.subplots(figsize=(7.5, 2.8))
        for (name, values), colour, line in zip(curves, (_BAR, _SECOND), ("-", "--"), strict=False):
            if ordered := sorted(values):
                axes.step(
                    [0.0, *ordered],
                    [0.0, *(100 * (at + 1) / len(ordered) for at in range(len(ordered)))],
                    where="post",
                    color=colour,
                    linestyle=line,
                    linewidth=2,
                    label=name,
                )
        axes.axvline(bound, color=_TEXT, linestyle=":", label=f"{bound:g} s")
        axes.set_xlabel("seconds")
        axes.set_ylabel("% of messages")
        axes.set_xlim(left=0)
        axes.legend(frameon=False, loc="lower right")
        table = tuple(
            (f"{name}: within {limit:g} s", f"{100 * sum(v <= limit for v in values) / len(values):.1f} %")
            for name, values in curves
            if values
            for limit in (0.5, 1.0, 2.0, bound)
        )
        return Picture(_svg(figure), alt, ("Share", "Messages"), table)


def _svg(figure: Any) -> str:
    """Return a drawing as it stands within a page, with ids of its own and the page's colours."""
    out = io.StringIO()
    figure.savefig(
        out,
        format="svg",
        bbox_inches="tight",
        transparent=True,
        metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
    )
    plt.close(figure)
    text = out.getvalue()
    text = text[text.index("<svg") :]
    _svg.count = getattr(_svg, "count", 0) + 1  # type: ignore[attr-defined]
    own = f"p{_svg.count}-"  # type: ignore[attr-defined]
    text = re.sub(r'\bid="', f'id="{own}', text)
    text = re.sub(r'(href="|url\()#', rf"\g<1>#{own}", text)
    for colour, page in _COLOURS.items():
        text = text.replace(colour, page)
    return text.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)
