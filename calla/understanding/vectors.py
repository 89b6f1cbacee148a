"""Sentence vectors kept from one training to the next, by the hash of text and encoder."""

from __future__ import annotations

import contextlib
import hashlib
import zipfile
from pathlib import Path
from typing import Sequence

import numpy as np

from calla.understanding.encoder import Encoder

_UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


class VectorCache:
    """Encodes a training set; texts that were encoded before cost nothing.

    Args:
        encoder: encodes what is new.
        folder: where the vectors are kept.
    """

    def __init__(self, encoder: Encoder, folder: Path) -> None:
        self._encoder = encoder
        self._file = folder / f"vectors-{encoder.fingerprint[:16]}.npz"
        self._known: dict[str, np.ndarray] = {}
        self._used: set[str] = set()
        # A file that cannot be read is made anew: it only saves time.
        with contextlib.suppress(*_UNREADABLE), np.load(self._file) as kept:
            self._known = dict(zip(kept["keys"].tolist(), kept["vectors"], strict=True))

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return the vectors of texts, ``[texts, dimension]``."""
        keys = [hashlib.sha256(text.encode()).hexdigest()[:24] for text in texts]
        new = list({key: text for key, text in zip(keys, texts, strict=True) if key not in self._known}.items())
        vectors = self._encoder.encode_many([text for _, text in new])
        self._known.update({key: vector for (key, _), vector in zip(new, vectors, strict=True)})
        self._used.update(keys)
        return np.vstack([self._known[key] for key in keys]).astype(np.float32)

    def save(self) -> None:
        """Keep the vectors that were used, and forget the rest."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        keys = sorted(self._used)
        # Under another name first: a training that is ended in the middle leaves no half file.
        half = self._file.with_suffix(".half.npz")
        np.savez(half, keys=np.array(keys), vectors=np.stack([self._known[key] for key in keys]))
        half.replace(self._file)
