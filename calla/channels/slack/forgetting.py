"""What the agent keeps of a conversation in Slack, forgotten: all of it, or one message."""

from __future__ import annotations

import json
import logging

from calla.agent import GuardedAgent
from calla.erasure import ErasureError
from calla.store import EVENTS, ConversationStore

logger = logging.getLogger(__name__)


async def forget_conversation(agent: GuardedAgent, conversation: str) -> bool:
    """Forget a conversation; say whether that is certain now (else it is noted, or must be asked for again)."""
    try:
        return await agent.erase(conversation)
    except ErasureError as error:
        logger.error("Erasing a conversation failed: %s", type(error).__name__)
        return False


async def forget_message(agent: GuardedAgent, conversation: str, message: str) -> None:
    """Delete the event that holds what a person wrote in one message."""
    store = agent.tracker_store
    if not isinstance(store, ConversationStore):
        return
    mine = (EVENTS.c.sender_id == conversation) & (EVENTS.c.type_name == "user")

    def delete() -> None:
        with store.database.engine.begin() as connection:
            rows = connection.execute(EVENTS.select().where(mine)).fetchall()
            for row in rows:
                if json.loads(row.data).get("message_id") == message:
                    connection.execute(EVENTS.delete().where(EVENTS.c.id == row.id))

    await store.database.call(delete)
    await store.database.call(store.database.scrub)
