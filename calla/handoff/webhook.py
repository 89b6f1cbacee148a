"""The open protocol: signed events to an address of the operator's, and signed events back (docs/handoff.md)."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any, Mapping, Optional

from calla.handoff.inboxes import ERASE, Remember, call, session
from calla.handoff.ledger import Handoff, Letter
from calla.handoff.signing import signed


def event(handoff: str, kind: str, body: Mapping[str, Any], created: float) -> bytes:
    """Return an event as it is sent.

    Args:
        handoff: id of the hand-off.
        kind: kind of the event.
        body: its content.
        created: when it happened, seconds since the epoch.
    """
    data = {"handoff": handoff, **({} if kind == ERASE else body)}
    moment = datetime.fromtimestamp(created, timezone.utc).isoformat(timespec="seconds")
    return json.dumps({"type": f"handoff.{kind}", "timestamp": moment, "data": data}, ensure_ascii=False).encode()


class WebhookInbox:
    """Sends events to a web hook.

    Args:
        url: its address.
        secret: the shared secret.
    """

    def __init__(self, url: str, secret: str) -> None:
        self._url = url
        self._secret = secret
        self._client = session()

    async def deliver(self, letter: Letter, handoff: Optional[Handoff], remember: Remember) -> None:
        """Send an event (see ``Inbox``); the receiver knows a repeated one by its id."""
        body = event(letter.handoff, letter.kind, letter.body, letter.created)
        headers = {"Content-Type": "application/json", **signed(self._secret, f"{letter.handoff}.{letter.key}", body)}
        await call(self._client, "POST", self._url, data=body, headers=headers)

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.close()
