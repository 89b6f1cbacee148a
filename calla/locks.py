"""Locks of conversations that hold across server processes."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import asynccontextmanager
from typing import AsyncGenerator, Optional

from rasa.core.lock import TicketLock
from rasa.core.lock_store import DEFAULT_LOCK_LIFETIME, InMemoryLockStore, LockStore

from calla.peers import Peers


class SharedLockStore(LockStore):
    """One message of a conversation at a time, whichever process it came to.

    Inside a process turns are in the order of asking; among processes, whoever asks first when it
    is free. Rasa's own lock store in Redis reads and writes a lock in two steps, so that two
    processes can have it; and it waits for minutes for a process that was killed.

    Args:
        peers: the other processes.
    """

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        self._here = InMemoryLockStore()

    @asynccontextmanager
    async def lock(
        self, conversation_id: str, lock_lifetime: float = DEFAULT_LOCK_LIFETIME, wait_time_in_seconds: float = 1
    ) -> AsyncGenerator[Optional[TicketLock], None]:
        """Hold a conversation's lock (see parent class)."""
        async with self._here.lock(conversation_id, lock_lifetime, wait_time_in_seconds) as lock:
            name, mine = f"lock:{conversation_id}", uuid.uuid4().hex
            try:
                while await self._peers.take(name, mine) is not None:  # noqa: ASYNC110 (it may be held elsewhere)
                    await asyncio.sleep(wait_time_in_seconds)
                yield lock
            finally:
                await self._peers.give_up(name, mine)

    def get_lock(self, conversation_id: str) -> Optional[TicketLock]:
        """Return the lock inside this process (see parent class)."""
        return self._here.get_lock(conversation_id)

    def save_lock(self, lock: TicketLock) -> None:
        """Keep the lock inside this process (see parent class)."""
        self._here.save_lock(lock)

    def delete_lock(self, conversation_id: str) -> None:
        """Drop the lock inside this process (see parent class)."""
        self._here.delete_lock(conversation_id)
