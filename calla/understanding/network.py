"""A network of one hidden layer: learned with scikit-learn, run with two products."""

from __future__ import annotations

import math
from typing import Sequence

import numpy as np
from scipy.special import softmax
from sklearn.neural_network import MLPClassifier

# Step at the beginning; it falls to nothing along half a cosine (Loshchilov and Hutter 2017), so
# that two thirds of the passes learn as well (docs/evaluation.md).
BATCH, RATE = 512, 5e-3


class Network:
    """Gives each row of features a probability for each class.

    Args:
        hidden: units of the hidden layer.
        penalty: quadratic penalty.
        passes: how often all examples are gone through.
        seed: of the first weights and of the order of the examples.
    """

    def __init__(self, *, hidden: int, penalty: float, passes: int, seed: int) -> None:
        self._hidden, self._penalty, self._passes, self._seed = hidden, penalty, passes, seed
        self.classes: list[str] = []
        self._layers: list[tuple[np.ndarray, np.ndarray]] = []

    def fit(self, features: np.ndarray, classes: Sequence[str] | np.ndarray) -> Network:
        """Learn from rows of features (``[rows, features]``) and the class of each."""
        rows, named = np.asarray(features, dtype=np.float32), np.asarray(classes)
        network = MLPClassifier(
            (self._hidden,), alpha=self._penalty, batch_size=min(BATCH, len(named)), random_state=self._seed
        )
        for done in range(self._passes):
            rate = RATE * (1 + math.cos(math.pi * done / self._passes)) / 2
            if done:
                # Adam has no schedule in scikit-learn.
                network._optimizer.learning_rate_init = rate
            else:
                network.learning_rate_init = rate
            network.partial_fit(rows, named, classes=np.unique(named) if not done else None)
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
