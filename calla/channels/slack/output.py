"""Calla's answers on their way to Slack: to the right place, in order, retried as told."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Any, Awaitable, Callable, Mapping, Optional
from urllib.parse import urlsplit

import aiohttp
from rasa.core.channels.channel import OutputChannel
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import (
    AsyncConnectionErrorRetryHandler,
    AsyncRateLimitErrorRetryHandler,
    AsyncServerErrorRetryHandler,
)
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from calla.channels.slack.format import MAX_BLOCKS, Post, escaped, is_referral, link, name_of, plain, render
from calla.channels.slack.identity import IM, PRIVATE, SHARED, Place, Question
from calla.channels.slack.words import SlackWords

logger = logging.getLogger(__name__)

# Seconds for one call of Slack's Web API.
CALL_DEADLINE = 15.0
# Times that a call is repeated when Slack limits the rate (after the seconds it names),
# when the connection breaks, and when Slack's server fails.
RATE_RETRIES, CONNECTION_RETRIES, SERVER_RETRIES = 6, 4, 2
# Messages that a response_url takes.
RESPONSE_URL_POSTS = 5
# Seconds within which a second wish to talk to a person sends no second note.
HANDOFF_PAUSE = 600
HANDOFF_RESPONSE = "utter_chat/human_handoff"
ERASE_RESPONSE = "utter_chat/delete_my_data"
_BLOCK_ERRORS = ("invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "block_mismatch")


class DeliveryError(RuntimeError):
    """Slack did not take a message; holds Slack's error code, never the text."""


def retry_handlers() -> list[Any]:
    """Return fresh handlers for calls that Slack could not take."""
    return [
        AsyncRateLimitErrorRetryHandler(max_retry_count=RATE_RETRIES),
        AsyncConnectionErrorRetryHandler(max_retry_count=CONNECTION_RETRIES),
        AsyncServerErrorRetryHandler(max_retry_count=SERVER_RETRIES),
    ]


def reason(error: Exception) -> str:
    """Return what may be logged about a failed call."""
    if isinstance(error, SlackApiError):
        code = error.response.get("error") if isinstance(getattr(error.response, "data", None), dict) else None
        return str(code or getattr(error.response, "status_code", "SlackApiError"))
    return type(error).__name__


class Sender:
    """Sends posts; knows the ways round when Slack refuses one.

    Args:
        client: Slack's Web API.
    """

    def __init__(self, client: AsyncWebClient) -> None:
        self._client = client
        self._hosts = {"hooks.slack.com", "hooks.slack-gov.com", urlsplit(client.base_url).hostname}

    async def to_place(self, place: Place, post: Post) -> None:
        """Post where everybody there reads it; to the person alone if that place is closed to Calla.

        Raises:
            DeliveryError: if Slack takes it neither there nor there.
        """
        try:
            await self._message(place.channel, place.thread, post)
        except DeliveryError as problem:
            if place.kind == IM:
                raise
            logger.warning("Slack does not take a message where it was asked (%s); sent directly.", problem)
            await self._message(place.user, None, post)

    async def to_person(self, place: Place, post: Post) -> None:
        """Post so that only the person reads it, in the channel or else directly.

        Raises:
            DeliveryError: if Slack takes it neither there nor there.
        """
        try:
            await self._call(
                lambda blocks: self._client.chat_postEphemeral(
                    channel=place.channel,
                    user=place.user,
                    text=post.text,
                    blocks=blocks,
                    thread_ts=place.thread if place.open_thread else None,
                ),
                post,
            )
        except DeliveryError as problem:
            logger.warning("Slack does not take a private message in a channel (%s); sent directly.", problem)
            await self._message(place.user, None, post)

    async def respond(self, place: Place, post: Post, *, show: bool = False) -> None:
        """Answer a command, shortcut or button through the address that came with it.

        Args:
            place: with the ``response_url``.
            post: the message.
            show: whether everybody in the channel shall read it.

        Raises:
            DeliveryError: if Slack does not take it, nor a direct message instead.
        """
        try:
            await self._respond(place, post, show)
        except DeliveryError as problem:
            if show:
                raise
            logger.warning("Slack does not take an answer to a command (%s); sent directly.", problem)
            await self._message(place.user, None, post)

    async def _respond(self, place: Place, post: Post, show: bool) -> None:
        url = place.response_url or ""
        if urlsplit(url).hostname not in self._hosts:
            raise DeliveryError("no response_url of Slack's")
        body: dict[str, Any] = {
            "response_type": "in_channel" if show else "ephemeral",
            "replace_original": False,
            "text": post.text,
            "unfurl_links": False,
            "unfurl_media": False,
        }
        if post.blocks:
            body["blocks"] = post.blocks
        if place.thread and place.open_thread:
            body["thread_ts"] = place.thread
        webhook = AsyncWebhookClient(
            url, timeout=int(CALL_DEADLINE), session=self._client.session, retry_handlers=retry_handlers()
        )
        try:
            answer = await webhook.send_dict(body)
        except (aiohttp.ClientError, asyncio.TimeoutError, SlackApiError) as error:
            raise DeliveryError(reason(error)) from error
        if answer.status_code != 200:
            raise DeliveryError(f"response_url answered {answer.status_code}")

    async def _message(self, channel: str, thread: Optional[str], post: Post) -> None:
        await self._call(
            lambda blocks: self._client.chat_postMessage(
                channel=channel,
                text=post.text,
                blocks=blocks,
                thread_ts=thread,
                unfurl_links=False,
                unfurl_media=False,
            ),
            post,
        )

    @staticmethod
    async def _call(call: Callable[[Optional[list[dict[str, Any]]]], Any], post: Post) -> None:
        """Make a call; once more with the text alone if Slack finds fault with the blocks."""
        try:
            await call(post.blocks or None)
        except SlackApiError as error:
            if reason(error) not in _BLOCK_ERRORS or not post.blocks:
                raise DeliveryError(reason(error)) from error
            logger.error("Slack finds fault with the blocks of %s; sent as text.", post.name)
            await Sender._call(call, Post(post.text, [], post.name))
        except (aiohttp.ClientError, asyncio.TimeoutError) as error:
            raise DeliveryError(reason(error)) from error


