"""How much one visitor, one address and all together may ask of the server."""

from __future__ import annotations

import hashlib
import ipaddress
from datetime import timedelta
from typing import Any, Optional

from throttled.asyncio import MemoryStore, RedisStore, Throttled
from throttled.rate_limiter import Quota, per_duration

from calla.peers import DEADLINE, PREFIX, Peers
from calla.text import MAX_SCREENED, MAX_UNDERSTOOD

# Addresses and conversations remembered; the least recently seen are forgotten first.
REMEMBERED = 20_000


def address_key(address: str) -> str:
    """Return the part of an address that stands for one visitor: an IPv6 network is one."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False).network_address)
    return str(parsed)


class Limit:
    """One limit per key: so many in a period, evenly, with a burst (GCRA).

    Args:
        name: namespace of its keys.
        number: how many are allowed in a period.
        seconds: length of the period.
        burst: how many may come at once after a pause.
        peers: the other processes, with which the limit is shared; alone while they cannot be reached.
    """

    def __init__(self, name: str, number: int, seconds: int, burst: int, peers: Optional[Peers] = None) -> None:
        quota: Quota = per_duration(timedelta(seconds=seconds), number, burst)

        def limiter(store: Any) -> Throttled:
            return Throttled(using="gcra", quota=quota, key_prefix=f"{PREFIX}limit:{name}", store=store)

        self._here = limiter(MemoryStore(options={"MAX_SIZE": REMEMBERED}))
        self._burst = burst
        self._peers = peers
        if peers is not None:
            self._shared = limiter(RedisStore(server=peers.url, options={"SOCKET_CONNECT_TIMEOUT": DEADLINE}))

    async def wait_for(self, key: str, cost: int = 1) -> float:
        """Take ``cost``; return 0 if that was allowed, else the seconds to wait before the next try."""
        # What costs more than may ever come at once is allowed after the longest pause.
        cost, result = min(cost, self._burst), None
        if self._peers is not None:
            result = await self._peers.ask(lambda _: self._shared.limit(key, cost), None)
        if result is None:
            result = await self._here.limit(key, cost)
        return max(result.state.retry_after, 0.1) if result.limited else 0.0


class Limits:
    """The limits of the web channel.

    Args:
        messages_per_minute: messages of one conversation.
        address_messages_per_minute: messages from one network address (a clinic's
            waiting room may share one).
        sessions_per_hour: new conversations from one network address.
        peers: the other processes, with which they are shared.
    """

    def __init__(
        self,
        messages_per_minute: int,
        address_messages_per_minute: int,
        sessions_per_hour: int,
        peers: Optional[Peers] = None,
    ) -> None:
        self._messages = Limit("messages", messages_per_minute, 60, max(1, messages_per_minute // 2), peers)
        burst = max(1, address_messages_per_minute // 3)
        self._address = Limit("address", address_messages_per_minute, 60, burst, peers)
        # Far beyond what any crowd behind one address writes: such a message is not even screened.
        self._flood = Limit("flood", address_messages_per_minute * 10, 60, address_messages_per_minute * 5, peers)
        self._sessions = Limit("sessions", sessions_per_hour, 3600, max(1, sessions_per_hour // 3), peers)
        # Everything else a client asks (history, feedback, erasure, connecting).
        self._calls = Limit("calls", address_messages_per_minute * 4, 60, address_messages_per_minute * 2, peers)

    async def flood(self, address: str, size: int) -> float:
        """Count anything that looks like a message; return the seconds to wait, 0 if it may be looked at.

        Args:
            address: where it comes from.
            size: its characters: screening long ones costs more, so they count as several.
        """
        return await self._flood.wait_for(address_key(address), 1 + min(size, MAX_SCREENED) // MAX_UNDERSTOOD)

    async def message(self, sender: str, address: str) -> float:
        """Count a message; return the seconds to wait, 0 if it may pass."""
        # The counters outlive an erasure by some seconds: they do not name the conversation.
        unnamed = hashlib.sha256(sender.encode()).hexdigest()
        return await self._messages.wait_for(unnamed) or await self._address.wait_for(address_key(address))

    async def session(self, address: str) -> float:
        """Count a new conversation; return the seconds to wait, 0 if it may begin."""
        return await self._sessions.wait_for(address_key(address))

    async def call(self, address: str, cost: int = 1) -> float:
        """Count any other request, as several if it costs as much; return the seconds to wait, 0 if it may pass."""
        return await self._calls.wait_for(address_key(address), cost)
