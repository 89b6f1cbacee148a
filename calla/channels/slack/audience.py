"""Whom Calla talks to: members; guests and people from elsewhere only if the operator allows them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from typing import Any, Optional

from slack_sdk.web.async_client import AsyncWebClient

from calla.channels.slack.errors import reason
from calla.channels.slack.identity import Place

logger = logging.getLogger(__name__)

# Seconds for which Slack's answer about a person counts, and most people remembered.
REMEMBER, MAX_PEOPLE = 3600.0, 10_000
# Seconds that an answer waits for it.
PATIENCE = 3.0
# In the allow-list: all guests; everybody.
GUESTS, EVERYBODY = "guests", "everybody"


class Audience:
    """Knows who may ask.

    Args:
        client: Slack's Web API.
        allowed: ids of people, workspaces and organisations that are welcome beside the
            members, or ``guests``, or ``everybody``.
    """

    def __init__(self, client: AsyncWebClient, allowed: str) -> None:
        self._client = client
        self._allowed = frozenset(allowed.replace(",", " ").split())
        self._known: OrderedDict[str, tuple[float, bool]] = OrderedDict()

    async def admits(self, place: Place) -> bool:
        """Say whether Calla answers this person."""
        if EVERYBODY in self._allowed or {place.user, place.home or ""} & self._allowed:
            return True
        known = self._known.get(place.user)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        try:
            answer = await asyncio.wait_for(self._client.users_info(user=place.user), PATIENCE)
        except Exception as error:
            # A member must not be turned away because Slack cannot be asked.
            logger.warning("Slack does not tell who is a guest (%s).", reason(error))
            return place.home is None
        admitted = self._welcome(answer.get("user") or {}, place)
        self._known[place.user] = (time.monotonic() + REMEMBER, admitted)
        while len(self._known) > MAX_PEOPLE:
            self._known.popitem(last=False)
        return admitted

    def _welcome(self, user: dict[str, Any], place: Place) -> bool:
        enterprise: Optional[str] = (user.get("enterprise_user") or {}).get("enterprise_id")
        homes = {str(home) for home in (enterprise, user.get("team_id")) if home}
        if homes & self._allowed:
            return True
        if user.get("is_stranger") or not homes & {place.team, place.enterprise or place.team}:
            return False
        guest = user.get("is_restricted") or user.get("is_ultra_restricted")
        return not guest or GUESTS in self._allowed
