"""The short texts of the Slack channel, all of them named responses (data/conversation/slack.yml)."""

from __future__ import annotations

from typing import Any, Callable, Optional

from calla.agent import GuardedAgent
from calla.answers import CallaNaturalLanguageGenerator
from calla.catalogue import DANGER_OVER_RESPONSE, SOMETHING_ELSE_RESPONSE, Catalogue, fold
from calla.channels.slack.blocks import is_answer

QUESTIONS = "utter_slack/typical_questions"
STOPPED = "utter_slack/stopped"


class MissingTextError(LookupError):
    """A named response that the channel needs is not in the model."""


class SlackWords:
    """Reads texts and titles from the loaded model.

    Args:
        agent: gives the agent that is serving now; a reload replaces its responses.
    """

    def __init__(self, agent: Callable[[], GuardedAgent]) -> None:
        self._agent = agent
        self._read_from: object = None
        self._catalogue = Catalogue({})

    @property
    def _nlg(self) -> CallaNaturalLanguageGenerator:
        nlg = self._agent().nlg
        if not isinstance(nlg, CallaNaturalLanguageGenerator):
            raise MissingTextError("The model is not loaded yet.")
        return nlg

    def text(self, name: str, **values: str) -> str:
        """Return the text of a named response.

        Args:
            name: its name.
            **values: values for its placeholders.

        Raises:
            MissingTextError: if the model has no such response.
        """
        return str(self.message(name, **values)["metadata"]["body"])

    def message(self, name: str, **values: str) -> dict[str, Any]:
        """Return a named response as a message (see ``CallaNaturalLanguageGenerator.render``).

        Raises:
            MissingTextError: if the model has no such response.
        """
        found = self._nlg.render(name, values=values)
        if found is None:
            raise MissingTextError(f"The model has no response {name!r}. Train it again with `make train`.")
        found["utter_action"] = name
        return found

    def may_be_pressed(self, title: str) -> bool:
        """Say whether a button may ask this: only titles of the catalogue, and of what is no topic but has a button."""
        self._read()
        others = (SOMETHING_ELSE_RESPONSE, DANGER_OVER_RESPONSE)
        return self._catalogue.by_title(title) is not None or any(
            self._catalogue.is_title_of(name, title) for name in others
        )

    def may_be_shown(self, name: str) -> bool:
        """Say whether a response may be shown to a channel: answers that exist, never referrals."""
        return is_answer(name) and name in self._nlg.responses

    def typical_questions(self) -> list[str]:
        """Titles of the topics that ``utter_slack/typical_questions`` lists, in order."""
        self._read()
        variations: list[dict[str, Any]] = self._nlg.responses.get(QUESTIONS) or [{}]
        listed = (variations[0].get("metadata") or {}).get("topics") or []
        return [self._catalogue.topics[t].title for t in listed if t in self._catalogue.topics]

    def means_stop(self, text: str) -> bool:
        """Say whether a message only tells Calla to be silent."""
        variations: list[dict[str, Any]] = self._nlg.responses.get(STOPPED) or [{}]
        said = (variations[0].get("metadata") or {}).get("said") or []
        return fold(text) in {fold(one) for one in said}

    def first_title(self, name: str) -> Optional[str]:
        """Title of a named response, if it has one."""
        variations: list[dict[str, Any]] = self._nlg.responses.get(name) or [{}]
        return (variations[0].get("metadata") or {}).get("title")

    def _read(self) -> None:
        responses = self._nlg.responses
        if responses is self._read_from:
            return
        self._read_from = responses
        self._catalogue = Catalogue(responses)
