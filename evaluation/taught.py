"""Write what Calla is taught, for ``scripts/encoder/build.py``: ``python -m evaluation.taught FILE``.

The encoder is fine-tuned in an environment of its own, without Rasa. It learns from the same wordings,
labels and referrals that the models of understanding learn from, before spelling is put right.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from calla.catalogue import Catalogue
from calla.importer import TopicImporter
from calla.nlu.understanding import examples_of
from calla.settings import ROOT
from calla.text import clean
from calla.understanding.learning import taught_by


def main() -> None:
    """Write a list of ``[wording, label or null, referral or "none"]``."""
    data = TopicImporter(ROOT).get_nlu_data()
    examples = [each._replace(text=clean(each.text)) for each in examples_of(data)]
    rows = [(each.text, each.label, each.owed) for each in taught_by(examples, Catalogue(data.responses))]
    Path(sys.argv[1]).write_text(json.dumps(rows, ensure_ascii=False))
    print(f"{len(rows)} wordings of {len(examples)} examples")


if __name__ == "__main__":
    main()
