"""The first tables. Databases from before the steps have them already: what is there is left as it is."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make what is not there."""
    there = set(sa.inspect(op.get_bind()).get_table_names())
    for name, columns in TABLES.items():
        if name in there:
            continue
        op.create_table(name, *columns)
        for column in columns:
            if isinstance(column, sa.Column) and column.name in INDEXED.get(name, ()):
                op.create_index(f"ix_{name}_{column.name}", name, [column.name])


def _key(name: str, kind: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, primary_key=True)


def _must(name: str, kind: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def _may(name: str, kind: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=True)


TABLES: dict[str, list[Any]] = {
    # Rasa's own table of events.
    "events": [
        _key("id", sa.Integer),
        _must("sender_id", sa.String(255)),
        _must("type_name", sa.String(255)),
        _may("timestamp", sa.Float),
        _may("intent_name", sa.String(255)),
        _may("action_name", sa.String(255)),
        _may("data", sa.Text),
    ],
    "referrals": [
        _key("id", sa.Integer),
        _must("time", sa.DateTime),
        _must("topic", sa.String(64)),
        _must("kind", sa.String(16)),
        _must("channel", sa.String(32)),
        _must("conversation", sa.String(64)),
    ],
    "feedback": [
        _key("id", sa.Integer),
        _must("time", sa.DateTime),
        _must("message", sa.String(64)),
        _must("response", sa.String(128)),
        _must("value", sa.Integer),
        _must("channel", sa.String(32)),
        _must("conversation", sa.String(64)),
    ],
    "revoked_sessions": [_key("session", sa.String(64)), _must("until", sa.Float)],
    "health_probe": [_key("id", sa.Integer), _must("written", sa.Float)],
    "slack_questions": [
        _key("key", sa.String(64)),
        _may("question", sa.Text),
        _must("person", sa.String(64)),
        _must("team", sa.String(32)),
        _must("owner", sa.String(32)),
        _must("accepted", sa.Float),
    ],
    "slack_letters": [
        _key("id", sa.String(32)),
        _must("question", sa.String(64)),
        _must("part", sa.String(160)),
        _must("person", sa.String(64)),
        _must("team", sa.String(32)),
        _may("letter", sa.Text),
        _must("referral", sa.Boolean),
        _must("lost", sa.Boolean),
        _may("channel", sa.String(32)),
        _may("ts", sa.String(32)),
        _must("owner", sa.String(32)),
        _must("accepted", sa.Float),
        sa.UniqueConstraint("question", "part"),
    ],
    "slack_conversations": [
        _key("conversation", sa.String(64)),
        _must("person", sa.String(64)),
        _must("team", sa.String(32)),
        _must("adopted", sa.Boolean),
    ],
}
INDEXED = {
    "events": ("sender_id",),
    "referrals": ("conversation",),
    "feedback": ("message", "conversation"),
    "slack_questions": ("person", "accepted"),
    "slack_letters": ("person", "accepted"),
    "slack_conversations": ("person",),
}
