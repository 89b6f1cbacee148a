"""The table of sources, ``data/sources.yml``: topics cite keys, readers see organisation, title and link."""

from __future__ import annotations

from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any, Iterable, Mapping

import yaml

TABLE = Path(__file__).resolve().parents[2] / "data" / "sources.yml"
# The C reader is ten times as fast as the one in Python.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# What a reader sees of a source; the table's other fields are for editors.
SHOWN = ("organisation", "title", "url")


class UnknownSourceError(KeyError):
    """A topic cites a key that is not in the table."""

    def __str__(self) -> str:
        return str(self.args[0])


@lru_cache(maxsize=4)
def table(path: Path = TABLE) -> Mapping[str, Mapping[str, Any]]:
    """Return the whole table, read once: key -> ``organisation``, ``title``, ``url``, ``kind``, ``check``."""
    read = yaml.load(path.read_text(encoding="utf-8"), Loader=LOADER)
    return dict((read or {}).get("sources") or {})


def resolve(keys: Iterable[str]) -> tuple[Mapping[str, str], ...]:
    """Return what a reader sees of each cited source.

    Args:
        keys: keys of the table.

    Raises:
        UnknownSourceError: for a key that the table does not have.
    """
    return tuple(_shown(key) for key in keys)


def _shown(key: str) -> Mapping[str, str]:
    entry = table().get(key) if isinstance(key, str) else None
    if entry is None:
        near = get_close_matches(str(key), table(), n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise UnknownSourceError(f"the source '{key}' is not in data/sources.yml{hint}")
    return {field: str(entry[field]) for field in SHOWN}
