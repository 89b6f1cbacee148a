"""Stand-ins for inboxes, and a visitor of the chat."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import re
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable, Optional

import requests
from typing_extensions import Self

from calla.handoff.signing import is_signed, signed

SECRET = "whsec_" + "c2VjcmV0IG9mIHRoZSBpbmJveCBmb3IgdGVzdHMh"
# Seconds that anything may take on a busy machine.
PATIENCE = 30.0
AGREE, DECLINE, BACK = "Yes, pass this on", "No, thank you", "Back to the program"
WISH = "can I talk to a person"


class FakeInbox:
    """An HTTP server that keeps what it is sent, and can be broken.

    Attributes:
        status: what it answers with.
        hangs: while set, it takes requests and says nothing.
    """

    def __init__(self, port: int = 0) -> None:
        self.status = 200
        self.hangs = threading.Event()
        self._changed = threading.Condition()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def _handle(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if fake.hangs.is_set():
                    time.sleep(20)
                    return
                status, answer = fake.status, None
                if status == 200:
                    status, answer = fake.take(self.command, self.path, dict(self.headers.items()), body)
                sent = json.dumps(answer if answer is not None else {}).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)
                with fake._changed:
                    fake._changed.notify_all()

            do_POST = do_GET = do_DELETE = _handle  # noqa: N815 (the library's form)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def take(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        """Take a request; return status and answer."""
        raise NotImplementedError

    def wait(self, ready: Callable[[], Any], seconds: float = PATIENCE) -> Any:
        """Wait until something is so; return it."""
        until = time.monotonic() + seconds
        with self._changed:
            while not (found := ready()):
                left = until - time.monotonic()
                assert left > 0, "the inbox was not told"
                self._changed.wait(min(left, 0.2))
        return found

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()


class FakeWebhook(FakeInbox):
    """The receiver of an operator's web hook.

    Attributes:
        events: events with a right signature, in order.
        refused: how many had a wrong one.
        secret: the secret it checks with.
    """

    def __init__(self, port: int = 0) -> None:
        self.events: list[dict[str, Any]] = []
        self.ids: list[str] = []
        self.refused = 0
        self.secret = SECRET
        super().__init__(port)

    def take(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        """Check the signature and keep the event."""
        folded = {name.lower(): value for name, value in headers.items()}
        if not is_signed(self.secret, folded, body):
            self.refused += 1
            return 401, None
        self.events.append(json.loads(body))
        self.ids.append(folded["webhook-id"])
        return 200, None

    def of(self, handoff: str, kind: str) -> list[dict[str, Any]]:
        """Return the contents of the events of a kind, of one hand-off."""
        found = [e["data"] for e in self.events if e["type"] == f"handoff.{kind}"]
        return [data for data in found if data["handoff"] == handoff]

    def request_with(self, text: str) -> dict[str, Any]:
        """Wait for the request that passes this text on."""

        def find() -> Optional[dict[str, Any]]:
            requested = [e["data"] for e in self.events if e["type"] == "handoff.requested"]
            return next((data for data in requested if text in data["passed"]), None)

        return dict(self.wait(find))


def person_does(server: Any, kind: str, handoff: str, *, key: str = "", secret: str = SECRET, **data: Any) -> int:
    """Send an event of a person's to Calla, as an operator's inbox would; return the status."""
    body = json.dumps({"type": f"person.{kind}", "data": {"handoff": handoff, **data}}).encode()
    headers = {"Content-Type": "application/json", **signed(secret, key or uuid.uuid4().hex, body)}
    return requests.post(f"{server.url}/handoff/webhook", body, headers=headers, timeout=20).status_code


class FakeChatwoot(FakeInbox):
    """What Calla uses of Chatwoot: application API and webhooks of an API inbox.

    Attributes:
        contacts: by id; deleted ones are gone.
        messages: of each conversation, in order.
    """

    TOKEN, ACCOUNT, INBOX = "admin-token", 7, 3

    def __init__(self) -> None:
        self._ids = itertools.count(100)
        self.contacts: dict[int, dict[str, Any]] = {}
        self.conversations: dict[int, dict[str, Any]] = {}
        self.messages: dict[int, list[dict[str, Any]]] = {}
        super().__init__()

    def take(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        """Answer as Chatwoot does."""
        if {name.lower(): v for name, v in headers.items()}.get("api_access_token") != self.TOKEN:
            return 401, {"error": "Invalid Access Token"}
        base = f"/api/v1/accounts/{self.ACCOUNT}"
        if not path.startswith(base):
            return 404, None
        path, sent = path[len(base) :], json.loads(body or b"{}")
        if (method, path) == ("GET", f"/inboxes/{self.INBOX}"):
            return 200, {"id": self.INBOX, "channel_type": "Channel::Api"}
        if (method, path) == ("POST", "/contacts"):
            return self._contact(sent)
        if method == "DELETE" and (found := re.fullmatch(r"/contacts/(\d+)", path)):
            return (200, None) if self.contacts.pop(int(found[1]), None) else (404, None)
        if (method, path) == ("POST", "/conversations"):
            return self._conversation(sent)
        if found := re.fullmatch(r"/conversations/(\d+)/(messages|toggle_status)", path):
            number = int(found[1])
            if number not in self.conversations:
                return 404, None
            if found[2] == "toggle_status":
                self.conversations[number]["status"] = sent["status"]
                return 200, {"payload": {"success": True}}
            self.messages[number].append(sent)
            return 200, {"id": next(self._ids), **sent}
        return 404, None

    def _contact(self, sent: dict[str, Any]) -> tuple[int, Any]:
        if sent["inbox_id"] != self.INBOX or any(c["identifier"] == sent["identifier"] for c in self.contacts.values()):
            return 422, {"message": "Identifier has already been taken"}
        number = next(self._ids)
        self.contacts[number] = {"id": number, "identifier": sent["identifier"], "source": uuid.uuid4().hex}
        inbox = {"source_id": self.contacts[number]["source"], "inbox": {"id": self.INBOX}}
        return 200, {"payload": {"contact": self.contacts[number], "contact_inbox": inbox}}

    def _conversation(self, sent: dict[str, Any]) -> tuple[int, Any]:
        if self.contacts.get(sent["contact_id"], {}).get("source") != sent["source_id"]:
            return 404, None
        number = next(self._ids)
        self.conversations[number] = {"id": number, "status": "open", "contact": sent["contact_id"]}
        self.messages[number] = []
        return 200, {"id": number, "inbox_id": self.INBOX}

    def conversation_with(self, text: str) -> int:
        """Wait for the conversation in which the visitor's words stand."""

        def find() -> Optional[int]:
            for number, messages in self.messages.items():
                if any(text in m["content"] and m["message_type"] == "incoming" for m in messages):
                    return number
            return None

        return int(self.wait(find))

    def tells(self, server: Any, event: dict[str, Any], secret: str = SECRET) -> int:
        """Send an event to the callback address, signed as Chatwoot signs; return the status."""
        body = json.dumps({"account": {"id": self.ACCOUNT}, **event}).encode()
        moment = str(int(time.time()))
        mac = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json",
            "X-Chatwoot-Timestamp": moment,
            "X-Chatwoot-Signature": f"sha256={mac}",
            "X-Chatwoot-Delivery": uuid.uuid4().hex,
        }
        return requests.post(f"{server.url}/handoff/chatwoot", body, headers=headers, timeout=20).status_code

    def message(self, number: int, text: str, **changes: Any) -> dict[str, Any]:
        """Return the event of an agent's message."""
        sender = {"id": 1, "name": "Kim Lee", "email": "kim@clinic.example", "type": "user"}
        message = {"id": next(self._ids), "content": text, "message_type": "outgoing", "private": False}
        return {
            "event": "message_created",
            "sender": sender,
            "conversation": {"id": number, "inbox_id": self.INBOX, "status": "open"},
            **message,
            **changes,
        }


