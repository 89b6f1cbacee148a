"""From a message of Calla's to Slack's Block Kit.

Limits are those of https://docs.slack.dev/reference/block-kit/blocks. What does not
fit is split, never dropped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Mapping, Optional, Protocol

from calla.catalogue import FAQ, REFERRAL_PREFIX
from calla.nlu.gate import CLARIFY_RESPONSE

# Characters.
MAX_SECTION = 3000
MAX_CONTEXT = 2000
MAX_HEADER = 150
MAX_BUTTON = 75
MAX_VALUE = 2000
MAX_FALLBACK = 4000
# Blocks in a message, and buttons in a row (Slack takes 25; five can be read).
MAX_BLOCKS = 50
MAX_ROW = 5

ASK, SHOW, HELPFUL, NOT_HELPFUL = "calla_ask", "calla_show", "calla_helpful", "calla_not_helpful"
FOOTER = "calla_footer"
ANSWER_PREFIXES = (f"utter_{FAQ}/", "utter_more/")
_BREAKS = ("\n\n", "\n", ". ", " ")


class Words(Protocol):
    """Where short texts come from (``calla.channels.slack.words``)."""

    def text(self, name: str, **values: str) -> str:
        """Return the text of a named response."""


@dataclass
class Post:
    """One message for Slack.

    Attributes:
        text: what notifications and screen readers say.
        blocks: Block Kit; empty for a text alone.
        name: named response that it belongs to.
    """

    text: str
    blocks: list[dict[str, Any]] = field(default_factory=list)
    name: str = ""


def name_of(message: Mapping[str, Any]) -> str:
    """Return the named response that a message of Rasa's was made from, else ''."""
    return str(message.get("utter_action") or (message.get("metadata") or {}).get("utter_action") or "")


def is_referral(name: str) -> bool:
    """Say whether a named response is a medical referral."""
    return name.startswith(REFERRAL_PREFIX)


def is_answer(name: str) -> bool:
    """Say whether a named response answers a question with facts."""
    return name.startswith(ANSWER_PREFIXES)


