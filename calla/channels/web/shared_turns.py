"""Turns as all server processes know them: who answers a message, what has been said so far.

A turn is a field of its conversation's hash in Redis; that it is being answered is held by the
process that does so, and is free again seconds after that process is gone.
"""

from __future__ import annotations

import json
from typing import Any, Optional

from calla.channels.web.messages import Payload
from calla.channels.web.turns import Turn
from calla.peers import LEASE, PREFIX, Peers

# Seconds for which turns are kept after the last one: then they are long in the database.
REMEMBER = 3600
# Turns of a conversation that are kept.
MOST = 30
NEW, UNKNOWN, BUSY = "new", "unknown", "busy"

# Whether a message is new, and if so that this process answers it. A turn that is marked as running
# while nobody holds the conversation was left by a process that is gone.
_BEGIN = """
local turns, running, id, mine = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
local known, holder = redis.call('HGET', turns, id), redis.call('GET', running)
if known and string.sub(known, 1, 1) == 'd' then return known end
if holder then
  if string.sub(holder, 1, #id + 1) == id .. ' ' then return known or 'r' else return 'busy' end
end
local fresh = known == false and redis.call('EXISTS', turns) == 1
redis.call('SET', running, mine, 'PX', ARGV[4])
if redis.call('HLEN', turns) >= tonumber(ARGV[6]) then redis.call('DEL', turns) end
redis.call('HSET', turns, id, 'r' .. ARGV[3])
redis.call('EXPIRE', turns, ARGV[5])
return fresh and 'new' or 'unknown'
"""
_END = """
redis.call('HSET', KEYS[1], ARGV[1], 'd' .. ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[4])
if redis.call('GET', KEYS[2]) == ARGV[2] then redis.call('DEL', KEYS[2]) end
"""
_LOOK = "return {redis.call('GET', KEYS[2]), redis.call('HGETALL', KEYS[1])}"


class SharedTurns:
    """The turns of all processes.

    Args:
        peers: the other processes.
    """

    def __init__(self, peers: Peers) -> None:
        self._peers = peers

    @staticmethod
    def _keys(sender: str) -> tuple[str, str]:
        return f"{PREFIX}turns:{sender}", f"{PREFIX}running:{sender}"

    def _mine(self, turn_id: str) -> str:
        return f"{turn_id} {self._peers.name}"

    async def begin(self, sender: str, turn: Turn) -> str | Turn:
        """Take a message for this process.

        Returns:
            ``NEW``; ``UNKNOWN`` if it is ours to answer unless the database knows it as answered;
            ``BUSY`` if another message is being answered; or the turn, if it is being answered
            elsewhere, or was.
        """
        keys, mine = self._keys(sender), self._mine(turn.id)
        values = (turn.id, mine, _written(turn), int(LEASE * 1000), REMEMBER, MOST)
        said = await self._peers.ask(lambda r: r.eval(_BEGIN, 2, *keys, *values), None)
        if said == BUSY:
            return BUSY
        if said is None or said in (NEW, UNKNOWN):
            self._peers.holds(f"running:{sender}", mine)
            return said or UNKNOWN
        return _read(turn.id, str(said), turn.text)

    async def progress(self, sender: str, turn: Turn) -> None:
        """Note what has been said so far."""
        keys = self._keys(sender)
        await self._peers.ask(lambda r: r.hset(keys[0], turn.id, "r" + _written(turn)), 0)

    async def end(self, sender: str, turn: Turn) -> None:
        """Note that a turn is answered."""
        keys, mine = self._keys(sender), self._mine(turn.id)
        values = (turn.id, mine, _written(turn), REMEMBER)
        await self._peers.ask(lambda r: r.eval(_END, 2, *keys, *values), None)
        await self._peers.give_up(f"running:{sender}", mine)

    async def look(self, sender: str) -> Optional[dict[str, Turn]]:
        """Return the turns of a conversation; ``None`` if nobody can know.

        One that is still to be answered by a process that is gone is marked ``left``.
        """
        keys = self._keys(sender)
        said: Any = await self._peers.ask(lambda r: r.eval(_LOOK, 2, *keys), None)
        if said is None:
            return None
        holder, fields = str(said[0] or ""), said[1]
        turns = {name: _read(name, value) for name, value in zip(fields[::2], fields[1::2], strict=True)}
        for turn in turns.values():
            turn.left = turn.running and not holder.startswith(f"{turn.id} ")
        return turns

    async def forget(self, sender: str) -> None:
        """Drop the turns of a conversation."""
        keys = self._keys(sender)
        await self._peers.ask(lambda r: r.delete(keys[0]), 0)


def _written(turn: Turn) -> str:
    return json.dumps([turn.text, turn.messages])


def _read(turn_id: str, written: str, text: str = "") -> Turn:
    messages: list[Payload] = []
    if len(written) > 1:
        text, messages = json.loads(written[1:])
    turn = Turn(turn_id, text, messages)
    if written[0] == "d":
        turn.finished.set()
    return turn
