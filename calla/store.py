"""Where conversations are kept: Rasa's SQL tracker store, with erasure and time limits."""

from __future__ import annotations

import asyncio
from typing import Any, Callable, Coroutine, Optional, TypeVar

import sqlalchemy as sa
from rasa.core.brokers.broker import EventBroker
from rasa.core.tracker_store import SQLTrackerStore
from rasa.shared.core.domain import Domain
from rasa.shared.core.trackers import DialogueStateTracker

from calla.database import Database

T = TypeVar("T")


class ConversationStore(SQLTrackerStore):
    """Rasa's SQL tracker store on a database of ours, able to forget a conversation.

    Rasa calls the database in the event loop; one that hangs would hold up everybody,
    and the last line of the guarantee with them. Here every call runs in a thread and is
    given up in time (``calla.database``). Rasa then goes on without the stored
    conversation.

    Args:
        domain: domain of the loaded model.
        url: SQLAlchemy address, for example ``sqlite:///var/calla.db``.
        event_broker: where Rasa would publish events.
    """

    def __init__(
        self,
        domain: Optional[Domain] = None,
        url: str = "sqlite://",
        event_broker: Optional[EventBroker] = None,
        **kwargs: Any,
    ) -> None:
        # Rasa's constructor would open its own engine with its own pool (and retry a
        # missing database for ever), so only its base class is initialised.
        super(SQLTrackerStore, self).__init__(domain, event_broker, **kwargs)
        self.database = Database(url)
        self.engine = self.database.engine
        self.Base.metadata.create_all(self.engine)
        self.sessionmaker = sa.orm.session.sessionmaker(bind=self.engine)

    async def save(self, tracker: DialogueStateTracker) -> None:
        """Store the new events of a conversation (see parent class).

        Raises:
            DatabaseHangsError: if the database does not answer in time.
        """
        await self.database.call(_finish, super().save, tracker)

    async def retrieve(self, sender_id: str) -> Optional[DialogueStateTracker]:
        """Load the latest session of a conversation (see parent class).

        Raises:
            DatabaseHangsError: if the database does not answer in time.
        """
        return await self.database.call(_finish, super().retrieve, sender_id)

    async def retrieve_full_tracker(self, conversation_id: str) -> Optional[DialogueStateTracker]:
        """Load a conversation with all its sessions (see parent class).

        Raises:
            DatabaseHangsError: if the database does not answer in time.
        """
        return await self.database.call(_finish, super().retrieve_full_tracker, conversation_id)

    async def erase(self, sender_id: str) -> int:
        """Delete all events of a conversation; returns how many there were.

        Raises:
            DatabaseHangsError: if the database does not answer in time.
        """
        return await self.database.call(self._erase, sender_id)

    def _erase(self, sender_id: str) -> int:
        with self.session_scope() as session:
            number = session.query(self.SQLEvent).filter(self.SQLEvent.sender_id == sender_id).delete()
            session.commit()
            return int(number)


def _finish(method: Callable[..., Coroutine[Any, Any, T]], *arguments: Any) -> T:
    """Run one of Rasa's store methods to its end in this thread: coroutines in name only."""
    return asyncio.run(method(*arguments))
