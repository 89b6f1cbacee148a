"""What Slack delivers, read: which events are for Calla, and what the person wrote."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Iterator, Mapping, Optional

from calla.channels.slack.identity import IM, SHARED, Place
from calla.text import MAX_SCREENED

# Kinds of message that a person writes. All other subtypes (edits, joins, topic
# changes, bots) are Slack talking about a channel.
SPOKEN_SUBTYPES = (None, "file_share", "thread_broadcast", "me_message")
_ANGLE = re.compile(r"<([^<>\n]*)>")
_EMOJI = re.compile(r":([a-z0-9_+'-]+):(?::skin-tone-\d:)?")
_ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))
_MENTION = re.compile(r"<@(\w+)(?:\|[^<>\n]*)?>")
# Longest text that is decoded (characters); more than Slack itself ever delivers.
_MAX_RAW = 60_000


@dataclass(frozen=True)
class Spoken:
    """A message that a person wrote where Calla can read it.

    Attributes:
        place: where, and so where an answer would go.
        text: what was written, decoded and cut to what the screen reads.
        group: whether it stands in a direct message of several people.
        mentioned: whether it names Calla.
        to_others: whether it begins by naming somebody else.
    """

    place: Place
    text: str
    group: bool
    mentioned: bool
    to_others: bool


def read_message(event: Mapping[str, Any], *, team: str, bot_user: str) -> Optional[Spoken]:
    """Read a ``message`` or ``app_mention`` event.

    Args:
        event: the event as Slack sends it.
        team: id of the workspace.
        bot_user: Calla's own user id.

    Returns:
        the message, or ``None`` for what no person has written now: edits, joins,
        bots, Calla's own messages.
    """
    user, channel, ts = event.get("user"), event.get("channel"), event.get("ts")
    if not (isinstance(user, str) and user and isinstance(channel, str) and channel and isinstance(ts, str) and ts):
        return None
    if event.get("subtype") not in SPOKEN_SUBTYPES or event.get("bot_id") or event.get("hidden"):
        return None
    if "edited" in event or user in (bot_user, "USLACKBOT"):
        return None
    raw = str(event.get("text") or "")
    mentions = _MENTION.findall(raw[:_MAX_RAW])
    first = _MENTION.match(raw.lstrip())
    thread = event.get("thread_ts") or None
    channel_type = event.get("channel_type") or ("im" if channel.startswith("D") else "channel")
    if channel_type == "im":
        place = Place(team, channel, user, IM, thread, bool(thread), ts=ts)
    elif channel_type == "mpim":
        place = Place(team, channel, user, SHARED, thread, bool(thread), ts=ts)
    else:
        place = Place(team, channel, user, SHARED, thread or ts, bool(thread), ts=ts)
    return Spoken(
        place=place,
        text=words_of(event, bot_user),
        group=channel_type == "mpim",
        mentioned=event.get("type") == "app_mention" or bot_user in mentions,
        to_others=first is not None and first.group(1) != bot_user,
    )


def words_of(message: Mapping[str, Any], bot_user: str) -> str:
    """Return what a message says, with what is forwarded in it.

    Args:
        message: a message as it stands in events and shortcuts.
        bot_user: Calla's own user id, whose mentions go away.

    Returns:
        at most ``MAX_SCREENED`` characters.
    """
    parts = [str(message.get("text") or "")]
    for attachment in message.get("attachments") or []:
        if isinstance(attachment, Mapping) and (attachment.get("is_share") or not parts[0]):
            parts.append(str(attachment.get("text") or attachment.get("fallback") or ""))
    raw = "\n".join(part for part in parts if part)[:_MAX_RAW]
    return decoded(raw, bot_user, dict(_emoji_of(message.get("blocks")))).strip()[:MAX_SCREENED]


def decoded(text: str, bot_user: str = "", emoji: Optional[Mapping[str, str]] = None) -> str:
    """Turn Slack's way of writing into what the person sees.

    ``<https://a.b|label>`` becomes the label, ``<#C1|name>`` the name, ``&amp;`` an
    ``&``, and ``:wave:`` the character, where the message says which one that is.
    (https://docs.slack.dev/messaging/formatting-message-text)
    """

    def meaning(match: re.Match[str]) -> str:
        target, _, label = match.group(1).partition("|")
        if target.startswith("@"):
            return "" if target[1:] == bot_user else f"@{label or 'somebody'}"
        if target.startswith("#"):
            return f"#{label}"
        if target.startswith("!"):
            return label or "@" + target[1:].partition("^")[0]
        return label or target.removeprefix("mailto:").removeprefix("tel:")

    text = _ANGLE.sub(meaning, text)
    known = emoji or {}
    text = _EMOJI.sub(lambda m: known.get(m.group(1), m.group()), text)
    for entity, character in _ENTITIES:
        text = text.replace(entity, character)
    return text


def _emoji_of(blocks: Any) -> Iterator[tuple[str, str]]:
    """Find the emoji of a rich text: pairs of name and character."""
    waiting = [blocks]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting.extend(item)
        elif isinstance(item, Mapping):
            if item.get("type") == "emoji" and isinstance(item.get("unicode"), str):
                try:
                    yield str(item.get("name")), "".join(chr(int(c, 16)) for c in item["unicode"].split("-"))
                except (ValueError, OverflowError):
                    continue
            else:
                waiting.append(item.get("elements"))