class Handoff:
    """Tells the operator's care channel that somebody would like to talk to a person.

    Args:
        client: Slack's Web API.
        words: the texts.
        channel: id of the care channel; ``None`` if the operator has none.
        claim: says whether a key is new, and remembers it for some seconds.
        forget: forgets a key.
    """

    def __init__(
        self,
        client: AsyncWebClient,
        words: SlackWords,
        channel: Optional[str],
        claim: Callable[[str, float], Any],
        forget: Callable[[str], Any],
    ) -> None:
        self._client = client
        self._words = words
        self._channel = channel
        self._claim = claim
        self._forget = forget

    async def note(self, question: Question) -> bool:
        """Leave a note with a link, never with the message; ``False`` if there is nobody to read it."""
        if not self._channel:
            return False
        key = f"handoff:{question.conversation}"
        if not await self._claim(key, HANDOFF_PAUSE):
            return True
        place = question.place
        # Placed after escaping: Slack's own signs for a person and a link.
        text = escaped(self._words.text("utter_slack/handoff_note", person="\x01", link="\x02"))
        label = self._words.text("utter_slack/handoff_link")
        text = text.replace("\x01", f"<@{place.user}>").replace("\x02", link(await self._link_to(place), label))
        try:
            await self._client.chat_postMessage(
                channel=self._channel, text=text, unfurl_links=False, unfurl_media=False
            )
        except (SlackApiError, aiohttp.ClientError, asyncio.TimeoutError) as error:
            logger.error("The care channel (SLACK_CARE_CHANNEL) did not get its note: %s", reason(error))
            await self._forget(key)
            return False
        return True

    async def _link_to(self, place: Place) -> str:
        """Return a link to the message that asked, or to its channel where no message stands."""
        if place.ts and place.kind != PRIVATE:
            try:
                found = await self._client.chat_getPermalink(channel=place.channel, message_ts=place.ts)
                return str(found["permalink"])
            except (SlackApiError, aiohttp.ClientError, asyncio.TimeoutError) as error:
                logger.warning("Slack gives no link to a message: %s", reason(error))
        return f"https://slack.com/app_redirect?team={place.team}&channel={place.channel}"


