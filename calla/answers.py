"""From a named response to the message a person reads.

The text, the evidence label, the sources and the related topics come from one place:
the response and its metadata. Channels that can show more than plain text find the
parts in the message's ``metadata`` (see ``Rendered``).
"""

from __future__ import annotations

import re
from typing import Any, Iterable, Mapping, Optional

from rasa.core.nlg.response import TemplatedNaturalLanguageGenerator
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import UserUttered
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.utils.endpoints import EndpointConfig

from calla.catalogue import (
    DANGER_OVER_RESPONSE,
    REFERRAL,
    REFERRAL_PREFIX,
    SOMETHING_ELSE_RESPONSE,
    Catalogue,
    Topic,
)
from calla.contacts import contact_links
from calla.plan import ACUTE, PLAN
from calla.settings import settings

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
CONTACT_PREFIX = "utter_contact/"
EVIDENCE_PREFIX = "utter_evidence/"
SOURCES_RESPONSE = "utter_sources_line"
CLARIFY_RESPONSE = "utter_did_you_mean"
# Where a message's understanding keeps values for placeholders of its answer.
VALUES = "values"
PRIVACY_RESPONSE, QUESTIONS_KEPT_RESPONSE = "utter_chat/privacy", "utter_questions_kept"
# Buttons under an answer.
MAX_BUTTONS = 3


