"""The answer to one question, on its way from Rasa to the outbox."""

from __future__ import annotations

from typing import Any, Mapping, Optional

from rasa.core.channels.channel import OutputChannel

from calla.catalogue import DANGER_OVER_RESPONSE
from calla.channels.slack.blocks import Post, asking_to_erase, is_referral, name_of, plain, render
from calla.channels.slack.care import HANDOFF_RESPONSE, Care
from calla.channels.slack.identity import IM, PRIVATE, SHARED, Question
from calla.channels.slack.letters import MESSAGE, Letter, Way, aside, directly, letter_for, to_place
from calla.channels.slack.outbox import Outbox
from calla.channels.slack.words import SlackWords

# The wish to erase; and what says that it was confirmed in words.
ERASE_RESPONSE = "utter_chat/delete_my_data"
CONFIRMED = ("utter_chat/confirm_erasure", "utter_erased", "utter_erasure_noted")
# Among people who talk to each other, Calla keeps out of small talk and of what is not
# its field, unless it is mentioned.
_KEEPS_OUT = (
    "utter_out_of_scope",
    "utter_nonsense",
    "utter_other_language",
    "utter_empty_message",
    "utter_no_topic_yet",
    "utter_no_more",
    "utter_something_else",
    "utter_too_long",
)
_NO_SMALL_TALK = tuple(
    f"utter_chat/{topic}" for topic in ("human_handoff", "delete_my_data", "confirm_erasure", "privacy", "sources")
)


def keeps_out(name: str) -> bool:
    """Say whether Calla leaves a response unsaid where nobody has mentioned it."""
    # A detail of a topic is like its topic, a language like all others.
    if name.startswith("utter_chat/"):
        return name.partition(".")[0] not in _NO_SMALL_TALK
    return name.partition("/")[0] in _KEEPS_OUT


class SlackOutput(OutputChannel):
    """Hands each message to the outbox as soon as Rasa says it.

    Args:
        question: what is answered.
        outbox: sends the messages.
        words: the texts.
        care: tells the care team.
        only_owed: whether nothing is said but referrals, and what belongs to erasing.

    Attributes:
        names: named responses that Rasa said, of those that may be.
        erase: whether the person has confirmed that everything shall be erased.
    """

    def __init__(
        self, question: Question, outbox: Outbox, words: SlackWords, care: Care, *, only_owed: bool = False
    ) -> None:
        self._question = question
        self._place = question.place
        self._outbox = outbox
        self._words = words
        self._care = care
        self._only_owed = only_owed
        self._private = False
        self._pointed = False
        self._parts: dict[str, int] = {}
        self.names: list[str] = []
        self.erase = False

    @classmethod
    def name(cls) -> str:
        """Name of the channel."""
        return "slack"

    async def send_text_message(self, recipient_id: str, text: str, **kwargs: Any) -> None:
        """Say a plain text (Rasa asks for this method)."""
        await self.send_response(recipient_id, {"text": text})

    async def send_response(self, recipient_id: str, message: dict[str, Any]) -> None:
        """Say a message of Rasa's."""
        name = name_of(message)
        if self._only_owed and not (is_referral(name) or name in (ERASE_RESPONSE, *CONFIRMED)):
            return
        self.names.append(name)
        if name in CONFIRMED:
            # Done is said when it is done (``calla.channels.slack.erasure``).
            self.erase = True
        elif name == ERASE_RESPONSE:
            await self.say(asking_to_erase(self._words), private=True)
        elif not (self._question.quiet and keeps_out(name)):
            await self._answer(name, message)

    async def _answer(self, name: str, message: Mapping[str, Any]) -> None:
        # Health is not discussed in front of others, and a referral must last: from a
        # referral on, the rest of this answer is a direct message.
        self._private = self._private or (self._place.kind != IM and is_referral(name))
        if self._private and is_referral(name):
            # What is pressed there belongs to the conversation there, where no danger is open.
            over = self._words.first_title(DANGER_OVER_RESPONSE)
            kept = [button for button in message.get("buttons") or () if button.get("title") != over]
            message = {**message, "buttons": kept}
        posts = render(
            message,
            self._words,
            asked=self._question.text if self._question.pressed else "",
            author=self._question.author or "",
            thread=self._place.thread,
            show=self._showable(),
        )
        if name == HANDOFF_RESPONSE:
            honest = [self._letter(post, aside(self._place)) for post in posts]
            if await self._care.note(self._question, honest):
                return
        for post in posts:
            await self.say(post)

    def _showable(self) -> Optional[str]:
        """Return where a private answer can be shown to others, as a value of the button for it."""
        place = self._place
        if place.channel[:1] not in ("C", "G") or not (self._private or place.kind == PRIVATE):
            return None
        return f"{place.channel}|{place.thread or ''}"

    async def say(self, post: Post, *, private: bool = False) -> None:
        """Queue a post where it belongs.

        Args:
            post: the post.
            private: whether it is for the person alone, whatever it says.
        """
        if self._private or private:
            letter = self._letter(post, directly(self._place))
            if self._place.kind != IM and not self._pointed:
                self._pointed = True
                letter.then = self._letter(plain("utter_slack/answered_privately", self._words), aside(self._place))
            if self._place.kind == SHARED and is_referral(post.name):
                open_to_all = [Way(MESSAGE, self._place.channel, self._place.thread)]
                letter.otherwise = self._letter(plain("utter_slack/unreachable", self._words), open_to_all)
        else:
            letter = self._letter(post, aside(self._place) if self._place.kind == PRIVATE else to_place(self._place))
        await self._outbox.put(letter)

    def _letter(self, post: Post, ways: list[Way]) -> Letter:
        number = self._parts.get(post.name, 0)
        self._parts[post.name] = number + 1
        return letter_for(self._question, post.name, post.text, post.blocks, ways, number)
