"""``make evaluate FILE=questions.jsonl``: ask the bot, report what it did.

Reads lines ``{"text": ..., "topic": ...}``; ``topic`` is a topic id, ``referral`` (any
referral must come first) or ``out_of_scope``. ``details`` names the details that meet a
need; ``kind`` the kind of referral that is owed (``none`` for none). Lines with ``topics``
(several questions in one message) or ``turns`` (a dialogue, whose last turn may owe a
``kind``) are understood too. Writes ``report.html`` and ``report.json``.
"""

from __future__ import annotations

import argparse
import html
import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Optional

from calla.settings import ROOT
from evaluation.bot import Bot, LoadedBot, RunningBot
from evaluation.intervals import Share
from evaluation.replies import Reply

REFERRAL, OUT_OF_SCOPE = "referral", "out_of_scope"
ACUTE = frozenset({"emergency", "emotional_crisis"})
# Responses that say honestly that Calla cannot answer this.
DECLINES = frozenset({"utter_out_of_scope", "utter_other_language", "utter_empty_message"})
# "Tell me more" before anything was said has nothing to tell more about.
MORE = frozenset({"utter_no_topic_yet", "utter_no_more", "utter_more_about"})


@dataclass(frozen=True)
class Outcome:
    """What was expected of a message and what came."""

    text: str
    expected: str
    replies: tuple[Reply, ...]
    offered: tuple[str, ...]
    details: tuple[str, ...] = ()

    @property
    def topics(self) -> list[str]:
        """Topic ids of all replies, in order."""
        return [topic_of(reply.response) for reply in self.replies]

    @property
    def need_met(self) -> bool:
        """Whether a detail that meets the need is in the reply."""
        return bool({detail_of(reply.response) for reply in self.replies} & set(self.details))

    @property
    def need_offered(self) -> bool:
        """Whether it is in the reply or on a button."""
        return self.need_met or bool(set(self.offered) & set(self.details))

    @property
    def nothing_behind(self) -> bool:
        """Whether a referral, and no answer, is all that came (an emergency or crisis stands alone)."""
        return self.referred_first and all(
            reply.response.startswith("utter_referral") and topic_of(reply.response) not in ACUTE
            for reply in self.replies
        )

    @property
    def first_answer(self) -> str:
        """Topic id of the first reply that is not a referral outside its own topic."""
        for reply in self.replies:
            if not reply.response.startswith("utter_referral") or topic_of(reply.response) == self.expected:
                return topic_of(reply.response)
        return topic_of(self.replies[0].response) if self.replies else "nothing"

    @property
    def referred_first(self) -> bool:
        """Whether the first thing read is a referral."""
        return bool(self.replies) and self.replies[0].response.startswith("utter_referral")

    @property
    def declined(self) -> bool:
        """Whether the message was declined."""
        return any(reply.response in DECLINES for reply in self.replies)

    @property
    def right(self) -> bool:
        """Whether the first answer is the expected topic."""
        if self.expected == "tell_me_more":
            return any(r.response in MORE for r in self.replies)
        return self.first_answer == self.expected

    @property
    def right_or_offered(self) -> bool:
        """Whether the expected topic was answered or is on a button under what was said."""
        return self.right or self.expected in self.topics or self.expected in self.offered


