"""Two server processes behind nginx, with PostgreSQL and Redis, and people who write to them."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Optional

import aiohttp
from typing_extensions import Self

from evaluation.services import Nginx, PostgreSQL, Redis
from tests.running import ServerProcess, free_port

HOST = "calla.example.org"
FINDING = "my report says BI-RADS 5"
SECONDS_TO_REFERRAL = 3.0


class House:
    """Everything as an operator has it, on loopback.

    Attributes:
        one, other: the server processes.
        postgresql, redis, nginx: what they use, and what is before them.
    """

    def __init__(self, folder: Path, action_url: str = "", **settings: str) -> None:
        self.folder = folder
        self._settings = {"CALLA_ACTION_URL": action_url, **settings}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self.postgresql = self._stack.enter_context(PostgreSQL())
        self.redis = self._stack.enter_context(Redis())
        self.one, self.other = self.server("one"), self.server("other")
        for server in (self.one, self.other):
            self._stack.callback(server.kill)
            server.begin()
        for server in (self.one, self.other):
            server.wait()
        self.nginx = self._stack.enter_context(Nginx({5005: self.one.port, 5006: self.other.port}))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def server(self, name: str) -> ServerProcess:
        """Return another server process, not started."""
        settings = {
            "DATABASE_URL": self.postgresql.url,
            "REDIS_URL": self.redis.url,
            "CALLA_PROXIES": "1",
            "CALLA_PUBLIC_ADDRESS": f"https://{HOST}",
            "CALLA_MESSAGES_PER_MINUTE": "600",
            "CALLA_ADDRESS_MESSAGES_PER_MINUTE": "6000",
            "CALLA_SESSIONS_PER_HOUR": "60",
            **self._settings,
        }
        server = ServerProcess(self.folder, free_port(), **settings)
        server.log = self.folder / f"{name}.log"
        return server

    def stored(self, sender: str) -> list[tuple[str, str]]:
        """Return what the database has of a conversation: who spoke, and the text or the response's name."""
        rows = self.postgresql.sql(
            "-c", f"SELECT data FROM events WHERE sender_id = '{sender}' ORDER BY id", database="calla"
        )
        said = []
        for event in map(json.loads, rows.splitlines()):
            if event["event"] == "user":
                said.append(("user", event["text"]))
            elif event["event"] == "bot":
                said.append(("bot", event["metadata"].get("utter_action")))
        return said


class Person:
    """Somebody with a conversation, who writes by plain requests.

    Args:
        client: HTTP client.

    Attributes:
        to_referral: seconds until a referral was read for the last message.
    """

    def __init__(self, client: aiohttp.ClientSession) -> None:
        self.client = client
        self.token = ""
        self.to_referral: Optional[float] = None

    async def begin(self, url: str) -> Self:
        """Begin a conversation."""
        self.token = (await self.post(url, "session", {}))[1]["token"]
        return self

    @property
    def sender(self) -> str:
        """Id of the conversation in the database."""
        import jwt

        return str(jwt.decode(self.token, options={"verify_signature": False})["sub"])

    async def post(self, url: str, call: str, body: Any) -> tuple[int, Any]:
        """Send a request; return status and reply."""
        headers = {"Host": HOST, "Authorization": f"Bearer {self.token}"}
        async with self.client.post(f"{url}/chat/{call}", json=body, headers=headers, ssl=False) as answer:
            return answer.status, await answer.json(content_type=None)

    async def say(self, url: str, text: str, turn: Optional[str] = None) -> tuple[int, Any]:
        """Send a message once."""
        return await self.post(url, "message", {"id": turn or uuid.uuid4().hex, "text": text})

    async def insist(self, url: str, text: str, turn: Optional[str] = None) -> list[str]:
        """Send a message until it is answered, as the widget does; return names of the answers."""
        turn = turn or uuid.uuid4().hex
        began, self.to_referral = time.monotonic(), None
        for _ in range(300):
            try:
                status, reply = await self.say(url, text, turn)
            except (aiohttp.ClientError, asyncio.TimeoutError, ValueError):
                status, reply = 0, {}
            read = [message["name"] for message in reply.get("messages", ())]
            if self.to_referral is None and read and read[0].startswith("utter_referral"):
                self.to_referral = time.monotonic() - began
            if status == 200:
                return [message["name"] for message in reply["messages"]]
            await asyncio.sleep(0.1)
        raise AssertionError(f"no answer to {text!r}: {status}")


def http() -> aiohttp.ClientSession:
    """Return a client that remembers no connection: each request may come to another process."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(force_close=True, limit=0), timeout=aiohttp.ClientTimeout(total=40)
    )


async def settled(house: House) -> None:
    """Wait until both processes find everything well, and nothing waits to be written."""
    for _ in range(600):
        try:
            said = [server.health() for server in (house.one, house.other)]
        except OSError:
            said = []
        if said and all(one["unsaved_messages"] == 0 and one["redis_works"] for one in said):
            return
        await asyncio.sleep(0.1)
    raise AssertionError(said)
