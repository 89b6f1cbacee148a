"""Signatures of the protocol (the open specification Standard Webhooks) and of Chatwoot's webhooks."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from typing import Mapping, Optional

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
CHATWOOT_TIMESTAMP, CHATWOOT_SIGNATURE = "x-chatwoot-timestamp", "x-chatwoot-signature"
# Seconds that a signature is valid, so that what was overheard cannot be sent again later.
TOLERANCE = 300
_PREFIX = "whsec_"


def key_of(secret: str) -> bytes:
    """Return the key of a secret: what stands behind ``whsec_`` in base64, else the characters themselves."""
    if secret.startswith(_PREFIX):
        try:
            return base64.b64decode(secret[len(_PREFIX) :], validate=True)
        except binascii.Error:
            pass
    return secret.encode()


def signed(secret: str, identity: str, body: bytes, now: Optional[float] = None) -> dict[str, str]:
    """Return the headers that sign a body.

    Args:
        secret: the shared secret.
        identity: what makes the event one and the same, however often it is sent.
        body: the body.
        now: seconds since the epoch.
    """
    moment = str(int(time.time() if now is None else now))
    mac = hmac.new(key_of(secret), f"{identity}.{moment}.".encode() + body, hashlib.sha256).digest()
    return {ID: identity, TIMESTAMP: moment, SIGNATURE: f"v1,{base64.b64encode(mac).decode()}"}


def is_signed(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Say whether a body was signed with the secret, not long ago."""
    identity, moment = headers.get(ID, ""), headers.get(TIMESTAMP, "")
    if not identity or not _is_fresh(moment):
        return False
    expected = signed(secret, identity, body, int(moment))[SIGNATURE].encode()
    # Several signatures: the sender changes its secret.
    given = headers.get(SIGNATURE, "").encode(errors="replace").split()
    return any(hmac.compare_digest(expected, one) for one in given)


def is_signed_by_chatwoot(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Say whether Chatwoot signed a body with the inbox's secret, not long ago."""
    moment = headers.get(CHATWOOT_TIMESTAMP, "")
    if not _is_fresh(moment):
        return False
    mac = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(f"sha256={mac}".encode(), headers.get(CHATWOOT_SIGNATURE, "").encode(errors="replace"))


def _is_fresh(moment: str) -> bool:
    return moment.isascii() and moment.isdigit() and len(moment) < 12 and abs(time.time() - int(moment)) <= TOLERANCE