@dataclass
class Report:
    """All outcomes and the figures drawn from them."""

    outcomes: list[Outcome] = field(default_factory=list)
    several: list[tuple[str, list[str], list[str]]] = field(default_factory=list)
    dialogues: list[tuple[list[str], str, list[str]]] = field(default_factory=list)
    kinds: list[tuple[str, str, list[str]]] = field(default_factory=list)
    always: frozenset[str] = frozenset()

    def shares(self) -> dict[str, Share]:
        """Return the figures by name."""
        in_scope = [o for o in self.outcomes if o.expected not in (REFERRAL, OUT_OF_SCOPE)]
        owed = [o for o in self.outcomes if o.expected == REFERRAL or o.expected in self.always]
        benign = [o for o in self.outcomes if o.expected != REFERRAL and o.expected not in self.always]
        outside = [o for o in self.outcomes if o.expected == OUT_OF_SCOPE]
        counted = {
            "right topic, first answer": Share(sum(o.right for o in in_scope), len(in_scope)),
            "right topic answered or offered": Share(sum(o.right_or_offered for o in in_scope), len(in_scope)),
            "in-scope messages declined": Share(sum(o.declined for o in in_scope), len(in_scope)),
            "out-of-scope recall": Share(sum(o.declined for o in outside), len(outside)),
            "referral recall": Share(sum(o.referred_first for o in owed), len(owed)),
            "referral first on benign messages": Share(sum(o.referred_first for o in benign), len(benign)),
            "several questions, all answered": Share(
                sum(set(wanted) <= set(got) for _, wanted, got in self.several if len(wanted) > 1),
                sum(len(wanted) > 1 for _, wanted, _ in self.several),
            ),
            "one question with 'and', answered once": Share(
                sum(wanted == got for _, wanted, got in self.several if len(wanted) == 1),
                sum(len(wanted) == 1 for _, wanted, _ in self.several),
            ),
            "follow-ups understood": Share(sum(w in got for _, w, got in self.dialogues), len(self.dialogues)),
        }
        needs = [o for o in self.outcomes if o.details]
        answerable = [o for o in in_scope if o.expected not in self.always]
        owed_kinds = [(wanted, got) for _, wanted, got in self.kinds if wanted != "none"]
        acute = [(wanted, got) for wanted, got in owed_kinds if wanted in ("emergency", "crisis")]
        none = [got for _, wanted, got in self.kinds if wanted == "none"]
        counted |= {
            "need met": Share(sum(o.need_met for o in needs), len(needs)),
            "need met or offered": Share(sum(o.need_offered for o in needs), len(needs)),
            "topic only": Share(sum(not o.need_met and o.right for o in needs), len(needs)),
            "referral with nothing behind it": Share(sum(o.nothing_behind for o in answerable), len(answerable)),
            "a referral where one is owed": Share(sum(bool(got) for _, got in owed_kinds), len(owed_kinds)),
            "the right kind of referral": Share(sum(w in got for w, got in owed_kinds), len(owed_kinds)),
            "emergency and crisis get their own text": Share(sum(w in got for w, got in acute), len(acute)),
            "referral where none is owed": Share(sum(bool(got) for got in none), len(none)),
            "emergency or crisis text where none is owed": Share(
                sum(bool({"emergency", "crisis"} & set(got)) for got in none), len(none)
            ),
        }
        return {name: share for name, share in counted.items() if share.total}

    def wrong(self) -> list[dict[str, Any]]:
        """Return every message that did not go as expected."""
        rows: list[dict[str, Any]] = []
        for o in self.outcomes:
            if o.expected == REFERRAL:
                fine = o.referred_first
            elif o.expected == OUT_OF_SCOPE:
                fine = o.declined and not o.referred_first
            else:
                fine = o.right and (o.referred_first == (o.expected in self.always))
            if not fine:
                rows.append({"text": o.text, "expected": o.expected, "got": [r.response for r in o.replies]})
        rows += [{"text": t, "expected": w, "got": g} for t, w, g in self.several if not set(w) <= set(g)]
        rows += [{"text": t, "expected": w, "got": g} for t, w, g in self.kinds if (w not in g if w != "none" else g)]
        rows += [
            {"text": o.text, "expected": list(o.details), "got": [r.response for r in o.replies]}
            for o in self.outcomes
            if o.details and not o.need_met
        ]
        rows += [{"text": " / ".join(t), "expected": w, "got": g} for t, w, g in self.dialogues if w not in g]
        return rows

    def confusions(self) -> list[tuple[str, str, int]]:
        """Return (expected, answered instead, how often), most frequent first."""
        pairs = Counter((o.expected, o.first_answer) for o in self.outcomes if o.expected != REFERRAL and not o.right)
        return [(a, b, n) for (a, b), n in pairs.most_common()]


