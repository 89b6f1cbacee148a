"""The hand-off to a person: its state, events for the inbox, and what came from it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003_hand_off"
down_revision = "0002_journal"


def upgrade() -> None:
    """Make them, unless a version before the steps has made them."""
    there = set(sa.inspect(op.get_bind()).get_table_names())
    if "handoffs" not in there:
        op.create_table(
            "handoffs",
            sa.Column("id", sa.String(32), primary_key=True),
            sa.Column("conversation", sa.String(128), nullable=False),
            sa.Column("state", sa.String(16), nullable=False),
            sa.Column("person", sa.String(80), nullable=True),
            sa.Column("passed", sa.Text, nullable=True),
            sa.Column("remote", sa.Text, nullable=True),
            sa.Column("remote_key", sa.String(128), nullable=True),
            sa.Column("delivered", sa.Boolean, nullable=False),
            sa.Column("told", sa.Boolean, nullable=False),
            sa.Column("opened", sa.Float, nullable=False),
            sa.Column("heard", sa.Float, nullable=False),
        )
        for column in ("conversation", "state", "remote_key", "opened"):
            op.create_index(f"ix_handoffs_{column}", "handoffs", [column])
    if "handoff_letters" not in there:
        op.create_table(
            "handoff_letters",
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("handoff", sa.String(32), nullable=False),
            sa.Column("key", sa.String(96), nullable=False),
            sa.Column("kind", sa.String(16), nullable=False),
            sa.Column("body", sa.Text, nullable=True),
            sa.Column("created", sa.Float, nullable=False),
            sa.Column("next_try", sa.Float, nullable=False),
            sa.Column("attempts", sa.Integer, nullable=False),
            sa.UniqueConstraint("handoff", "key"),
        )
        op.create_index("ix_handoff_letters_created", "handoff_letters", ["created"])
    if "handoff_seen" not in there:
        op.create_table(
            "handoff_seen",
            sa.Column("handoff", sa.String(32), primary_key=True),
            sa.Column("key", sa.String(96), primary_key=True),
        )
