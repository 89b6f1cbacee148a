"""Validate configuration and data the way Rasa does, with Calla's own exceptions named."""

from __future__ import annotations

from calla.settings import silence_dependencies

silence_dependencies()

import sys
import warnings

from rasa.shared.importers.importer import TrainingDataImporter
from rasa.validator import Validator

from calla.settings import ROOT


def main() -> int:
    """Return 0 if domain, intents and rules fit together.

    Rasa's check that every response stands in a story is left out: the gate chooses
    responses by name, and ``tests/content`` checks that none is missing or unused.
    """
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    importer = TrainingDataImporter.load_from_config(
        str(ROOT / "config.yml"), str(ROOT / "domain.yml"), [str(ROOT / "data")]
    )
    validator = Validator.from_importer(importer)
    checks = {
        "domain": validator.verify_domain_validity(),
        "rules": validator.verify_story_structure(),
        "examples": validator.verify_example_repetition_in_intents(ignore_warnings=False),
    }
    for name, fine in checks.items():
        print(f"{name}: {'ok' if fine else 'PROBLEMS (see above)'}")
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
