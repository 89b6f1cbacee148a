"""Whether the inbox of the settings answers as it should (``make doctor``)."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Mapping, Optional

import aiohttp

from calla.handoff.inboxes import CHATWOOT, WEBHOOK, InboxError, call
from calla.handoff.signing import signed
from calla.handoff.webhook import event
from calla.settings import Settings

# Seconds that the inbox gets to answer.
LIMIT = 2.0
PING = "ping"


def inbox_problem(config: Settings) -> Optional[str]:
    """Ask the inbox; return what is wrong, in a sentence, if anything is."""
    if config.handoff not in (WEBHOOK, CHATWOOT):
        return None
    try:
        found = asyncio.run(_ask(config))
    except InboxError as problem:
        return f"The inbox at CALLA_HANDOFF_URL does not answer as it should ({problem}).{_hint(str(problem))}"
    if config.handoff == CHATWOOT and (found or {}).get("channel_type") != "Channel::Api":
        return "CALLA_HANDOFF_INBOX is no inbox of Chatwoot's API channel."
    return None


async def _ask(config: Settings) -> Optional[Mapping[str, Any]]:
    url = config.handoff_url or ""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=LIMIT)) as client:
        if config.handoff == WEBHOOK:
            now = time.time()
            body = event("", PING, {}, now)
            secret = config.handoff_secret.get_secret_value() if config.handoff_secret else ""
            headers = {"Content-Type": "application/json", **signed(secret, f"ping.{now:.0f}", body)}
            await call(client, "POST", url, data=body, headers=headers)
            return None
        token = config.handoff_token.get_secret_value() if config.handoff_token else ""
        where = f"{url.rstrip('/')}/api/v1/accounts/{config.handoff_account}/inboxes/{config.handoff_inbox}"
        found: Optional[Mapping[str, Any]] = await call(client, "GET", where, headers={"api_access_token": token})
        return found


def _hint(problem: str) -> str:
    if problem in ("status 401", "status 403"):
        return " Does it have the same CALLA_HANDOFF_SECRET, or is CALLA_HANDOFF_TOKEN wrong?"
    if problem == "status 404":
        return " Is the address right, and are CALLA_HANDOFF_ACCOUNT and CALLA_HANDOFF_INBOX?"
    return ""
