"""What the process knows about its own health; shown by ``/health`` and ``/metrics``."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field, fields
from typing import Any, Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

REGISTRY = CollectorRegistry()
MESSAGES = Counter("calla_messages", "Messages taken, by channel", ["channel"], registry=REGISTRY)
OUTCOMES = Counter("calla_outcomes", "What became of messages", ["outcome"], registry=REGISTRY)
REFERRALS = Counter("calla_referrals", "Referrals sent, by kind and way", ["kind", "way"], registry=REGISTRY)
FAILURES = Counter("calla_failures", "Failures, by the counter of /health", ["what"], registry=REGISTRY)
REFUSED = Counter("calla_refused", "Messages refused for the time being, by reason", ["reason"], registry=REGISTRY)
HANDOFFS = Counter(
    "calla_handoffs", "Events of hand-offs: delivered by kind, ended by time", ["what"], registry=REGISTRY
)
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 1.5, 2, 2.5, 3, 5, 10)
# Messages over which ``/health`` says how long they took.
_LATEST = 1_000


class Durations:
    """How long something took: all of it for ``/metrics``, the latest for ``/health``.

    Args:
        name: name of the metric.
        what: what it measures.
    """

    def __init__(self, name: str, what: str) -> None:
        self._all = Histogram(name, what, buckets=_SECONDS, registry=REGISTRY)
        self._latest: deque[float] = deque(maxlen=_LATEST)

    def observe(self, seconds: float) -> None:
        """Add one."""
        self._all.observe(seconds)
        self._latest.append(seconds)

    def as_dict(self) -> dict[str, float]:
        """Return the number of the latest, their median, 95th percentile and longest."""
        if not self._latest:
            return {"number": 0}
        ordered = sorted(self._latest)
        at = {"median": len(ordered) // 2, "p95": int(len(ordered) * 0.95), "longest": len(ordered) - 1}
        return {"number": len(ordered), **{name: round(ordered[place], 3) for name, place in at.items()}}


TO_REFERRAL = Durations("calla_seconds_to_referral", "Seconds from a message to its referral")
TO_END = Durations("calla_seconds_to_end", "Seconds from a message to the end of its answer")


@dataclass
class Status:
    """Counters since start. They hold no text and no person.

    Attributes:
        started: seconds since the epoch.
        action_failures: calls of the action server that failed or came too late.
        referral_stand_ins: referrals given from inside the Rasa process because the
            action did not deliver them, or because handling the message failed.
        lock_failures: messages handled without a lock because the lock store failed.
        record_failures: referrals that could not be written to the record.
        database_failures: calls of the database that failed or were given up.
        save_failures: attempts to store events of a conversation that failed; they are kept and retried.
        lost_saves: events that were given up: memory for them was full, or the database will never take them.
        erasure_failures: erasures that were not confirmed at once; they are noted and retried.
        handling_failures: messages whose handling failed.
        undelivered_referrals: referrals that a channel did not take.
        last_undelivered_referral: when that was last, seconds since the epoch; 0 if never.
        last_failure: what failed last, in a word; empty if nothing did.
        facts: further facts by name, each asked when ``/health`` is; whoever knows one adds it.
    """

    started: float
    action_failures: int = 0
    referral_stand_ins: int = 0
    lock_failures: int = 0
    record_failures: int = 0
    database_failures: int = 0
    save_failures: int = 0
    lost_saves: int = 0
    erasure_failures: int = 0
    handling_failures: int = 0
    undelivered_referrals: int = 0
    last_undelivered_referral: float = 0.0
    last_failure: str = ""
    facts: dict[str, Callable[[], Any]] = field(default_factory=dict, repr=False)

    def failed(self, counter: str, what: str) -> None:
        """Count a failure.

        Args:
            counter: name of the counter.
            what: the kind of failure, never a message text.
        """
        setattr(self, counter, getattr(self, counter) + 1)
        FAILURES.labels(counter).inc()
        self.last_failure = what
        if counter == "undelivered_referrals":
            self.last_undelivered_referral = time.time()

    def as_dict(self) -> dict[str, object]:
        """Return the counters, the facts, and the seconds since start."""
        answers: dict[str, object] = {}
        for name, fact in self.facts.items():
            try:
                answers[name] = fact()
            except Exception as error:
                answers[name] = f"unknown ({type(error).__name__})"
        counters = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("facts", "started")}
        return {**counters, "uptime_seconds": round(time.time() - self.started), **answers}


STATUS = Status(
    started=time.time(), facts={"seconds_to_referral": TO_REFERRAL.as_dict, "seconds_to_end": TO_END.as_dict}
)
_GAUGES: dict[str, Gauge] = {}


def gauge(name: str, what: str, value: Callable[[], float]) -> None:
    """Add a number to ``/metrics`` that is asked when they are read; a second one of a name replaces the first."""
    if name not in _GAUGES:
        _GAUGES[name] = Gauge(name, what, registry=REGISTRY)
    _GAUGES[name].set_function(value)


def metrics() -> bytes:
    """Return all metrics in Prometheus's text format."""
    return bytes(generate_latest(REGISTRY))
