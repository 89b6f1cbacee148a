"""The care team: told that somebody wants a person, and the person told who answers.

For people in Slack that is a note; visitors of the chat on a website are talked to in the
note's thread (``CareInbox``).
"""

from __future__ import annotations

import logging
import time
from typing import Any, Collection, Mapping, Optional

from slack_sdk.models.blocks import ActionsBlock
from slack_sdk.web.async_client import AsyncWebClient

from calla.channels.slack.blocks import MAX_FALLBACK, TAKE, Post, button, mentioning, named, plain, section, titles
from calla.channels.slack.errors import reason
from calla.channels.slack.identity import PRIVATE, Place, Question
from calla.channels.slack.incoming import SPOKEN_SUBTYPES, words_of
from calla.channels.slack.letters import MESSAGE, Letter, Letters, Way, aside, letter_for
from calla.channels.slack.outbox import Outbox
from calla.channels.slack.text import escaped, link
from calla.channels.slack.words import SlackWords
from calla.handoff import inboxes, ledger
from calla.handoff.handoffs import Handoffs
from calla.handoff.people import OverError

logger = logging.getLogger(__name__)

# Seconds within which a second wish to talk to a person sends no second note.
PAUSE = 600
HANDOFF_RESPONSE = "utter_chat/human_handoff"
NOTE = "utter_slack/handoff_note"


class Care:
    """Leaves notes in the operator's care channel, with a link, never with the message.

    Args:
        client: Slack's Web API.
        words: the texts.
        outbox: sends the notes.
        letters: knows what became of them.
        channel: id of the care channel; ``None`` if the operator has none.
    """

    def __init__(
        self, client: AsyncWebClient, words: SlackWords, outbox: Outbox, letters: Letters, channel: Optional[str]
    ) -> None:
        self._client = client
        self._words = words
        self._outbox = outbox
        self._letters = letters
        self.channel = channel

    async def note(self, question: Question, honest: list[Letter]) -> bool:
        """Leave a note; ``False`` if there is nobody to read it.

        Args:
            question: the wish.
            honest: what is said instead if the note cannot be left.

        Returns:
            whether the person will be told what became of it.
        """
        if not self.channel or not honest:
            return False
        place = question.place
        noted = letter_for(question, *_content(plain("utter_slack/handoff_noted", self._words)), ways=aside(place))
        wish = Question(f"care:{question.conversation}:{int(time.time() // PAUSE)}", "", "", place, question.person)
        text = escaped(self._words.text(NOTE, person="\x01", link="\x02"))
        label = self._words.text("utter_slack/handoff_link")
        text = text.replace("\x01", f"<@{place.user}>").replace("\x02", link(await self._link_to(place), label))
        take = ActionsBlock(elements=[button(self._words.text("utter_slack/handoff_take"), TAKE, place.user)])
        blocks = named([section(text).to_dict(), take.to_dict()], NOTE)
        spoken = f"{text}{escaped(titles([take]))}"
        letter = letter_for(wish, NOTE, spoken[:MAX_FALLBACK], blocks, [Way(MESSAGE, self.channel)])
        letter.lane, letter.then, letter.otherwise = self.channel, noted, honest[0]
        if await self._outbox.put(letter):
            return True
        became = await self._letters.state(letter)
        if became == "lost":
            return False
        if became == "sent":
            await self._outbox.put(noted)
        return True

    async def taken(self, body: Mapping[str, Any], asker: str, taker: str, team: str, person: str) -> None:
        """Tell the person that somebody has taken their wish, and the team who has.

        Args:
            body: the press of the button under the note.
            asker: id of the person who wants to talk to somebody.
            taker: id of whoever pressed.
            team: id of the workspace.
            person: the asker, hashed.
        """
        container = body.get("container") or {}
        channel, ts = str(container.get("channel_id") or ""), str(container.get("message_ts") or "")
        if not self.channel or channel != self.channel:
            return
        place = Place(team, asker, asker, "im")
        wish = Question(f"taken:{channel}:{ts}", "", "", place, person)
        told = mentioning("utter_slack/handoff_taken", self._words, taker)
        letter = letter_for(wish, *_content(told), ways=[Way(MESSAGE, asker)])
        unheard = mentioning("utter_slack/handoff_taken_unheard", self._words, asker)
        letter.otherwise = letter_for(wish, *_content(unheard), ways=[Way(MESSAGE, channel, ts)])
        letter.otherwise.lane = channel
        if not await self._outbox.put(letter):
            return
        # The note keeps who asked and where; only the button gives way.
        kept = [block for block in (body.get("message") or {}).get("blocks") or [] if block.get("type") != "actions"]
        state = mentioning("utter_slack/handoff_taken_note", self._words, taker)
        blocks = [*kept, *({**block, "block_id": f"{TAKE}|{number}"} for number, block in enumerate(state.blocks))]
        await self._client.chat_update(channel=channel, ts=ts, text=state.text, blocks=blocks)

    async def _link_to(self, place: Place) -> str:
        """Return a link to the message that asked, or to its channel where no message stands."""
        if place.ts and place.kind != PRIVATE:
            try:
                found = await self._client.chat_getPermalink(channel=place.channel, message_ts=place.ts)
                return str(found["permalink"])
            except Exception as error:
                logger.warning("Slack gives no link to a message: %s", reason(error))
        return f"https://slack.com/app_redirect?team={place.team}&channel={place.channel}"


