"""Session tokens of the web channel: minted here, signed, and the only source of a sender id."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass
from typing import Callable, Optional

import jwt
import sqlalchemy as sa

from calla.database import Database

ALGORITHM = "HS256"
AUDIENCE = "calla-web"
SENDER_PREFIX = "web_"
# Seconds by which two clocks may differ, or one may be set back: nobody is thrown out for that.
LEEWAY = 120

_METADATA = sa.MetaData()
REVOKED = sa.Table(
    "revoked_sessions",
    _METADATA,
    # A hash: of an erased conversation not even its id is kept.
    sa.Column("session", sa.String(64), primary_key=True),
    # Seconds since the epoch after which no token of it is valid anyway.
    sa.Column("until", sa.Float, nullable=False),
)


@dataclass(frozen=True)
class Session:
    """A visitor's conversation.

    Attributes:
        sender: conversation id in the tracker store.
        token: what the browser shows to prove that the conversation is its own.
        began: seconds since the epoch at which its first token was minted.
    """

    sender: str
    token: str
    began: int = 0


class Sessions:
    """Mints and verifies session tokens (JSON Web Tokens, RFC 7519).

    Args:
        key: the server's secret; a key of its own is derived, so that a token says
            nothing about other uses of the secret.
        hours: life of a token; a visitor who comes back in time gets a fresh one.
        days: life of a session, however often its token is renewed.
    """

    def __init__(self, key: str, hours: int, days: int = 30) -> None:
        self._key = hmac.new(key.encode(), b"calla web session", hashlib.sha256).digest()
        self._seconds = hours * 3600
        self._longest = max(days * 24 * 3600, self._seconds)
        self._revoked: dict[str, float] = {}
        self._erased: Callable[[str], bool] = lambda _: False
        self._database: Optional[Database] = None

    async def keep_in(self, database: Database, erased: Callable[[str], bool]) -> None:
        """Remember revoked sessions across restarts, as far as the database answers.

        Args:
            database: where they are kept.
            erased: says of a conversation whether it is still to be erased.
        """
        self._database = database
        self._erased = erased
        await self.refresh()

    async def refresh(self) -> None:
        """Read again what is revoked: other processes revoke too."""
        if self._database is not None:
            self._revoked.update(await self._database.call(self._read))

    def mint(self, renewed: Optional[Session] = None) -> Session:
        """Return a fresh token, for a new conversation or for one that goes on."""
        now = int(time.time())
        sender = renewed.sender if renewed else f"{SENDER_PREFIX}{secrets.token_urlsafe(24)}"
        began = renewed.began if renewed else now
        end = min(now + self._seconds, began + self._longest)
        claims = {"aud": AUDIENCE, "sub": sender, "iat": now, "exp": end, "began": began}
        return Session(sender, jwt.encode(claims, self._key, algorithm=ALGORITHM), began)

    def verify(self, token: object) -> Optional[Session]:
        """Return the session of a token, or ``None`` if it is not one of ours, too old, or revoked."""
        if not isinstance(token, str) or len(token) > 1000 or not token.isascii():
            return None
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                # Times are ours to judge, below, with patience for clocks.
                options={"require": ["aud", "sub", "exp", "began"], "verify_exp": False, "verify_iat": False},
            )
        except jwt.InvalidTokenError:
            return None
        sender, began, end = claims["sub"], claims["began"], claims["exp"]
        if not isinstance(sender, str) or not sender.startswith(SENDER_PREFIX):
            return None
        if not isinstance(began, int) or not isinstance(end, int):
            return None
        if time.time() > min(end, began + self._longest) + LEEWAY or self.is_revoked(sender):
            return None
        return Session(sender, token, began)

    def is_revoked(self, sender: str) -> bool:
        """Say whether a conversation has been erased, so that no token opens it any more."""
        return _hash(sender) in self._revoked or self._erased(sender)

    async def revoke(self, sender: str) -> None:
        """Make all tokens of a conversation worthless, from now on and after a restart.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: if the database refuses.
            DatabaseHangsError: if it does not answer in time.
        """
        self.revoke_here(sender)
        if self._database is not None:
            await self._database.call(self._write, _hash(sender), time.time())

    def revoke_here(self, sender: str) -> None:
        """Make all tokens of a conversation worthless in this process; another one keeps that."""
        now = time.time()
        self._revoked[_hash(sender)] = now + self._longest + LEEWAY
        for old in [name for name, until in self._revoked.items() if until < now]:
            del self._revoked[old]

    def _read(self) -> dict[str, float]:
        assert self._database is not None
        with self._database.engine.connect() as connection:
            rows = connection.execute(sa.select(REVOKED).where(REVOKED.c.until > time.time()))
            return {row.session: row.until for row in rows}

    def _write(self, name: str, now: float) -> None:
        assert self._database is not None
        with self._database.engine.begin() as connection:
            connection.execute(REVOKED.delete().where(sa.or_(REVOKED.c.session == name, REVOKED.c.until < now)))
            connection.execute(REVOKED.insert(), {"session": name, "until": self._revoked[name]})


def _hash(sender: str) -> str:
    return hashlib.sha256(sender.encode()).hexdigest()
