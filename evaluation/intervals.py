"""Intervals for shares, so that a figure says how far it can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt


@dataclass(frozen=True)
class Share:
    """``hits`` of ``total``, with its 95 % Wilson score interval (Wilson 1927)."""

    hits: int
    total: int

    @property
    def value(self) -> float:
        """The share, 0 to 1; 0 for nothing of nothing."""
        return self.hits / self.total if self.total else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper bound, 0 to 1."""
        if not self.total:
            return 0.0, 1.0
        z, n, p = 1.959964, self.total, self.value
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
        return max(0.0, middle - half), min(1.0, middle + half)

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{100 * self.value:.1f} % ({self.hits} of {self.total}; 95 % interval {100 * low:.1f} to {100 * high:.1f})"
        )

    def as_dict(self) -> dict[str, float]:
        """Return numbers for JSON."""
        low, high = self.interval
        return {"hits": self.hits, "total": self.total, "share": self.value, "low": low, "high": high}
