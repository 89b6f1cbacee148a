"""What a bot replies, as the evaluation sees it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reply:
    """One message of the bot.

    Attributes:
        response: name of the response (``utter_action``).
        text: what a person reads.
        buttons: titles of the buttons.
    """

    response: str
    text: str
    buttons: tuple[str, ...] = ()
