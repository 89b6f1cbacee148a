"""Ask Calla questions from a program: a bot loaded into this process, or a running one."""

from __future__ import annotations

from calla.settings import silence_dependencies

silence_dependencies()

import asyncio
import json
import urllib.parse
import urllib.request
import uuid
from pathlib import Path
from typing import Any, Optional, Protocol

from rasa.core.channels.channel import OutputChannel, UserMessage
from rasa.utils.endpoints import EndpointConfig

from calla.agent import GuardedAgent
from calla.model import latest_model
from evaluation.replies import Reply


class Bot(Protocol):
    """Something that answers."""

    def ask(self, text: str, conversation: Optional[str] = None) -> list[Reply]:
        """Send a message (in a new conversation unless one is named); return the replies."""


class _Collector(OutputChannel):
    def __init__(self) -> None:
        self.replies: list[Reply] = []

    @classmethod
    def name(cls) -> str:
        return "evaluation"

    async def send_response(self, recipient_id: str, message: dict[str, Any]) -> None:
        buttons = tuple(b["title"] for b in message.get("buttons") or [])
        self.replies.append(Reply(message.get("utter_action") or "", message.get("text") or "", buttons))


class LoadedBot:
    """The trained model in this process, with conversations in memory.

    No action server: referrals come from inside the process, as they do when it is down.
    """

    def __init__(self, model: Optional[Path] = None) -> None:
        self.agent = GuardedAgent(generator=EndpointConfig(type="calla.answers.CallaNaturalLanguageGenerator"))
        self.agent.load_model(model or latest_model())
        self._loop = asyncio.new_event_loop()

    def ask(self, text: str, conversation: Optional[str] = None) -> list[Reply]:
        """Send a message; return the replies."""
        channel = _Collector()
        message = UserMessage(text, channel, conversation or uuid.uuid4().hex)
        self._loop.run_until_complete(self.agent.handle_message(message))
        return channel.replies

    def parse(self, text: str) -> dict[str, Any]:
        """Return what understanding makes of a message without a conversation."""
        return self._loop.run_until_complete(self.agent.parse_message(text))


class RunningBot:
    """A running server in development, asked over REST; response names from its tracker.

    Args:
        url: address of the server.
        token: its ``CALLA_API_TOKEN``.
    """

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._token = token

    def ask(self, text: str, conversation: Optional[str] = None) -> list[Reply]:
        """Send a message; return the replies."""
        sender = conversation or uuid.uuid4().hex
        body = json.dumps({"sender": sender, "message": text}).encode()
        request = urllib.request.Request(
            f"{self._url}/webhooks/rest/webhook", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            answer.read()
        query = urllib.parse.urlencode({"token": self._token})
        with urllib.request.urlopen(f"{self._url}/conversations/{sender}/tracker?{query}", timeout=30) as answer:
            events = json.load(answer)["events"]
        last_user = max(i for i, event in enumerate(events) if event["event"] == "user")
        return [
            Reply(
                (event.get("metadata") or {}).get("utter_action") or "",
                event.get("text") or "",
                tuple(b["title"] for b in (event.get("data") or {}).get("buttons") or []),
            )
            for event in events[last_user:]
            if event["event"] == "bot"
        ]
