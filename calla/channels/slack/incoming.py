"""What Slack delivers, read: which events are for Calla, and what the person wrote."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Collection, Iterator, Mapping, Optional

from calla.channels.slack.identity import IM, PRIVATE, SHARED, Place
from calla.text import MAX_SCREENED

# Kinds of message that a person writes. All other subtypes (edits, joins, topic
# changes, bots) are Slack talking about a channel.
SPOKEN_SUBTYPES = (None, "file_share", "thread_broadcast", "me_message")
_ANGLE = re.compile(r"<([^<>\n]*)>")
_EMOJI = re.compile(r":([a-z0-9_+'-]+):(?::skin-tone-\d:)?")
_ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))
_MENTION = re.compile(r"<@(\w+)(?:\|[^<>\n]*)?>")
# Everybody here, a group of people: they are addressed, not Calla.
_BROADCAST = re.compile(r"<!(?:here|channel|everyone|subteam\^)")
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
        to_others: whether it names somebody else and not Calla.
        unread: whether it brings a file that cannot be read.
    """

    place: Place
    text: str
    group: bool
    mentioned: bool
    to_others: bool
    unread: bool


@dataclass(frozen=True)
class Team:
    """Where something came from.

    Attributes:
        team: id of the workspace.
        enterprise: id of its organisation (Enterprise Grid), if it is part of one.
        bots: Calla's own user ids.
    """

    team: str
    enterprise: Optional[str]
    bots: frozenset[str]


def team_of(body: Mapping[str, Any], own: Team) -> Team:
    """Return the workspace of an event, a command or an interaction.

    Args:
        body: the payload as Slack sends it.
        own: the workspace that Calla is installed in.
    """
    inner = body.get("team") if isinstance(body.get("team"), Mapping) else {}
    installed = [one for one in body.get("authorizations") or [] if isinstance(one, Mapping)]
    bots = {str(one.get("user_id")) for one in installed if one.get("is_bot") and one.get("user_id")}
    if installed:
        # In a channel shared with others the event itself may name their workspace, not the one it is installed in.
        enterprise, team = installed[0].get("enterprise_id"), installed[0].get("team_id")
    else:
        enterprise = body.get("enterprise_id") or (body.get("enterprise") or {}).get("id")
        team = body.get("team_id") or (inner or {}).get("id")
    enterprise, team = enterprise or own.enterprise, team or own.team
    return Team(str(team), str(enterprise) if enterprise else None, own.bots | bots)


def _home(event: Mapping[str, Any], team: Team) -> Optional[str]:
    """Return where a person comes from, if from another organisation (shared channels)."""
    home = event.get("user_team") or event.get("source_team")
    # In an organisation the workspaces are sisters; there user ids are the organisation's.
    return str(home) if home and team.enterprise is None and home != team.team else None


def read_message(event: Mapping[str, Any], team: Team) -> Optional[Spoken]:
    """Read a ``message`` or ``app_mention`` event.

    Args:
        event: the event as Slack sends it.
        team: the workspace, and who Calla is there.

    Returns:
        the message, or ``None`` for what no person has written to Calla now: joins,
        bots, Calla's own messages, edits other than one that adds a mention.
    """
    if event.get("subtype") == "message_changed":
        return _mention_added(event, team)
    if "edited" in event and event.get("type") != "app_mention":
        return None
    return _read(event, team)


def _mention_added(event: Mapping[str, Any], team: Team) -> Optional[Spoken]:
    """Read an edit that adds a mention of Calla; other edits change nothing."""
    now, before = event.get("message"), event.get("previous_message")
    if not isinstance(now, Mapping) or not isinstance(before, Mapping):
        return None
    added = team.bots & set(_MENTION.findall(str(now.get("text"))[:_MAX_RAW]))
    if not added or team.bots & set(_MENTION.findall(str(before.get("text"))[:_MAX_RAW])):
        return None
    return _read({**now, "channel": event.get("channel"), "channel_type": event.get("channel_type")}, team)


def _read(event: Mapping[str, Any], team: Team) -> Optional[Spoken]:
    user, channel, ts = event.get("user"), event.get("channel"), event.get("ts")
    if not (isinstance(user, str) and user and isinstance(channel, str) and channel and isinstance(ts, str) and ts):
        return None
    if event.get("subtype") not in SPOKEN_SUBTYPES or event.get("bot_id") or event.get("hidden"):
        return None
    if user in team.bots or user == "USLACKBOT":
        return None
    raw = str(event.get("text") or "")[:_MAX_RAW]
    mentions = set(_MENTION.findall(raw))
    mentioned = event.get("type") == "app_mention" or bool(team.bots & mentions)
    thread = str(event["thread_ts"]) if event.get("thread_ts") else None
    channel_type = event.get("channel_type") or ("im" if channel.startswith("D") else "channel")
    kind = IM if channel_type == "im" else SHARED
    place = Place(
        team=team.team,
        channel=channel,
        user=user,
        kind=kind,
        thread=thread if kind == IM or channel_type == "mpim" else thread or ts,
        open_thread=bool(thread),
        ts=ts,
        enterprise=team.enterprise,
        home=_home(event, team),
    )
    return Spoken(
        place=place,
        text=words_of(event, team.bots),
        group=channel_type == "mpim",
        mentioned=mentioned,
        to_others=not mentioned and (bool(mentions) or bool(_BROADCAST.search(raw))),
        unread=_unread(event),
    )


