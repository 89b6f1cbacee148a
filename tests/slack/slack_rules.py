"""What Slack takes and what it refuses: methods, arguments, blocks.

From https://docs.slack.dev/reference/methods and https://docs.slack.dev/reference/block-kit.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import Any, Optional

BOT_TOKEN, APP_TOKEN = "xoxb-test-token", "xapp-test-token"
SIGNING_SECRET = "0123456789abcdef0123456789abcdef"
TEAM, BOT_USER, BOT_ID = "T0CALLA", "U0CALLA", "B0CALLA"
SCOPES = (
    "app_mentions:read,assistant:write,channels:history,channels:read,chat:write,commands,groups:history,groups:read,"
    "im:history,im:write,mpim:history,users:read"
)
TS = re.compile(r"\d{10}\.\d{6}")
CHANNEL = re.compile(r"[CDGU][A-Z0-9]{2,}")
# What may follow an unescaped "<" or "&" in mrkdwn.
_GOOD_ANGLE = re.compile(r"<(?:https?://[^<>|\s]+(?:\|[^<>|]+)?|mailto:[^<>|\s]+(?:\|[^<>|]+)?|@[A-Z0-9]+|#[A-Z0-9]+)>")
_GOOD_AMPERSAND = re.compile(r"&(?:amp|lt|gt);")

# Arguments that each method takes; those that it needs are marked with "!".
METHODS: dict[str, set[str]] = {
    "auth.test": set(),
    "apps.connections.open": set(),
    "chat.postMessage": {
        "channel!",
        "text",
        "blocks",
        "thread_ts",
        "unfurl_links",
        "unfurl_media",
        "reply_broadcast",
        "metadata",
        "mrkdwn",
    },
    "chat.postEphemeral": {"channel!", "user!", "text", "blocks", "thread_ts"},
    "chat.getPermalink": {"channel!", "message_ts!"},
    "chat.update": {"channel!", "ts!", "text", "blocks"},
    "chat.delete": {"channel!", "ts!"},
    "conversations.history": {"channel!", "limit", "oldest", "latest", "inclusive", "include_all_metadata", "cursor"},
    "conversations.replies": {
        "channel!",
        "ts!",
        "limit",
        "oldest",
        "latest",
        "inclusive",
        "include_all_metadata",
        "cursor",
    },
    "conversations.info": {"channel!"},
    "conversations.open": {"users!", "return_im"},
    "users.info": {"user!"},
    "views.publish": {"user_id!", "view!", "hash"},
    "assistant.threads.setSuggestedPrompts": {"channel_id!", "prompts!", "thread_ts", "title"},
}


class RefusedError(Exception):
    """A request that Slack would refuse; holds Slack's error code."""


