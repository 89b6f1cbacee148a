"""What is not done, and why, as a program and as a person read it."""

from __future__ import annotations

from typing import Any, Optional

from calla.channels.web.messages import Payload, notice

BUSY_RESPONSE = "utter_busy"
LIMITED_RESPONSE = "utter_rate_limited"
LONG_RESPONSE = "utter_too_long"


class RefusedError(Exception):
    """A request that is not done.

    Attributes:
        status: HTTP status.
        error: what a program reads.
        response: name of the text that a person reads, if there is one for it.
        retry_after: seconds after which it may be tried again, if that helps.
        reason: what is wrong with the request, for whoever writes the program that made it.
        messages: bot messages that the message gets all the same: its referrals.
    """

    def __init__(
        self,
        status: int,
        error: str,
        response: Optional[str] = None,
        retry_after: Optional[float] = None,
        reason: Optional[str] = None,
    ) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.response = response
        self.retry_after = retry_after
        self.reason = reason
        self.messages: list[Payload] = []

    def payload(self, agent: Any) -> dict[str, Any]:
        """Return what a client is sent."""
        reply: dict[str, Any] = {"ok": False, "error": self.error}
        if self.reason is not None:
            reply["reason"] = self.reason
        if self.messages:
            reply["messages"] = self.messages
        if self.response is not None:
            reply["message"] = notice(agent, self.response)
        if self.retry_after is not None:
            reply["retry_after"] = round(self.retry_after, 2)
        return reply
