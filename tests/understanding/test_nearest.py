"""The nearest known questions, compared in whole numbers: near to exact cosines, whoever is compared beside."""

from __future__ import annotations

import numpy as np
import pytest

from calla.understanding.nearest import Nearest

STARTS = [0, 400, 410, 1500]


def _units(seed: int, number: int) -> np.ndarray:
    """Vectors like those of sentences: some directions matter more than others."""
    drawn = np.random.default_rng(seed).standard_normal((number, 384)) / np.sqrt(1 + np.arange(384))
    units: np.ndarray = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
    return units


@pytest.fixture(scope="module")
def known() -> np.ndarray:
    return _units(1, 2000)


@pytest.fixture(scope="module")
def nearest(known: np.ndarray) -> Nearest:
    return Nearest(known, STARTS, seed=7)


def test_cosines_are_those_of_the_nearest_question_of_each_label(nearest: Nearest, known: np.ndarray) -> None:
    texts = _units(2, 40)
    exact = np.maximum.reduceat(texts @ known.T, STARTS, axis=1)
    found = nearest.cosines(texts)
    assert found.shape == (40, len(STARTS))
    # The directions that are left out hold a part of what these made-up vectors say.
    assert np.abs(found - exact).max() < 0.06
    assert np.abs(nearest.cosines(known[[5, 405, 1999]])[[0, 1, 2], [0, 1, 3]] - 1).max() < 0.06


def test_a_text_is_compared_alike_whatever_stands_beside_it(nearest: Nearest) -> None:
    texts = _units(3, 35)
    together = nearest.cosines(texts)
    for i in (0, 15, 16, 34):
        np.testing.assert_array_equal(nearest.cosines(texts[i : i + 1])[0], together[i])
    np.testing.assert_array_equal(nearest.cosines(texts[::-1])[::-1], together)


def test_questions_are_counted_by_label(nearest: Nearest) -> None:
    assert nearest.counts.tolist() == [400, 10, 1090, 500]
