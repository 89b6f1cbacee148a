"""What Alembic runs: the steps, on the connection that ``migrate`` hands it."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"], version_table="calla_version")
with context.begin_transaction():
    context.run_migrations()
