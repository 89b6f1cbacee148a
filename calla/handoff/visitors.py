"""What a visitor's message means for a hand-off: a wish, an agreement, a word to the person, the way back."""

from __future__ import annotations

import logging
import time
from datetime import datetime, timezone
from typing import Any, Callable, Optional

from rasa.core.channels.channel import UserMessage
from rasa.shared.core.events import BotUttered, SlotSet, UserUttered
from rasa.shared.core.trackers import DialogueStateTracker

from calla import intake
from calla.answers import VALUES
from calla.catalogue import fold
from calla.database import DATABASE_FAILURES
from calla.handoff.hours import OpeningHours
from calla.handoff.inboxes import BY_VISITOR, MESSAGE, REQUESTED, RETURNED
from calla.handoff.ledger import ENDED, OFFERED, OPEN, TAKEN, WAITING, Handoff, HandoffLedger
from calla.handoff.notes import PREFIX, Notes, listed
from calla.handoff.speaking import Speaker, bot_event
from calla.plan import PLAN, Plan
from calla.understanding.memory import SLOT

logger = logging.getLogger(__name__)

# The channel whose visitors can be spoken to later.
CHANNEL = "web"
WISH = "utter_chat/human_handoff"
ERROR_RESPONSE = "utter_error"
# What is not true where people can be asked, and what is said instead.
SAID_INSTEAD = {
    "utter_chat/bot_challenge.ai_or_person": f"{PREFIX}ai_or_person",
    "utter_chat/privacy.who_can_read_it": f"{PREFIX}who_can_read_it",
}
# Wishes that stay between the visitor and the program.
OWN_AFFAIRS = ("utter_chat/delete_my_data", "utter_chat/confirm_erasure")
OFFER, OFFER_OPEN, CLOSED, WAITING_TEXT = "offer", "offer_open", "closed", "waiting"
# Messages that an offer shows, and characters of each.
PASSED, PASSED_LENGTH = 5, 300
# Seconds for which an offer may be agreed to.
OFFER_LASTS = 24 * 3600
# What `take` leaves on a message: that no answer of the bot is due; which hand-off waits.
PASSED_ON, WAITS = "passed_on", "waiting_handoff"


