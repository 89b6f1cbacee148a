"""What was promised: ids and referral levels of topics and details (``catalogue.yml``)."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Mapping

import yaml

HERE = Path(__file__).resolve().parent


@lru_cache(maxsize=1)
def _catalogue() -> Mapping[str, Any]:
    read: Mapping[str, Any] = yaml.safe_load((HERE / "catalogue.yml").read_text(encoding="utf-8"))
    return read


def topics() -> dict[str, str]:
    """Return the referral level of every promised topic; empty for small talk."""
    return {
        entry["id"]: entry.get("referral", "")
        for section, entries in _catalogue().items()
        if section != "always"
        for entry in entries
    }


def of_the_article() -> set[str]:
    """Return the ids of the topics that the article started."""
    entries = [entry for section, entries in _catalogue().items() if section != "always" for entry in entries]
    return {entry["id"] for entry in entries if entry.get("origin") == "article"}


def always() -> list[str]:
    """Return the details that are answered only behind a referral."""
    return list(_catalogue()["always"])
