"""Messages of a conversation that another server process answers, or has begun to answer."""

from __future__ import annotations

import asyncio
from typing import Awaitable, Callable, Optional

from calla.channels.web.messages import Payload
from calla.channels.web.shared_turns import BUSY, NEW, SharedTurns
from calla.channels.web.turns import Conversation, Turn
from calla.peers import Peers

# Seconds between two looks at what another process answers.
LOOK_EVERY = 0.1
# Seconds after which a message is answered here, if neither Redis nor the database can tell.
PATIENCE = 10.0


class Elsewhere:
    """Makes each message answered by one process, and by another one if that ends.

    Args:
        peers: the other processes.
        stored: gives the turns of a conversation that the database has.
        take_over: answers a turn here.
    """

    def __init__(
        self,
        peers: Peers,
        stored: Callable[[str], Awaitable[list[Payload]]],
        take_over: Callable[[str, Turn], None],
    ) -> None:
        self._turns = SharedTurns(peers)
        self._stored = stored
        self._take_over = take_over
        self._tasks: set[asyncio.Task[None]] = set()
        self.progress = self._turns.progress
        self.end = self._turns.end
        self.forget = self._turns.forget

    async def begin(self, sender: str, turn: Turn) -> Optional[bool]:
        """Say whether a turn is to be answered here; if not, it is filled with what another process says.

        Returns:
            ``None`` if another message of the conversation is still being answered.
        """
        said = await self._turns.begin(sender, turn)
        if isinstance(said, Turn):
            turn.messages[:] = said.messages
            if said.running:
                self._follow(sender, turn)
            else:
                turn.finished.set()
            return False
        if said == BUSY:
            return None
        # Otherwise it is new, as far as Redis knows; it may be new itself.
        if said != NEW and await self._answered(sender, turn):
            await self._turns.end(sender, turn)
            return False
        return True

    async def adopt(self, sender: str, conversation: Conversation) -> None:
        """Add to a conversation what other processes know of it and this one does not."""
        for turn in (await self._turns.look(sender) or {}).values():
            if conversation.turn(turn.id) is None:
                conversation.adopt(turn)
                if turn.running:
                    self._follow(sender, turn)

    def _follow(self, sender: str, turn: Turn) -> None:
        turn.elsewhere = True
        task = asyncio.get_running_loop().create_task(self._following(sender, turn))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _following(self, sender: str, turn: Turn) -> None:
        """Fill a turn with what another process says; answer it here once that process is gone."""
        blind = 0.0
        while turn.running:
            await asyncio.sleep(LOOK_EVERY)
            known = await self._turns.look(sender)
            if known is None:
                blind += LOOK_EVERY
                if not await self._answered(sender, turn) and blind > PATIENCE:
                    self._take_over(sender, turn)
                    return
                continue
            state = known.get(turn.id)
            if state is None or state.left:
                if await self._is_ours_now(sender, turn):
                    self._take_over(sender, turn)
                    return
                continue
            turn.messages[:] = state.messages
            if not state.running:
                turn.finished.set()

    async def _is_ours_now(self, sender: str, turn: Turn) -> bool:
        said = await self._turns.begin(sender, turn)
        if isinstance(said, Turn) or said == BUSY:
            return False
        if await self._answered(sender, turn):
            await self._turns.end(sender, turn)
            return False
        return True

    async def _answered(self, sender: str, turn: Turn) -> bool:
        """Fill a turn from the database, if it is there: it is when it has been answered."""
        for stored in await self._stored(sender):
            if stored["id"] == turn.id:
                turn.messages[:] = stored["messages"]
                turn.finished.set()
                return True
        return False
