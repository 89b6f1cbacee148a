"""The n-grams of one text are those of the training."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from calla.understanding.grams import Grams, letters_of_words, words_and_pairs

TEXTS = [
    "What is vitamin K2?",
    "what is  vitamin MK-7",
    "Is vitamin K2 in cheese?\nand what is in oats",
    "a",
    "",
    "vitamin vitamin vitamin",
    "nothing known: xyzzy",
]


@pytest.mark.parametrize("make", [letters_of_words, words_and_pairs])
def test_one_text_has_the_same_n_grams_as_many(make):
    grams: Grams = make()
    grams.fit(TEXTS * 3)
    grams = pickle.loads(pickle.dumps(grams))
    # Twice: the second time words and texts come from what is kept.
    for _ in range(2):
        for text, row in zip(TEXTS, grams.rows(TEXTS).toarray(), strict=True):
            one = np.zeros(grams.size)
            columns, weights = grams.of(text)
            one[columns] = weights
            np.testing.assert_allclose(one, row, atol=1e-6)
