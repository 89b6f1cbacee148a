"""The database's tables, made and changed step by step (Alembic).

A step only adds: while a new version starts beside the old one, both use the same tables. What an
older version needs no longer is taken away one version later. Steps that know nothing of each other
may stand side by side (several heads).
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

# Any number that nothing else in the database takes: who migrates holds this lock.
_LOCK = 0x0CA11A
logging.getLogger("alembic").setLevel(logging.WARNING)
# Alembic keeps what it works on in its modules: one thread at a time.
_here = threading.Lock()


def configuration(connection: sa.engine.Connection) -> Config:
    """Return Alembic's configuration for a connection."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    return config


def migrate(engine: sa.engine.Engine) -> None:
    """Bring the tables of a database up to date; blocks.

    Several processes may do so at once: one does it, the others wait for that.
    """
    with _here, engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        if engine.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        command.upgrade(configuration(connection), "heads")
