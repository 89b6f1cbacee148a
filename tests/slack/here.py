"""The Slack channel in this process, with an agent whose answers are agreed: milliseconds instead of a server."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import urllib.parse
from pathlib import Path
from typing import Any, Callable

import requests
import yaml
from fake_slack import APP_TOKEN, BOT_TOKEN, FakeSlack
from rasa.core.channels.channel import UserMessage
from slack_bolt.async_app import AsyncBoltRequest
from slack_world import Workspace
from typing_extensions import Self

from calla.answers import CallaNaturalLanguageGenerator
from calla.channels.slack.app import SlackApp
from calla.erasure import Erasure, Tombstones
from calla.safety.screen import load_screen
from calla.settings import ROOT, Settings

ANSWER, QUESTION = "utter_faq/what_are_breast_calcifications", "What are breast calcifications?"
OTHER, OTHER_QUESTION = "utter_faq/what_is_birads", "What is BI-RADS?"
LUMP, CRISIS = "I found a lump in my breast", "I want to end my life"
AGREED = {
    QUESTION: [ANSWER],
    OTHER_QUESTION: [OTHER],
    "both": [ANSWER, OTHER],
    "thanks": ["utter_chat/thanks"],
    "football": ["utter_out_of_scope"],
    "delete my data": ["utter_chat/delete_my_data"],
    "yes, erase it": ["utter_chat/confirm_erasure"],
    "a person please": ["utter_chat/human_handoff"],
    "which?": ["utter_did_you_mean"],
}


def responses() -> dict[str, Any]:
    """All named responses of the project."""
    found: dict[str, Any] = {}
    for file in [ROOT / "domain.yml", *sorted((ROOT / "data").rglob("*.yml"))]:
        found.update((yaml.safe_load(file.read_text(encoding="utf-8")) or {}).get("responses") or {})
    return found


_RESPONSES = responses()
# Once, before anything is timed.
load_screen().find(LUMP)


# What runs as long as the channel does.
STANDING = ("slack: connecting", "slack: deleting by age")


class AgreedAgent:
    """Says what is agreed for a message; what the safety screen finds comes before.

    Attributes:
        heard: messages, oldest first.
        erased: conversations that were forgotten.
        votes: what was recorded of thumbs.
        says: further answers, by message.
        fails: whether handling a message raises.
        erasure: forgets what the channel has registered.
    """

    def __init__(self, folder: Path) -> None:
        self.erasure = Erasure(Tombstones(folder / "erasures"))
        self.peers = None
        self.nlg = CallaNaturalLanguageGenerator()
        self.nlg.responses = _RESPONSES
        self.heard: list[UserMessage] = []
        self.erased: list[str] = []
        self.votes: list[dict[str, Any]] = []
        self.says: dict[str, list[str]] = {}
        self.fails = False
        self.tracker_store = None
        self.records = self

    async def handle_message(self, message: UserMessage) -> None:
        """Answer."""
        self.heard.append(message)
        if self.fails:
            raise RuntimeError
        text = message.text or ""
        names = [f"utter_referral/{finding.topic}" for finding in load_screen().find(text)][:1]
        names += {**AGREED, **self.says}.get(text, [] if names else [_titles().get(text, ANSWER)])
        for name in names:
            rendered = self.nlg.render(name) or {"text": name, "metadata": {"body": name}}
            await message.output_channel.send_response(message.sender_id, {**rendered, "utter_action": name})

    async def erase(self, conversation: str) -> bool:
        """Forget a conversation."""
        self.erased.append(conversation)
        return await self.erasure.erase(conversation)

    async def feedback(self, **vote: Any) -> None:
        """Record a thumb."""
        self.votes.append(vote)


def _titles() -> dict[str, str]:
    return {
        str((variations[0].get("metadata") or {}).get("title")): name
        for name, variations in _RESPONSES.items()
        if name.startswith("utter_faq/")
    }


class Here(Workspace):
    """People in Slack who reach a channel that runs in this process.

    Args:
        fake: the Slack around it.
        folder: where its database lies; the same again is the same database.
        **settings: settings beside tokens, address and database.
    """

    def __init__(self, fake: FakeSlack, folder: Path, **settings: Any) -> None:
        self.fake = fake
        self.folder = folder
        self.agent = AgreedAgent(folder)
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        values = {
            "slack_bot_token": BOT_TOKEN,
            "slack_signing_secret": "0" * 32,
            "slack_api_url": fake.api_url,
            "database_url": f"sqlite:///{folder / 'calla.db'}",
            **settings,
        }
        self.settings = Settings.construct(**{**Settings().dict(), **_parsed(values)})
        self.armed = False
        self.app: SlackApp

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Start, and wait until Slack has told who Calla is."""
        if not self._thread.is_alive():
            self.loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
            self._thread.start()

        async def make() -> SlackApp:
            app = SlackApp(self.settings, "key", lambda: self.agent, self.agent.handle_message)  # type: ignore[arg-type, return-value]
            app.start()
            return app

        self.app = self.run(make())
        return self

    def ready(self) -> Self:
        """Wait until Slack has told who Calla is."""
        self.until(lambda: self.app.connection.known)
        return self

    def run(self, job: Any) -> Any:
        """Run something in the loop of the channel."""
        return asyncio.run_coroutine_threadsafe(job, self.loop).result(90)

    @staticmethod
    async def forever() -> None:
        """Stand still."""
        await asyncio.Event().wait()

    def stop(self) -> None:
        """Stop in order."""
        if self._thread.is_alive():
            self.run(self.app.stop())
            self._end()

    def kill(self) -> None:
        """Stop at once, as ``kill -9`` would: nothing is written or sent any more."""

        async def abandon() -> None:
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.app._session.close()
            ledger = self.app._ledger
            await self.loop.run_in_executor(ledger._database._pool, ledger.engine.dispose)

        self.run(abandon())
        self._end()

    def _end(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)

    # --------------------------------------------------------------- the ways in

    def dispatch(self, body: Any) -> int:
        """Hand a payload to bolt as Socket Mode does; returns the status."""
        self.ready()

        async def hand_over() -> int:
            with self.app.lanes.intake():
                return int((await self.app.bolt.async_dispatch(AsyncBoltRequest(mode="socket_mode", body=body))).status)

        return int(self.run(hand_over()))

    def deliver(self, event: dict[str, Any], **_: str) -> requests.Response:
        """Deliver an event; again while it is not taken, as Slack does."""
        body = self.event(event)
        end = time.monotonic() + 20
        while (status := self.dispatch(body)) == 503 and time.monotonic() < end:
            time.sleep(0.2)
        return _response(status)

    def send(self, body: bytes, content_type: str = "application/json", **headers: str) -> requests.Response:
        """Deliver a body."""
        if content_type.startswith("application/json"):
            return _response(self.dispatch(json.loads(body)))
        fields = dict(urllib.parse.parse_qsl(body.decode(), keep_blank_values=True))
        return _response(self.dispatch(json.loads(fields["payload"]) if "payload" in fields else fields))

    def settled(self) -> None:
        """Wait until nothing is being answered or sent, except what waits after a failure."""

        async def quiet() -> None:
            while busy := self._busy():
                await asyncio.wait(busy, timeout=0.02)

        self.run(asyncio.wait_for(quiet(), 20))

    def _busy(self) -> set[Any]:
        beside = {job for job in self.app._jobs if job.get_name() not in STANDING}
        sending = self.app.outbox._tasks if any(not lane.waiting for lane in self.app.outbox._lanes.values()) else set()
        return {*self.app.lanes._tasks, *beside, *sending}

    def health(self) -> dict[str, Any]:
        """What /health shows of the channel."""
        return self.app.health()

    def until(self, ready: Callable[[], Any], seconds: float = 30.0) -> Any:
        """Wait until something in the channel is so; what it knows of itself tells nobody when it changes."""
        end = time.monotonic() + seconds
        while not (found := ready()):
            assert time.monotonic() < end, "The channel waited in vain."
            time.sleep(0.01)
        return found

    def rows(self, query: str) -> list[Any]:
        """Read the database."""
        return self.run(self.app._ledger.ask(lambda: self.app._ledger.engine.execute(query).fetchall(), []))  # type: ignore[no-any-return]


def _response(status: int) -> requests.Response:
    found = requests.Response()
    found.status_code = status
    found._content = b""
    return found


def _parsed(values: dict[str, Any]) -> dict[str, Any]:
    from pydantic import SecretStr

    secret = ("slack_bot_token", "slack_app_token", "slack_signing_secret")
    return {name: SecretStr(value) if name in secret and value else value for name, value in values.items()}


def of_kind(fake: FakeSlack, ready: Callable[[Any], Any]) -> list[Any]:
    """Accepted calls that satisfy ``ready``."""
    return [call for call in fake.calls if call.error is None and ready(call)]


__all__ = ["APP_TOKEN", "AgreedAgent", "Here", "of_kind"]
