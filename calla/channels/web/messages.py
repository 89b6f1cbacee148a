"""What the widget is sent: messages of the bot, of the visitor, and the history of both."""

from __future__ import annotations

from typing import Any, Iterable, Mapping, Optional
from urllib.parse import urlsplit

from rasa.shared.core.events import BotUttered, Event, UserUttered

from calla.catalogue import REFERRAL_PREFIX, SHORT_REFERRAL_PREFIX, CatalogueReader
from calla.contacts import ORDER, contact_links
from calla.plan import referral_name
from calla.settings import settings

# Turns shown again after a reload.
HISTORY_TURNS = 20
# Answers that a thumb can be given to.
RATED = "utter_faq/"
# What a thumb can say, and the number that is recorded. Below zero: not helpful, and why.
RATINGS = {
    "up": 1,
    "down": -1,
    "none": 0,
    "not_my_question": -2,
    "too_little": -3,
    "hard_to_read": -4,
    "seems_wrong": -5,
}
WELCOME_RESPONSE = "utter_web_welcome"
CATALOGUES = CatalogueReader()

Payload = dict[str, Any]


def is_safe_link(url: object) -> bool:
    """Say whether a link may be shown: only ``http`` and ``https`` with a host."""
    if not isinstance(url, str):
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


def message_id(turn: str, name: str, said: Iterable[str]) -> str:
    """Return the id of a bot message: the same live, replayed, and answered anew.

    Args:
        turn: id of the visitor's message.
        name: name of the response.
        said: ids of the bot messages before it in the turn.
    """
    # Full and short form of a referral are one message: a stand-in may have sent the one
    # where the tracker holds the other.
    first = f"{turn}:{name.replace(SHORT_REFERRAL_PREFIX, f'{REFERRAL_PREFIX}/')}"
    number = sum(1 for one in said if one == first or one.startswith(f"{first}#"))
    return f"{first}#{number}" if number else first


def bot_message(turn: str, message: Mapping[str, Any], said: Iterable[str]) -> Payload:
    """Turn a rendered response into what the widget shows.

    Args:
        turn: id of the visitor's message that it answers.
        message: ``text``, ``buttons``, ``utter_action`` and ``metadata`` as the
            generator rendered them.
        said: ids of the bot messages before it in the turn.

    Returns:
        ``id``, ``turn``, ``name``, ``text`` and, where there are any, ``title``, ``kind``,
        ``language``, ``contacts``, ``person``, ``evidence``, ``sources``, ``reviewed``, ``buttons``,
        ``rated``.
    """
    parts = message.get("metadata") or {}
    name = str(message.get("utter_action") or parts.get("utter_action") or "")
    payload: Payload = {
        "id": message_id(turn, name, said),
        "turn": turn,
        "name": name,
        "text": str(parts.get("body") or message.get("text") or ""),
    }
    if name.startswith(REFERRAL_PREFIX):
        payload["kind"] = str(parts.get("kind") or "urgent")
    if parts.get("title"):
        payload["title"] = str(parts["title"])
    if parts.get("language"):
        payload["language"] = str(parts["language"])
    if parts.get("person"):
        # A person wrote this, not the program: the widget says so, by name.
        payload["person"] = str(parts["person"])
    contacts = [contact for contact in parts.get("contacts") or () if isinstance(contact, Mapping)]
    if contacts:
        payload["contacts"] = [{key: str(one.get(key, "")) for key in ("label", "kind", "value")} for one in contacts]
    if isinstance(parts.get("evidence"), Mapping):
        payload["evidence"] = {key: str(parts["evidence"].get(key, "")) for key in ("label", "text")}
    sources = [
        {key: str(source.get(key, "")) for key in ("organisation", "title", "url")}
        for source in parts.get("sources") or ()
        if isinstance(source, Mapping) and is_safe_link(source.get("url"))
    ]
    if sources:
        payload["sources"] = sources
        payload["reviewed"] = str(parts.get("reviewed") or "")
    titles = [str(button.get("title", "")) for button in message.get("buttons") or () if isinstance(button, Mapping)]
    if any(titles):
        payload["buttons"] = [title for title in titles if title]
    if name.startswith(RATED):
        payload["rated"] = True
    return payload


def said_again(name: str, messages: Iterable[Payload]) -> bool:
    """Say whether a referral has been given in these messages already, full or short."""
    return name.startswith(REFERRAL_PREFIX) and referral_name(name) in {
        referral_name(m["name"]) for m in messages if m["name"].startswith(REFERRAL_PREFIX)
    }


def history(events: Iterable[Event], number: Optional[int] = HISTORY_TURNS) -> list[Payload]:
    """Return the last turns of a conversation.

    Args:
        events: events of the tracker, oldest first.
        number: how many; ``None`` for all.

    Returns:
        ``{"id", "text", "time", "messages"}`` for each message of the visitor: its id, its
        text, when it was written (seconds since 1970), and the bot messages that followed.
    """
    turns: list[Payload] = []
    for event in events:
        if isinstance(event, UserUttered) and event.text is not None and event.message_id:
            turns.append(
                {"id": str(event.message_id), "text": event.text, "time": round(event.timestamp or 0), "messages": []}
            )
        elif isinstance(event, BotUttered) and turns:
            turn = turns[-1]
            stored = event.metadata or {}
            message = {
                "text": event.text,
                "buttons": (event.data or {}).get("buttons"),
                "utter_action": stored.get("utter_action"),
                # The generator's parts lie one level deeper, beside ``utter_action``.
                "metadata": stored.get("metadata") if isinstance(stored.get("metadata"), Mapping) else stored,
            }
            payload = bot_message(turn["id"], message, [m["id"] for m in turn["messages"]])
            if not said_again(payload["name"], turn["messages"]):
                turn["messages"].append(payload)
    return turns[-number:] if number else turns


def before_turn(events: Iterable[Event], turn: object) -> list[Event]:
    """Return the events before a turn of the visitor; all, if there is no such turn."""
    kept: list[Event] = []
    for event in events:
        if isinstance(event, UserUttered) and event.message_id and str(event.message_id) == turn:
            break
        kept.append(event)
    return kept


def welcome(agent: Any) -> Optional[Payload]:
    """Return the first message of a conversation, with typical questions as buttons.

    Args:
        agent: the agent, whose domain names the response and its topics.

    Returns:
        a bot message outside any turn, or ``None`` if the domain has no welcome.
    """
    rendered = agent.nlg.render(WELCOME_RESPONSE)
    if rendered is None:
        return None
    stored = agent.domain.responses[WELCOME_RESPONSE][0].get("metadata") or {}
    topics = CATALOGUES.of(agent.domain).topics
    titles = [topics[topic].title for topic in stored.get("questions", ()) if topic in topics]
    rendered["buttons"] = [{"title": title} for title in titles]
    rendered["utter_action"] = WELCOME_RESPONSE
    # Whom to call: the widget keeps it for when nothing can be asked any more.
    rendered["metadata"] = {**rendered["metadata"], "contacts": contact_links(ORDER, settings().contacts)}
    return bot_message("welcome", rendered, ())


def notice(agent: Any, name: str) -> Payload:
    """Return a text of the channel's own (busy, too many messages, fault) as a message."""
    rendered = agent.nlg.render(name) if agent is not None else None
    return bot_message("notice", {**(rendered or {}), "utter_action": name}, ())
