"""What a person sees before asking: the Home tab, the welcome, the suggested prompts."""

from __future__ import annotations

from typing import Any

from calla.channels.slack.format import MAX_HEADER, Post, buttons, escaped, mrkdwn, pieces
from calla.channels.slack.words import SlackWords

# Most prompts that Slack shows above an empty conversation.
MAX_PROMPTS = 4


def _texts(words: SlackWords, names: tuple[str, ...]) -> list[dict[str, Any]]:
    return [
        {"type": "section", "text": {"type": "mrkdwn", "text": piece, "verbatim": True}}
        for name in names
        for piece in pieces(mrkdwn(words.text(name)))
    ]


def home_view(words: SlackWords) -> dict[str, Any]:
    """Return the view of the Home tab: welcome, what Calla is not, typical questions."""
    title = words.text("utter_slack/home_title")[:MAX_HEADER]
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": title, "emoji": True}},
        *_texts(words, ("utter_slack/home_welcome", "utter_slack/home_limits")),
        {"type": "divider"},
        *_texts(words, ("utter_slack/typical_questions",)),
        *buttons(words.typical_questions(), words),
        {"type": "divider"},
        *_texts(words, ("utter_slack/home_help",)),
    ]
    return {"type": "home", "blocks": blocks}


def welcome(words: SlackWords) -> Post:
    """Return the first message in a direct conversation."""
    name = "utter_slack/welcome"
    blocks = [
        *_texts(words, (name, "utter_slack/typical_questions")),
        *buttons(words.typical_questions()[:MAX_PROMPTS], words),
    ]
    for number, block in enumerate(blocks):
        block.setdefault("block_id", f"{name}|{number}")
    return Post(escaped(words.text(name)), blocks, name)


def prompts(words: SlackWords) -> list[dict[str, str]]:
    """Return the suggested prompts: ``title`` on the button, ``message`` that it sends."""
    return [{"title": title, "message": title} for title in words.typical_questions()[:MAX_PROMPTS]]
