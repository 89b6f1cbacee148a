"""How long training takes: from nothing, and again after one topic was edited."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

from calla.settings import ROOT

# What a training reads; a copy of it trains without touching the model that is in use.
PARTS = ("actions", "artefacts", "calla", "config.yml", "data", "domain.yml", "endpoints.yml")
EDITED = "data/topics/supplements/what_is_mk7.yml"
_ADDED = "    - the bench adds this question about mk7\n"


def copied(folder: Path) -> Path:
    """Copy what a training reads; return the copy, which has neither model nor kept vectors."""
    copy = folder / "training"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir(parents=True)
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / part, copy / part)
    return copy


def train(copy: Path) -> dict[str, float]:
    """Train in a copy; return the seconds on the clock and of processor time.

    Raises:
        subprocess.CalledProcessError: if that fails.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "calla.train"], cwd=copy, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": time.monotonic() - began, "cpu_seconds": used, "load": os.getloadavg()[0]}


def edit(copy: Path) -> None:
    """Add a question to one topic, as an editor does."""
    file = copy / EDITED
    text = file.read_text()
    file.write_text(text.replace("  examples: |\n", f"  examples: |\n{_ADDED}", 1))