def _content(post: Post) -> tuple[str, str, list[dict[str, Any]]]:
    return post.name, post.text, post.blocks


class CareInbox:
    """The care channel as inbox of the hand-off: a note for each visitor, and the talk in its thread.

    Args:
        client: Slack's Web API.
        channel: id of the care channel.
        handoffs: the hand-offs.
        bots: gives Calla's own user ids.
    """

    def __init__(self, client: AsyncWebClient, channel: str, handoffs: Handoffs, bots: Any) -> None:
        self._client = client
        self._channel = channel
        self._handoffs = handoffs
        self._notes = handoffs.notes
        self._bots = bots

    async def deliver(
        self, letter: ledger.Letter, handoff: Optional[ledger.Handoff], remember: inboxes.Remember
    ) -> None:
        """Write an event into the thread (see ``calla.handoff.inboxes.Inbox``)."""
        remote = dict(handoff.remote if handoff is not None else letter.body.get("remote") or {})
        if letter.kind == inboxes.ERASE:
            await self._erase(remote)
            return
        for text in self._texts(letter):
            ts = await self._post(text, remote.get("thread"))
            remote.setdefault("thread", ts)
            remote["posted"] = [*remote.get("posted", ()), ts]
            await remember(remote, _key(self._channel, remote["thread"]))

    def _texts(self, letter: ledger.Letter) -> list[str]:
        body = letter.body
        if letter.kind == inboxes.REQUESTED:
            words = ", ".join(self._notes.words("note_end", "said"))
            return [f"{self._notes.request(body)}\n{self._notes.text('note_end', words=words)}"]
        if letter.kind == inboxes.MESSAGE:
            return [body["text"], *(self._notes.referral(one["text"]) for one in body["referrals"])]
        return [self._notes.returned(body["reason"] == inboxes.BY_VISITOR)]

    async def _post(self, text: str, thread: Optional[str]) -> str:
        try:
            done = await self._client.chat_postMessage(
                channel=self._channel, thread_ts=thread, text=escaped(text), unfurl_links=False, unfurl_media=False
            )
        except Exception as error:
            raise inboxes.InboxError(reason(error)) from None
        return str(done["ts"])

    async def _erase(self, remote: Mapping[str, Any]) -> None:
        """Delete what Calla has posted; what people wrote there is theirs to delete, and they are told."""
        if "thread" not in remote:
            return
        await self._post(self._notes.text("note_erase"), remote["thread"])
        for ts in remote.get("posted", ()):
            try:
                await self._client.chat_delete(channel=self._channel, ts=ts)
            except Exception as error:
                if reason(error) != "message_not_found":
                    raise inboxes.InboxError(reason(error)) from None

    async def close(self) -> None:
        """Let go of nothing: the client is the channel's."""

    async def took(self, event: Mapping[str, Any]) -> bool:
        """Take a reply of the team in a thread of theirs; ``False`` if it is something else.

        Args:
            event: a message event as Slack sends it.
        """
        thread, ts, user = str(event.get("thread_ts") or ""), str(event.get("ts") or ""), str(event.get("user") or "")
        if event.get("channel") != self._channel or not thread or thread == ts:
            return False
        handoff = await self._handoffs.ledger.by_remote(_key(self._channel, thread))
        if handoff is None:
            return False
        bots: Collection[str] = self._bots()
        if event.get("bot_id") or not user or user in bots or event.get("subtype") not in SPOKEN_SUBTYPES:
            return True
        text = words_of(event, bots)
        try:
            if self._notes.said("note_end", "said", text):
                await self._handoffs.people.left(handoff)
            else:
                await self._handoffs.people.wrote(handoff, f"slack:{ts}", await self._name(user), text)
        except OverError:
            await self._post(self._notes.text("note_not_sent"), thread)
        return True

    async def _name(self, user: str) -> str:
        try:
            found = await self._client.users_info(user=user)
            person: Mapping[str, Any] = found["user"]
            profile = person.get("profile") or {}
            return str(profile.get("display_name") or profile.get("real_name") or person.get("real_name") or "")
        except Exception as error:
            logger.warning("Slack gives no name: %s", reason(error))
            return ""


def _key(channel: str, thread: str) -> str:
    return f"slack:{channel}:{thread}"
