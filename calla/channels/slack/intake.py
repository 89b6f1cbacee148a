"""What Slack delivers, taken in: written down, acknowledged, and queued for an answer.

Listeners only write down, so the acknowledgement may wait for them: what is acknowledged
is never lost. What Slack may well see twice or lose (a welcome, a vote) runs beside.
"""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from typing import Any, Awaitable, Callable, Coroutine, Mapping, Optional

from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncAssistant
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse

from calla.channels.slack import blocks
from calla.channels.slack.care import CareInbox
from calla.channels.slack.feedback import Feedback
from calla.channels.slack.identity import (
    ASK,
    ERASE,
    IM,
    PRIVATE,
    STOP,
    Place,
    Question,
    conversation_id,
    person_id,
)
from calla.channels.slack.inbox import Inbox
from calla.channels.slack.incoming import (
    Team,
    place_of_press,
    read_command,
    read_message,
    read_shortcut,
    team_of,
)
from calla.channels.slack.lanes import Lanes
from calla.channels.slack.manners import meant_for_calla, wish_of
from calla.channels.slack.privacy import Privacy, deleted_message
from calla.channels.slack.rooms import Rooms
from calla.channels.slack.seen import Seen
from calla.channels.slack.words import SlackWords
from calla.intake import bounded, owed

logger = logging.getLogger(__name__)

SHORTCUT = "ask_calla"
COMMAND = "/calla"
COMMAND_HELP = "utter_chat/capabilities"
# Seconds within which the same button pressed twice asks once.
DOUBLE_PRESS = 3

# Runs something that no acknowledgement has to wait for; the text says what it is.
Beside = Callable[[str, Coroutine[Any, Any, None]], None]


class _NoContext:
    """Calla keeps no context of Slack's assistant pane."""

    async def save(self, **_: Any) -> None:
        """Keep nothing."""

    async def find(self, **_: Any) -> None:
        """Know nothing."""


class _Threads(AsyncAssistant):
    """Slack's assistant threads; what is deleted there is for the listeners, which the library would leave out."""

    async def async_process(
        self, *, req: AsyncBoltRequest, resp: BoltResponse, next: Callable[[], Awaitable[BoltResponse]]
    ) -> Optional[BoltResponse]:
        """Pass on what is deleted (see parent class)."""
        if (req.body.get("event") or {}).get("subtype") == "message_deleted":
            return await next()
        return await super().async_process(req=req, resp=resp, next=next)


def urgent(text: str) -> bool:
    """Say whether the safety screen finds something; if it cannot say, it does."""
    try:
        return bool(owed(text, hints=True))
    except Exception as error:
        logger.error("The safety screen failed: %s", type(error).__name__)
        return True


