"""A running Calla, and the ways in which people in Slack reach it."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any, Optional

import requests
from fake_slack import APP_TOKEN, BOT_TOKEN, BOT_USER, SIGNING_SECRET, TEAM, Call, FakeSlack

from calla.settings import ROOT

API_TOKEN = "test-api-token"
START_DEADLINE = 180.0
_numbers = itertools.count(1)


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class CallaServer:
    """The real server process.

    Args:
        folder: its data folder; a server started again on the same folder goes on there.
        fake: the Slack that it talks to.
        **environment: further settings; an empty one is as good as unset.
    """

    def __init__(self, folder: Path, fake: FakeSlack, **environment: str) -> None:
        self.folder = folder
        self.fake = fake
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "server.log"
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("SLACK_", "CALLA_", "REDIS_", "DATABASE_"))}
        self.environment = {
            **clean,
            "CALLA_PORT": str(self.port),
            "CALLA_DATA_FOLDER": str(folder),
            "CALLA_API_TOKEN": API_TOKEN,
            # Nobody listens there: referrals come from inside the process.
            "CALLA_ACTION_PORT": str(free_port()),
            "SLACK_API_URL": fake.api_url,
            "SLACK_BOT_TOKEN": BOT_TOKEN,
            "SLACK_APP_TOKEN": APP_TOKEN,
            "SLACK_SIGNING_SECRET": SIGNING_SECRET,
            **environment,
        }
        self.process: Optional[subprocess.Popen[bytes]] = None

    def start(self) -> CallaServer:
        """Start the process and wait until it answers and knows Slack."""
        known = len([c for c in self.fake.calls if c.method == "auth.test"])
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "calla.server"], cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )
        end = time.monotonic() + START_DEADLINE
        while True:
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            assert time.monotonic() < end, "Calla did not start in time."
            try:
                if requests.get(f"{self.url}/health", timeout=2).status_code == 200:
                    break
            except requests.RequestException:
                pass
            time.sleep(0.2)
        self.fake.wait(lambda: len([c for c in self.fake.calls if c.method == "auth.test"]) > known)
        return self

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the process."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(40)

    def rest(self, text: str, sender: str) -> list[dict[str, Any]]:
        """Ask over REST."""
        answer = requests.post(
            f"{self.url}/webhooks/rest/webhook", json={"sender": sender, "message": text}, timeout=30
        )
        return answer.json()  # type: ignore[no-any-return]

    def events(self, conversation: str) -> list[dict[str, Any]]:
        """Return the events of a conversation."""
        answer = requests.get(
            f"{self.url}/conversations/{conversation}/tracker", params={"token": API_TOKEN}, timeout=30
        )
        return answer.json()["events"]  # type: ignore[no-any-return]

    def names(self, conversation: str) -> list[str]:
        """Return the named responses of a conversation, in order."""
        return [(e.get("metadata") or {}).get("utter_action") for e in self.events(conversation) if e["event"] == "bot"]


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
        url = self.fake.response_url()
        ts = call.ts or self.fake.now()
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
                    "type": "button",
                    "action_id": button["action_id"],
                    "block_id": block["block_id"],
                    "value": button["value"] if value is None else value,
                    "action_ts": f"{time.time():.6f}",
                }
            ],
        }
        if call.ts:
            payload["message"] = {"ts": ts, "user": BOT_USER, **({"thread_ts": thread} if thread else {})}
        return self.interact(payload), url

    def settled(self) -> None:
        """Wait until everything before is dealt with: a question asked now is answered."""
        user, channel = self.dm()
        assert self.deliver(self.message(user, channel, "hello")).status_code == 200
        self.fake.wait_posts(channel)
