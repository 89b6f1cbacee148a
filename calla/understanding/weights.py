"""Every fitted number of understanding: ``artefacts/weights.json``, written by ``evaluation/fit.py``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Mapping, Sequence

import numpy as np

FILE = Path(__file__).resolve().parents[2] / "artefacts" / "weights.json"


class WeightsError(ValueError):
    """The file lacks a number or has one too many; the message says which."""


@dataclass(frozen=True)
class Weights:
    """Fitted weights and thresholds by name."""

    weights: Mapping[str, Mapping[str, float]]
    thresholds: Mapping[str, float]

    def vector(self, name: str, evidence: Sequence[str]) -> np.ndarray:
        """Return a set of weights in the order of what it weighs.

        Raises:
            WeightsError: if there is not exactly one number for each piece of evidence.
        """
        own = self.weights.get(name, {})
        if set(own) != set(evidence):
            wrong = ", ".join(sorted(set(own) ^ set(evidence)))
            raise WeightsError(f"{FILE.name}: '{name}' needs a number for each piece of evidence; look at: {wrong}.")
        return np.array([own[each] for each in evidence], dtype=float)

    def threshold(self, name: str) -> float:
        """Return a threshold.

        Raises:
            WeightsError: if it is missing.
        """
        if name not in self.thresholds:
            raise WeightsError(f"{FILE.name}: the threshold '{name}' is missing.")
        return float(self.thresholds[name])


def read_weights(file: Path = FILE) -> Weights:
    """Read a file of weights."""
    data: dict[str, Any] = json.loads(file.read_text())
    return Weights(data["weights"], data["thresholds"])


@lru_cache(maxsize=1)
def load_weights() -> Weights:
    """Return the weights of this process; read on the first call."""
    return read_weights()
