"""From a message of Calla's to Slack's Block Kit, built with the models of slack_sdk.

Limits are those of https://docs.slack.dev/reference/block-kit/blocks. What does not
fit is split, never dropped.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping, Optional, Protocol, Sequence

from slack_sdk.models.blocks import (
    ActionsBlock,
    Block,
    ButtonElement,
    ContextActionsBlock,
    ContextBlock,
    FeedbackButtonObject,
    FeedbackButtonsElement,
    HeaderBlock,
    MarkdownTextObject,
    PlainTextObject,
    SectionBlock,
)

from calla.answers import CLARIFY_RESPONSE
from calla.catalogue import FAQ, REFERRAL_PREFIX
from calla.channels.slack.text import escaped, link, mrkdwn, pieces
from calla.plan import ACUTE

# Characters.
MAX_CONTEXT = 2000
MAX_HEADER = HeaderBlock.text_max_length
MAX_BUTTON = ButtonElement.text_max_length
MAX_VALUE = ButtonElement.value_max_length
MAX_FALLBACK = 4000
# Blocks in a message, and buttons in a row (Slack takes 25; five can be read).
MAX_BLOCKS = 50
MAX_ROW = 5

ASK, SHOW, VOTE, MISSING, ERASE, KEEP, TAKE = (
    "calla_ask",
    "calla_show",
    "calla_vote",
    "calla_missing",
    "calla_erase",
    "calla_keep",
    "calla_take",
)
UP, DOWN = "up", "down"
# What an answer may have lacked; the names of the buttons that ask for it.
LACKS = ("other_question", "too_hard", "too_little")
ANSWER_PREFIX = f"utter_{FAQ}/"


class Words(Protocol):
    """Where short texts come from (``calla.channels.slack.words``)."""

    def text(self, name: str, **values: str) -> str:
        """Return the text of a named response."""


@dataclass
class Post:
    """One message for Slack.

    Attributes:
        text: what notifications and screen readers say.
        blocks: Block Kit.
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
    return name.startswith(ANSWER_PREFIX)


def section(text: str) -> SectionBlock:
    """Return a paragraph of mrkdwn."""
    return SectionBlock(text=MarkdownTextObject(text=text, verbatim=True))


def context(text: str) -> ContextBlock:
    """Return a line in small print."""
    return ContextBlock(elements=[MarkdownTextObject(text=text, verbatim=True)])


def header(text: str) -> HeaderBlock:
    """Return a heading."""
    return HeaderBlock(text=PlainTextObject(text=text[:MAX_HEADER], emoji=True))


def button(label: str, action: str, value: str, style: Optional[str] = None) -> ButtonElement:
    """Return a button."""
    text = PlainTextObject(text=label[:MAX_BUTTON], emoji=True)
    return ButtonElement(text=text, action_id=action, value=value[:MAX_VALUE], style=style)


def small_print(text: str) -> list[Block]:
    """Return a text in small print, in as many blocks as it needs."""
    return [context(piece) for piece in pieces(escaped(text), MAX_CONTEXT)]


def buttons(titles: Sequence[str], words: Words, thread: Optional[str] = None) -> list[Block]:
    """Return blocks that offer topics.

    A title too long for a button stands beside its button instead. The block's id
    carries the thread, so that a press is answered where the buttons stand.
    """
    blocks: list[Block] = []
    row: list[ButtonElement] = []

    def block_id() -> str:
        return f"{ASK}|{len(blocks)}|{thread or ''}"

    def finish() -> None:
        if row:
            blocks.append(ActionsBlock(block_id=block_id(), elements=list(row)))
            row.clear()

    for number, title in enumerate(titles):
        action = f"{ASK}_{number}"
        if len(title) <= MAX_BUTTON:
            row.append(button(title, action, title))
            if len(row) == MAX_ROW:
                finish()
            continue
        finish()
        *lead, last = pieces(escaped(title))
        blocks.extend(section(piece) for piece in lead)
        beside = section(last)
        beside.block_id = block_id()
        beside.accessory = button(words.text("utter_slack/ask_this"), action, title)
        blocks.append(beside)
    finish()
    return blocks


def render(
    message: Mapping[str, Any],
    words: Words,
    *,
    asked: str = "",
    author: str = "",
    thread: Optional[str] = None,
    show: Optional[str] = None,
) -> list[Post]:
    """Render a message of Rasa's (see ``calla.answers``).

    Args:
        message: ``text``, ``buttons``, ``metadata`` with the parts.
        words: the short texts around them.
        asked: title of the button that asked, repeated above an answer.
        author: id of somebody else who wrote what was asked about.
        thread: thread that the message will stand in.
        show: where the reader may show an answer, as a value of the button for it.

    Returns:
        one post, or several where one would pass Slack's limits.
    """
    name = name_of(message)
    parts = message.get("metadata") or {}
    body = str(parts.get("body") or message.get("text") or "")
    if not body.strip():
        return []
    blocks: list[Block] = []
    spoken: list[str] = []
    if is_referral(name):
        mark = words.text(f"utter_slack/mark_{parts.get('kind') or 'urgent'}")
        blocks.append(header(mark))
        spoken.append(mark)
    elif asked:
        blocks.extend(small_print(words.text("utter_slack/asked", title=asked)))
    blocks.extend(section(piece) for piece in pieces(mrkdwn(body)))
    spoken.append(body)
    if author:
        # After the first words: nothing stands before a referral.
        blocks.insert(1 if is_referral(name) else 0, context(_named(words, "utter_slack/about_a_message", author)))
    label = (parts.get("evidence") or {}).get("text")
    if label:
        blocks.extend(small_print(str(label)))
        spoken.append(str(label))
    blocks.extend(_sources(parts, words))
    if parts.get("sources") and parts.get("reviewed"):
        spoken.append(words.text("utter_slack/reviewed", date=str(parts["reviewed"])))
    offered = [str(button.get("title")) for button in message.get("buttons") or [] if button.get("title")]
    if offered:
        if name != CLARIFY_RESPONSE and parts.get("kind") not in ACUTE:
            blocks.append(context(escaped(words.text("utter_slack/related"))))
            spoken.append(words.text("utter_slack/related"))
        spoken.extend(f"- {title}" for title in offered)
    blocks.extend(buttons(offered, words, thread))
    if is_answer(name):
        blocks.extend(footer(name, words, show, thread))
        spoken.append(thumbs_in_words(words))
        spoken.extend([f"- {words.text('utter_slack/show')}"] if show is not None else [])
    return _posts(blocks, "\n".join(spoken), name)