def escaped(text: str) -> str:
    """Return ``text`` with the three characters escaped that mean something to Slack."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def mrkdwn(text: str) -> str:
    """Return plain text as mrkdwn: escaped, with list items as bullets."""
    return re.sub(r"^- ", "• ", escaped(text), flags=re.M)


def link(url: str, label: str) -> str:
    """Return a link in mrkdwn; the label alone if the address is not one to click."""
    if not re.match(r"https?://", url):
        return escaped(label)
    address = escaped(url).replace("|", "%7C").replace(" ", "%20")
    return f"<{address}|{escaped(label).replace('|', '/')}>"


def pieces(text: str, limit: int = MAX_SECTION) -> list[str]:
    """Cut a mrkdwn text into pieces of at most ``limit`` characters, at a good place."""
    found = []
    rest = text.strip()
    while len(rest) > limit:
        cut = 0
        for mark in _BREAKS:
            cut = rest.rfind(mark, limit // 2, limit)
            if cut > 0:
                cut += 1 if mark == ". " else 0
                break
        if cut <= 0:
            cut = limit
            # Not inside an escaped character ("&amp;").
            entity = rest.rfind("&", cut - 4, cut)
            if entity > 0 and ";" not in rest[entity:cut]:
                cut = entity
        found.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    if rest:
        found.append(rest)
    return found


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}


def _context(text: str) -> dict[str, Any]:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": text, "verbatim": True}]}


def _button(label: str, action: str, value: str) -> dict[str, Any]:
    return {
        "type": "button",
        "text": {"type": "plain_text", "text": label, "emoji": True},
        "action_id": action,
        "value": value[:MAX_VALUE],
    }


def buttons(titles: list[str], words: Words, thread: Optional[str] = None) -> list[dict[str, Any]]:
    """Return blocks that offer topics.

    A title too long for a button stands beside its button instead. The block's id
    carries the thread, so that a press is answered where the buttons stand.
    """
    blocks: list[dict[str, Any]] = []
    row: list[dict[str, Any]] = []

    def finish() -> None:
        if row:
            block_id = f"{ASK}|{len(blocks)}|{thread or ''}"
            blocks.append({"type": "actions", "block_id": block_id, "elements": list(row)})
            row.clear()

    for number, title in enumerate(titles):
        if len(title) <= MAX_BUTTON:
            row.append(_button(title, f"{ASK}_{number}", title))
            if len(row) == MAX_ROW:
                finish()
            continue
        finish()
        *lead, last = pieces(escaped(title))
        blocks.extend(_section(piece) for piece in lead)
        ask = _button(words.text("utter_slack/ask_this")[:MAX_BUTTON], f"{ASK}_{number}", title)
        blocks.append({**_section(last), "block_id": f"{ASK}|{len(blocks)}|{thread or ''}", "accessory": ask})
    finish()
    return blocks


def render(
    message: Mapping[str, Any],
    words: Words,
    *,
    asked: str = "",
    thread: Optional[str] = None,
    showable: bool = False,
) -> list[Post]:
    """Render a message of Rasa's (see ``calla.answers``).

    Args:
        message: ``text``, ``buttons``, ``metadata`` with the parts.
        words: the short texts around them.
        asked: title of the button that asked, repeated above an answer.
        thread: thread that the message will stand in.
        showable: whether the reader may show an answer to the channel.

    Returns:
        one post, or several where one would pass Slack's limits.
    """
    name = name_of(message)
    parts = message.get("metadata") or {}
    body = str(parts.get("body") or message.get("text") or "")
    if not body.strip():
        return []
    blocks: list[dict[str, Any]] = []
    if is_referral(name):
        mark = words.text(f"utter_slack/mark_{parts.get('kind') or 'urgent'}")
        blocks.append({"type": "header", "text": {"type": "plain_text", "text": mark[:MAX_HEADER], "emoji": True}})
    elif asked:
        blocks.extend(
            _context(piece) for piece in pieces(escaped(words.text("utter_slack/asked", title=asked)), MAX_CONTEXT)
        )
    blocks.extend(_section(piece) for piece in pieces(mrkdwn(body)))
    label = (parts.get("evidence") or {}).get("text")
    if label:
        blocks.extend(_context(piece) for piece in pieces(escaped(str(label)), MAX_CONTEXT))
    blocks.extend(_sources(parts, words))
    offered = [str(button.get("title")) for button in message.get("buttons") or [] if button.get("title")]
    if offered and name != CLARIFY_RESPONSE:
        blocks.append(_context(escaped(words.text("utter_slack/related"))))
    blocks.extend(buttons(offered, words, thread))
    if is_answer(name):
        blocks.append(_footer(name, words, showable, thread))
    return _posts(blocks, str(message.get("text") or body), name)


def _sources(parts: Mapping[str, Any], words: Words) -> list[dict[str, Any]]:
    """One line per source, in as many context blocks as they need."""
    listed = [
        link(str(source.get("url", "")), f"{source.get('organisation', '')}, {source.get('title', '')}".strip(", "))
        for source in parts.get("sources") or []
    ]
    if not listed:
        return []
    lines = [escaped(words.text("utter_slack/sources")), *(f"• {line}" for line in listed)]
    if parts.get("reviewed"):
        lines.append(escaped(words.text("utter_slack/reviewed", date=str(parts["reviewed"]))))
    blocks, held = [], ""
    for line in lines:
        if held and len(held) + len(line) + 1 > MAX_CONTEXT:
            blocks.append(_context(held))
            held = ""
        held = f"{held}\n{line}" if held else line
    return [*blocks, _context(held)]


def _footer(name: str, words: Words, showable: bool, thread: Optional[str]) -> dict[str, Any]:
    """Feedback, and showing a private answer to the channel."""
    elements = [
        _button(words.text("utter_slack/helpful"), HELPFUL, name),
        _button(words.text("utter_slack/not_helpful"), NOT_HELPFUL, name),
    ]
    if showable:
        elements.append(_button(words.text("utter_slack/show"), SHOW, name))
    return {"type": "actions", "block_id": f"{FOOTER}|{name[:200]}|{thread or ''}", "elements": elements}


def _posts(blocks: list[dict[str, Any]], text: str, name: str) -> list[Post]:
    """Put blocks into as few messages as take them; each says its own text."""
    found = []
    for start in range(0, max(len(blocks), 1), MAX_BLOCKS):
        some = [dict(block) for block in blocks[start : start + MAX_BLOCKS]]
        for number, block in enumerate(some):
            # Tells which named response a message came from; unique within a message.
            block.setdefault("block_id", f"{name}|{start + number}"[:255])
        said = text if start == 0 else "\n".join(b["text"]["text"] for b in some if b["type"] == "section") or text
        fallback = pieces(escaped(said), MAX_FALLBACK)
        found.append(Post(fallback[0] if fallback else "…", some, name))
    return found


def plain(name: str, words: Words, **values: str) -> Post:
    """Return a short named response as a post of its own."""
    text = words.text(name, **values)
    return Post(escaped(text)[:MAX_FALLBACK], [{**_section(mrkdwn(text)), "block_id": f"{name}|0"}], name)