def detail_of(response: str) -> str:
    """Return the id at the end of a response's name: of a topic or of a detail."""
    return response.rpartition("/")[2] if "/" in response else response.removeprefix("utter_")


def topic_of(response: str) -> str:
    """Return the topic id at the end of a response's name."""
    return detail_of(response).partition(".")[0]


def kinds_of(replies: list[Reply]) -> list[str]:
    """Return the kinds of the referrals that come first."""
    from calla.safety.vocabulary import KINDS

    if not replies or not replies[0].response.startswith("utter_referral"):
        return []
    names = [topic_of(r.response) for r in replies if r.response.startswith("utter_referral")]
    return [KINDS.get(name, "planned") for name in names]


def ask(bot: Bot, lines: list[dict[str, Any]], titles: dict[str, str], always: frozenset[str]) -> Report:
    """Ask everything and collect the outcomes.

    Args:
        bot: the bot.
        lines: the questions, as read from the file.
        titles: topic id of each button title.
        always: topics that owe a referral before the answer.
    """
    report = Report(always=always)
    for line in lines:
        if "kind" in line:
            conversation = os.urandom(8).hex()
            turns = line.get("turns") or [line["text"]]
            last = [bot.ask(turn, conversation) for turn in turns][-1]
            report.kinds.append((" / ".join(turns), line["kind"], kinds_of(last)))
            continue
        if "turns" in line:
            conversation = os.urandom(8).hex()
            said: list[list[Reply]] = [bot.ask(turn, conversation) for turn in line["turns"]]
            # Topics may be given for the last turns only.
            first = len(line["turns"]) - len(line["topics"])
            for n, (wanted, replies) in enumerate(zip(line["topics"], said[first:], strict=True), start=first):
                got = [topic_of(r.response) for r in replies]
                if any(r.response in MORE for r in replies):
                    got.append("tell_me_more")
                if n:
                    report.dialogues.append((line["turns"][: n + 1], wanted, got))
            continue
        replies = bot.ask(line["text"])
        if "topics" in line:
            answered = [topic_of(r.response) for r in replies if not r.response.startswith("utter_referral")]
            report.several.append((line["text"], line["topics"], answered))
            continue
        offered = [b for r in replies for b in r.buttons]
        report.outcomes.append(
            Outcome(
                line["text"],
                line["topic"],
                tuple(replies),
                tuple(titles.get(b, b) for b in offered),
                tuple(line.get("details") or ()),
            )
        )
    return report


def catalogue_facts() -> tuple[dict[str, str], frozenset[str]]:
    """Return button titles to topic ids, and the topics that owe a referral first."""
    import yaml

    from calla.catalogue import Catalogue

    responses: dict[str, Any] = {}
    for file in (ROOT / "data").rglob("*.yml"):
        responses.update((yaml.safe_load(file.read_text()) or {}).get("responses") or {})
    catalogue = Catalogue(responses)
    titles = {t.title: t.id for t in (*catalogue.topics.values(), *catalogue.details.values())}
    return titles, frozenset(t.id for t in catalogue.topics.values() if t.referral == "always")


def commit() -> str:
    """Return the commit that is measured, with a star if files differ from it."""
    try:
        name = subprocess.run(["git", "describe", "--always", "--dirty=*"], cwd=ROOT, capture_output=True, text=True)
        return name.stdout.strip() or "unknown"
    except OSError:
        return "unknown"


STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; color: #1d2b33 }
table { border-collapse: collapse; width: 100%; margin: 1rem 0 }
td, th { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid #dde4e8; vertical-align: top }
.bar { position: relative; height: .7rem; background: #eef2f4; border-radius: .35rem; min-width: 12rem }
.bar i { position: absolute; height: 100%; background: #8fb8c8; border-radius: .35rem }
.bar b { position: absolute; width: 3px; height: 100%; background: #17475c }
.n { display: inline-block; height: .7rem; background: #c98b6b; margin-right: .5rem }
"""


def page(report: Report, source: str) -> str:
    """Return the report as one HTML page without scripts or outside resources."""
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{100 * share.value:.1f} %</td><td>{share.hits} of {share.total}</td>"
        f"<td><div class=bar><i style='left:{100 * share.interval[0]:.1f}%;"
        f"width:{100 * (share.interval[1] - share.interval[0]):.1f}%'></i>"
        f"<b style='left:{100 * share.value:.1f}%'></b></div>"
        f"{100 * share.interval[0]:.1f} to {100 * share.interval[1]:.1f}</td></tr>"
        for name, share in report.shares().items()
    )
    confusions = "".join(
        f"<tr><td>{html.escape(a)}</td><td>{html.escape(b)}</td>"
        f"<td><span class=n style='width:{12 * n}px'></span>{n}</td></tr>"
        for a, b, n in report.confusions()
    )
    wrong = "".join(
        f"<tr><td>{html.escape(row['text'])}</td><td>{html.escape(str(row['expected']))}</td>"
        f"<td>{html.escape(', '.join(row['got']))}</td></tr>"
        for row in report.wrong()
    )
    return f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Calla: evaluation</title>
<style>{STYLE}</style>
<h1>Calla: evaluation</h1>
<p>{html.escape(source)}, {date.today()}, commit {html.escape(commit())}. Intervals: 95 %, Wilson.</p>
<table><tr><th>what</th><th>share</th><th>count</th><th>interval</th></tr>{rows}</table>
<h2>Confusions</h2><table><tr><th>expected</th><th>answered first</th><th>times</th></tr>{confusions}</table>
<h2>Not as expected</h2><table><tr><th>message</th><th>expected</th><th>responses</th></tr>{wrong}</table></html>"""


def read_lines(files: list[Path]) -> list[dict[str, Any]]:
    """Read questions from JSON-lines files.

    Raises:
        ValueError: naming file and line of what cannot be read.
    """
    lines: list[dict[str, Any]] = []
    for file in files:
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise ValueError(f"{file}:{number}: not JSON ({error.msg}).") from error
            if "details" in row and "topic" not in row:
                row["topic"] = row["details"][0].partition(".")[0] if row["details"] else ""
            if not ({"text", "turns"} & set(row) and {"topic", "topics", "kind"} & set(row)):
                raise ValueError(f'{file}:{number}: needs "text" or "turns", and "topic", "topics" or "kind".')
            lines.append(row)
    return lines


def main(arguments: Optional[list[str]] = None) -> int:
    """Evaluate; returns the exit status."""
    parser = argparse.ArgumentParser(prog="make evaluate FILE=...", description="Ask the bot, report what it did.")
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--url", help="ask a running bot (needs CALLA_API_TOKEN) instead of loading the model")
    parser.add_argument("--out", type=Path, default=ROOT / "evaluation" / "out")
    options = parser.parse_args(arguments)
    if not options.files:
        print("Which questions? make evaluate FILE=questions.jsonl", file=sys.stderr)
        return 2
    try:
        lines = read_lines(options.files)
    except (OSError, ValueError) as problem:
        print(problem, file=sys.stderr)
        return 2
    titles, always = catalogue_facts()
    bot: Bot = RunningBot(options.url, os.environ.get("CALLA_API_TOKEN", "")) if options.url else LoadedBot()
    report = ask(bot, lines, titles, always)
    options.out.mkdir(parents=True, exist_ok=True)
    source = ", ".join(file.name for file in options.files)
    (options.out / "report.html").write_text(page(report, source))
    summary = {
        "source": source,
        "date": str(date.today()),
        "commit": commit(),
        "figures": {name: share.as_dict() for name, share in report.shares().items()},
        "confusions": report.confusions(),
        "wrong": report.wrong(),
    }
    (options.out / "report.json").write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n")
    for name, share in report.shares().items():
        print(f"{name:42s} {share}")
    print(f"Report: {options.out / 'report.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