class Visitors:
    """Decides for each message of a visitor.

    Args:
        ledger: the hand-offs.
        speaker: shows how things stand.
        notes: the texts.
        hours: when people are there.
        wait_minutes: how long a visitor waits at most.
        kick: has written events delivered.

    Attributes:
        taken: conversations that a person had when the database was last asked.
    """

    def __init__(
        self,
        ledger: HandoffLedger,
        speaker: Speaker,
        notes: Notes,
        hours: OpeningHours,
        wait_minutes: float,
        kick: Callable[[], None],
    ) -> None:
        self._ledger = ledger
        self._speaker = speaker
        self._notes = notes
        self._hours = hours
        self._wait_minutes = wait_minutes
        self._kick = kick
        self.taken: set[str] = set()

    async def revise(self, message: UserMessage, tracker: DialogueStateTracker, parsed: dict[str, Any]) -> None:
        """Put what is true of this hour into a plan that would say that no person reads the chat."""
        plan = parsed.get(PLAN) or {}
        if message.input_channel != CHANNEL or not plan.get("responses"):
            return
        plan["responses"] = [SAID_INSTEAD.get(one, one) for one in plan["responses"]]
        if WISH not in plan["responses"]:
            return
        try:
            name, values = await self._answer_to_wish(message, tracker)
        except DATABASE_FAILURES as error:
            logger.error("A wish for a person could not be noted: %s", type(error).__name__)
            name, values = ERROR_RESPONSE, {}
        plan["responses"] = [name if one == WISH else one for one in plan["responses"]]
        parsed[VALUES] = values

    async def _answer_to_wish(self, message: UserMessage, tracker: DialogueStateTracker) -> tuple[str, dict[str, str]]:
        now = datetime.now(timezone.utc)
        if await self._ledger.of(message.sender_id, OPEN) is not None:
            return f"{PREFIX}still_waiting", {}
        if self._hours.is_closed(now):
            return PREFIX + CLOSED, {"hours": self._hours.text, "next": self._hours.next_opening(now)}
        said = [event.text for event in tracker.events if isinstance(event, UserUttered) and event.text]
        passed = [" ".join(text.split())[:PASSED_LENGTH] for text in [*said, message.text][-PASSED:]]
        await self._ledger.offer(message.sender_id, passed)
        until = self._hours.closes_at(now)
        return PREFIX + (OFFER_OPEN if until else OFFER), {"passed": listed(passed), "until": until or ""}

    # ---------------------------------------------------------------- messages in a hand-off

    async def take(self, message: UserMessage, agent: Any) -> bool:
        """Take a message that is not for the bot to answer; ``False`` if it is.

        Called under the lock of the conversation. Its referrals go out here all the same.

        Args:
            message: the message; its channel remembers what has gone out.
            agent: the agent.
        """
        if message.input_channel != CHANNEL:
            return False
        handoff = await self._current(message.sender_id)
        if handoff is None:
            return False
        text = fold(message.text)
        if handoff.state == OFFERED:
            return await self._decided(handoff, message, agent)
        if text == fold(self._notes.buttons(WAITING_TEXT)[0]):
            return await self._back(handoff, message, agent)
        if handoff.state == WAITING:
            message.metadata[WAITS] = handoff.id
            return False
        return await self._to_person(handoff, message, agent)

    async def _current(self, conversation: str) -> Optional[Handoff]:
        try:
            handoff = await self._ledger.of(conversation, (OFFERED, *OPEN))
        except DATABASE_FAILURES:
            if conversation in self.taken:
                # The person has it: the bot must not answer in their place. It is said that it failed.
                raise
            return None
        (self.taken.add if handoff is not None and handoff.state == TAKEN else self.taken.discard)(conversation)
        return handoff

    async def _decided(self, handoff: Handoff, message: UserMessage, agent: Any) -> bool:
        """Take an answer to the offer, if it is one."""
        if time.time() - handoff.opened > OFFER_LASTS:
            return False
        tracker = await agent.processor.get_tracker(message.sender_id)
        just_offered = _last_said(tracker) in (PREFIX + OFFER, PREFIX + OFFER_OPEN)
        agree, decline = (fold(title) for title in self._notes.buttons(OFFER))
        text = fold(message.text)
        if text == agree or (just_offered and self._notes.said(OFFER, "yes", message.text)):
            return await self._agreed(handoff, message, agent, tracker)
        if just_offered and (text == decline or self._notes.said(OFFER, "no", message.text)):
            await self._ledger.withdraw_offer(message.sender_id)
            await self._answer(message, agent, tracker, "declined")
            return True
        return False

    async def _agreed(self, handoff: Handoff, message: UserMessage, agent: Any, tracker: DialogueStateTracker) -> bool:
        now = datetime.now(timezone.utc)
        if self._hours.is_closed(now):
            await self._ledger.withdraw_offer(message.sender_id)
            values = {"hours": self._hours.text, "next": self._hours.next_opening(now)}
            await self._answer(message, agent, tracker, CLOSED, **values)
            return True
        body = {"passed": handoff.passed, "wait_minutes": self._wait_minutes}
        began = {"state": WAITING, "passed": None, "opened": time.time(), "heard": time.time()}
        if not await self._ledger.change(handoff.id, [OFFERED], ("request", REQUESTED, body), **began):
            return False
        self._kick()
        await self._answer(message, agent, tracker, WAITING_TEXT)
        await self._speaker.changed(message.sender_id)
        return True

    async def _back(self, handoff: Handoff, message: UserMessage, agent: Any) -> bool:
        """Give the conversation back to the program, as the visitor wishes."""
        letter = ("returned", RETURNED, {"reason": BY_VISITOR})
        if not await self._ledger.change(handoff.id, OPEN, letter, state=ENDED):
            return False
        if not handoff.delivered:
            await self._ledger.drop(handoff.id)
        self.taken.discard(message.sender_id)
        self._kick()
        tracker = await agent.processor.get_tracker(message.sender_id)
        await self._answer(message, agent, tracker, "you_left")
        await self._speaker.changed(message.sender_id)
        return True

    async def _to_person(self, handoff: Handoff, message: UserMessage, agent: Any) -> bool:
        """Pass a message on to the person; of the bot only a referral is heard."""
        tracker = await agent.processor.get_tracker(message.sender_id)
        try:
            await agent.processor.parse_message(message, tracker)
        except Exception as error:
            # The screen alone decides then, and doubt refers.
            logger.error("Understanding failed: %s", type(error).__name__)
        plan = Plan.read((message.parse_data or {}).get(PLAN))
        if plan is not None and any(name in OWN_AFFAIRS for name in plan.responses):
            return False
        owed = [r.response for r in plan.referrals] if plan is not None else intake.owed(message.text, hints=True)
        tracker.update(_user_event(message))
        for name in owed:
            # First, whatever becomes of the rest.
            await _send(message, agent, tracker, name)
        try:
            await self._write(handoff.id, message, agent)
            message.metadata[PASSED_ON] = True
        except DATABASE_FAILURES as error:
            logger.error("A message for a person could not be written down: %s", type(error).__name__)
            await _send(message, agent, tracker, f"{PREFIX}not_passed_on")
        if plan is not None and plan.memory:
            tracker.update(SlotSet(SLOT, plan.memory))
        await agent.processor.save_tracker(tracker)
        return True

    async def copy(self, message: UserMessage, agent: Any) -> None:
        """Pass on a message that the bot has answered while nobody has joined yet."""
        handoff = message.metadata.get(WAITS)
        if handoff is None:
            return
        try:
            await self._write(handoff, message, agent)
        except DATABASE_FAILURES as error:
            logger.error("A message for a person could not be written down: %s", type(error).__name__)
            await agent.say(f"{PREFIX}not_passed_on", message)

    async def _write(self, handoff: str, message: UserMessage, agent: Any) -> None:
        referrals = []
        for name in dict.fromkeys(message.output_channel.referrals):  # type: ignore[union-attr]
            text = str((agent.nlg.render(name) or {}).get("metadata", {}).get("body", ""))
            referrals.append({"name": name, "kind": agent.nlg.kind_of(name), "text": text})
        body = {"text": message.text, "referrals": referrals}
        await self._ledger.write(handoff, f"message:{message.message_id}", MESSAGE, body)
        self._kick()

    async def _answer(
        self, message: UserMessage, agent: Any, tracker: DialogueStateTracker, name: str, **values: str
    ) -> None:
        plan = Plan(outcome="handoff").as_dict()
        message.parse_data = {"text": message.text, "intent": {}, "entities": [], PLAN: plan}
        tracker.update(_user_event(message))
        await _send(message, agent, tracker, PREFIX + name, self._notes.message(PREFIX + name, **values))
        await agent.processor.save_tracker(tracker)


async def _send(
    message: UserMessage, agent: Any, tracker: DialogueStateTracker, name: str, rendered: Any = None
) -> None:
    """Send a named response as part of the answer, and add it to the conversation."""
    rendered = rendered or agent.nlg.render(name)
    if rendered is None:
        return
    said = {**rendered, "utter_action": name}
    await message.output_channel.send_response(message.sender_id, dict(said))  # type: ignore[union-attr]
    tracker.update(bot_event(said))


def _user_event(message: UserMessage) -> UserUttered:
    parsed = message.parse_data or {"text": message.text, "intent": {}, "entities": []}
    return UserUttered(
        message.text,
        parsed.get("intent"),  # type: ignore[arg-type]
        parsed.get("entities"),  # type: ignore[arg-type]
        parsed,  # type: ignore[arg-type]
        input_channel=message.input_channel,
        message_id=message.message_id,
        metadata={},
    )


def _last_said(tracker: DialogueStateTracker) -> str:
    for event in reversed(tracker.events):
        if isinstance(event, BotUttered):
            return str(event.metadata.get("utter_action") or "")
    return ""
