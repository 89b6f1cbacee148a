"""A network of one hidden layer: learned with scikit-learn, run with two products."""

from __future__ import annotations

import warnings
from typing import Sequence

import numpy as np
from scipy.special import softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

# More passes over the examples cost time and change little on unseen questions
# (docs/evaluation.md).
EPOCHS = 12
BATCH, RATE = 512, 3e-3


class Network:
    """Gives each row of features a probability for each class.

    Args:
        hidden: units of the hidden layer.
        penalty: quadratic penalty.
        seed: of the first weights and of the order of the examples.
    """

    def __init__(self, *, hidden: int, penalty: float, seed: int) -> None:
        self._hidden, self._penalty, self._seed = hidden, penalty, seed
        self.classes: list[str] = []
        self._layers: list[tuple[np.ndarray, np.ndarray]] = []

    def fit(self, features: np.ndarray, classes: Sequence[str] | np.ndarray) -> Network:
        """Learn from rows of features (``[rows, features]``) and the class of each."""
        network = MLPClassifier(
            (self._hidden,),
            alpha=self._penalty,
            max_iter=EPOCHS,
            learning_rate_init=RATE,
            batch_size=min(BATCH, len(classes)),
            random_state=self._seed,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            network.fit(np.asarray(features, dtype=np.float32), np.asarray(classes))
        self.classes = [str(each) for each in network.classes_]
        self._layers = [
            (w.astype(np.float32), b.astype(np.float32))
            for w, b in zip(network.coefs_, network.intercepts_, strict=True)
        ]
        return self

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """Return the probabilities, ``[rows, classes]``; rows sum to 1."""
        (w1, b1), (w2, b2) = self._layers
        logits = np.maximum(features @ w1 + b1, 0) @ w2 + b2
        if logits.shape[1] == 1:
            # Of two classes scikit-learn keeps the second alone, with a logistic.
            logits = np.hstack([np.zeros_like(logits), logits])
        return np.asarray(softmax(logits, axis=1))
