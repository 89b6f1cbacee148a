"""A network of one hidden layer: learned with scikit-learn, run with two products."""

from __future__ import annotations

import math
from typing import Mapping, Optional, Sequence

import numpy as np
from scipy.special import softmax
from sklearn.neural_network import MLPClassifier

# Step at the beginning; it falls to nothing along half a cosine (Loshchilov and Hutter 2017), so
# that two thirds of the passes learn as well (docs/evaluation.md).
BATCH, RATE = 512, 5e-3
# Few examples are gone through more often, until the network has made this many steps.
LEAST_STEPS = 200
# A network that goes on from another learns what few examples change in one pass, at one rate, if what is
# new comes several times: details that were added so are known as well as after learning everything anew.
FURTHER_RATE, NEW_COUNT = 3e-3, 12


class Network:
    """Gives each row of features a probability for each class.

    Args:
        hidden: units of the hidden layer.
        penalty: quadratic penalty.
        passes: how often all examples are gone through, at least.
        seed: of the first weights and of the order of the examples.
    """

    def __init__(self, *, hidden: int, penalty: float, passes: int, seed: int) -> None:
        self._hidden, self._penalty, self._passes, self._seed = hidden, penalty, passes, seed
        self.classes: list[str] = []
        self._layers: list[tuple[np.ndarray, np.ndarray]] = []

    def fit(
        self,
        features: np.ndarray,
        named: Sequence[str],
        before: Optional[Network] = None,
        new: Sequence[int] | np.ndarray = (),
    ) -> Network:
        """Learn.

        Args:
            features: ``[rows, features]``.
            named: the class of each row.
            before: a network of the same features that has learned nearly the same; this one goes on from it.
            new: rows that it has not learned.
        """
        self.classes = list(dict.fromkeys(named))
        at = {name: i for i, name in enumerate(self.classes)}
        rows, numbers = np.asarray(features, dtype=np.float32), np.array([at[name] for name in named])
        network = MLPClassifier(
            (self._hidden,), alpha=self._penalty, batch_size=min(BATCH, len(named)), random_state=self._seed
        )
        every = np.arange(len(at))
        if before:
            network.learning_rate_init = FURTHER_RATE
            # One batch, for the shapes of all layers.
            network.partial_fit(rows[:BATCH], numbers[:BATCH], classes=every)
            before._start(network, at)
            several = np.concatenate([np.arange(len(rows)), np.repeat(np.array(new, dtype=np.int64), NEW_COUNT - 1)])
            network.partial_fit(rows[several], numbers[several])
        else:
            passes = max(self._passes, math.ceil(LEAST_STEPS / math.ceil(len(rows) / BATCH)))
            for done in range(passes):
                rate = RATE * (1 + math.cos(math.pi * done / passes)) / 2
                if done:
                    # Adam has no schedule in scikit-learn.
                    network._optimizer.learning_rate_init = rate
                else:
                    network.learning_rate_init = rate
                network.partial_fit(rows, numbers, classes=every)
        self._layers = [
            (w.astype(np.float32), b.astype(np.float32))
            for w, b in zip(network.coefs_, network.intercepts_, strict=True)
        ]
        return self

    def _start(self, network: MLPClassifier, at: Mapping[str, int]) -> None:
        """Give another network the weights of this one; its classes that are new keep their own."""
        (w1, b1), (w2, b2) = self._layers
        kept = [i for i, name in enumerate(self.classes) if name in at]
        to = [at[self.classes[i]] for i in kept]
        network.coefs_[0][:], network.intercepts_[0][:] = w1, b1
        network.coefs_[1][:, to], network.intercepts_[1][to] = w2[:, kept], b2[kept]

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """Return the probabilities, ``[rows, classes]``; rows sum to 1."""
        (w1, b1), (w2, b2) = self._layers
        logits = np.maximum(features @ w1 + b1, 0) @ w2 + b2
        if logits.shape[1] == 1:
            # Of two classes scikit-learn keeps the second alone, with a logistic.
            logits = np.hstack([np.zeros_like(logits), logits])
        return np.asarray(softmax(logits, axis=1))