class Visitor:
    """A visitor of the chat, over plain requests.

    Args:
        server: the server.
    """

    def __init__(self, server: Any) -> None:
        self.server = server
        self.session = requests.Session()
        self.began = self._post("session", {})
        self.token = self.began["token"]

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        token = {"Authorization": f"Bearer {self.token}"} if hasattr(self, "token") else {}
        return dict(self.session.post(f"{self.server.url}/chat/{path}", json=body, headers=token, timeout=60).json())

    def says(self, text: str, turn: str = "") -> list[dict[str, Any]]:
        """Say something; return what is answered."""
        reply = self._post("message", {"id": turn or uuid.uuid4().hex, "text": text})
        assert reply["ok"], reply
        return list(reply["messages"])

    def names(self, text: str) -> list[str]:
        """Say something; return the names of the answers."""
        return [message["name"] for message in self.says(text)]

    def asks_for_a_person(self, wish: str = WISH) -> Self:
        """Ask for a person and agree to what is shown."""
        (offer,) = self.says(wish)
        assert offer["name"].startswith("utter_handoff/offer"), offer["name"]
        (waiting,) = self.says(AGREE)
        assert waiting["name"] == "utter_handoff/waiting"
        return self

    def sync(self) -> dict[str, Any]:
        """Return what a window is told when it asks."""
        return self._post("sync", {})

    def reads(self) -> list[dict[str, Any]]:
        """Return all messages that are not the visitor's own, oldest first."""
        return [message for turn in self.sync()["history"] for message in turn["messages"]]

    def comes_to_read(self, name: str, seconds: float = PATIENCE) -> dict[str, Any]:
        """Wait for a message of this name; return it."""
        return self.until(lambda: next((m for m in reversed(self.reads()) if m["name"] == name), None), seconds)

    def status(self) -> Optional[dict[str, Any]]:
        """Return the line above the conversation."""
        found: Optional[dict[str, Any]] = self.sync()["handoff"]
        return found

    def until(self, ready: Callable[[], Any], seconds: float = PATIENCE) -> Any:
        """Ask until something is so, as a window does; return it."""
        until = time.monotonic() + seconds
        while not (found := ready()):
            assert time.monotonic() < until, "it did not come to be"
            time.sleep(0.1)
        return found

    def erases(self) -> dict[str, Any]:
        """Erase the conversation from the menu."""
        reply = self._post("erase", {})
        return reply

    def exports(self) -> dict[str, Any]:
        """Return all that is kept."""
        return self._post("export", {})
