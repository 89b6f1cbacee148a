"""A real Calla server for tests, and the web channel alone with a scripted agent."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, AsyncIterator, Optional

import jwt
import rasa.core.channels.channel
from rasa.core.channels.channel import UserMessage
from rasa.core.lock_store import InMemoryLockStore
from rasa.shared.core.events import BotUttered, UserUttered
from sanic import Sanic
from sanic.touchup.service import TouchUp

from calla.channels.web.channel import WebInput
from calla.database import Database
from calla.peers import Peers
from calla.processor import SHARE_OF
from calla.settings import Settings
from tests.running import SECRET, ServerProcess, free_port


class RealServer(ServerProcess):
    """The real server with the secret of these tests (arguments as for ``ServerProcess``)."""

    def __init__(self, folder: Path, port: Optional[int] = None, **environment: str) -> None:
        super().__init__(folder, port, **{"CALLA_SECRET": SECRET, "CALLA_API_TOKEN": "", **environment})


class ScriptedAgent:
    """Stands for the agent: answers what a test says, remembers events and records.

    Attributes:
        answers: named responses that a message is answered with.
        gate: while cleared, no answer comes.
        heard: the messages that reached the agent.
    """

    def __init__(self) -> None:
        self.answers = ["utter_faq/what_is_mk7"]
        self.gate = asyncio.Event()
        self.gate.set()
        self.started = asyncio.Event()
        self.heard: list[UserMessage] = []
        self.shares: list[Optional[str]] = []
        self.events: dict[str, list[Any]] = {}
        self.erased: list[str] = []
        self.thumbs: list[dict[str, Any]] = []
        self.fails = False
        self.wait = 0.0
        self.forgotten = "utter_erased"
        self.erasers: dict[str, Any] = {}
        self.erasure = SimpleNamespace(register=self.erasers.__setitem__, pending=lambda _: False)
        self.lock_store = InMemoryLockStore()
        self.domain = SimpleNamespace(
            responses={
                "utter_web_welcome": [{"text": "Hello", "metadata": {"questions": ["what_is_mk7", "not_there"]}}],
                "utter_faq/what_is_mk7": [{"text": "MK-7 is", "metadata": {"title": "What is MK-7?"}}],
            }
        )
        self.nlg = SimpleNamespace(render=self.render)
        self.tracker_store = SimpleNamespace(last_events=self._last_events)
        self.records = SimpleNamespace(feedback=self._feedback, of=self._recorded)
        self.tracker_store.database = Database("sqlite://")

    def is_ready(self) -> bool:
        """Say that a model is there."""
        return True

    @staticmethod
    def render(name: str, **_: Any) -> dict[str, Any]:
        """Render any response as its own name, with every part."""
        return {
            "text": f"text of {name}",
            "metadata": {
                "body": f"text of {name}",
                "kind": "urgent",
                "evidence": {"label": "limited", "text": "Evidence: limited."},
                "sources": [
                    {"organisation": "NHS", "title": "Vitamin K", "url": "https://nhs.uk/k"},
                    {"organisation": "Evil", "title": "Script", "url": "javascript:alert(1)"},
                ],
                "reviewed": "2026-11-22",
            },
            "buttons": [{"title": "What is MK-4?", "payload": "What is MK-4?"}],
        }

    async def _last_events(self, sender: str, number: Optional[int] = None) -> list[Any]:
        return list(self.events.get(sender, []))

    def expected_wait(self, conversation: str, size: int) -> float:
        """Return what the test says."""
        return self.wait

    async def handle_message(self, message: UserMessage) -> None:
        """Answer a message as the test says."""
        self.heard.append(message)
        self.shares.append(SHARE_OF.get())
        self.started.set()
        await self.gate.wait()
        if self.fails:
            raise RuntimeError("the secret text of the message")
        events = self.events.setdefault(message.sender_id, [])
        events.append(UserUttered(message.text, message_id=message.message_id))
        for name in self.answers:
            rendered = {**self.render(name), "utter_action": name}
            await message.output_channel.send_response(message.sender_id, dict(rendered))
            stored = {"metadata": rendered["metadata"], "utter_action": name}
            events.append(BotUttered(rendered["text"], {"buttons": rendered["buttons"]}, stored))

    async def _recorded(self, sender: str) -> dict[str, Any]:
        return {"referrals": [], "feedback": []}

    async def _feedback(self, **row: Any) -> None:
        self.thumbs.append(row)

    async def handle_message_of(self, token: str, text: str) -> None:
        """Let the conversation of a token grow by one turn."""
        sender = jwt.decode(token, options={"verify_signature": False})["sub"]
        number = len(self.events.get(sender, []))
        self.events.setdefault(sender, []).append(UserUttered(text, message_id=f"message-{number}"))

    async def forget(self, sender: str) -> str:
        """Forget a conversation; say what the test says."""
        self.erased.append(sender)
        self.events.pop(sender, None)
        for eraser in self.erasers.values():
            await eraser(sender)
        return self.forgotten


@asynccontextmanager
async def channel_alone(peers: Optional[Peers] = None, **settings: Any) -> AsyncIterator[SimpleNamespace]:
    """Run the web channel on a port of its own.

    Args:
        peers: the other processes, if there are any.
        **settings: fields of ``Settings``.

    Yields:
        ``url``, ``agent`` (scripted), ``channel``.
    """
    config = Settings(**settings)
    port = free_port()
    # A port may come twice in a session, a name must not.
    app = Sanic(f"web_channel_{uuid.uuid4().hex}")
    app.ctx.agent = ScriptedAgent()
    channel = WebInput(config, SECRET, peers)
    rasa.core.channels.channel.register([channel], app, route="/webhooks/")
    server = await app.create_server("127.0.0.1", port, return_asyncio_server=True, access_log=False)
    assert server is not None
    await server.startup()
    # Sanic rewrites its own classes when a server starts; a second server in the same
    # process would find them rewritten already.
    TouchUp._registry.clear()
    await server.start_serving()
    await server.after_start()
    try:
        yield SimpleNamespace(url=f"http://127.0.0.1:{port}", agent=app.ctx.agent, channel=channel, port=port)
    finally:
        app.ctx.agent.gate.set()
        await channel.sio.shutdown()
        server.close()
        await server.wait_closed()
