"""Chatwoot as inbox: an inbox of its API channel, through its application API.

Events come back on the callback address of that inbox, signed since Chatwoot 4.13
(``inbound``).
"""

from __future__ import annotations

from typing import Any, Mapping, Optional

from calla.handoff.inboxes import (
    BY_VISITOR,
    ERASE,
    MESSAGE,
    REQUESTED,
    InboxError,
    Remember,
    call,
    session,
)
from calla.handoff.ledger import Handoff, Letter
from calla.handoff.notes import Notes

JOINED, WROTE, LEFT = "joined", "wrote", "left"


class ChatwootInbox:
    """Keeps each hand-off as a contact with one conversation.

    Args:
        url: address of Chatwoot.
        account: id of the account.
        inbox: id of the inbox, whose channel is "API".
        token: access token of an administrator (an agent's cannot delete contacts).
        notes: texts for the people who answer.
    """

    def __init__(self, url: str, account: int, inbox: int, token: str, notes: Notes) -> None:
        self._base = f"{url.rstrip('/')}/api/v1/accounts/{account}"
        self._account = account
        self._inbox = inbox
        self._notes = notes
        self._client = session(headers={"api_access_token": token})

    async def deliver(self, letter: Letter, handoff: Optional[Handoff], remember: Remember) -> None:
        """Hand an event to Chatwoot (see ``Inbox``)."""
        remote = dict(handoff.remote if handoff is not None else letter.body.get("remote") or {})
        if letter.kind == ERASE:
            if contact := remote.get("contact"):
                await call(self._client, "DELETE", f"{self._base}/contacts/{contact}", expected_missing=True)
            return
        if "conversation" not in remote:
            await self._open(letter.handoff, remote, remember)
        where = f"{self._base}/conversations/{remote['conversation']}"
        if letter.kind == REQUESTED:
            await self._write(where, self._notes.request(letter.body), private=True)
            for text in letter.body["passed"][-1:]:
                await self._write(where, text)
        elif letter.kind == MESSAGE:
            await self._write(where, letter.body["text"])
            for referral in letter.body["referrals"]:
                await self._write(where, self._notes.referral(referral["text"]), private=True)
        else:
            await self._write(where, self._notes.returned(letter.body["reason"] == BY_VISITOR), private=True)
            await call(self._client, "POST", f"{where}/toggle_status", json={"status": "resolved"})

    async def _open(self, handoff: str, remote: dict[str, Any], remember: Remember) -> None:
        """Make contact and conversation; what exists already is noted, so that it is not made twice."""
        if "contact" not in remote:
            answer = await call(
                self._client, "POST", f"{self._base}/contacts", json={"inbox_id": self._inbox, "identifier": handoff}
            )
            remote.update(contact=_at(answer, "payload", "contact", "id"))
            remote.update(source=_at(answer, "payload", "contact_inbox", "source_id"))
            await remember(remote, None)
        body = {"source_id": remote["source"], "inbox_id": self._inbox, "contact_id": remote["contact"]}
        answer = await call(self._client, "POST", f"{self._base}/conversations", json=body)
        remote["conversation"] = _at(answer, "id")
        await remember(remote, remote_key(self._account, remote["conversation"]))

    async def _write(self, where: str, text: str, *, private: bool = False) -> None:
        """Write a message: the visitor's as incoming, a note for the team as private."""
        kind = "outgoing" if private else "incoming"
        body = {"content": text, "message_type": kind, "private": private}
        await call(self._client, "POST", f"{where}/messages", json=body)

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.close()


def remote_key(account: object, conversation: object) -> str:
    """Return the key under which a conversation of Chatwoot's is found again."""
    return f"chatwoot:{account}:{conversation}"


def _at(answer: Any, *path: str) -> Any:
    for name in path:
        answer = answer.get(name) if isinstance(answer, Mapping) else None
    if answer is None:
        raise InboxError("an answer of another form")
    return answer


def read_event(event: Mapping[str, Any]) -> Optional[tuple[str, str, str, str, str]]:
    """Read an event of Chatwoot's.

    Args:
        event: as Chatwoot sends it.

    Returns:
        what happened, the key of the conversation, what makes the event one and the same, the
        person's name and text; ``None`` for what is nothing of a person's: private notes,
        messages of the visitor, bots and rules.
    """
    kind = str(event.get("event") or "")
    account = (event.get("account") or {}).get("id")
    if kind == "message_created":
        sender = event.get("sender") or {}
        ours = event.get("message_type") == "outgoing" and not event.get("private")
        if not ours or not isinstance(sender, Mapping) or sender.get("type") != "user":
            return None
        key = remote_key(account, (event.get("conversation") or {}).get("id"))
        return WROTE, key, f"message:{event.get('id')}", _name(sender), str(event.get("content") or "")
    key = remote_key(account or event.get("account_id"), event.get("id"))
    if kind == "conversation_status_changed" and event.get("status") == "resolved":
        return LEFT, key, f"resolved:{event.get('timestamp') or event.get('updated_at')}", "", ""
    assignee = (event.get("meta") or {}).get("assignee")
    if kind == "conversation_updated" and isinstance(assignee, Mapping):
        return JOINED, key, f"assigned:{assignee.get('id')}", _name(assignee), ""
    return None


def _name(person: Mapping[str, Any]) -> str:
    return str(person.get("available_name") or person.get("name") or "")
