"""What goes to the action server, and what is taken from it: as Rasa has it, only less of it and sooner."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import ValidationError
from rasa.core.actions.action import RemoteAction
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import ActionExecuted, UserUttered
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.utils.endpoints import EndpointConfig
from rasa_sdk import Tracker

from calla.action_endpoint import LeanAction
from calla.plan import owed_by
from calla.policies.referral import ACTION

FINDING = "my report says BI-RADS 5"
REFERRAL = {"name": "suspicious_finding", "kind": "urgent", "response": "utter_referral/one", "by": "screen"}
PLAN = {"outcome": "referral", "referrals": [REFERRAL]}


def _tracker(turns: int) -> DialogueStateTracker:
    tracker = DialogueStateTracker("somebody", [])
    for turn in range(turns):
        said = f"earlier words {turn}" if turn < turns - 1 else FINDING
        tracker.update(UserUttered(said, {"name": "faq"}, [], {"text": said, "plan": PLAN}))
        tracker.update(ActionExecuted("action_listen"))
    return tracker


def _sent(action: RemoteAction, turns: int) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(json.dumps(action._action_call_format(_tracker(turns), Domain.empty())))
    return body


def test_a_referral_needs_the_latest_message_alone() -> None:
    endpoint = EndpointConfig("http://127.0.0.1:1", enable_selective_domain=True)
    lean, theirs = _sent(LeanAction(ACTION, endpoint), 40), _sent(RemoteAction(ACTION, endpoint), 40)
    assert owed_by(Tracker.from_dict(lean["tracker"]).latest_message) == ["utter_referral/one"]
    assert owed_by(Tracker.from_dict(theirs["tracker"]).latest_message) == ["utter_referral/one"]
    assert lean.keys() == theirs.keys()
    assert lean["tracker"].keys() == theirs["tracker"].keys()
    assert "earlier words" not in json.dumps(lean)
    assert len(json.dumps(lean)) < len(json.dumps(theirs)) / 10


def test_another_action_gets_what_rasa_sends() -> None:
    endpoint = EndpointConfig("http://127.0.0.1:1", enable_selective_domain=True)
    lean, theirs = _sent(LeanAction("action_other", endpoint), 3), _sent(RemoteAction("action_other", endpoint), 3)
    assert len(lean["tracker"]["events"]) == len(theirs["tracker"]["events"]) == 6
    assert lean.keys() == theirs.keys()


@pytest.mark.parametrize(
    "result",
    [
        {"events": [], "responses": []},
        {"events": [], "responses": [{"response": "utter_referral/one"}]},
        {"events": [{"event": "slot", "name": "a", "value": 1}], "responses": []},
        {"events": [{"no": "event"}], "responses": []},
        {"events": "none", "responses": []},
        {"events": [], "responses": ["text"]},
        {},
        [1, 2, 3],
        None,
    ],
)
def test_the_same_results_are_accepted(result: Any) -> None:
    action = RemoteAction(ACTION, None)
    try:
        accepted = action._validate_action_result(result)
    except ValidationError:
        accepted = False
    if accepted:
        assert LeanAction(ACTION, None)._validate_action_result(result)
    else:
        with pytest.raises(ValidationError):
            LeanAction(ACTION, None)._validate_action_result(result)
