"""What the process knows about its own health; shown by ``/health``."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass


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
        database_failures: calls of the database that were given up because it did not answer.
        handling_failures: messages whose handling failed.
        last_failure: what failed last, in a word; empty if nothing did.
    """

    started: float
    action_failures: int = 0
    referral_stand_ins: int = 0
    lock_failures: int = 0
    record_failures: int = 0
    database_failures: int = 0
    handling_failures: int = 0
    last_failure: str = ""

    def failed(self, counter: str, what: str) -> None:
        """Count a failure.

        Args:
            counter: name of the counter.
            what: the kind of failure, never a message text.
        """
        setattr(self, counter, getattr(self, counter) + 1)
        self.last_failure = what

    def as_dict(self) -> dict[str, object]:
        """Return the counters and the seconds since start."""
        counters = asdict(self)
        counters["uptime_seconds"] = round(time.time() - counters.pop("started"))
        return counters


STATUS = Status(started=time.time())
