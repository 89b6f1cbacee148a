"""What the agent keeps of a conversation in Slack, forgotten: all of it, or one message."""

from __future__ import annotations

import json
import logging
from typing import Any

from calla.agent import GuardedAgent

logger = logging.getLogger(__name__)


async def forget_conversation(agent: GuardedAgent, conversation: str) -> bool:
    """Forget a conversation; say whether that is certain."""
    try:
        await agent.erase(conversation)
    except Exception as error:
        logger.error("Erasing a conversation failed: %s", type(error).__name__)
        return False
    return True


async def forget_message(agent: GuardedAgent, conversation: str, message: str) -> None:
    """Delete the event that holds what a person wrote in one message."""
    store: Any = agent.conversations
    if store is None:
        return

    def delete() -> None:
        with store.session_scope() as session:
            events = session.query(store.SQLEvent).filter(
                store.SQLEvent.sender_id == conversation, store.SQLEvent.type_name == "user"
            )
            for event in events.all():
                if json.loads(event.data).get("message_id") == message:
                    session.delete(event)
            session.commit()

    await store.database.call(delete)
