"""What happens beside questions: the Home tab, the welcome, suggested prompts, showing an answer to others."""

from __future__ import annotations

import logging
from typing import Any, Mapping, Optional

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from calla.channels.slack import home
from calla.channels.slack.blocks import Post, mentioning, named, plain, render
from calla.channels.slack.care import Care
from calla.channels.slack.errors import reason
from calla.channels.slack.identity import IM, PRIVATE, Place, Question, conversation_id, person_id
from calla.channels.slack.incoming import Team
from calla.channels.slack.letters import MESSAGE, URL, Way, aside, letter_for
from calla.channels.slack.outbox import Outbox
from calla.channels.slack.seen import Seen
from calla.channels.slack.words import SlackWords

logger = logging.getLogger(__name__)


class Rooms:
    """Shows what is no answer to a question.

    Args:
        client: Slack's Web API.
        words: the texts.
        outbox: sends messages.
        seen: who has been welcomed.
        care: the care team.
    """

    def __init__(self, client: AsyncWebClient, words: SlackWords, outbox: Outbox, seen: Seen, care: Care) -> None:
        self._client = client
        self._words = words
        self._outbox = outbox
        self._seen = seen
        self.care = care

    async def opened(self, event: Mapping[str, Any], team: Team, key: str) -> None:
        """Show the Home tab, or greet a person who opens the messages for the first time."""
        user, channel = str(event.get("user") or ""), str(event.get("channel") or "")
        if event.get("tab") == "home":
            view = home.home_view(self._words, care=self.care.channel is not None)
            await self._client.views_publish(user_id=user, view=view)
        elif event.get("tab") == "messages" and channel:
            await self.suggest(channel, None)
            await self._welcome(Place(team.team, channel, user, IM, enterprise=team.enterprise), key)

    async def suggest(self, channel: str, thread: Optional[str]) -> None:
        """Offer questions above the composer; plans and clients without them are no fault."""
        try:
            await self._client.assistant_threads_setSuggestedPrompts(
                channel_id=channel,
                thread_ts=thread,  # type: ignore[arg-type]  # the messages tab has none
                title=self._words.text("utter_slack/typical_questions"),
                prompts=home.prompts(self._words),
            )
        except SlackApiError as error:
            logger.info("Slack shows no suggested prompts here (%s).", reason(error))

    async def _welcome(self, place: Place, key: str) -> None:
        """Greet once. Slack's own history tells whether anything was said before."""
        if await self._seen.known(f"welcome:{place.user}"):
            return
        history = await self._client.conversations_history(channel=place.channel, limit=1)
        if history.get("messages") or not await self._seen.claim(f"welcome:{place.user}"):
            return
        wish = Question(f"welcome:{place.user}", conversation_id(place, key), "", place, person_id(place, key))
        await self._say(wish, home.welcome(self._words), [Way(MESSAGE, place.channel)])

    async def show(self, wish: Question, name: str) -> None:
        """Show an answer to the channel or thread where it was asked, at the wish of the person who got it."""
        place = wish.place
        ways = [Way(MESSAGE, place.channel, place.thread)]
        if place.response_url:
            ways.append(Way(URL, place.channel, place.thread, url=place.response_url, show=True))
        by = mentioning("utter_slack/shown_by", self._words, place.user)
        for number, post in enumerate(render(self._words.message(name), self._words, thread=place.thread)):
            above = [] if number else named(by.blocks, by.name)
            letter = letter_for(wish, name, f"{by.text}\n{post.text}", [*above, *post.blocks], ways, number)
            letter.lane = place.channel
            refused = plain("utter_slack/not_shown", self._words)
            letter.otherwise = letter_for(wish, refused.name, refused.text, refused.blocks, aside(place))
            await self._outbox.put(letter)

    async def settle(self, place: Place, body: Mapping[str, Any], name: str) -> None:
        """Put a short text in the place of a question with buttons that has been answered."""
        post = plain(name, self._words)
        message: Mapping[str, Any] = body.get("message") or {}
        if place.kind == IM and message.get("ts"):
            await self._client.chat_update(
                channel=place.channel, ts=str(message["ts"]), text=post.text, blocks=post.blocks
            )
        elif place.kind == PRIVATE and place.response_url:
            webhook = AsyncWebhookClient(place.response_url, session=self._client.session)
            await webhook.send_dict({"replace_original": True, "text": post.text, "blocks": post.blocks})

    async def aside(self, wish: Question, post: Post) -> None:
        """Say something to the person alone."""
        await self._say(wish, post, aside(wish.place))

    async def _say(self, wish: Question, post: Post, ways: list[Way]) -> None:
        await self._outbox.put(letter_for(wish, post.name, post.text, post.blocks, ways))