def _sources(parts: Mapping[str, Any], words: Words) -> list[Block]:
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
    blocks: list[Block] = []
    held = ""
    for line in lines:
        if held and len(held) + len(line) + 1 > MAX_CONTEXT:
            blocks.append(context(held))
            held = ""
        held = f"{held}\n{line}" if held else line
    return [*blocks, context(held)]


def footer(name: str, words: Words, show: Optional[str] = None, thread: Optional[str] = None) -> list[Block]:
    """Return the thumbs under an answer, and the button that shows a private one to others."""
    thumbs = [
        FeedbackButtonObject(
            text=PlainTextObject(text=words.text(f"utter_slack/{text}"), emoji=True),
            value=f"{value}|{name}",
            accessibility_label=words.text(f"utter_slack/{text}_label"),
        )
        for text, value in (("helpful", UP), ("not_helpful", DOWN))
    ]
    element = FeedbackButtonsElement(action_id=VOTE, positive_button=thumbs[0], negative_button=thumbs[1])
    blocks: list[Block] = [ContextActionsBlock(block_id=f"{VOTE}|{name[:180]}|{thread or ''}", elements=[element])]
    if show is not None:
        shown = button(words.text("utter_slack/show"), SHOW, f"{name}|{show}")
        blocks.append(ActionsBlock(block_id=f"{SHOW}|{name[:180]}|{thread or ''}", elements=[shown]))
    return blocks


def thumbs_in_words(words: Words) -> str:
    """Return the line that tells in the text of a message that there are thumbs under it."""
    return " / ".join(words.text(f"utter_slack/{thumb}") for thumb in ("helpful", "not_helpful"))


def titles(blocks: Sequence[Block]) -> str:
    """Return the titles of the buttons in some blocks, as the text of a message lists them."""
    rows = [block.elements for block in blocks if isinstance(block, ActionsBlock)]
    return "".join(f"\n- {element.text.text}" for row in rows for element in row if isinstance(element, ButtonElement))


def lacking(name: str, words: Words, thread: Optional[str] = None) -> list[Block]:
    """Return the question what an answer lacked, with buttons."""
    offered = [button(words.text(f"utter_slack/lack_{lack}"), f"{MISSING}_{lack}", f"{lack}|{name}") for lack in LACKS]
    return [
        context(escaped(words.text("utter_slack/what_was_missing"))),
        ActionsBlock(block_id=f"{MISSING}|{name[:180]}|{thread or ''}", elements=offered),
    ]


def _posts(blocks: Sequence[Block], text: str, name: str) -> list[Post]:
    """Put blocks into as few messages as take them; each says its own text."""
    found = []
    for start in range(0, max(len(blocks), 1), MAX_BLOCKS):
        some = named([block.to_dict() for block in blocks[start : start + MAX_BLOCKS]], name, start)
        said = text if start == 0 else "\n".join(b["text"]["text"] for b in some if b["type"] == "section") or text
        fallback = pieces(escaped(said), MAX_FALLBACK)
        found.append(Post(fallback[0] if fallback else "…", some, name))
    return found


def named(blocks: list[dict[str, Any]], name: str, start: int = 0) -> list[dict[str, Any]]:
    """Give blocks an id that tells which named response they came from; unique within a message."""
    return [{"block_id": f"{name}|{start + number}"[:255], **block} for number, block in enumerate(blocks)]


def plain(name: str, words: Words, **values: str) -> Post:
    """Return a short named response as a post of its own."""
    text = words.text(name, **values)
    blocks = named([section(piece).to_dict() for piece in pieces(mrkdwn(text))], name)
    return Post(escaped(text)[:MAX_FALLBACK], blocks, name)


def _named(words: Words, name: str, user: str, **values: str) -> str:
    """Return a text as mrkdwn in which ``{person}`` names somebody as Slack does."""
    # Placed after escaping: Slack's own signs for a person.
    return escaped(words.text(name, person="\x01", **values)).replace("\x01", f"<@{user}>")


def mentioning(name: str, words: Words, user: str, **values: str) -> Post:
    """Return a short named response that names a person (``{person}``)."""
    text = _named(words, name, user, **values)
    return Post(text, named([section(text).to_dict()], name), name)


def asking_to_erase(words: Words) -> Post:
    """Return the question that comes before everything is erased."""
    name = "utter_slack/erase_ask"
    text = words.text(name)
    choices = [
        button(words.text("utter_slack/erase_yes"), ERASE, ERASE, "danger"),
        button(words.text("utter_slack/erase_no"), KEEP, KEEP),
    ]
    blocks: list[Block] = [*(section(piece) for piece in pieces(mrkdwn(text))), ActionsBlock(elements=choices)]
    return _posts(blocks, "\n".join([text, *(f"- {choice.text.text}" for choice in choices)]), name)[0]
