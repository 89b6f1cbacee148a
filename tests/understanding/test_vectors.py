"""Sentence vectors are kept between trainings, and a file that was cut off costs nothing but time."""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

import numpy as np

from calla.understanding.vectors import VectorCache


class Counted:
    """Stands for the encoder, and counts what it is asked."""

    fingerprint = "0123456789abcdef0123"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def encode_many(self, texts: Sequence[str]) -> np.ndarray:
        self.asked.extend(texts)
        return np.array([[len(text), 1.0] for text in texts], dtype=np.float32).reshape(-1, 2)


def vectors_of(folder: Path, *texts: str) -> tuple[np.ndarray, list[str]]:
    encoder = Counted()
    cache = VectorCache(encoder, folder)  # type: ignore[arg-type]
    found = cache.encode(texts)
    cache.save()
    return found, encoder.asked


def test_what_was_encoded_before_costs_nothing(tmp_path: Path) -> None:
    vectors_of(tmp_path, "one", "three")
    found, asked = vectors_of(tmp_path, "three", "seven!")
    assert asked == ["seven!"]
    assert found[:, 0].tolist() == [5, 6]
    assert vectors_of(tmp_path, "one")[1] == ["one"]


def test_a_file_that_was_cut_off_is_made_anew(tmp_path: Path) -> None:
    """A training ended while it wrote used to leave a file that no later training could read."""
    vectors_of(tmp_path, "one")
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-40])
    assert vectors_of(tmp_path, "one")[1] == ["one"]
    assert vectors_of(tmp_path, "one")[1] == []
    assert [each.name for each in tmp_path.iterdir()] == [file.name]
