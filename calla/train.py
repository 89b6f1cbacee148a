"""Train the model, if the present state of the project has none yet; go back to the one before."""

from __future__ import annotations

from calla.settings import silence_dependencies

silence_dependencies()

import contextlib
import os
import sys
import tempfile
import threading
import time
import traceback
import warnings
from pathlib import Path
from typing import Iterator

from tqdm import tqdm

from calla.model import (
    BEFORE,
    CHOSEN,
    MODELS,
    ModelMissingError,
    chosen_model,
    companions,
    is_whole,
    keep_companions,
    model_file,
    older_models,
    roll_back,
)
from calla.settings import ROOT

LOG = MODELS / "training.log"
SECONDS = MODELS / "training.seconds"
# Seconds that training takes on two cores, before it has been done here once.
GUESS = 180.0


def main() -> int:
    """Train and store ``models/calla-<fingerprint>.tar.gz``; returns the exit status."""
    if "--rollback" in sys.argv:
        return _go_back()
    target, forced = model_file(), "--force" in sys.argv
    if (chosen := chosen_model()) and not forced:
        print(f"The model before is in use: {chosen.relative_to(ROOT)} (`make rollback` ends that).")
        return 0
    if target.is_file() and not forced:
        if is_whole(target):
            keep_companions(target)
            print(f"The model is up to date: {target.relative_to(ROOT)}")
            return 0
        print(f"The model {target.relative_to(ROOT)} is damaged; a new one is trained.", file=sys.stderr)
    MODELS.mkdir(exist_ok=True)
    if forced:
        for kept in MODELS.glob(f"{BEFORE}*.pickle"):
            kept.unlink()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(dir=MODELS, prefix=".training") as folder:
        with _progress(), _into(LOG):
            trained = _train(Path(folder), target)
        if not trained:
            print(f"Training failed. The end of {LOG.relative_to(ROOT)}:\n", file=sys.stderr)
            print(LOG.read_text(errors="replace")[-3000:], file=sys.stderr)
            return 1
        # At once, so that half a model never has a model's name.
        os.replace(Path(folder) / target.name, target)
    (MODELS / CHOSEN).unlink(missing_ok=True)
    keep_companions(target)
    for old in older_models()[1:]:
        old.unlink()
        companions(old).unlink(missing_ok=True)
    seconds = time.monotonic() - started
    SECONDS.write_text(f"{seconds:.0f}")
    print(f"Trained {target.relative_to(ROOT)} in {seconds:.0f} seconds.")
    return 0


def _train(folder: Path, target: Path) -> bool:
    # What is kept from one training to the next is kept by Calla (calla.nlu.understanding).
    os.environ["RASA_MAX_CACHE_SIZE"] = "0"
    from rasa.engine.caching import LocalTrainingCache
    from rasa.engine.recipes.recipe import Recipe
    from rasa.engine.storage.local_model_storage import LocalModelStorage
    from rasa.engine.training.graph_trainer import GraphTrainer
    from rasa.engine.validation import validate
    from rasa.shared.data import TrainingType

    from calla.graph import TrainingGraphRunner
    from calla.importer import TopicImporter

    warnings.filterwarnings("ignore")
    importer = TopicImporter(ROOT)
    config = importer.get_config()
    graph = Recipe.recipe_for_name(config["recipe"]).graph_config_for_recipe(
        config, {}, training_type=TrainingType.BOTH
    )
    validate(graph)
    try:
        with tempfile.TemporaryDirectory() as parts:
            trainer = GraphTrainer(LocalModelStorage(Path(parts)), LocalTrainingCache(), TrainingGraphRunner)
            trainer.train(graph, importer, folder / target.name, force_retraining=True)
    except Exception:
        traceback.print_exc()
        return False
    return True


def _go_back() -> int:
    try:
        used = roll_back()
    except ModelMissingError as problem:
        print(problem, file=sys.stderr)
        return 2
    what = f"{used.relative_to(ROOT)}, with the texts of its time" if used else "the model of the present state again"
    print(f"From the next `make reload` or start on, Calla uses {what}.")
    return 0


@contextlib.contextmanager
def _progress() -> Iterator[None]:
    """Show that training goes on: a bar in a terminal, two lines in a file."""
    expected = float(SECONDS.read_text()) if SECONDS.is_file() else GUESS
    terminal = sys.stderr.isatty()
    # A descriptor of its own: what training itself prints goes elsewhere meanwhile.
    shown = os.fdopen(os.dup(2), "w")
    minutes = max(1, round(expected / 60))
    about = f"about {minutes} minute{'s' if minutes > 1 else ''}"
    print(f"Training ({about}, longer if the machine is busy) ...", file=shown, flush=True)
    ended = threading.Event()

    def show() -> None:
        form = "  {percentage:3.0f} % |{bar:40}| {elapsed}"
        with tqdm(total=round(expected), bar_format=form, file=shown, disable=not terminal, leave=False) as bar:
            while not ended.wait(1.0):
                # It is an estimate: the last percent lasts as long as it takes.
                bar.update(1 if bar.n < bar.total - 1 else 0)
                bar.refresh()

    thread = threading.Thread(target=show, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        shown.close()


@contextlib.contextmanager
def _into(log: Path) -> Iterator[None]:
    """Send everything that this process prints, libraries in C too, into a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    with log.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for descriptor, number in zip(kept, (1, 2), strict=True):
                os.dup2(descriptor, number)
                os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main())
