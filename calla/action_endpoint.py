"""The action server as the bot calls it: with a key, a time limit, and a look at what it says."""

from __future__ import annotations

import asyncio
from functools import lru_cache
from typing import Any, Optional

import rasa
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from rasa.core.actions.action import RemoteAction
from rasa.shared.core.domain import Domain
from rasa.shared.core.trackers import DialogueStateTracker, EventVerbosity
from rasa.utils.endpoints import EndpointConfig

from calla.catalogue import REFERRAL_PREFIX
from calla.policies.referral import ACTION as REFERRAL_ACTION
from calla.status import STATUS

# Seconds the action server may take. Within the three seconds that the guarantee gives
# a referral, with room for the stand-in.
ACTION_DEADLINE = 1.5


class NotAReferralError(RuntimeError):
    """The action server answered the referral action with rubbish."""


class DeadlineEndpoint(EndpointConfig):
    """The action server's address, with a time limit on every call.

    Rasa waits five minutes for a hanging action; a person waiting for a referral gets
    it within three seconds.
    """

    async def request(self, *args: Any, **kwargs: Any) -> Optional[Any]:
        """Call the action server (see parent class).

        Raises:
            asyncio.TimeoutError: after ``ACTION_DEADLINE`` seconds.
            NotAReferralError: if the referral action answers with anything but referrals.
        """
        try:
            result = await asyncio.wait_for(super().request(*args, **kwargs), ACTION_DEADLINE)
            if (kwargs.get("json") or {}).get("next_action") == REFERRAL_ACTION:
                self._check_referral(result)
            return result
        except Exception as error:
            STATUS.failed("action_failures", f"action server: {type(error).__name__}")
            raise

    @staticmethod
    def _check_referral(result: Any) -> None:
        """Refuse what is not a referral, so that it is never read before one."""
        responses = result.get("responses") if isinstance(result, dict) else None
        if not isinstance(responses, list) or not all(
            isinstance(r, dict) and str(r.get("response", "")).startswith(REFERRAL_PREFIX) for r in responses
        ):
            raise NotAReferralError("the referral action answered with something else")


class LeanAction(RemoteAction):
    """An action of the action server, called without what costs more than the action itself."""

    def _action_call_format(self, tracker: DialogueStateTracker, domain: Domain) -> dict[str, Any]:
        """Return what the action server gets (see parent class): for a referral not the whole conversation.

        It looks at the latest message alone, and a long conversation would make it slow.
        """
        if self.name() != REFERRAL_ACTION:
            return dict(super()._action_call_format(tracker, domain))
        state = {**tracker.current_state(EventVerbosity.NONE), "events": []}
        return {
            "next_action": self.name(),
            "sender_id": tracker.sender_id,
            "tracker": state,
            "version": rasa.__version__,
        }

    def _validate_action_result(self, result: dict[str, Any]) -> bool:
        """Check what the action server answered (see parent class, which also checks the schema, each time)."""
        _result_check().validate(result)
        return True


@lru_cache(maxsize=1)
def _result_check() -> Validator:
    schema = RemoteAction.action_response_format_spec()
    kind = validator_for(schema)
    kind.check_schema(schema)
    check: Validator = kind(schema)
    return check
