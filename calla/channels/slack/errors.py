"""What a failed call of Slack's means: wait, go another way, or give up.

Slack's codes: https://docs.slack.dev/reference/methods/chat.postMessage#errors
"""

from __future__ import annotations

import asyncio
from typing import Optional

import aiohttp
from slack_sdk.errors import SlackApiError

WAIT, ELSEWHERE, BLOCKS, HOPELESS = "wait", "elsewhere", "blocks", "hopeless"

# The token: nothing goes out until somebody repairs it, then everything does.
REFUSED = frozenset(
    {
        "invalid_auth",
        "not_authed",
        "account_inactive",
        "token_revoked",
        "token_expired",
        "not_allowed_token_type",
        "no_permission",
        "missing_scope",
        "org_login_required",
        "two_factor_setup_required",
        "team_not_found",
        "ekm_access_denied",
        "access_denied",
        "enterprise_is_restricted",
    }
)
_BLOCKS = frozenset(
    {
        "invalid_blocks",
        "invalid_blocks_format",
        "msg_blocks_too_long",
        "block_mismatch",
        "invalid_metadata_format",
        "invalid_metadata_schema",
        "metadata_must_be_sent_from_app",
        "metadata_too_large",
    }
)
# This way is closed, another may be open.
_ELSEWHERE = frozenset(
    {
        "not_in_channel",
        "channel_not_found",
        "is_archived",
        "is_inactive",
        "user_not_in_channel",
        "restricted_action",
        "restricted_action_read_only_channel",
        "restricted_action_thread_only_channel",
        "restricted_action_thread_locked",
        "restricted_action_non_threadable_channel",
        "cannot_reply_to_message",
        "thread_not_found",
        "invalid_thread_ts",
        "message_not_found",
        "team_access_not_granted",
        "method_not_supported_for_channel_type",
        "user_not_found",
        "user_disabled",
        "cannot_dm_bot",
        "messages_tab_disabled",
        "as_user_not_supported",
        "no_such_url",
        "used_url",
        "expired_url",
        "ekm_not_supported",
    }
)
# Nothing will ever make Slack take this very content.
_HOPELESS = frozenset({"no_text", "msg_too_long", "invalid_arguments", "invalid_arg_name", "unescaped_text"})
# Times that an answer nobody has heard of is waited for before another way is tried.
PATIENCE_WITH_UNKNOWN = 8


class DeliveryError(RuntimeError):
    """Slack did not take a call; the message is its code, never a text.

    Attributes:
        code: Slack's code, or the kind of failure.
        way_on: ``wait``, ``elsewhere``, ``blocks`` or ``hopeless``.
        after: seconds that Slack asks to wait.
        uncertain: whether Slack may have taken it all the same.
    """

    def __init__(self, code: str, way_on: str, *, after: Optional[float] = None, uncertain: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.way_on = way_on
        self.after = after
        self.uncertain = uncertain


def way_on(code: str, attempts: int = 0) -> str:
    """Return what a code of Slack's means after some attempts.

    What Slack invents tomorrow is waited for first, as most of its codes pass.
    """
    if code in _BLOCKS:
        return BLOCKS
    if code in _ELSEWHERE or code.startswith(("restricted_action", "slack_connect_")):
        return ELSEWHERE
    if code in _HOPELESS:
        return HOPELESS
    known = code in REFUSED or code in _PASSING
    return WAIT if known or attempts < PATIENCE_WITH_UNKNOWN else ELSEWHERE


# Slack is busy or broken.
_PASSING = frozenset(
    {
        "ratelimited",
        "rate_limited",
        "internal_error",
        "fatal_error",
        "service_unavailable",
        "request_timeout",
        "team_added_to_org",
        "external_channel_migrating",
        "accesslimited",
        "message_limit_exceeded",
    }
)


def after_of(headers: object, default: float = 1.0) -> float:
    """Return the seconds of ``Retry-After``, between 0 and an hour."""
    try:
        found = headers.get("Retry-After") or headers.get("retry-after")  # type: ignore[attr-defined]
        return min(max(float(found), 0.0), 3600.0)
    except (AttributeError, TypeError, ValueError):
        return default


def reason(error: BaseException) -> str:
    """Return what may be logged about a failed call: a code or a kind, never a text."""
    if isinstance(error, DeliveryError):
        return error.code
    if isinstance(error, SlackApiError):
        data = getattr(error.response, "data", None)
        code = data.get("error") if isinstance(data, dict) else None
        status = getattr(error.response, "status_code", None) or getattr(error.response, "status", None)
        return str(code or (f"HTTP {status}" if status else "SlackApiError"))
    return type(error).__name__


def classified(error: Exception, attempts: int = 0) -> DeliveryError:
    """Turn whatever a call of the Web API raised into a ``DeliveryError``."""
    if isinstance(error, DeliveryError):
        return error
    code = reason(error)
    if isinstance(error, SlackApiError):
        status = getattr(error.response, "status_code", None) or getattr(error.response, "status", None)
        if code in ("ratelimited", "rate_limited") or status == 429:
            return DeliveryError(code, WAIT, after=after_of(getattr(error.response, "headers", None)))
        if code.startswith("HTTP "):
            # A page instead of an answer: a proxy, or Slack itself, is out of order. What it
            # did before cannot be known.
            return DeliveryError(code, WAIT, uncertain=status in (None, 200) or int(status or 0) >= 500)
        return DeliveryError(code, way_on(code, attempts), uncertain=code in ("internal_error", "fatal_error"))
    if isinstance(error, aiohttp.ClientConnectorError):
        return DeliveryError(code, WAIT)
    if isinstance(error, (aiohttp.ClientError, asyncio.TimeoutError, OSError, AttributeError, ValueError)):
        # Broken off, too late, or no JSON: Slack may have taken it.
        return DeliveryError(code, WAIT, uncertain=True)
    return DeliveryError(code, HOPELESS)