@dataclass
class Call:
    """One request that arrived.

    Attributes:
        method: Web API method, or ``response_url``.
        args: its arguments, decoded.
        error: Slack's error code; ``None`` if the request was accepted.
        time: ``time.monotonic()`` of its arrival.
        ts: timestamp given to an accepted message.
        shown: timestamp under which a person sees it, if it is no message that stays.
    """

    method: str
    args: dict[str, Any]
    error: Optional[str] = None
    time: float = field(default_factory=time.monotonic)
    ts: str = ""
    shown: str = ""

    @property
    def names(self) -> list[str]:
        """Named responses that the blocks came from, in order and once each."""
        found = [str(block.get("block_id", "")).partition("|")[0] for block in self.args.get("blocks") or []]
        return list(dict.fromkeys(name for name in found if name.startswith("utter_")))

    @property
    def private(self) -> bool:
        """Whether only one person sees it."""
        if self.method == "chat.postEphemeral":
            return True
        if self.method == "response_url":
            return bool(self.args.get("response_type") != "in_channel")
        return str(self.args.get("channel", ""))[:1] in "DU"

    @property
    def words(self) -> str:
        """All text of the blocks, buttons included."""
        return "\n".join(_texts(self.args.get("blocks"))) or str(self.args.get("text"))

    def buttons(self) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """All buttons with the blocks they stand in."""
        found = []
        for block in self.args.get("blocks") or []:
            elements = block.get("elements", []) if block["type"] == "actions" else [block.get("accessory") or {}]
            found.extend((block, element) for element in elements if element.get("type") == "button")
        return found

    def thumbs(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The feedback buttons with the block they stand in."""
        blocks = self.args.get("blocks") or []
        return next((block, block["elements"][0]) for block in blocks if block["type"] == "context_actions")


def _texts(item: Any) -> list[str]:
    if isinstance(item, list):
        return [text for each in item for text in _texts(each)]
    if isinstance(item, dict):
        if item.get("type") in ("mrkdwn", "plain_text"):
            return [item["text"]]
        return [text for value in item.values() for text in _texts(value)]
    return []


# ------------------------------------------------------------------- what Slack checks


def check_text(item: Any, kinds: tuple[str, ...], limit: int) -> None:
    """Check a text object."""
    if not isinstance(item, dict) or item.get("type") not in kinds:
        raise RefusedError("invalid_blocks")
    allowed = {"type", "text", "emoji"} if item["type"] == "plain_text" else {"type", "text", "verbatim"}
    text = item.get("text")
    if set(item) - allowed or not isinstance(text, str) or not 1 <= len(text) <= limit:
        raise RefusedError("invalid_blocks")
    if item["type"] == "mrkdwn":
        check_mrkdwn(text)


def check_mrkdwn(text: str) -> None:
    """Check that what Slack would interpret is meant so (stricter than Slack itself)."""
    rest = _GOOD_AMPERSAND.sub("", _GOOD_ANGLE.sub("", text))
    if re.search(r"[<>&]", rest):
        raise RefusedError("unescaped_text")


def check_button(button: Any, seen: set[str]) -> None:
    """Check a button; ``seen`` holds the action ids of its block."""
    if set(button) - {"type", "text", "action_id", "value", "style", "url", "accessibility_label"}:
        raise RefusedError("invalid_blocks")
    check_text(button.get("text"), ("plain_text",), 75)
    action = button.get("action_id")
    if not isinstance(action, str) or not 1 <= len(action) <= 255 or action in seen:
        raise RefusedError("invalid_blocks")
    seen.add(action)
    if len(button.get("value", "")) > 2000 or button.get("style") not in (None, "primary", "danger"):
        raise RefusedError("invalid_blocks")


def check_thumbs(element: Any) -> None:
    """Check a pair of feedback buttons."""
    if set(element) != {"type", "action_id", "positive_button", "negative_button"}:
        raise RefusedError("invalid_blocks")
    for name in ("positive_button", "negative_button"):
        thumb = element[name]
        if set(thumb) - {"text", "value", "accessibility_label"} or not 1 <= len(thumb.get("value", "")) <= 2000:
            raise RefusedError("invalid_blocks")
        check_text(thumb.get("text"), ("plain_text",), 75)
        if len(thumb.get("accessibility_label", "")) > 75:
            raise RefusedError("invalid_blocks")


def check_blocks(blocks: Any, limit: int) -> None:
    """Check blocks as Slack does."""
    if not isinstance(blocks, list) or not 1 <= len(blocks) <= limit:
        raise RefusedError("invalid_blocks")
    ids: set[str] = set()
    for block in blocks:
        kind = block.get("type")
        block_id = block.get("block_id")
        if block_id is not None:
            if not isinstance(block_id, str) or not 1 <= len(block_id) <= 255 or block_id in ids:
                raise RefusedError("invalid_blocks")
            ids.add(block_id)
        extra = set(block) - {"type", "block_id"}
        if kind == "section":
            if extra - {"text", "accessory", "expand"}:
                raise RefusedError("invalid_blocks")
            check_text(block.get("text"), ("mrkdwn", "plain_text"), 3000)
            if "accessory" in block:
                check_button(block["accessory"], set())
        elif kind == "header":
            if extra != {"text"}:
                raise RefusedError("invalid_blocks")
            check_text(block["text"], ("plain_text",), 150)
        elif kind == "context":
            if extra != {"elements"} or not 1 <= len(block["elements"]) <= 10:
                raise RefusedError("invalid_blocks")
            for element in block["elements"]:
                check_text(element, ("mrkdwn", "plain_text"), 3000)
        elif kind == "actions":
            if extra != {"elements"} or not 1 <= len(block["elements"]) <= 25:
                raise RefusedError("invalid_blocks")
            actions: set[str] = set()
            for element in block["elements"]:
                if element.get("type") != "button":
                    raise RefusedError("invalid_blocks")
                check_button(element, actions)
        elif kind == "context_actions":
            if extra != {"elements"} or not 1 <= len(block["elements"]) <= 5:
                raise RefusedError("invalid_blocks")
            for element in block["elements"]:
                check_thumbs(element)
        elif kind != "divider" or extra:
            raise RefusedError("invalid_blocks")
