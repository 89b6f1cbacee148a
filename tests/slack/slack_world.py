"""A running Calla, and the ways in which people in Slack reach it."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import itertools
import json
import sqlite3
import time
import uuid
from pathlib import Path
from typing import Any, Callable, Optional

import requests
from fake_slack import APP_TOKEN, BOT_TOKEN, BOT_USER, SIGNING_SECRET, TEAM, Call, FakeSlack
from typing_extensions import Self

from tests.running import ServerProcess

_numbers = itertools.count(1)


class CallaServer(ServerProcess):
    """The real server, joined to a stand-in for Slack.

    Args:
        folder: its data folder; a server started again on the same folder goes on there.
        fake: the Slack that it talks to.
        **environment: further settings; an empty one is as good as unset.
    """

    def __init__(self, folder: Path, fake: FakeSlack, **environment: str) -> None:
        self.fake = fake
        slack = {
            "SLACK_API_URL": fake.api_url,
            "SLACK_BOT_TOKEN": BOT_TOKEN,
            "SLACK_APP_TOKEN": APP_TOKEN,
            "SLACK_SIGNING_SECRET": SIGNING_SECRET,
        }
        super().__init__(folder, **{**slack, **environment})

    def start(self) -> Self:
        """Start the process and wait until it answers and knows Slack."""
        known = len([c for c in self.fake.calls if c.method == "auth.test"])
        super().start()
        self.fake.wait(lambda: len([c for c in self.fake.calls if c.method == "auth.test"]) > known)
        return self


def sign(body: bytes, *, secret: str = SIGNING_SECRET, timestamp: Optional[int] = None) -> dict[str, str]:
    """Return the headers with which Slack signs a request."""
    moment = str(int(time.time()) if timestamp is None else timestamp)
    digest = hmac.new(secret.encode(), f"v0:{moment}:".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": moment, "X-Slack-Signature": f"v0={digest}"}


class Workspace:
    """People in Slack who reach Calla over signed HTTP requests.

    Args:
        server: the running Calla.
        fake: the Slack around it.
    """

    def __init__(self, server: CallaServer, fake: FakeSlack) -> None:
        self.server = server
        self.fake = fake
        self.webhook = f"{server.url}/webhooks/slack/webhook"

    def person(self) -> str:
        """Return a new user id."""
        return f"U{next(_numbers):06d}"

    def dm(self) -> tuple[str, str]:
        """Return a new user and their direct messages with Calla."""
        number = next(_numbers)
        return f"U{number:06d}", f"D{number:06d}"

    def channel(self, kind: str = "C") -> str:
        """Return a new channel that Calla is in."""
        channel = f"{kind}{next(_numbers):06d}"
        self.fake.members.add(channel)
        return channel

    def event(self, event: dict[str, Any], **extra: Any) -> dict[str, Any]:
        """Wrap an event as Slack does."""
        return {
            "token": "unused",
            "team_id": TEAM,
            "api_app_id": "A0CALLA",
            "type": "event_callback",
            "event_id": f"Ev{uuid.uuid4().hex[:10]}",
            "event_time": int(time.time()),
            "event": event,
            **extra,
        }

    def message(self, user: str, channel: str, text: str, **extra: Any) -> dict[str, Any]:
        """Build a message event; channel type by the channel's letter."""
        kinds = {"D": "im", "G": "mpim", "C": "channel"}
        if "thread_ts" in extra:
            # Whoever writes in a thread has opened it.
            self.fake.threads.add((channel, extra["thread_ts"]))
        return {
            "type": "message",
            "user": user,
            "channel": channel,
            "channel_type": kinds[channel[0]],
            "text": text,
            "ts": self.fake.now(),
            **extra,
        }

    def mention(self, user: str, channel: str, text: str, **extra: Any) -> dict[str, Any]:
        """Build an app_mention event."""
        event = self.message(user, channel, f"<@{BOT_USER}> {text}", **extra)
        event.pop("channel_type")
        return {**event, "type": "app_mention"}

    def deliver(self, event: dict[str, Any], **headers: str) -> requests.Response:
        """Send an event, signed."""
        return self.send(json.dumps(self.event(event)).encode(), **headers)

    def send(self, body: bytes, content_type: str = "application/json", **headers: str) -> requests.Response:
        """Send a body, signed, with further headers (underscores stand for dashes)."""
        sent = {**sign(body), "Content-Type": content_type}
        sent.update({name.replace("_", "-"): value for name, value in headers.items()})
        return requests.post(self.webhook, data=body, headers=sent, timeout=10)

    def interact(self, payload: dict[str, Any]) -> requests.Response:
        """Send an interaction, as the form that Slack sends."""
        body = requests.models.RequestEncodingMixin._encode_params({"payload": json.dumps(payload)})
        return self.send(body.encode(), "application/x-www-form-urlencoded")

    def command(self, user: str, channel: str, text: str, url: Optional[str] = None) -> tuple[requests.Response, str]:
        """Type ``/calla``; returns the response and the address for answers."""
        url = url or self.fake.response_url()
        fields = {
            "command": "/calla",
            "text": text,
            "team_id": TEAM,
            "channel_id": channel,
            "channel_name": "somewhere",
            "user_id": user,
            "response_url": url,
            "trigger_id": uuid.uuid4().hex,
        }
        body = requests.models.RequestEncodingMixin._encode_params(fields)
        return self.send(body.encode(), "application/x-www-form-urlencoded"), url

    def press(
        self, user: str, call: Call, label: str, *, channel: str, value: Optional[str] = None, mpim: bool = False
    ) -> tuple[requests.Response, str]:
        """Press a button of a message that Calla posted.

        Returns:
            the response, and the address for private answers.
        """
        block, button = next((b, e) for b, e in call.buttons() if e["text"]["text"] == label)
        return self.act(
            user, call, block, {**button, "value": button["value"] if value is None else value}, channel, mpim
        )

    def thumb(
        self, user: str, call: Call, which: str, *, channel: str, value: Optional[str] = None
    ) -> tuple[requests.Response, str]:
        """Press a thumb: ``positive_button`` or ``negative_button``."""
        block, thumbs = call.thumbs()
        pressed = {
            "type": "feedback_buttons",
            "action_id": thumbs["action_id"],
            "value": value or thumbs[which]["value"],
        }
        return self.act(user, call, block, pressed, channel)

    def act(
        self, user: str, call: Call, block: dict[str, Any], element: dict[str, Any], channel: str, mpim: bool = False
    ) -> tuple[requests.Response, str]:
        """Use an interactive element of a message that Calla posted."""
        url = self.fake.response_url()
        call.shown = call.ts or call.shown or self.fake.now()
        ts = call.shown
        container = {"type": "message", "message_ts": ts, "channel_id": channel, "is_ephemeral": call.ts == ""}
        thread = call.args.get("thread_ts")
        if thread:
            container["thread_ts"] = thread
        payload: dict[str, Any] = {
            "type": "block_actions",
            "team": {"id": TEAM},
            "user": {"id": user, "team_id": TEAM},
            "channel": {"id": channel, "name": "mpdm-a-b" if mpim else "directmessage" if channel[0] == "D" else "x"},
            "container": container,
            "trigger_id": uuid.uuid4().hex,
            "response_url": url,
            "actions": [
                {
                    "type": element.get("type", "button"),
                    "action_id": element["action_id"],
                    "block_id": block["block_id"],
                    "value": element["value"],
                    "action_ts": f"{time.time():.6f}",
                }
            ],
        }
        if call.ts:
            standing = next((one for one in self.fake.history[channel] if one["ts"] == ts), {})
            shown = {"text": standing.get("text", ""), "blocks": standing.get("blocks") or []}
            payload["message"] = {"ts": ts, "user": BOT_USER, **shown, **({"thread_ts": thread} if thread else {})}
        return self.interact(payload), url

    def until(self, ready: Callable[[], Any], seconds: float = 60.0) -> None:
        """Wait until something is so that only the server can tell, which tells nobody when it changes."""
        end = time.monotonic() + seconds
        while not ready():
            assert time.monotonic() < end, "The server waited in vain."
            time.sleep(0.1)

    def settled(self) -> None:
        """Wait until everything before is dealt with: a question asked now is answered, and none is open."""
        user, channel = self.dm()
        assert self.deliver(self.message(user, channel, "hello")).status_code == 200
        self.fake.wait_posts(channel, 1, 60)
        # Conversations are answered side by side: that one is answered says nothing of the others.
        self.until(lambda: self.open_rows() == 0)

    def open_rows(self) -> int:
        """Return how many questions wait for an answer, and messages for Slack."""
        questions = "SELECT count(*) FROM slack_questions WHERE question IS NOT NULL"
        letters = "SELECT count(*) FROM slack_letters WHERE letter IS NOT NULL"
        own = f"sqlite:///{self.server.folder / 'calla.db'}"
        file = (self.server.environment.get("DATABASE_URL") or own).removeprefix("sqlite:///")
        with contextlib.closing(sqlite3.connect(file)) as database:
            return int(database.execute(f"SELECT ({questions}) + ({letters})").fetchone()[0])
