"""One attempt to hand a letter to Slack, in one way; and whether an earlier attempt arrived after all."""

from __future__ import annotations

import logging
from typing import Any, Optional
from urllib.parse import urlsplit

from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from calla.channels.slack.errors import ELSEWHERE, WAIT, DeliveryError, after_of, classified
from calla.channels.slack.letters import EPHEMERAL, URL, Letter, Way

logger = logging.getLogger(__name__)

# Seconds for one call of Slack's Web API.
CALL_DEADLINE = 15.0
# Kind of the metadata that goes out with a message and tells which letter it was.
EVENT_TYPE = "calla_message"
# Seconds by which Slack's clock and ours may differ.
CLOCKS = 300.0
# Messages of a page, and pages, that are looked through for one that may have arrived.
LOOK_THROUGH, MAX_PAGES = 100, 10
# Kinds of blocks that an older Slack does not know, by how plain a letter has become.
_LEFT_OUT = ((), ("context_actions",))


class Sender:
    """Hands letters to Slack.

    Args:
        client: Slack's Web API, without retries of its own.
    """

    def __init__(self, client: AsyncWebClient) -> None:
        self._client = client
        self._hosts = {"hooks.slack.com", "hooks.slack-gov.com", urlsplit(client.base_url).hostname}

    async def send(self, letter: Letter, way: Way) -> tuple[Optional[str], Optional[str]]:
        """Hand a letter over; returns channel and timestamp where it stands, as far as Slack tells.

        Raises:
            DeliveryError: if Slack does not take it, or nobody knows whether it did.
        """
        blocks = _blocks(letter)
        try:
            if way.kind == URL:
                await self._respond(letter, way, blocks)
                # Shown to all it stays, and Slack does not tell where: it cannot be deleted.
                return (way.channel, "") if way.show else (None, None)
            if way.kind == EPHEMERAL:
                await self._client.chat_postEphemeral(
                    channel=way.channel, user=way.user, text=letter.text, blocks=blocks, thread_ts=way.thread
                )
                return None, None
            answer = await self._client.chat_postMessage(
                channel=way.channel,
                text=letter.text,
                blocks=blocks,
                thread_ts=way.thread,
                unfurl_links=False,
                unfurl_media=False,
                metadata=_metadata(letter),
            )
            return str(answer["channel"]), str(answer["ts"])
        except Exception as error:
            raise classified(error, letter.attempts) from error

    async def _respond(self, letter: Letter, way: Way, blocks: Optional[list[dict[str, Any]]]) -> None:
        if urlsplit(way.url).hostname not in self._hosts:
            raise DeliveryError("no response_url of Slack's", ELSEWHERE)
        body: dict[str, Any] = {
            "response_type": "in_channel" if way.show else "ephemeral",
            "replace_original": False,
            "text": letter.text,
            "unfurl_links": False,
            "unfurl_media": False,
        }
        if blocks:
            body["blocks"] = blocks
        if way.thread:
            body["thread_ts"] = way.thread
        webhook = AsyncWebhookClient(
            way.url, timeout=int(CALL_DEADLINE), session=self._client.session, retry_handlers=[]
        )
        answer = await webhook.send_dict(body)
        if answer.status_code == 429:
            raise DeliveryError("HTTP 429", WAIT, after=after_of(answer.headers))
        if answer.status_code >= 500:
            raise DeliveryError(f"HTTP {answer.status_code}", WAIT, uncertain=True)
        if answer.status_code != 200:
            # Used up or too old: it will never take anything again.
            raise DeliveryError(f"HTTP {answer.status_code}", ELSEWHERE)

    async def arrived(self, letter: Letter, way: Way) -> Optional[tuple[str, str]]:
        """Return channel and timestamp of a letter that arrived although nobody heard so, else ``None``.

        Slack remembers messages only, not what it showed to one person alone.

        Raises:
            DeliveryError: if Slack cannot be asked now.
        """
        if way.kind in (URL, EPHEMERAL):
            return None
        try:
            channel = way.channel
            if channel[:1] in "UW":
                opened = await self._client.conversations_open(users=channel)
                channel = str(opened["channel"]["id"])
            about: dict[str, Any] = {
                "channel": channel,
                "oldest": f"{letter.accepted - CLOCKS:.6f}",
                "limit": LOOK_THROUGH,
                "include_all_metadata": True,
            }
            found = await self._messages_since(way, about)
        except Exception as error:
            problem = classified(error)
            if problem.way_on == WAIT and problem.code != "missing_scope":
                raise problem from error
            # Nobody can say; twice is better than never.
            logger.warning("Slack does not tell whether a message has arrived (%s).", problem)
            return None
        for message in found:
            metadata = message.get("metadata") or {}
            if (metadata.get("event_payload") or {}).get("id") == letter.id:
                return channel, str(message["ts"])
        return None

    async def _messages_since(self, way: Way, about: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the messages that stand where a letter may have arrived, page after page."""
        found: list[dict[str, Any]] = []
        for _ in range(MAX_PAGES):
            if way.thread:
                page = await self._client.conversations_replies(ts=way.thread, **about)
            else:
                page = await self._client.conversations_history(**about)
            found.extend(page.get("messages") or [])
            cursor = (page.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                break
            about["cursor"] = cursor
        return found


def _metadata(letter: Letter) -> Optional[dict[str, Any]]:
    """Return what tells later which letter it was, unless Slack finds fault with that too."""
    if letter.plainness >= len(_LEFT_OUT):
        return None
    return {"event_type": EVENT_TYPE, "event_payload": {"id": letter.id}}


def _blocks(letter: Letter) -> Optional[list[dict[str, Any]]]:
    """Return the blocks that are left of a letter, ``None`` where it has become text alone."""
    if letter.plainness >= len(_LEFT_OUT):
        return None
    left = [block for block in letter.blocks if block.get("type") not in _LEFT_OUT[letter.plainness]]
    return left or None


def plainer(letter: Letter) -> bool:
    """Take away what Slack may find fault with; ``False`` if nothing is left to take."""
    while letter.plainness < len(_LEFT_OUT):
        before = _blocks(letter)
        letter.plainness += 1
        if _blocks(letter) != before:
            return True
    return False
