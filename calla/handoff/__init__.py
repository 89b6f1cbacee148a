"""Handing a conversation to a person: the open protocol, its inboxes, and what becomes of it (docs/handoff.md)."""
