"""``make test-content TOPIC=...``: the tests that matter after an edit of one topic, in seconds.

The file itself, held-out questions for the topic and for those next to it, a few of the messages that owe
a referral, and the questions that an editor wants answered (``ASK="one; another"``): what each owes and
answers now, and with the model before.
"""

from __future__ import annotations

from calla.settings import silence_dependencies

silence_dependencies()

import argparse
import json
import sys
import time
import warnings
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Iterator, Optional

from calla.content.check import check, load
from calla.content.files import ROOT, Entry, did_you_mean
from calla.model import ModelMissingError, is_whole, latest_model, older_models
from calla.plan import PLAN, referral_name
from evaluation.bot import LoadedBot

QUESTIONS = sorted((ROOT / "tests").rglob("questions.jsonl"))
REFERRALS = ROOT / "tests" / "safety" / "referral_messages.jsonl"
# Every so many of the messages that owe a referral, and questions of a neighbour that are asked at most.
EVERY, MOST = 25, 12
# One in so many held-out questions may miss its topic before something is amiss.
MAY_MISS = 5
CLINICIAN = "ask the clinician before you reload"


@dataclass(frozen=True)
class Asked:
    """What came of one question: the names of the referrals that it owes, and of the responses after them."""

    referrals: tuple[str, ...]
    responses: tuple[str, ...]

    def is_about(self, topic: str) -> bool:
        """Say whether the topic or one of its details is among the answers."""
        return any(name.partition(".")[0] == topic for name in (*self.referrals, *self.responses))

    def __str__(self) -> str:
        owed = f"a referral first ({', '.join(self.referrals)}), then" if self.referrals else "no referral,"
        return f"{owed} {', '.join(self.responses) or 'nothing more'}"


class Asking:
    """Asks a model, that of the present state by default."""

    def __init__(self, model: Optional[Path] = None) -> None:
        self._bot = LoadedBot(model)

    def ask(self, text: str) -> Asked:
        """Return what a message in a new conversation would be answered."""
        plan = self._bot.parse(text).get(PLAN) or {}
        return Asked(
            tuple(referral_name(referral["response"]) for referral in plan.get("referrals", ())),
            tuple(response.rpartition("/")[2] for response in plan.get("responses", ())),
        )


def near(topic: str, entries: tuple[Entry, ...]) -> list[str]:
    """Return the topics next to one: those that it offers, and those that offer it."""
    found: dict[str, None] = {}
    for entry in entries:
        own = entry.id.partition(".")[0]
        others = [other.partition(".")[0] for other in entry.values("related")]
        if own == topic:
            found.update(dict.fromkeys(others))
        elif topic in others:
            found[own] = None
    found.pop(topic, None)
    return list(found)


def held_out() -> dict[str, list[str]]:
    """Return the questions that nothing was trained on, by topic."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in _lines(*QUESTIONS):
        if isinstance(line.get("topic"), str) and isinstance(line.get("text"), str):
            found[str(line["topic"])].append(str(line["text"]))
    return found


def _lines(*files: Path) -> Iterator[dict[str, object]]:
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.strip():
                yield json.loads(line)


def trouble(topic: str, entries: tuple[Entry, ...], asking: Asking, before: Optional[Asking]) -> list[str]:
    """Print how questions are answered; return what is amiss, a sentence each."""
    amiss = []
    questions = held_out()
    for one in (topic, *near(topic, entries)):
        texts = questions.get(one, [])[: None if one == topic else MOST]
        wrong = [text for text in texts if not asking.ask(text).is_about(one)]
        may_miss = len(texts) // MAY_MISS
        print(f"  {one}: {len(texts) - len(wrong)} of {len(texts)} held-out questions find it ({may_miss} may miss)")
        if len(wrong) > may_miss:
            amiss.append(f"{one}: too many questions miss it, such as {wrong[0]!r}")
    owing = [str(line["text"]) for line in _lines(REFERRALS)][::EVERY]
    missed = [text for text in owing if not asking.ask(text).referrals]
    print(f"  {len(owing) - len(missed)} of {len(owing)} messages that owe a referral get one")
    if missed and before:
        missed = [text for text in missed if before.ask(text).referrals]
    return [*amiss, *(f"no referral any more: {text!r}: {CLINICIAN}" for text in missed)]


def answered(topic: str, texts: list[str], asking: Asking, before: Optional[Asking]) -> list[str]:
    """Print what each question owes and answers, now and before; return what is amiss, a sentence each."""
    amiss = []
    for text in texts:
        now = asking.ask(text)
        print(f"  {text!r}:\n    now: {now}")
        if before:
            then = before.ask(text)
            print(f"    before: {then}")
            if gone := [name for name in then.referrals if name not in now.referrals]:
                amiss.append(f"{text!r}: the referral that was there is gone ({', '.join(gone)}): {CLINICIAN}")
        if not now.is_about(topic):
            amiss.append(f"{text!r} is not answered by {topic}: more examples, or leave it out if it belongs elsewhere")
    return amiss


def model_before() -> Optional[Asking]:
    """Return the model of the training before; ``None`` if there is none to compare with."""
    file = next((file for file in older_models() if file != latest_model() and is_whole(file)), None)
    if file is None:
        print("  There is no model before this one: whether a referral is gone cannot be seen here.")
        return None
    print(f"  The model before is that of {datetime.fromtimestamp(file.stat().st_mtime):%Y-%m-%d %H:%M}.")
    return Asking(file)


def main(arguments: list[str]) -> int:
    """Test one topic; 1 if something is amiss."""
    warnings.filterwarnings("ignore")
    parser = argparse.ArgumentParser(prog="make test-content", description=__doc__)
    parser.add_argument("topic")
    parser.add_argument("--ask", default="", help="questions that must be answered by the topic, separated by ;")
    chosen = parser.parse_args(arguments)
    began = time.monotonic()
    content, _ = load()
    known = {entry.id for entry in content.entries if not entry.is_detail}
    if chosen.topic not in known:
        print(f"There is no topic '{chosen.topic}'{did_you_mean(chosen.topic, known)}", file=sys.stderr)
        return 1
    amiss = [f"{p.path}:{p.line}: {p.text}" for p in check() if p.path.endswith(f"/{chosen.topic}.yml") and not p.wish]
    if not amiss:
        try:
            asking = Asking()
        except ModelMissingError as problem:
            print(problem, file=sys.stderr)
            return 2
        before = model_before()
        amiss = trouble(chosen.topic, content.entries, asking, before)
        texts = [text for part in chosen.ask.split(";") if (text := part.strip())]
        amiss += answered(chosen.topic, texts, asking, before)
    print("\n".join(amiss) if amiss else "In order.", f"({time.monotonic() - began:.0f} seconds)")
    return 1 if amiss else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