class SlackOutput(OutputChannel):
    """The answer to one question.

    Understanding only queues messages here; ``deliver`` sends them at Slack's pace, so
    that a slow Web API holds up nobody else.

    Args:
        question: what is answered.
        sender: sends posts.
        words: the texts.
        handoff: tells the care channel.
        sent: messages that were out already, before a restart.
        note: awaited with the number of messages out, after each.
    """

    def __init__(
        self,
        question: Question,
        sender: Sender,
        words: SlackWords,
        handoff: Handoff,
        *,
        sent: int = 0,
        note: Optional[Callable[[int], Awaitable[None]]] = None,
    ) -> None:
        self._question = question
        self._place = question.place
        self._sender = sender
        self._words = words
        self._handoff = handoff
        self._skip = sent
        self._note = note
        self._number = 0
        self._queue: asyncio.Queue[Optional[Mapping[str, Any]]] = asyncio.Queue()
        self._held: list[Post] = []
        self._private = False
        self._said_so = False
        self.names: list[str] = []

    @classmethod
    def name(cls) -> str:
        """Name of the channel."""
        return "slack"

    async def send_response(self, recipient_id: str, message: dict[str, Any]) -> None:
        """Queue a message of Rasa's."""
        self.names.append(name_of(message))
        self._queue.put_nowait(message)

    async def send_text_message(self, recipient_id: str, text: str, **kwargs: Any) -> None:
        """Queue a plain text (Rasa asks for this method)."""
        await self.send_response(recipient_id, {"text": text})

    def finish(self) -> None:
        """Say that no further message comes."""
        self._queue.put_nowait(None)

    async def deliver(self) -> None:
        """Send what is queued, until ``finish``; a message that fails does not stop the next."""
        while (message := await self._queue.get()) is not None:
            try:
                await self._deliver(message)
            except DeliveryError as problem:
                logger.error("Slack did not take %s: %s", name_of(message) or "a message", problem)
            except Exception as error:
                logger.error("Sending %s to Slack failed: %s", name_of(message), type(error).__name__)
        await self._send_held()

    async def _deliver(self, message: Mapping[str, Any]) -> None:
        name = name_of(message)
        if name == HANDOFF_RESPONSE and await self._handoff.note(self._question):
            message = {**self._words.message("utter_slack/handoff_noted"), "buttons": message.get("buttons")}
        # Health is not discussed in front of others: from a referral on, the rest of
        # this answer goes to the person alone.
        self._private = self._private or (self._place.kind == SHARED and is_referral(name))
        posts = render(
            message,
            self._words,
            asked=self._question.text if self._question.pressed else "",
            thread=self._place.thread,
            showable=(self._private or self._place.kind == PRIVATE) and not self._place.channel.startswith("D"),
        )
        for post in posts:
            await self._once(post)
        if self._private and not self._said_so:
            self._said_so = True
            await self._counted(
                lambda: self._sender.to_place(self._place, plain("utter_slack/answered_privately", self._words))
            )

    async def _once(self, post: Post) -> None:
        if self._place.kind == PRIVATE:
            if self._number >= RESPONSE_URL_POSTS - 1 and self._number >= self._skip:
                # The last message that the address takes holds the rest.
                self._held.append(post)
            else:
                await self._counted(lambda: self._sender.respond(self._place, post))
        elif self._private:
            try:
                await self._counted(lambda: self._sender.to_person(self._place, post))
            except DeliveryError:
                if not self._said_so:
                    self._said_so = True
                    await self._sender.to_place(self._place, plain("utter_slack/unreachable", self._words))
                raise
        else:
            await self._counted(lambda: self._sender.to_place(self._place, post))

    async def _counted(self, send: Callable[[], Any]) -> None:
        """Send, unless it was out before a restart; note that it is out."""
        self._number += 1
        if self._number <= self._skip:
            return
        await send()
        if self._note is not None:
            await self._note(self._number)

    async def _send_held(self) -> None:
        """Send what was held back, in one message or as few as take it."""
        merged: list[Post] = []
        for post in self._held:
            last = merged[-1] if merged else None
            if last is not None and len(last.blocks) + len(post.blocks) <= MAX_BLOCKS:
                last.blocks.extend(_renamed(post.blocks, len(last.blocks)))
                last.text = f"{last.text}\n{post.text}"[:4000]
            else:
                merged.append(Post(post.text, list(post.blocks), post.name))
        for post in merged:
            try:
                await self._counted(partial(self._sender.respond, self._place, post))
            except DeliveryError as problem:
                logger.error("Slack did not take %s: %s", post.name, problem)


def _renamed(blocks: list[dict[str, Any]], start: int) -> list[dict[str, Any]]:
    """Make block ids unique in a message that several were merged into."""
    found = []
    for number, block in enumerate(blocks):
        head, mark, tail = str(block.get("block_id", "")).partition("|")
        found.append({**block, "block_id": f"{head}{mark}m{start + number}.{tail}"[:255]})
    return found
