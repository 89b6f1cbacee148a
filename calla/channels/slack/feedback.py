"""Thumbs under an answer: recorded without text, changed in place, with a question what was missing."""

from __future__ import annotations

from typing import Any, Awaitable, Callable, Mapping

from slack_sdk.models.blocks import Block
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from calla.channels.slack.blocks import (
    DOWN,
    LACKS,
    MAX_FALLBACK,
    MISSING,
    UP,
    VOTE,
    Post,
    context,
    lacking,
    named,
    render,
    thumbs_in_words,
    titles,
)
from calla.channels.slack.identity import IM, PRIVATE, Place
from calla.channels.slack.text import escaped
from calla.channels.slack.words import SlackWords

# Writes a vote down: message, response, value, conversation.
Record = Callable[[str, str, int, Place], Awaitable[None]]
VOTES = {UP: 1, DOWN: -1}


class Feedback:
    """Takes thumbs.

    Args:
        client: Slack's Web API.
        words: the texts.
        record: writes a vote down.
        aside: says something to the person alone.
    """

    def __init__(
        self,
        client: AsyncWebClient,
        words: SlackWords,
        record: Record,
        aside: Callable[[Place, Post], Awaitable[None]],
    ) -> None:
        self._client = client
        self._words = words
        self._record = record
        self._aside = aside

    async def voted(self, place: Place, body: Mapping[str, Any], value: str) -> None:
        """Take a thumb: ``up`` or ``down``, and the answer that it is about."""
        vote, _, name = value.partition("|")
        if vote not in VOTES or not self._words.may_be_shown(name):
            return
        ts = _ts(body)
        await self._record(f"{ts} {name} {place.user}", name, VOTES[vote], place)
        if vote == UP:
            thanks: list[Block] = [context(escaped(self._words.text("utter_slack/thanks")))]
            await self._instead(place, body, name, thanks, "utter_slack/thanks")
        else:
            missing = lacking(name, self._words, place.thread)
            await self._instead(place, body, name, missing, "utter_slack/what_was_missing")

    async def lacked(self, place: Place, body: Mapping[str, Any], value: str) -> None:
        """Take what an answer lacked, one of ``LACKS``."""
        lack, _, name = value.partition("|")
        if lack not in LACKS or not self._words.may_be_shown(name):
            return
        await self._record(f"{_ts(body)} {name} {place.user} lack", f"{name}#{lack}"[:128], -1, place)
        thanks: list[Block] = [context(escaped(self._words.text("utter_slack/thanks_for_lack")))]
        await self._instead(place, body, name, thanks, "utter_slack/thanks_for_lack")

    async def _instead(self, place: Place, body: Mapping[str, Any], name: str, blocks: list[Block], said: str) -> None:
        """Put something where the thumbs were; in front of others tell the person alone."""
        shown = named([block.to_dict() for block in blocks], said)
        # Also for who hears the message: what is said, and the buttons that come with it.
        text = f"{self._words.text(said)}{titles(blocks)}"
        if place.kind == IM:
            message: Mapping[str, Any] = body.get("message") or {}
            found = _without_thumbs(message.get("blocks") or [])
            if found:
                # New ids: Slack keeps an element as it was under an id that it knows.
                new = [{**block, "block_id": f"{block.get('block_id', '')}+"[-255:]} for block in found]
                spoken = self._spoken(str(message.get("text") or ""), text, name)
                await self._client.chat_update(
                    channel=place.channel, ts=str(message.get("ts")), text=spoken, blocks=[*new, *shown]
                )
                return
        if place.kind == PRIVATE and place.response_url:
            # Slack does not send back what it showed to one person, so it is made anew.
            show = f"{place.channel}|{place.thread or ''}" if place.channel[:1] in ("C", "G") else None
            for post in render(self._words.message(name), self._words, thread=place.thread, show=show)[:1]:
                both = [*_without_thumbs(post.blocks), *shown]
                spoken = self._spoken(post.text, text, name)
                webhook = AsyncWebhookClient(place.response_url, session=self._client.session)
                await webhook.send_dict(
                    {"replace_original": True, "response_type": "ephemeral", "text": spoken, "blocks": both}
                )
                return
        await self._aside(place, Post(escaped(text), shown, said))

    def _spoken(self, before: str, text: str, name: str) -> str:
        """Return the text of an answer with something else in the place of its thumbs, or of what was asked there."""
        asked = f"{self._words.text('utter_slack/what_was_missing')}{titles(lacking(name, self._words))}"
        for over in (thumbs_in_words(self._words), asked):
            before = before.replace(escaped(over), "").rstrip()
        return f"{before}\n{escaped(text)}"[-MAX_FALLBACK:]


def _ts(body: Mapping[str, Any]) -> str:
    return str((body.get("container") or {}).get("message_ts"))


def _without_thumbs(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the blocks of an answer without thumbs and what has taken their place."""
    over = (f"{VOTE}|", f"{MISSING}|", "utter_slack/what_was_missing|", "utter_slack/thanks")
    return [block for block in blocks if not str(block.get("block_id", "")).startswith(over)]
