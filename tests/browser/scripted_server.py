"""The real web channel in this process, with an agent that answers what a test says, when it says so."""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, Callable, Optional, Union

from rasa.core.channels.channel import UserMessage
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import BotUttered, UserUttered
from typing_extensions import Self
from web_server import channel_alone

from calla.answers import CallaNaturalLanguageGenerator
from calla.handoff.visitors import PASSED_ON
from calla.settings import ROOT, settings

ANSWER = "utter_faq/what_is_mk7"
FINDING = "utter_referral/suspicious_finding"
EMERGENCY = "utter_referral/emergency"
CRISIS = "utter_referral/emotional_crisis"
CONTACTS = {
    "CALLA_EMERGENCY_NUMBER": "112",
    "CALLA_BREAST_CLINIC_CONTACT": "Northside Breast Clinic on 555 0100",
    "CALLA_CRISIS_LINE": "116 123",
}


@lru_cache(maxsize=1)
def texts() -> Domain:
    """Return Calla's own texts."""
    return Domain.load([str(ROOT / "domain.yml"), str(ROOT / "data")])


class ScriptedServer:
    """The channel with Calla's own texts, but without understanding.

    Attributes:
        script: the responses to a message, by name or as rendered; others get ``ANSWER``.
        heard: the messages that came, in order.
        stands: how things stand with a person, as windows are told.
    """

    def __init__(self, **config: Any) -> None:
        self.script: dict[str, list[Union[str, dict[str, Any]]]] = {}
        self.heard: list[str] = []
        self.stands: Optional[dict[str, str]] = None
        self._config = config
        self._held: dict[str, asyncio.Event] = {}
        self._running: Optional[SimpleNamespace] = None
        self._ready, self._stop = threading.Event(), asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),), daemon=True)

    def __enter__(self) -> Self:
        os.environ.update(CONTACTS)
        settings.cache_clear()
        self._thread.start()
        assert self._ready.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        for name in CONTACTS:
            del os.environ[name]
        settings.cache_clear()
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)

    @property
    def url(self) -> str:
        """Where it is."""
        assert self._running is not None
        return str(self._running.url)

    @property
    def channel(self) -> Any:
        """The channel, to be disturbed."""
        assert self._running is not None
        return self._running.channel

    @property
    def events(self) -> list[Any]:
        """The stored events of the latest conversation."""
        assert self._running is not None
        return next(reversed(self._running.agent.events.values()))  # type: ignore[no-any-return]

    def hold(self, text: str) -> Callable[[], None]:
        """Keep the answers to a message back; return what lets them go."""
        held = self._held[text] = asyncio.Event()

        def release() -> None:
            self._loop.call_soon_threadsafe(held.set)

        return release

    def person_is(self, stands: Optional[dict[str, str]], *, told: bool = True) -> None:
        """Change how things stand with a person in the latest conversation, and tell its windows."""
        self.stands = stands
        if told:
            self._do(self.channel.desk.handoff_changed(self._latest))

    def person_says(self, text: str, name: str = "Kim Lee", *, told: bool = True) -> None:
        """Have a person write in the latest conversation."""
        metadata = {"utter_action": "utter_person", "metadata": {"body": text, "person": name}}
        self.events.append(BotUttered(text, {}, metadata))
        if told:
            self._do(self.channel.desk.spoken(self._latest, 1))

    @property
    def _latest(self) -> str:
        assert self._running is not None
        return str(next(reversed(self._running.agent.events)))

    def _do(self, job: Any) -> None:
        asyncio.run_coroutine_threadsafe(job, self._loop).result(20)

    async def _status(self, _: str) -> Optional[dict[str, str]]:
        return self.stands

    def refuse_after(self, number: int, wait: float = 1.0) -> None:
        """Let the limit of messages refuse one, once so many more have been taken, however fast they come.

        Args:
            number: how many are taken before.
            wait: seconds after which the refused one may come again.
        """
        limits = self.channel.desk.limits
        asked = itertools.count()

        async def message(sender: str, address: str) -> float:
            if next(asked) < number:
                return 0.0
            del limits.message
            return wait

        limits.message = message

    async def _serve(self) -> None:
        domain = texts()
        nlg = CallaNaturalLanguageGenerator(domain=domain)
        async with channel_alone(**self._config) as running:
            running.agent.domain, running.agent.nlg = domain, nlg
            running.agent.handle_message = self._handler(running.agent)
            running.agent.handoffs = SimpleNamespace(status=self._status)
            self._running = running
            self._ready.set()
            await self._stop.wait()

    def _handler(self, agent: Any) -> Callable[[UserMessage], Any]:
        async def handle(message: UserMessage) -> None:
            self.heard.append(message.text)
            held = self._held.pop(message.text, None)
            if held is not None:
                await held.wait()
            events = agent.events.setdefault(message.sender_id, [])
            events.append(UserUttered(message.text, message_id=message.message_id))
            if self.stands and self.stands["state"] == "taken" and message.text not in self.script:
                message.metadata[PASSED_ON] = True
                return
            for name in self.script.get(message.text, [ANSWER]):
                answer = name if isinstance(name, dict) else {**agent.nlg.render(name), "utter_action": name}
                rendered = {"text": answer["metadata"]["body"], **answer}
                await message.output_channel.send_response(message.sender_id, dict(rendered))
                stored = {"metadata": rendered["metadata"], "utter_action": rendered["utter_action"]}
                events.append(BotUttered(rendered["text"], {"buttons": rendered.get("buttons")}, stored))

        return handle
