"""Where conversations are kept: Rasa's SQL tracker store, with erasure."""

from __future__ import annotations

from typing import Any, Optional

import sqlalchemy as sa
from rasa.core.brokers.broker import EventBroker
from rasa.core.tracker_store import SQLTrackerStore
from rasa.shared.core.domain import Domain

from calla.records import engine_for


class ConversationStore(SQLTrackerStore):
    """Rasa's SQL tracker store on one engine of ours, able to forget a conversation.

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
        self.engine = engine_for(url)
        self.Base.metadata.create_all(self.engine)
        self.sessionmaker = sa.orm.session.sessionmaker(bind=self.engine)

    def erase(self, sender_id: str) -> int:
        """Delete all events of a conversation; returns how many there were."""
        with self.session_scope() as session:
            number = session.query(self.SQLEvent).filter(self.SQLEvent.sender_id == sender_id).delete()
            session.commit()
            return int(number)