def read_command(body: Mapping[str, Any], team: Team) -> tuple[Place, str]:
    """Read ``/calla <question>``: where, and what."""
    place = Place(
        team=team.team,
        channel=str(body["channel_id"]),
        user=str(body["user_id"]),
        kind=PRIVATE,
        response_url=str(body.get("response_url") or ""),
        enterprise=team.enterprise,
    )
    return place, decoded(str(body.get("text") or "")[:_MAX_RAW], team.bots).strip()[:MAX_SCREENED]


def read_shortcut(body: Mapping[str, Any], team: Team) -> tuple[Place, str, Optional[str], bool]:
    """Read "Ask Calla about this" on a message: where, what, who else wrote it, whether a file cannot be read."""
    message = body.get("message") if isinstance(body.get("message"), Mapping) else {}
    place = Place(
        team=team.team,
        channel=_id(body, "channel"),
        user=_id(body, "user"),
        kind=PRIVATE,
        response_url=str(body.get("response_url") or ""),
        enterprise=team.enterprise,
        home=_home({"user_team": (body.get("user") or {}).get("team_id")}, team),
    )
    author = str((message or {}).get("user") or "")
    other = author if author and author != place.user else None
    return place, words_of(message or {}, team.bots), other, _unread(message or {})


def place_of_press(body: Mapping[str, Any], action: Mapping[str, Any], team: Team) -> Place:
    """Return where a button was pressed, and so where its answer goes."""
    container, message = body.get("container") or {}, body.get("message") or {}
    user, channel = _id(body, "user"), _id(body, "channel")
    inside: Optional[str] = message.get("thread_ts") or container.get("thread_ts")
    at: dict[str, Any] = {
        "team": team.team,
        "user": user,
        "enterprise": team.enterprise,
        "home": _home({"user_team": (body.get("user") or {}).get("team_id")}, team),
        "open_thread": bool(inside),
        "ts": message.get("ts") or container.get("message_ts"),
    }
    if not channel or container.get("type") == "view":
        # The Home tab: the answer goes to the direct messages, which Slack opens for a user id.
        return Place(**{**at, "ts": None}, channel=user, kind=IM)
    if container.get("is_ephemeral"):
        thread = inside or str(action.get("block_id") or "").rpartition("|")[2] or None
        url = str(body.get("response_url") or "")
        return Place(**at, channel=channel, kind=PRIVATE, thread=thread, response_url=url)
    if channel.startswith("D"):
        return Place(**at, channel=channel, kind=IM, thread=inside)
    if str((body.get("channel") or {}).get("name") or "").startswith("mpdm-"):
        return Place(**at, channel=channel, kind=SHARED, thread=inside)
    return Place(**at, channel=channel, kind=SHARED, thread=inside or str(container.get("message_ts") or "") or None)


def _id(body: Mapping[str, Any], what: str) -> str:
    """Return the id of a user or channel in an interaction."""
    found = body.get(what)
    return str(found.get("id") or "") if isinstance(found, Mapping) else ""


def words_of(message: Mapping[str, Any], bots: Collection[str]) -> str:
    """Return what a message says, with what is forwarded in it, and with what its files say in words.

    Args:
        message: a message as it stands in events and shortcuts.
        bots: Calla's own user ids, whose mentions go away.

    Returns:
        at most ``MAX_SCREENED`` characters.
    """
    parts = [str(message.get("text") or "")]
    for attachment in message.get("attachments") or []:
        if isinstance(attachment, Mapping) and (attachment.get("is_share") or not parts[0]):
            parts.append(str(attachment.get("text") or attachment.get("fallback") or ""))
    raw = "\n".join(part for part in parts if part)[:_MAX_RAW]
    said = [decoded(raw, bots, dict(_emoji_of(message.get("blocks")))).strip()]
    said.extend(_words_in(file).strip() for file in _files(message))
    return "\n".join(part for part in said if part)[:MAX_SCREENED]


def _files(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [file for file in message.get("files") or [] if isinstance(file, Mapping)]


def _words_in(file: Mapping[str, Any]) -> str:
    """Return the words that an event brings of a file: of a text snippet, or what was said in a clip."""
    spoken = (file.get("transcription") or {}).get("preview") or {}
    if isinstance(spoken, Mapping) and isinstance(spoken.get("content"), str):
        return str(spoken["content"])
    if file.get("mode") in ("snippet", "post") or str(file.get("mimetype") or "").startswith("text/"):
        for name in ("plain_text", "preview"):
            if isinstance(file.get(name), str):
                return str(file[name])
    return ""


def _unread(message: Mapping[str, Any]) -> bool:
    """Say whether a message brings a file that cannot be read, or of which only the beginning came along."""
    return any(not _words_in(file) or _goes_on(file) for file in _files(message))


def _goes_on(file: Mapping[str, Any]) -> bool:
    spoken = (file.get("transcription") or {}).get("preview") or {}
    cut = isinstance(spoken, Mapping) and spoken.get("has_more")
    return bool(cut or (file.get("preview_is_truncated") and not isinstance(file.get("plain_text"), str)))


def decoded(text: str, bots: Collection[str] = (), emoji: Optional[Mapping[str, str]] = None) -> str:
    """Turn Slack's way of writing into what the person sees.

    ``<https://a.b|label>`` becomes the label, ``<#C1|name>`` the name, ``&amp;`` an
    ``&``, and ``:wave:`` the character, where the message says which one that is.
    (https://docs.slack.dev/messaging/formatting-message-text)
    """

    def meaning(match: re.Match[str]) -> str:
        target, _, label = match.group(1).partition("|")
        if target.startswith("@"):
            return "" if target[1:] in bots else f"@{label or 'somebody'}"
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
