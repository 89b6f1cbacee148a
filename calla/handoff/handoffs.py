"""Hand-offs put together: who may be asked, what waits, when waiting ends, what is forgotten."""

from __future__ import annotations

import logging
import time
from datetime import datetime, timezone
from typing import Any, Callable, Coroutine, Optional

from calla.database import Database
from calla.handoff.chatwoot import ChatwootInbox
from calla.handoff.delivery import Delivery
from calla.handoff.hours import OpeningHours
from calla.handoff.inboxes import CHATWOOT, ERASE, NOBODY_CAME, RETURNED, WEBHOOK, WENT_QUIET, Inbox
from calla.handoff.ledger import ENDED, OPEN, TAKEN, WAITING, Handoff, HandoffLedger, Letter
from calla.handoff.notes import Notes
from calla.handoff.people import People
from calla.handoff.speaking import Speaker
from calla.handoff.visitors import WAITING_TEXT, Visitors
from calla.handoff.webhook import WebhookInbox
from calla.settings import Settings
from calla.status import HANDOFFS, STATUS, gauge
from calla.watch import repeat

logger = logging.getLogger(__name__)

# Seconds between two looks at who has waited too long.
LOOK_EVERY = 2.0


class Handoffs:
    """All parts of the hand-off. Where it is switched off, only what is left of before is forgotten in time.

    Args:
        config: the settings.
        database: where hand-offs are kept.
        agent: gives the agent.

    Attributes:
        enabled: whether visitors can ask for a person.
        inbox: where people read; Slack's comes when the channel has started.
        people: what people do.
        visitors: what visitors' messages mean.
        speaker: speaks in conversations.
        notes: the texts.
        ledger: the hand-offs.
    """

    def __init__(self, config: Settings, database: Database, agent: Callable[[], Any]) -> None:
        self._config = config
        self.enabled = config.handoff is not None
        self.ledger = HandoffLedger(database)
        self.notes = Notes(lambda: agent().nlg, config.handoff_wait_minutes, config.handoff_idle_minutes)
        self.speaker = Speaker(agent, self.notes)
        self.people = People(self.ledger, self.speaker, self.notes)
        self._hours = OpeningHours(config.handoff_hours, config.handoff_time_zone or "UTC")
        self.inbox: Optional[Inbox] = None
        self.delivery = Delivery(self.ledger, lambda: self.inbox, self._arrived, self._late)
        self.visitors = Visitors(
            self.ledger, self.speaker, self.notes, self._hours, config.handoff_wait_minutes, self.delivery.kick
        )
        self._counts: dict[str, int] = {WAITING: 0, TAKEN: 0, "undelivered": 0}

    def start(self) -> list[Coroutine[Any, Any, None]]:
        """Connect the inbox; return what runs beside answering. Call in the running event loop."""
        if not self.enabled:
            return []
        config = self._config
        secret = config.handoff_secret.get_secret_value() if config.handoff_secret else ""
        if config.handoff == WEBHOOK:
            self.inbox = WebhookInbox(config.handoff_url or "", secret)
        elif config.handoff == CHATWOOT:
            token = config.handoff_token.get_secret_value() if config.handoff_token else ""
            account, inbox = config.handoff_account or 0, config.handoff_inbox or 0
            self.inbox = ChatwootInbox(config.handoff_url or "", account, inbox, token, self.notes)
        STATUS.facts["handoff"] = self.health
        gauge("calla_handoffs_waiting", "Visitors who wait for a person", lambda: float(self._counts[WAITING]))
        gauge("calla_handoffs_taken", "Conversations that a person has", lambda: float(self._counts[TAKEN]))
        gauge("calla_handoff_undelivered", "Events that wait for the inbox", lambda: float(self._counts["undelivered"]))
        return [self.delivery.run(), repeat("Looking after hand-offs", self.look, LOOK_EVERY)]

    async def stop(self) -> None:
        """Let go of connections; what waits stays written down."""
        if self.inbox is not None:
            await self.inbox.close()

    def health(self) -> dict[str, Any]:
        """Return what ``/health`` shows: no text and no person."""
        now = datetime.now(timezone.utc)
        is_open = not self._hours.is_closed(now) if self._hours.known else None
        return {
            "inbox": self._config.handoff,
            "inbox_works": self.delivery.works,
            "last_problem": self.delivery.problem,
            "open_now": is_open,
            **self._counts,
        }

    # ------------------------------------------------------------------------ how it stands

    async def status(self, conversation: str) -> Optional[dict[str, str]]:
        """Return the line that a visitor sees above the conversation; ``None`` if there is no hand-off."""
        handoff = await self.ledger.of(conversation, OPEN) if self.enabled else None
        if handoff is None:
            return None
        name = "state_waiting" if handoff.delivered else "state_sending"
        values = {}
        if handoff.state == TAKEN:
            name, values = "state_taken", {"person": self.notes.person(handoff.person)}
        text = self.notes.text(name, **values)
        return {"state": handoff.state, "text": text, "button": self.notes.buttons(WAITING_TEXT)[0]}

    async def _arrived(self, letter: Letter) -> None:
        HANDOFFS.labels(letter.kind).inc()
        handoff = await self.ledger.get(letter.handoff)
        if handoff is not None and handoff.state == WAITING:
            await self.speaker.changed(handoff.conversation)

    async def _late(self, letter: Letter) -> None:
        """Tell the visitor that the inbox does not answer, once until it does."""
        handoff = await self.ledger.get(letter.handoff)
        if handoff is None or letter.kind in (RETURNED, ERASE):
            return
        if await self.ledger.tell_once(handoff.id):
            await self.speaker.say(handoff.conversation, "not_reached")

    async def look(self) -> None:
        """End what has waited too long; count."""
        now = time.time()
        open_ones = await self.ledger.in_states(*OPEN)
        for one in open_ones:
            if one.state == WAITING and now - one.opened > self._config.handoff_wait_minutes * 60:
                await self._end(one, NOBODY_CAME, "nobody_came")
            elif one.state == TAKEN and now - one.heard > self._config.handoff_idle_minutes * 60:
                await self._end(one, WENT_QUIET, "gone_quiet", person=self.notes.person(one.person))
        self.visitors.taken = {one.conversation for one in open_ones if one.state == TAKEN}
        for state in OPEN:
            self._counts[state] = sum(one.state == state for one in open_ones)
        self._counts["undelivered"] = await self.ledger.undelivered()

    async def _end(self, handoff: Handoff, reason: str, text: str, **values: str) -> None:
        # Only from the state that was seen: somebody may join at this moment.
        letter = ("returned", RETURNED, {"reason": reason})
        if not await self.ledger.change(handoff.id, [handoff.state], letter, state=ENDED):
            return
        HANDOFFS.labels(reason).inc()
        if not handoff.delivered:
            # Nobody has seen it, and the visitor is told so.
            await self.ledger.drop(handoff.id)
        self.delivery.kick()
        await self.speaker.say(handoff.conversation, text, **values)
        await self.speaker.changed(handoff.conversation)

    # ---------------------------------------------------------------------------- forgetting

    async def was_passed_on(self, conversation: str) -> bool:
        """Say whether the inbox may have something of a conversation; if nobody can tell, it may."""
        try:
            return await self.ledger.was_passed_on(conversation)
        except Exception as error:
            logger.error("Looking for a hand-off failed: %s", type(error).__name__)
            return self.enabled

    async def erase(self, conversation: str) -> None:
        """Forget a conversation (see ``calla.erasure``)."""
        await self.ledger.erase(conversation)
        self.delivery.kick()

    async def purge(self, before: float) -> None:
        """Delete what is older than a time."""
        await self.ledger.purge(before)
