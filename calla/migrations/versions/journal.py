"""The journal of turns and the log of unanswered questions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002_journal"
down_revision = "0001"


def upgrade() -> None:
    """Make both, unless a version before the steps has made them."""
    there = set(sa.inspect(op.get_bind()).get_table_names())
    if "turns" not in there:
        op.create_table(
            "turns",
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("time", sa.DateTime, nullable=False),
            sa.Column("channel", sa.String(32), nullable=False),
            sa.Column("outcome", sa.String(32), nullable=False),
            sa.Column("answers", sa.String(400), nullable=False),
            sa.Column("offers", sa.String(400), nullable=False),
            sa.Column("referrals", sa.String(400), nullable=False),
            sa.Column("seconds_to_referral", sa.Float, nullable=True),
            sa.Column("seconds_to_end", sa.Float, nullable=False),
            sa.Column("conversation", sa.String(64), nullable=False),
        )
        op.create_index("ix_turns_conversation", "turns", ["conversation"])
    if "unanswered" not in there:
        op.create_table(
            "unanswered",
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("time", sa.DateTime, nullable=False),
            sa.Column("outcome", sa.String(32), nullable=False),
            sa.Column("text", sa.String(500), nullable=False),
            sa.Column("message", sa.String(64), nullable=False),
            sa.Column("conversation", sa.String(64), nullable=False),
        )
        for column in ("message", "conversation"):
            op.create_index(f"ix_unanswered_{column}", "unanswered", [column])
