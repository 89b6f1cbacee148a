"""Session tokens of the web channel: minted here, signed, and the only source of a sender id."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass
from typing import Optional

import jwt

ALGORITHM = "HS256"
AUDIENCE = "calla-web"
SENDER_PREFIX = "web_"


@dataclass(frozen=True)
class Session:
    """A visitor's conversation.

    Attributes:
        sender: conversation id in the tracker store.
        token: what the browser shows to prove that the conversation is its own.
    """

    sender: str
    token: str


class Sessions:
    """Mints and verifies session tokens (JSON Web Tokens, RFC 7519).

    Args:
        key: the server's secret; a key of its own is derived, so that a token says
            nothing about other uses of the secret.
        hours: life of a token.
    """

    def __init__(self, key: str, hours: int) -> None:
        self._key = hmac.new(key.encode(), b"calla web session", hashlib.sha256).digest()
        self._seconds = hours * 3600

    def mint(self, sender: Optional[str] = None) -> Session:
        """Return a fresh token, for a new conversation unless one is named."""
        sender = sender or f"{SENDER_PREFIX}{secrets.token_urlsafe(24)}"
        now = int(time.time())
        claims = {"aud": AUDIENCE, "sub": sender, "iat": now, "exp": now + self._seconds}
        return Session(sender, jwt.encode(claims, self._key, algorithm=ALGORITHM))

    def verify(self, token: object) -> Optional[Session]:
        """Return the session of a token, or ``None`` if it is not one of ours or too old."""
        if not isinstance(token, str) or len(token) > 1000:
            return None
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                options={"require": ["aud", "sub", "iat", "exp"]},
            )
        except jwt.InvalidTokenError:
            return None
        sender = claims["sub"]
        if not isinstance(sender, str) or not sender.startswith(SENDER_PREFIX):
            return None
        return Session(sender, token)
