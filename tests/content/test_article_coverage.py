"""``docs/article-coverage.md`` answers every claim of the article, and truthfully."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import yaml

from calla.content.check import load
from calla.content.files import ROOT, Entry
from tests.content.promised import HERE, of_the_article

TABLE = ROOT / "docs" / "article-coverage.md"
# Verdict -> the evidence labels that a topic with this main claim may carry.
LABELS = {
    "supported": {"supported", "general"},
    "limited": {"limited"},
    "not supported": {"not_supported"},
    "contradicted": {"not_supported"},
}


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        number: number of the claim.
        claim: the claim in our own words.
        topics: every topic that speaks of it.
        main: the topics that have it as their main claim (bold in the table).
        verdict: what the evidence says.
    """

    number: int
    claim: str
    topics: tuple[str, ...]
    main: tuple[str, ...]
    verdict: str


def rows() -> list[Row]:
    """Read the table."""
    lines = [line for line in TABLE.read_text(encoding="utf-8").splitlines() if re.match(r"\| \d+ \|", line)]
    return [_row([cell.strip() for cell in line.strip("|").split("|")]) for line in lines]


def _row(cells: list[str]) -> Row:
    number, claim, topics, verdict, _note = cells
    return Row(
        number=int(number),
        claim=claim,
        topics=tuple(topic.strip("* ") for topic in topics.split(",")),
        main=tuple(re.findall(r"\*\*([\w.]+)\*\*", topics)),
        verdict=verdict,
    )


@lru_cache(maxsize=1)
def topics() -> dict[str, Entry]:
    """Return topics and details by id."""
    return {entry.id: entry for entry in load()[0].entries}


def test_every_claim_has_its_row() -> None:
    """Claims and table agree, number by number and word by word."""
    claims = yaml.safe_load((HERE / "article_claims.yml").read_text(encoding="utf-8"))
    assert [(row.number, row.claim) for row in rows()] == list(claims.items())


def test_rows_name_topics_that_exist() -> None:
    """No row points nowhere."""
    unknown = {row.number: set(row.topics) - topics().keys() for row in rows()}
    assert not {number: topics for number, topics in unknown.items() if topics}


def test_every_topic_of_the_article_is_in_the_table() -> None:
    """What the article started has its claim in the table."""
    named = {topic for row in rows() for topic in row.topics}
    assert of_the_article() <= named


def test_verdicts_agree_with_the_labels() -> None:
    """A topic's label is the verdict on its main claim."""
    labels = {id: entry.value("evidence") for id, entry in topics().items()}
    wrong = [
        f"claim {row.number} is '{row.verdict}', but {topic} is labelled '{labels[topic]}'"
        for row in rows()
        for topic in row.main
        if labels[topic] not in LABELS.get(row.verdict, set())
    ]
    assert not wrong, "\n".join(wrong)


def test_verdicts_are_known() -> None:
    """Four verdicts, spelled in one way."""
    assert {row.verdict for row in rows()} <= set(LABELS)


def test_topics_with_a_label_of_their_own_have_a_main_claim() -> None:
    """A label that judges the article needs the claim that it judges."""
    main = {topic for row in rows() for topic in row.main}
    known = topics()
    judged = {id for id in of_the_article() if known[id].value("evidence") != "general"}
    assert judged <= main, f"no row has its main claim in: {', '.join(sorted(judged - main))}"
