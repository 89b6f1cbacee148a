"""The server's secret, and the key derived from it that bot and action server share."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from calla.settings import Settings

KEY_HEADER = "X-Calla-Key"


def secret_key(config: Settings) -> str:
    """Return the key that signs sessions and hashes conversation ids.

    From ``CALLA_SECRET``, else made once and kept in the data folder (readable by the
    owner only), so that sessions survive a restart on a fresh machine too.
    """
    if config.secret is not None:
        return config.secret.get_secret_value()
    config.data_folder.mkdir(parents=True, exist_ok=True)
    file = config.data_folder / "secret"
    if not file.is_file():
        _make(file)
    return file.read_text().strip()


def _make(file: Path) -> None:
    """Make a secret; where two processes do so at once, the first one wins."""
    made = file.with_name(f"secret.{os.getpid()}")
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(secrets.token_urlsafe(32))
    try:
        os.link(made, file)
    except FileExistsError:
        pass
    finally:
        made.unlink()


def action_key(secret: str) -> str:
    """Return the key that the bot shows the action server."""
    return hmac.new(secret.encode(), b"calla action server", hashlib.sha256).hexdigest()
