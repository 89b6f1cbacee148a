"""What has been measured so far, kept after every step, so that an interrupted run goes on where it was."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class State:
    """The results of a run.

    Attributes:
        key: what the run measures: the model and the options. Another key begins anew.
        steps: result by step.
        commits: commits whose code was measured, in order.
        began: date of the first step.
    """

    key: dict[str, Any]
    began: str
    steps: dict[str, Any] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, file: Path, key: dict[str, Any], today: str) -> State:
        """Return what a file holds if it is of the same key, else an empty state."""
        if file.is_file():
            kept = cls(**json.loads(file.read_text()))
            if kept.key == key:
                return kept
        return cls(key, today)

    def add(self, step: str, result: Any, commit: str, file: Path) -> None:
        """Keep a result; the file is whole at any time."""
        self.steps[step] = result
        if commit not in self.commits:
            self.commits.append(commit)
        file.parent.mkdir(parents=True, exist_ok=True)
        half = file.with_suffix(".part")
        half.write_text(json.dumps(asdict(self)))
        os.replace(half, file)
