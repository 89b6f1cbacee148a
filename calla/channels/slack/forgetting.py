"""What the agent keeps of a conversation in Slack, forgotten: all of it, or one message."""

from __future__ import annotations

import logging

from calla.agent import GuardedAgent
from calla.store import ConversationStore

logger = logging.getLogger(__name__)


async def forget_conversation(agent: GuardedAgent, conversation: str) -> bool:
    """Forget a conversation; say whether that is certain. If not, it is noted and retried."""
    try:
        return await agent.erase(conversation)
    except Exception as error:
        logger.error("Erasing a conversation failed: %s", type(error).__name__)
        return False


async def forget_message(agent: GuardedAgent, conversation: str, message: str) -> None:
    """Delete the event that holds what a person wrote in one message."""
    if isinstance(agent.tracker_store, ConversationStore):
        await agent.tracker_store.erase_message(conversation, message)
