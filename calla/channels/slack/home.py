"""What a person sees before asking: the Home tab, the welcome, the suggested prompts."""

from __future__ import annotations

from typing import Any

from slack_sdk.models.blocks import Block, DividerBlock

from calla.channels.slack.blocks import Post, buttons, header, named, section
from calla.channels.slack.text import escaped, mrkdwn, pieces
from calla.channels.slack.words import SlackWords

# Most prompts that Slack shows above an empty conversation.
MAX_PROMPTS = 4


def _texts(words: SlackWords, *names: str) -> list[Block]:
    return [section(piece) for name in names for piece in pieces(mrkdwn(words.text(name)))]


def home_view(words: SlackWords, *, care: bool) -> dict[str, Any]:
    """Return the view of the Home tab: welcome, what Calla is not, who can read along, typical questions.

    Args:
        words: the texts.
        care: whether a care team can be told of somebody who wants a person.
    """
    blocks: list[Block] = [
        header(words.text("utter_slack/home_title")),
        *_texts(words, "utter_slack/home_welcome", "utter_slack/home_limits"),
        DividerBlock(),
        *_texts(words, "utter_slack/typical_questions"),
        *buttons(words.typical_questions(), words),
        DividerBlock(),
        *_texts(words, "utter_slack/home_help", "utter_slack/home_privacy"),
    ]
    if care:
        blocks.extend(_texts(words, "utter_slack/home_care"))
    return {"type": "home", "blocks": [block.to_dict() for block in blocks]}


def welcome(words: SlackWords) -> Post:
    """Return the first message in a direct conversation, and the answer to a bare mention."""
    name = "utter_slack/welcome"
    titles = words.typical_questions()[:MAX_PROMPTS]
    blocks = [*_texts(words, name, "utter_slack/typical_questions"), *buttons(titles, words)]
    spoken = [words.text(name), words.text("utter_slack/typical_questions"), *(f"- {title}" for title in titles)]
    return Post(escaped("\n".join(spoken)), named([block.to_dict() for block in blocks], name), name)


def prompts(words: SlackWords) -> list[dict[str, str]]:
    """Return the suggested prompts: ``title`` on the button, ``message`` that it sends."""
    return [{"title": title, "message": title} for title in words.typical_questions()[:MAX_PROMPTS]]
