"""The trained model: where it is, and whether it is older than what it was trained from."""

from __future__ import annotations

import hashlib
from pathlib import Path

from calla.settings import ROOT

MODELS = ROOT / "models"
# A change in any of these makes a trained model out of date.
INGREDIENTS = (
    "config.yml",
    "domain.yml",
    "data",
    "calla/nlu/understanding.py",
    "calla/understanding/cutting.py",
    "calla/understanding/encoder.py",
    "calla/understanding/learning.py",
    "calla/understanding/spelling.py",
    "calla/understanding/topic_model.py",
    "calla/understanding/urgency_model.py",
    "calla/safety/vocabulary.py",
    "calla/text.py",
    "calla/catalogue.py",
    "artefacts/encoder/manifest.json",
)


class ModelMissingError(RuntimeError):
    """There is no trained model; the message says how to get one."""


def fingerprint(root: Path = ROOT) -> str:
    """Return a hash over everything that a model is trained from (16 hex digits)."""
    digest = hashlib.sha256()
    for name in INGREDIENTS:
        path = root / name
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for file in files:
            if file.suffix in (".yml", ".py", ".json"):
                digest.update(str(file.relative_to(root)).encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def model_file(root: Path = ROOT) -> Path:
    """Return the file that the model of the present state has, trained or not."""
    return root / "models" / f"calla-{fingerprint(root)}.tar.gz"


def latest_model(root: Path = ROOT) -> Path:
    """Return the model of the present state.

    Raises:
        ModelMissingError: if it has not been trained yet.
    """
    file = model_file(root)
    if not file.is_file():
        raise ModelMissingError(
            "No model for the present state of config, domain, data and components. Run `make train`."
        )
    return file
