"""The encoder artefact: only the right files are loaded; what its vectors promise."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from calla.understanding.encoder import DEFAULT_ARTEFACT, Encoder, EncoderError, load_encoder

FILES = ("model.onnx", "tokenizer.json", "nearest.onnx")
TEXTS = ["what is mk-7?", "does the biopsy hurt", "they found calcium and want more pictures " * 12, "hi"]


@pytest.fixture()
def artefact(tmp_path: Path) -> Path:
    """A copy of the artefact that a test may break; the large files are links."""
    for name in FILES:
        (tmp_path / name).symlink_to(DEFAULT_ARTEFACT / name)
    shutil.copy(DEFAULT_ARTEFACT / "manifest.json", tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", FILES)
def test_another_file_than_the_manifests_is_named(artefact: Path, name: str) -> None:
    (artefact / name).unlink()
    (artefact / name).write_bytes(b"something else")
    with pytest.raises(EncoderError, match=name) as problem:
        Encoder(artefact)
    assert "SHA-256" in str(problem.value)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(artefact: Path, name: str) -> None:
    (artefact / name).unlink()
    with pytest.raises(EncoderError, match=f"{name} is missing"):
        Encoder(artefact)


def test_a_missing_artefact_says_how_to_build_it(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"scripts/encoder/build\.py") as problem:
        Encoder(tmp_path / "nothing")
    assert str(tmp_path / "nothing") in str(problem.value)


def test_vectors_have_length_one() -> None:
    encoder = load_encoder()
    for vectors in (encoder.encode(TEXTS), encoder.encode_many(TEXTS)):
        assert vectors.shape == (len(TEXTS), encoder.dimension)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-4)


def test_a_vector_does_not_depend_on_its_neighbours() -> None:
    encoder = load_encoder()
    together = encoder.encode(TEXTS)
    for text, vector in zip(TEXTS, together, strict=True):
        np.testing.assert_array_equal(encoder.encode([text])[0], vector)
    np.testing.assert_array_equal(encoder.encode(TEXTS[::-1])[::-1], together)


def test_an_empty_text_has_a_vector() -> None:
    vectors = load_encoder().encode([""])
    assert np.isfinite(vectors).all()
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-4)


def test_no_texts_have_no_vectors() -> None:
    encoder = load_encoder()
    assert encoder.encode([]).shape == (0, encoder.dimension)
