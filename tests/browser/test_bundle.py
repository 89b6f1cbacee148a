"""The built files are those of the sources, and small enough."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import pytest

from calla.channels.web.files import FOLDER
from calla.settings import ROOT

WIDGET = ROOT / "widget"
MANIFEST = json.loads((FOLDER / "manifest.json").read_text())


def fingerprint() -> str:
    """Return the hash that ``widget/build.mjs`` writes."""
    names = [p.relative_to(WIDGET).as_posix() for p in (WIDGET / "src").rglob("*") if p.is_file()]
    digest = hashlib.sha256()
    for name in sorted([*names, "package.json", "package-lock.json", "build.mjs"]):
        digest.update(name.encode())
        digest.update((WIDGET / Path(name)).read_bytes())
    return digest.hexdigest()


def test_the_bundle_is_built_from_the_present_sources() -> None:
    assert MANIFEST["sources"] == fingerprint(), "Run `npm run build` in widget/ (docs/widget.md)."


@pytest.mark.parametrize("name, most", [("widget.js", 5_000), ("chat.js", 40_000)])
def test_the_bundle_is_small(name: str, most: int) -> None:
    assert MANIFEST["gzipped"][name] <= most
    # And as it is sent, whatever the manifest says.
    assert len(gzip.compress((FOLDER / name).read_bytes(), 9)) <= most


def test_nothing_in_the_pages_is_inline() -> None:
    for page in ("index.html", "chat.html"):
        text = (FOLDER / page).read_text()
        assert "<style" not in text
        assert "style=" not in text
        assert "<script>" not in text
        assert "onclick" not in text


def test_the_lock_file_names_no_registry() -> None:
    assert '"resolved"' not in (WIDGET / "package-lock.json").read_text()
