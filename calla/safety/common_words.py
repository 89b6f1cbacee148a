"""Makes the list of English words that spelling guesses must leave alone.

    python -m calla.safety.common_words WORDS.txt [...]

``WORDS.txt`` is any list of English words, one per line; the project uses the whole
words in the vocabulary of its sentence encoder (``vocab.txt``). Of those, only the
words that a guess would change are written to ``data/safety/common_words.yml``, so the
file stays short enough to read.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Iterable

import yaml

from calla.safety.vocabulary import COMMON, DEFAULT_FOLDER, load_vocabulary

_PLAIN = re.compile(r"[a-z]{4,}\Z")
_WHY = (
    "English words that a guess at spelling would otherwise turn into a word of the vocabulary; "
    'made by "python -m calla.safety.common_words"'
)


def changed_words(words: Iterable[str]) -> list[str]:
    """Return those of ``words`` that the speller would change, sorted."""
    speller = load_vocabulary().speller
    return sorted({w for w in words if _PLAIN.match(w) and speller.guess(w) != (w,)})


def write(files: Iterable[Path], folder: Path = DEFAULT_FOLDER) -> int:
    """Add to the list of ``folder`` what the words of ``files`` need; return how many."""
    path = folder / COMMON
    old = yaml.safe_load(path.read_text(encoding="utf-8"))["common"]
    words = {line.strip() for f in files for line in f.read_text(encoding="utf-8").splitlines()}
    every = sorted({*(str(w) for w in old), *changed_words(words)})
    lines = [f"why: {_WHY}".replace('"', "'"), "common:"] + [f'- "{w}"' for w in every]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(every)


if __name__ == "__main__":
    sys.stdout.write(f"{write(Path(p) for p in sys.argv[1:])} words\n")