class CallaNaturalLanguageGenerator(TemplatedNaturalLanguageGenerator):
    """Renders named responses with label, sources, contacts and buttons.

    Configured in ``endpoints.yml`` (``nlg: type:``), so it also renders what the action
    server asks for by name.
    """

    def __init__(self, endpoint_config: Optional[EndpointConfig] = None, domain: Optional[Domain] = None) -> None:
        self._catalogue = Catalogue({})
        self._responses: Mapping[str, list[dict[str, Any]]] = {}
        super().__init__(domain.responses if domain else {})

    @property
    def responses(self) -> Mapping[str, list[dict[str, Any]]]:
        """The responses of the loaded domain."""
        return self._responses

    @responses.setter
    def responses(self, responses: Mapping[str, list[dict[str, Any]]]) -> None:
        self._responses = responses
        self._catalogue = Catalogue(responses)

    async def generate(
        self, utter_action: str, tracker: DialogueStateTracker, output_channel: str, **kwargs: Any
    ) -> Optional[dict[str, Any]]:
        """Render a response (see ``render``) for the state of a conversation.

        Args:
            utter_action: name of the response.
            tracker: the conversation.
            output_channel: name of the channel that will send it.
            **kwargs: values for placeholders; they win over the operator's settings.

        Returns:
            the message, or ``None`` for an unknown response (Rasa logs it).
        """
        candidates: list[str] = []
        values = {k: v for k, v in kwargs.items() if isinstance(v, str)}
        for event in reversed(tracker.events):
            if isinstance(event, UserUttered):
                plan: Mapping[str, Any] = (event.parse_data or {}).get(PLAN) or {}  # type: ignore[assignment]
                candidates = _candidates(utter_action, plan)
                values = {**((event.parse_data or {}).get(VALUES) or {}), **values}  # type: ignore[dict-item]
                break
        message = self.render(utter_action, values=values, candidates=candidates)
        if message is not None:
            message["metadata"]["channel"] = output_channel
        return message

    def render(
        self, name: str, *, values: Optional[Mapping[str, str]] = None, candidates: Optional[list[str]] = None
    ) -> Optional[dict[str, Any]]:
        """Render a response without a conversation.

        Args:
            name: name of the response.
            values: values for placeholders.
            candidates: ids of topics or details offered as buttons, by a clarification or
                before what is related to an answer.

        Returns:
            ``text`` (plain, with label and sources), ``buttons`` (if any), and
            ``metadata`` with the parts: ``body``, ``evidence`` (``{"label", "text"}``),
            ``sources``, ``contacts`` (those it names, ready to be called), ``title``,
            ``kind`` (referrals), ``language`` (ISO 639 code, where it is not English);
            ``None`` for an unknown response.
        """
        variations = self.responses.get(name)
        if not variations:
            return None
        body = self._filled(variations[0].get("text", ""), values or {})
        if name == PRIVACY_RESPONSE and settings().log_unanswered:
            body = f"{body} {self._text(QUESTIONS_KEPT_RESPONSE)}"
        metadata: dict[str, Any] = {"body": body}
        # One line break, not two: Rasa's channels cut a text at blank lines.
        lines = [re.sub(r"\n\s*\n", "\n", body)]
        topic = self._catalogue.by_response(name)
        if topic and topic.evidence and topic.group != REFERRAL:
            label = self._text(f"{EVIDENCE_PREFIX}{topic.evidence}")
            metadata["evidence"] = {"label": topic.evidence, "text": label}
            lines.append(label)
        if topic and topic.sources and topic.group != REFERRAL:
            metadata["sources"] = [dict(source) for source in topic.sources]
            metadata["reviewed"] = topic.reviewed
            listed = "; ".join(f"{s['organisation']}, {s['title']}: {s['url']}" for s in topic.sources[:2])
            lines.append(f"{self._text(SOURCES_RESPONSE)} {listed}")
        if name.startswith(REFERRAL_PREFIX):
            metadata["kind"] = self.kind_of(name)
        elif self._title(name):
            metadata["title"] = self._title(name)
        if language := (variations[0].get("metadata") or {}).get("language"):
            metadata["language"] = str(language)
        contacts = contact_links(_PLACEHOLDER.findall(variations[0].get("text", "")), settings().contacts)
        if contacts:
            metadata["contacts"] = contacts
        message: dict[str, Any] = {"text": "\n".join(line for line in lines if line), "metadata": metadata}
        buttons = self._buttons(name, topic, candidates or [])
        if buttons:
            message["buttons"] = buttons
        return message

    def kind_of(self, name: str) -> str:
        """Return the kind of a referral response, full or short."""
        referral = self._catalogue.referrals.get(name.rpartition("/")[2])
        return (referral.kind if referral else None) or "urgent"

    def _buttons(self, name: str, topic: Optional[Topic], candidates: list[str]) -> list[dict[str, str]]:
        """What a clarification offers, or what may have been meant, then what is related; a button says its title.

        A response that has buttons of its own has no others.
        """
        own = [button["title"] for button in self.responses[name][0].get("buttons") or ()]
        if own:
            titles = own
        elif name == CLARIFY_RESPONSE:
            titles = [*self._titles(candidates), self._title(SOMETHING_ELSE_RESPONSE)]
        elif self._is_acute_in_english(name):
            # They may have been misread, or help is there by now.
            titles = [self._title(DANGER_OVER_RESPONSE)]
        elif name.startswith(REFERRAL_PREFIX):
            titles = self._titles(candidates)
        else:
            likely = dict.fromkeys([*candidates, *(self._catalogue.related_to(topic) if topic else ())])
            titles = self._titles(id for id in likely if not topic or id != topic.id)[:MAX_BUTTONS]
        return [{"title": title, "payload": title} for title in titles if title]

    def _is_acute_in_english(self, name: str) -> bool:
        """Say whether a response is the referral for an emergency or a crisis, in English as its button is."""
        language = (self.responses[name][0].get("metadata") or {}).get("language")
        return name.startswith(REFERRAL_PREFIX) and not language and self.kind_of(name) in ACUTE

    def _titles(self, ids: Iterable[str]) -> list[str]:
        """Return the titles of the topics and details that exist."""
        return [found.title for id in ids if (found := self._catalogue.find(id))]

    def _title(self, name: str) -> str:
        variations = self.responses.get(name) or [{}]
        return str((variations[0].get("metadata") or {}).get("title", ""))

    def _text(self, name: str) -> str:
        variations = self.responses.get(name) or [{}]
        return str(variations[0].get("text", ""))

    def _filled(self, text: str, values: Mapping[str, str]) -> str:
        """Fill placeholders: given values, then the operator's contacts, then the default phrase."""
        known = settings().placeholders

        def value_of(match: re.Match[str]) -> str:
            name = match.group(1)
            return values.get(name) or known.get(name) or self._text(f"{CONTACT_PREFIX}{name}") or match.group()

        return _PLACEHOLDER.sub(value_of, text)


def _candidates(utter_action: str, plan: Mapping[str, Any]) -> list[str]:
    """Return what a plan offers under a response; under a referral only where it is all that is said."""
    if utter_action.startswith(REFERRAL_PREFIX):
        referrals = [referral["response"] for referral in plan.get("referrals", [])]
        if plan.get("responses") or referrals[-1:] != [utter_action]:
            return []
    return list(plan.get("offers", []))
