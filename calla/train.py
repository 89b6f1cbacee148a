"""Train the model, if the present state of the project has none yet."""

from __future__ import annotations

from calla.settings import silence_dependencies

silence_dependencies()

import sys
import time
import warnings

import rasa.model_training

from calla.model import MODELS, model_file
from calla.settings import ROOT


def main() -> int:
    """Train and store ``models/calla-<fingerprint>.tar.gz``; returns the exit status."""
    target = model_file()
    if target.is_file() and "--force" not in sys.argv:
        print(f"The model is up to date: {target.relative_to(ROOT)}")
        return 0
    warnings.filterwarnings("ignore")
    started = time.monotonic()
    result = rasa.model_training.train(
        domain=str(ROOT / "domain.yml"),
        config=str(ROOT / "config.yml"),
        training_files=[str(ROOT / "data")],
        output=str(MODELS),
        fixed_model_name=target.name.removesuffix(".tar.gz"),
        force_training=True,
    )
    if result.code != 0 or not target.is_file():
        print("Training failed; the lines above say why.", file=sys.stderr)
        return 1
    for old in MODELS.glob("calla-*.tar.gz"):
        if old != target:
            old.unlink()
    print(f"Trained {target.relative_to(ROOT)} in {time.monotonic() - started:.0f} seconds.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