class Intake:
    """Takes in what Slack delivers.

    Args:
        own: the workspace that Calla is installed in; known once Slack has told.
        key: secret that ids are hashed with.
        inbox: keeps questions.
        lanes: answers them.
        seen: what has been seen already.
        words: the texts.
        feedback: takes thumbs.
        privacy: forgets.
        rooms: Home tab, welcome, showing answers, care team.
        beside: runs what no acknowledgement waits for.
        revoked: told that a token is not valid any more.
    """

    def __init__(
        self,
        own: Callable[[], Team],
        key: str,
        inbox: Inbox,
        lanes: Lanes,
        seen: Seen,
        words: SlackWords,
        feedback: Feedback,
        privacy: Privacy,
        rooms: Rooms,
        beside: Beside,
        revoked: Callable[[str], None],
    ) -> None:
        self._own = own
        self._key = key
        self._inbox = inbox
        self._lanes = lanes
        self._seen = seen
        self._words = words
        self._feedback = feedback
        self._privacy = privacy
        self._rooms = rooms
        self._beside = beside
        self._revoked = revoked
        self.care_inbox: Optional[CareInbox] = None

    def listen(self, bolt: AsyncApp) -> None:
        """Register the listeners."""
        assistant = _Threads(thread_context_store=_NoContext())  # type: ignore[arg-type]
        assistant.thread_started(self.on_thread_started)
        assistant.user_message(self.on_message)
        bolt.assistant(assistant)
        bolt.event("message")(self.on_message)
        bolt.event("app_mention")(self.on_message)
        bolt.event("app_home_opened")(self.on_home_opened)
        bolt.event("tokens_revoked")(self.on_tokens_revoked)
        bolt.event("app_uninstalled")(self.on_uninstalled)
        bolt.command(COMMAND)(self.on_command)
        bolt.shortcut({"type": "message_action", "callback_id": SHORTCUT})(self.on_shortcut)
        bolt.action(re.compile(rf"{blocks.ASK}_\d+"))(self.on_asked)
        bolt.action(blocks.VOTE)(self.on_vote)
        bolt.action(re.compile(rf"{blocks.MISSING}_\w+"))(self.on_vote)
        bolt.action(blocks.SHOW)(self.on_show)
        bolt.action(blocks.ERASE)(self.on_erase)
        bolt.action(blocks.KEEP)(self.on_keep)
        bolt.action(blocks.TAKE)(self.on_take)

    # ------------------------------------------------------------------------ messages

    async def on_message(self, body: dict[str, Any]) -> None:
        """Take a message or a mention."""
        event, team = body.get("event") or {}, team_of(body, self._own())
        if self.care_inbox is not None and await self.care_inbox.took(event):
            return
        if event.get("subtype") == "message_deleted":
            await self._on_deleted(event, team)
            return
        spoken = read_message(event, team)
        if spoken is None or not await meant_for_calla(spoken, self._takes_part):
            return
        place = spoken.place
        question = self._question(f"{place.channel}:{place.ts}", place, spoken.text)
        quiet = place.kind != IM and not spoken.mentioned
        wish = wish_of(spoken, self._words, ASK)
        await self._accept(
            replace(question, quiet=quiet, unread=spoken.unread, wish=wish),
            adopt=spoken.mentioned and not spoken.group and place.kind != IM,
        )

    async def _takes_part(self, place: Place) -> bool:
        return await self._inbox.takes_part(conversation_id(place, self._key))

    async def _on_deleted(self, event: Mapping[str, Any], team: Team) -> None:
        found = deleted_message(event)
        if found is None:
            return
        channel, ts, user, thread = found
        kind = IM if event.get("channel_type") == "im" or channel.startswith("D") else "shared"
        if kind != IM and event.get("channel_type") != "mpim":
            thread = thread or ts
        place = Place(team.team, channel, user, kind, thread, enterprise=team.enterprise)
        conversation = conversation_id(place, self._key)
        self._beside("forgetting a message", self._privacy.message_deleted(f"{channel}:{ts}", conversation))

    async def on_command(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """Take ``/calla <question>``; without a question it tells what Calla can do."""
        place, text = read_command(body, team_of(body, self._own()))
        text = text or self._words.first_title(COMMAND_HELP) or ""
        await self._accept(self._question(f"command:{body.get('trigger_id')}", place, text))
        await ack()

    async def on_shortcut(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """Take 'Ask Calla about this' on a message."""
        place, text, author, unread = read_shortcut(body, team_of(body, self._own()))
        key = f"shortcut:{body.get('trigger_id') or body.get('action_ts')}"
        await self._accept(replace(self._question(key, place, text), author=author, unread=unread))
        await ack()

    def _question(self, key: str, place: Place, text: str) -> Question:
        # Bounded first: half a character could not be written down.
        text = bounded(text)
        conversation, person = conversation_id(place, self._key), person_id(place, self._key)
        return Question(key, conversation, text, place, person, urgent=urgent(text))

    async def _accept(self, question: Question, *, adopt: bool = False) -> None:
        """Write a question down and queue it, unless it has been already."""
        if await self._inbox.add(question, adopt=adopt):
            if question.wish == STOP:
                # At once: what is written right behind it is not for Calla any more.
                await self._inbox.leave(question.conversation)
            # Only the inbox is waited for, which keeps the order of arrival.
            self._lanes.put(question)

    # ------------------------------------------------------------------------- buttons

    async def on_asked(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """Take a button that asks: only titles of topics can be asked."""
        action, place = self._pressed(body)
        value = str(action.get("value") or "")
        if place.user and self._words.may_be_pressed(value):
            press = f"{place.channel}:{_message_of(body)}:{place.user}:{value}"
            if await self._seen.claim(f"press:{press}", DOUBLE_PRESS):
                question = self._question(f"action:{press}:{action.get('action_ts')}", place, value)
                await self._accept(replace(question, pressed=True))
        await ack()

    async def on_vote(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """Take a thumb, or what an answer lacked."""
        action, place = self._pressed(body)
        value, name = str(action.get("value") or ""), str(action.get("action_id"))
        if place.user and await self._once(body, place, value):
            take = self._feedback.voted if name == blocks.VOTE else self._feedback.lacked
            self._beside("taking a vote", take(place, body, value))
        await ack()

    async def on_show(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """Take 'Show to channel' under a private answer."""
        action, place = self._pressed(body)
        name, channel, thread = ([*str(action.get("value") or "").split("|"), "", ""])[:3]
        press = _press(body, place, blocks.SHOW)
        if self._words.may_be_shown(name) and channel and await self._seen.claim(press):
            shown = replace(place, channel=channel, thread=thread or None, kind=PRIVATE)
            self._beside("showing an answer", self._rooms.show(self._question(press, shown, ""), name))
        await ack()

    async def on_erase(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """Take the confirmation that everything shall be erased."""
        _, place = self._pressed(body)
        if place.user:
            wish = replace(self._question(_press(body, place, blocks.ERASE), place, ""), wish=ERASE, urgent=False)
            await self._accept(wish)
            self._beside("answering a button", self._rooms.settle(place, body, "utter_slack/erasing"))
        await ack()

    async def on_keep(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """Take the wish to erase nothing after all."""
        _, place = self._pressed(body)
        if await self._once(body, place, blocks.KEEP):
            self._beside("answering a button", self._rooms.settle(place, body, "utter_slack/erase_kept"))
        await ack()

    async def on_take(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """Take that somebody of the care team looks after a wish for a person."""
        action, place = self._pressed(body)
        asker = str(action.get("value") or "")
        if asker and place.user:
            person = person_id(replace(place, user=asker, home=None), self._key)
            self._beside("taking a wish", self._rooms.care.taken(body, asker, place.user, place.team, person))
        await ack()

    def _pressed(self, body: Mapping[str, Any]) -> tuple[Mapping[str, Any], Place]:
        action = (body.get("actions") or [{}])[0]
        return action, place_of_press(body, action, team_of(body, self._own()))

    async def _once(self, body: Mapping[str, Any], place: Place, what: str) -> bool:
        return await self._seen.claim(f"once:{_press(body, place, what)}", DOUBLE_PRESS)

    # ---------------------------------------------------------------- opening, closing

    async def on_home_opened(self, body: dict[str, Any]) -> None:
        """Take that somebody opened Calla: the Home tab, or the messages."""
        if await self._new(body):
            self._beside(
                "welcoming", self._rooms.opened(body.get("event") or {}, team_of(body, self._own()), self._key)
            )

    async def on_thread_started(self, body: dict[str, Any]) -> None:
        """Take that somebody began a conversation in Slack's assistant pane."""
        if await self._new(body):
            thread = (body.get("event") or {}).get("assistant_thread") or {}
            at: Optional[str] = thread.get("thread_ts")
            self._beside("suggesting questions", self._rooms.suggest(str(thread.get("channel_id") or ""), at))

    async def _new(self, body: Mapping[str, Any]) -> bool:
        event = body.get("event") or {}
        return await self._seen.claim(f"event:{body.get('event_id') or event.get('event_ts')}")

    async def on_tokens_revoked(self, body: dict[str, Any]) -> None:
        """Take that tokens were revoked; only Calla's own matters."""
        tokens = ((body.get("event") or {}).get("tokens") or {}).get("bot") or []
        if team_of(body, self._own()).bots & {str(one) for one in tokens}:
            self._revoked("token_revoked")

    async def on_uninstalled(self, body: dict[str, Any]) -> None:
        """Take that Calla was taken out of a workspace."""
        team = team_of(body, self._own()).team
        self._revoked("account_inactive")
        self._beside("forgetting a workspace", self._privacy.uninstalled(team))


def _message_of(body: Mapping[str, Any]) -> str:
    return str((body.get("container") or {}).get("message_ts"))


def _press(body: Mapping[str, Any], place: Place, what: str) -> str:
    return f"{what}:{place.channel}:{_message_of(body)}:{place.user}"
