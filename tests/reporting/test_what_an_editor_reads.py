"""What the report tells an editor: which file to edit, and whether questions are kept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from calla.content.files import Entry
from calla.report import all_entries, main
from calla.reporting.clusters import Cluster, Map
from calla.reporting.figures import Figures
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
