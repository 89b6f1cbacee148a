"""What the report tells an editor: which file to edit, and whether questions are kept."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from calla.content.files import Entry
from calla.content.sources import table
from calla.report import all_entries, main
from calla.reporting.clusters import Cluster, Map, Place
from calla.reporting.figures import Choice, Figures, Seconds
from calla.reporting.journal import UNANSWERED
from calla.reporting.page import page
from calla.understanding.encoder import load_encoder

TODAY = date(2026, 11, 29)
WATCH = "can a smart watch see it"


def read(made: str) -> str:
    """Return what a person reads of a page."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", made))


def report(clusters: Sequence[Cluster], entries: Sequence[Entry], *, kept: bool) -> str:
    """Return what stands under the questions without an answer."""
    figures = Figures(TODAY, questions=[text for cluster in clusters for text in cluster.questions])
    said = read(page(figures, clusters, entries, days=30, kept=kept, today=TODAY))
    return said.split("How to close a gap")[1].split("Did you mean")[0]


def test_it_never_says_that_nothing_is_kept_above_what_was_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The setting of the shell that makes the report is not the server's."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("CALLA_DATA_FOLDER", str(tmp_path))
    monkeypatch.setenv("CALLA_LOG_UNANSWERED", "false")
    assert main([]) == 0
    assert "None is there." in read((tmp_path / "report.html").read_text(encoding="utf-8"))
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'calla.db'}")
    UNANSWERED.create(engine, checkfirst=True)
    row = {"time": datetime.utcnow(), "outcome": "decline", "text": WATCH, "message": "", "conversation": ""}
    with engine.begin() as database:
        database.execute(UNANSWERED.insert(), row)
    assert main([]) == 0
    said = read((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert WATCH in said and "The server kept these." in said
    assert "not kept on this installation" not in said and "None is there." not in said
    assert "ask whoever runs the server" in said


def test_a_file_of_safety_is_never_the_one_to_edit(tmp_path: Path) -> None:
    """Only the clinician changes those; who reads the report hears so."""
    entries = all_entries()
    asked = ["I want to talk to someone right now", "is there someone to talk to right now"]
    clusters = Map(load_encoder(), entries, tmp_path).clusters(asked)
    assert any(cluster.safety for cluster in clusters), clusters
    assert not [place for cluster in clusters for place in cluster.places if place.entry.is_safety]
    said = report(clusters, entries, kept=True)
    assert "data/topics/safety" not in said and "data/safety" not in said
    assert "show this to the clinician" in said


def test_what_is_not_of_safety_keeps_its_file(tmp_path: Path) -> None:
    """The suggestion is there as before."""
    (cluster,) = Map(load_encoder(), all_entries(), tmp_path).clusters(["what is MK-7"])
    assert cluster.file.startswith("data/topics/supplements/what_is_mk7.yml:") and not cluster.safety


def test_every_section_says_what_there_is(tmp_path: Path) -> None:
    """One of everything that the report promises, each in its section."""
    entries = all_entries()
    mk7 = next(entry for entry in entries if entry.name == "faq/what_is_mk7")
    detail = next(entry for entry in entries if entry.is_detail and entry.group == "faq")
    to_referral, to_end = [0.5, 4.0], [0.25, 0.75, 5.0]
    figures = Figures(
        TODAY,
        days=Counter({TODAY: 3}),
        messages=3,
        conversations=2,
        outcomes=Counter(answer=2, decline=1),
        answers=Counter({"utter_faq/what_is_mk7": 4, f"utter_{detail.name}": 2}),
        choices=[Choice("what_is_mk7", 7, 3)],
        after_asking=Counter(picked=3),
        referrals=Counter({("emergency", "plan"): 2, ("urgent", "intake"): 1}),
        referred=Counter(suspicious_finding=1),
        thumbs={"utter_faq/what_is_mk7": Counter({1: 1, -3: 2, -5: 1})},
        to_referral=Seconds.of(to_referral),
        to_end=Seconds.of(to_end),
        all_to_referral=to_referral,
        all_to_end=to_end,
        questions=[WATCH],
    )
    clusters = [Cluster(1, (WATCH,), (Place(mk7, 0.5),), False)]
    # A year and a day later every text is due.
    later = date.fromisoformat(max(e.value("reviewed") for e in entries)) + timedelta(days=400)
    made = page(figures, clusters, entries, days=30, kept=True, today=later)
    parts = dict(re.findall(r'<section aria-labelledby="(\w+)">(.*?)</section>', made, re.S))
    said = {name: read(part) for name, part in parts.items()}
    file = re.escape(f"{mk7.path}:{mk7.line}")
    title = re.escape(str(mk7.value("title")))
    for section, promised in {
        "asked": f"{title}.*{re.escape(str(detail.value('title')))}",
        "unanswered": f"1 {WATCH} {file}",
        "meant": f"3 picked.*{title} 7 3 {file}",
        "thumbs": f"{title} 3 1 2 × too little, 1 × seems wrong {file}",
        "referrals": r"emergency 2 0 2.*urgent 0 1 1.*suspicious finding",
        "seconds": r"the referral 2 2.25 s .* 4.00 s 1.*the end of the answer 3 0.75 s .* 5.00 s 1",
        "review": r"(\d+) of \1 texts .* more than 365 days ago.*data/topics/\S+:\d+",
        "sources": next(key for key, source in table().items() if source.get("check")),
        "grades": r"How hard texts are to read.*Grade",
    }.items():
        assert re.search(promised, said[section].replace("  ", " ")), (section, promised, said[section][:2000])
    # Each curve and bar is a picture in the page itself.
    assert all("<svg" in parts[section] for section in ("asked", "referrals", "seconds", "grades"))
