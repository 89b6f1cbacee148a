"""From start to first answer with a trained model, on a quiet machine and with the other core busy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from evaluation.bench.processes import System

_BUSY = "while True: pass"


def start(system: System, *, busy: bool) -> dict[str, Any]:
    """Start a system and end it; return the seconds to its first answer and of processor time."""
    other = subprocess.Popen([sys.executable, "-c", _BUSY]) if busy else None
    try:
        took = system.start()
        return {"seconds": took, "cpu_seconds": system.cpu_seconds(), "load": os.getloadavg()[0]}
    finally:
        system.stop()
        if other is not None:
            other.kill()
            other.wait()


def folder_of(root: Path, name: str) -> Path:
    """Return an empty folder for the log and data of a start."""
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder
