"""The trained model: where it is, whether it is whole, and whether it is out of date."""

from __future__ import annotations

import gzip
import hashlib
import tarfile
import zlib
from pathlib import Path
from typing import Optional

from calla.settings import ROOT

MODELS = ROOT / "models"
# Names the model that is to be used instead of the present one (`make rollback`).
CHOSEN = "chosen"
# A change in any of these makes a trained model out of date.
INGREDIENTS = (
    "config.yml",
    "domain.yml",
    "data",
    "calla/importer.py",
    "calla/nlu/understanding.py",
    "calla/understanding/cutting.py",
    "calla/understanding/dictation.py",
    "calla/understanding/encoder.py",
    "calla/understanding/follow_up.py",
    "calla/understanding/grams.py",
    "calla/understanding/learning.py",
    "calla/understanding/nearest.py",
    "calla/understanding/network.py",
    "calla/understanding/reference.py",
    "calla/understanding/spelling.py",
    "calla/understanding/topic_model.py",
    "calla/understanding/urgency_model.py",
    "calla/safety/vocabulary.py",
    "calla/text.py",
    "calla/catalogue.py",
    "artefacts/encoder/manifest.json",
)
# What editors change; little of it at a time, so that learning goes on from what was learned before.
CONTENT = ("domain.yml", "data")
# Begins the name of the file in which a whole training keeps what it learned.
BEFORE = "learned-"
# What is read at start, and not from the model: a model is used with those of its time alone.
READ_LIVE = ("data/safety", "artefacts/weights.json")


class ModelMissingError(RuntimeError):
    """There is no trained model that can be used; the message says how to get one."""


def fingerprint(root: Path = ROOT, *, content: bool = True) -> str:
    """Return a hash over everything that a model is trained from (16 hex digits).

    Args:
        root: the project.
        content: whether topics and texts count; if not, it stands for how a model learns.
    """
    digest = hashlib.sha256()
    learning = (*(name for name in INGREDIENTS if name not in CONTENT), "data/safety")
    for name in INGREDIENTS if content else learning:
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


def is_whole(model: Path) -> bool:
    """Say whether a model can be unpacked to its end: a full disk leaves half of one."""
    try:
        with gzip.open(model) as content:
            while content.read(4 * 1024 * 1024):
                pass
    except (OSError, EOFError, zlib.error):
        return False
    return True


def live_files(root: Path = ROOT) -> dict[str, bytes]:
    """Return what is read beside the model, by its name in the project."""
    found: dict[str, bytes] = {}
    for name in READ_LIVE:
        path = root / name
        files = sorted(path.glob("*.yml")) if path.is_dir() else [path]
        found.update({str(file.relative_to(root)): file.read_bytes() for file in files if file.is_file()})
    return found


def companions(model: Path) -> Path:
    """Return the file beside a model that keeps what was read beside it."""
    return model.with_name(model.name.removesuffix(".tar.gz") + ".live")


def keep_companions(model: Path, root: Path = ROOT) -> None:
    """Keep what is read beside a model that is in use now."""
    with tarfile.open(companions(model), "w:gz") as archive:
        for name in live_files(root):
            archive.add(root / name, name)


def fits(model: Path, root: Path = ROOT) -> bool:
    """Say whether what is read beside the model is the same as when it was in use."""
    try:
        with tarfile.open(companions(model)) as archive:
            kept = {member.name: opened.read() for member in archive if (opened := archive.extractfile(member))}
    except (OSError, tarfile.TarError, EOFError, zlib.error):
        return False
    return kept == live_files(root)


def misfit(model: Path, root: Path = ROOT) -> ModelMissingError:
    """Return the error that says what to do with a model of another time."""
    kept = companions(model)
    how = f"put those of its time back (tar -xzf {kept.relative_to(root)}) and then " if kept.is_file() else ""
    return ModelMissingError(
        f"The model {model.name} cannot be used with the present files in {' and '.join(READ_LIVE)}: referrals could "
        f"be lost. Start the checkout in which it was trained, or {how}run `make rollback` again, "
        "or `make train` for the present state."
    )


def chosen_model(root: Path = ROOT) -> Optional[Path]:
    """Return the model that an operator went back to, ``None`` if that is not so."""
    choice = root / "models" / CHOSEN
    if not choice.is_file():
        return None
    model = root / "models" / choice.read_text().strip()
    return model if model.is_file() else None


def latest_model(root: Path = ROOT) -> Path:
    """Return the model to use: the one gone back to, else that of the present state.

    Raises:
        ModelMissingError: if it has not been trained yet, is damaged, or is of another time than
            what is read beside it.
    """
    chosen = chosen_model(root)
    if chosen is not None and not fits(chosen, root):
        raise misfit(chosen, root)
    file = chosen or model_file(root)
    if not file.is_file():
        raise ModelMissingError(
            "No model for the present state of config, domain, data and components. Run `make train`."
        )
    if not is_whole(file):
        raise ModelMissingError(
            f"The model {file.relative_to(root)} is damaged (cut short?). "
            "Run `make train` for a new one, or `make rollback` for the one before."
        )
    return file


def older_models(root: Path = ROOT) -> list[Path]:
    """Return the models other than that of the present state, newest first."""
    present = model_file(root)
    found = [file for file in (root / "models").glob("calla-*.tar.gz") if file != present]
    return sorted(found, key=lambda file: file.stat().st_mtime, reverse=True)


def roll_back(root: Path = ROOT) -> Optional[Path]:
    """Go back to the model before the present one, or, if that was done already, return to it.

    Returns:
        the model that is used from now on; ``None`` if that is the present one again.

    Raises:
        ModelMissingError: if no model before it is there and whole, or it does not fit what is
            read beside it.
    """
    choice = root / "models" / CHOSEN
    if choice.is_file():
        choice.unlink()
        return None
    older = next((file for file in older_models(root) if is_whole(file)), None)
    if older is None:
        raise ModelMissingError("There is no model to go back to: `make train` keeps one from now on.")
    if not fits(older, root):
        raise misfit(older, root)
    choice.write_text(older.name)
    return older
