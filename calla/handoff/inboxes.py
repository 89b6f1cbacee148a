"""What an inbox is: where the people who answer read and write."""

from __future__ import annotations

from typing import Any, Awaitable, Callable, Optional, Protocol

import aiohttp

from calla.handoff.ledger import Handoff, Letter

# Kinds of inboxes.
WEBHOOK, SLACK, CHATWOOT = "webhook", "slack", "chatwoot"
# Kinds of events for an inbox.
REQUESTED, MESSAGE, RETURNED, ERASE = "requested", "message", "returned", "erase"
# Why a conversation went back to the program.
BY_VISITOR, NOBODY_CAME, WENT_QUIET = "visitor", "nobody_came", "went_quiet"
# Seconds that one call may take; an inbox that hangs longer is as good as down.
CALL_DEADLINE = 8.0

# Notes, before everything is delivered, how the inbox names the hand-off: remote, and its key.
Remember = Callable[[dict[str, Any], Optional[str]], Awaitable[None]]


class InboxError(RuntimeError):
    """The inbox did not take something; the message says why in a word, without any content."""


class Inbox(Protocol):
    """Takes events about hand-offs."""

    async def deliver(self, letter: Letter, handoff: Optional[Handoff], remember: Remember) -> None:
        """Hand an event to the inbox; the same event may come again if nobody heard that it arrived.

        Args:
            letter: the event.
            handoff: the hand-off; ``None`` once it has been erased here.
            remember: notes how the inbox names the hand-off.

        Raises:
            InboxError: if it did not arrive; it is tried again.
        """

    async def close(self) -> None:
        """Let go of connections."""


async def call(
    client: aiohttp.ClientSession, method: str, url: str, *, expected_missing: bool = False, **options: Any
) -> Any:
    """Make a request; return its JSON, ``None`` if it has none.

    Args:
        client: the session.
        method: HTTP method.
        url: address.
        expected_missing: whether "not found" is as good as done.
        **options: as aiohttp takes them.

    Raises:
        InboxError: with the status, or the kind of failure.
    """
    try:
        async with client.request(method, url, allow_redirects=False, **options) as answer:
            if answer.status == 404 and expected_missing:
                return None
            if not 200 <= answer.status < 300:
                raise InboxError(f"status {answer.status}")
            return await answer.json(content_type=None) if answer.content_type == "application/json" else None
    except InboxError:
        raise
    except Exception as error:
        raise InboxError(type(error).__name__) from None


def session(**options: Any) -> aiohttp.ClientSession:
    """Return a session that gives up in time."""
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=CALL_DEADLINE), **options)
