"""A stand-in for Slack on the loopback: Web API, response URLs and Socket Mode.

It checks arguments as Slack does (https://docs.slack.dev/reference/methods and
https://docs.slack.dev/reference/block-kit) and refuses what Slack would refuse. It runs
in a thread of its own, so that tests can wait for what arrives.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from typing import Any, Callable, Optional

from slack_rules import (
    APP_TOKEN,
    BOT_ID,
    BOT_TOKEN,
    BOT_USER,
    METHODS,
    SCOPES,
    SIGNING_SECRET,
    TEAM,
    Call,
    check_blocks,
    check_mrkdwn,
)
from slack_side import SlackSide

__all__ = [
    "APP_TOKEN",
    "BOT_ID",
    "BOT_TOKEN",
    "BOT_USER",
    "METHODS",
    "SCOPES",
    "SIGNING_SECRET",
    "TEAM",
    "Call",
    "FakeSlack",
    "check_blocks",
    "check_mrkdwn",
]


class FakeSlack(SlackSide):
    """Slack, as far as Calla meets it, in the hands of a test (see ``SlackSide`` for what can be set)."""

    @property
    def api_url(self) -> str:
        """Address of the Web API, for ``SLACK_API_URL``."""
        return f"http://127.0.0.1:{self.port}/api/"

    def trouble(self, method: str, kind: str, value: Any = None, *, about: str = "", times: int = 1) -> None:
        """Let the next calls fail.

        Args:
            method: Web API method, or ``response_url``.
            kind: ``rate`` (429; value: seconds to wait), ``error`` (value: code),
                ``break`` (connection closed), ``server`` (500), ``slow`` (value: seconds),
                ``hang`` (value: a ``threading.Event`` to wait for, then closed unheard),
                ``status`` (value: an HTTP status, with a page instead of an answer),
                ``accepted`` (taken, then closed without an answer; value: a status instead).
            value: see ``kind``.
            about: only calls for this channel or user.
            times: how many calls.
        """
        for _ in range(times):
            self._troubles[(method, about)].append((kind, value))

    def response_url(self) -> str:
        """Return an address that takes five messages."""
        token = uuid.uuid4().hex
        self._response_urls[token] = 0
        return f"http://127.0.0.1:{self.port}/commands/{token}"

    def use_up(self, url: str) -> None:
        """Let an address have taken all its messages."""
        self._response_urls[url.rpartition("/")[2]] = 5

    def posts(self, about: str = "", method: str = "") -> list[Call]:
        """Messages that Slack accepted, those for a channel, user or response URL only."""
        with self._changed:
            return [
                call
                for call in self.calls
                if call.error is None
                and call.method in ((method,) if method else ("chat.postMessage", "chat.postEphemeral", "response_url"))
                and (not about or about in (call.args.get("channel"), call.args.get("user"), call.args.get("url")))
            ]

    def wait(self, ready: Callable[[], Any], timeout: float = 20.0) -> Any:
        """Wait until something that arrives makes ``ready`` true; returns its value."""
        end = time.monotonic() + timeout
        with self._changed:
            while not (value := ready()):
                left = end - time.monotonic()
                if left <= 0:
                    raise AssertionError("Slack waited in vain.")
                self._changed.wait(left)
            return value

    def wait_posts(self, about: str, number: int = 1, timeout: float = 20.0) -> list[Call]:
        """Wait for messages to a channel, user or response URL."""
        return list(self.wait(lambda: (found := self.posts(about)) and len(found) >= number and found, timeout))

    def send_envelope(self, kind: str, payload: dict[str, Any], envelope: Optional[str] = None) -> str:
        """Deliver something over the newest socket; returns the envelope's id."""
        envelope = envelope or uuid.uuid4().hex
        body = {"type": kind, "envelope_id": envelope, "payload": payload, "accepts_response_payload": True}
        if kind == "events_api":
            body.update(retry_attempt=0, retry_reason="")
        self.send_raw(body)
        return envelope

    def send_raw(self, body: dict[str, Any]) -> None:
        """Send any JSON over the newest socket."""
        (socket,) = self.wait(lambda: self.sockets[-1:])
        asyncio.run_coroutine_threadsafe(socket.send_str(json.dumps(body)), self._loop).result(5)

    def wait_ack(self, envelope: str, timeout: float = 10.0) -> tuple[float, Any]:
        """Wait until an envelope is acknowledged."""
        return self.wait(lambda: self.acks.get(envelope), timeout)[0]  # type: ignore[no-any-return]

    def drop_sockets(self) -> None:
        """Break every socket without saying goodbye."""

        async def drop() -> None:
            for socket in list(self.sockets):
                if socket._req is not None and socket._req.transport is not None:
                    socket._req.transport.abort()

        asyncio.run_coroutine_threadsafe(drop(), self._loop).result(5)

    def stop(self) -> None:
        """Close the server and its thread."""

        async def close() -> None:
            assert self._runner is not None
            for socket in list(self.sockets):
                await socket.close()
            await self._runner.cleanup()

        asyncio.run_coroutine_threadsafe(close(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
