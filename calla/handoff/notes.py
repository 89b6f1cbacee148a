"""Named texts of the hand-off, with their values: for the visitor, and for the people who answer."""

from __future__ import annotations

from typing import Any, Callable, Mapping, Optional, Sequence

from calla.catalogue import fold

PREFIX = "utter_handoff/"


class Notes:
    """Renders the texts.

    Args:
        nlg: gives the generator that is serving now.
        wait_minutes: after how long a visitor is told that nobody has joined.
        idle_minutes: after how long a silent person counts as gone.
    """

    def __init__(self, nlg: Callable[[], Any], wait_minutes: float, idle_minutes: float) -> None:
        self._nlg = nlg
        self._values = {"wait": f"{wait_minutes:g}", "idle": f"{idle_minutes:g}"}

    def message(self, name: str, **values: str) -> dict[str, Any]:
        """Return a text as a message (see ``CallaNaturalLanguageGenerator.render``).

        Raises:
            LookupError: if the model has no such response.
        """
        rendered = self._nlg().render(name, values={**self._values, **values})
        if rendered is None:
            raise LookupError(f"the model has no response {name}")
        return {**rendered, "utter_action": name}

    def text(self, name: str, **values: str) -> str:
        """Return a text of the hand-off."""
        return str(self.message(PREFIX + name, **values)["metadata"]["body"])

    def buttons(self, name: str) -> list[str]:
        """Return the titles of the buttons below a text."""
        return [str(button["title"]) for button in self.message(PREFIX + name).get("buttons") or ()]

    def said(self, name: str, what: str, text: str) -> bool:
        """Say whether a message is one of the words that a response lists in its metadata."""
        return fold(text) in {fold(one) for one in self.words(name, what)}

    def words(self, name: str, what: str) -> list[str]:
        """Return the words that a response lists in its metadata."""
        variations = self._nlg().responses.get(PREFIX + name) or [{}]
        return [str(one) for one in (variations[0].get("metadata") or {}).get(what) or ()]

    def person(self, name: Optional[str]) -> str:
        """Return a person's name, or what is said where the inbox gives none."""
        return name or self.text("unnamed")

    # ------------------------------------------------------------- for the people who answer

    def request(self, body: Mapping[str, Any]) -> str:
        """Tell what was passed on."""
        return self.text("note_request", passed=listed(body["passed"]))

    def referral(self, text: str) -> str:
        """Tell which referral the visitor was given."""
        return self.text("note_referral", referral=text)

    def returned(self, by_visitor: bool) -> str:
        """Tell that the conversation went back to the program."""
        return self.text("note_returned_visitor" if by_visitor else "note_returned_timeout")


def listed(texts: Sequence[str]) -> str:
    """Return texts as a list, a line each."""
    return "\n".join(f"- {text}" for text in texts)
