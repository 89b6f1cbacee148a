"""The figures of the report, read from the journal and the records; nothing is written."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Iterable, Iterator, Sequence

import numpy as np
import sqlalchemy as sa

from calla.records import FEEDBACK
from calla.reporting.journal import TURNS, UNANSWERED

# Rows that are read at most, the newest; a report need not hold up a machine.
MOST = 200_000
# What was said to a question without an answer, and what is picked where none of it was meant.
CLARIFIED, SOMETHING_ELSE = "clarify", "something_else"
# Seconds within which a referral is promised.
PROMISED = 3.0


@dataclass(frozen=True)
class Seconds:
    """How long something took: the number, quantiles and the longest."""

    number: int
    median: float
    p95: float
    p99: float
    longest: float
    late: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Seconds:
        """Return the figures of a list of seconds."""
        if not values:
            return cls(0, 0.0, 0.0, 0.0, 0.0, 0)
        median, p95, p99 = (float(value) for value in np.percentile(values, (50, 95, 99)))
        return cls(len(values), median, p95, p99, max(values), sum(value > PROMISED for value in values))


@dataclass(frozen=True)
class Choice:
    """What came of one thing that "did you mean" offered."""

    id: str
    offered: int
    picked: int


@dataclass
class Figures:
    """Everything that the report counts.

    Attributes:
        since: first day.
        days: messages a day.
        messages: number of messages.
        conversations: number of conversations.
        outcomes: what became of messages.
        answers: how often each response was said.
        choices: what "did you mean" offered, and how often it was picked.
        after_asking: what people did when they were asked back.
        referrals: number by kind and way.
        referred: number by referral.
        thumbs: response to votes, ``1`` or below zero with the reason.
        to_referral: seconds to referrals.
        to_end: seconds to the end of answers.
        all_to_referral: each of those seconds, for the picture.
        all_to_end: the same.
        questions: the questions without an answer that are kept.
    """

    since: date
    days: Counter[date] = field(default_factory=Counter)
    messages: int = 0
    conversations: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    choices: list[Choice] = field(default_factory=list)
    after_asking: Counter[str] = field(default_factory=Counter)
    referrals: Counter[tuple[str, str]] = field(default_factory=Counter)
    referred: Counter[str] = field(default_factory=Counter)
    thumbs: dict[str, Counter[int]] = field(default_factory=dict)
    to_referral: Seconds = field(default_factory=lambda: Seconds.of(()))
    to_end: Seconds = field(default_factory=lambda: Seconds.of(()))
    all_to_referral: list[float] = field(default_factory=list)
    all_to_end: list[float] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)


def read(engine: sa.engine.Engine, days: int) -> Figures:
    """Count the last days.

    Args:
        engine: the database; tables that it does not have yet count as empty.
        days: how many days back.
    """
    since = datetime.utcnow() - timedelta(days=days)
    figures = Figures(since.date())
    there = set(sa.inspect(engine).get_table_names())
    with engine.connect() as connection:
        turns = list(_newest(connection, TURNS, since)) if TURNS.name in there else []
        votes = list(_newest(connection, FEEDBACK, since)) if FEEDBACK.name in there else []
        kept = list(_newest(connection, UNANSWERED, since)) if UNANSWERED.name in there else []
    _count(figures, turns)
    figures.choices, figures.after_asking = _chosen(turns)
    thumbs: dict[str, Counter[int]] = defaultdict(Counter)
    for vote in votes:
        thumbs[vote.response][vote.value] += 1
    figures.thumbs = dict(thumbs)
    figures.questions = [row.text for row in kept]
    return figures


def _newest(connection: sa.engine.Connection, table: sa.Table, since: datetime) -> Iterator[Any]:
    """Yield the rows since a time, oldest first."""
    chosen = table.select().where(table.c.time >= since).order_by(table.c.id.desc()).limit(MOST)
    yield from reversed(connection.execute(chosen).fetchall())


def _count(figures: Figures, turns: Sequence[Any]) -> None:
    figures.messages = len(turns)
    figures.conversations = len({turn.conversation for turn in turns})
    for turn in turns:
        figures.days[turn.time.date()] += 1
        figures.outcomes[turn.outcome] += 1
        figures.answers.update(turn.answers.split())
        figures.all_to_end.append(turn.seconds_to_end)
        if turn.seconds_to_referral is not None:
            figures.all_to_referral.append(turn.seconds_to_referral)
        for referral in turn.referrals.split():
            name, kind, way = [*referral.split(":"), "", ""][:3]
            figures.referrals[kind, way] += 1
            figures.referred[name] += 1
    figures.to_end = Seconds.of(figures.all_to_end)
    figures.to_referral = Seconds.of(figures.all_to_referral)


def _chosen(turns: Iterable[Any]) -> tuple[list[Choice], Counter[str]]:
    """Return what "did you mean" offered and what was picked: the turn that follows it in its conversation."""
    offered: Counter[str] = Counter()
    picked: Counter[str] = Counter()
    after: Counter[str] = Counter()
    open_: dict[str, list[str]] = {}
    for turn in turns:
        offers = open_.pop(turn.conversation, None)
        if offers is not None:
            said = {name.rpartition("/")[2] for name in turn.answers.split()}
            chosen = next((id for id in offers if id in said), None)
            if chosen:
                picked[chosen] += 1
            after["picked" if chosen else SOMETHING_ELSE if turn.outcome == SOMETHING_ELSE else "asked anew"] += 1
        if turn.outcome == CLARIFIED:
            open_[turn.conversation] = turn.offers.split()
            offered.update(turn.offers.split())
    if open_:
        after["left"] += len(open_)
    return [Choice(id, number, picked[id]) for id, number in offered.most_common()], after
