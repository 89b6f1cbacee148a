"""The care team: told that somebody wants a person, and the person told who answers."""

from __future__ import annotations

import logging
import time
from typing import Any, Mapping, Optional

from slack_sdk.models.blocks import ActionsBlock
from slack_sdk.web.async_client import AsyncWebClient

from calla.channels.slack.blocks import MAX_FALLBACK, TAKE, Post, button, mentioning, named, plain, section
from calla.channels.slack.errors import reason
from calla.channels.slack.identity import PRIVATE, Place, Question
from calla.channels.slack.letters import MESSAGE, Letter, Letters, Way, aside, letter_for
from calla.channels.slack.outbox import Outbox
from calla.channels.slack.text import escaped, link
from calla.channels.slack.words import SlackWords

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
        letter = letter_for(wish, NOTE, text[:MAX_FALLBACK], blocks, [Way(MESSAGE, self.channel)])
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
        if not await self._outbox.put(letter_for(wish, *_content(told), ways=[Way(MESSAGE, asker)])):
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
