"""``kill -9`` between every two steps, at the real server: nothing is lost, nothing said twice."""

from __future__ import annotations

import json
import signal
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Iterator

import pytest
import requests
from dying_server import DIE_AT, STEPS
from fake_slack import FakeSlack
from slack_world import CallaServer, Workspace

from tests.running import ROOT

pytestmark = pytest.mark.drill

QUESTION, ANSWER = "What are breast calcifications?", "utter_faq/what_are_breast_calcifications"
CRISIS, CRISIS_TEXT = "I want to end my life", "utter_referral/emotional_crisis"
BOTH = "My report says BI-RADS 4. Also, what is vitamin K2?"
# Seconds for what a busy machine takes long for.
PATIENCE = 60.0


@pytest.fixture(scope="module")
def dying(model: None, slack: FakeSlack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CallaServer]:
    """A server that kills itself where it is told to."""
    server = CallaServer(tmp_path_factory.mktemp("dying"), slack, SLACK_APP_TOKEN="", PYTHONPATH=str(ROOT))
    server.program = [str(ROOT / "tests" / "slack" / "dying_server.py")]
    with server as running:
        yield running


@pytest.fixture(scope="module")
def whole(dying: CallaServer) -> list[str]:
    """What is said to a finding with a question beside it while nothing fails."""
    dying.ask(BOTH, undisturbed := uuid.uuid4().hex)
    return dying.said(undisturbed)


def acknowledged(workspace: Workspace, body: bytes, **headers: str) -> bool:
    """Deliver an event; say whether the server is there and takes it."""
    try:
        return workspace.send(body, **headers).status_code == 200
    except (requests.ConnectionError, requests.Timeout):
        return False


@pytest.mark.parametrize("step", STEPS)
def test_killed_before_each_step_the_real_server_says_everything_once(
    dying: CallaServer, slack: FakeSlack, whole: list[str], step: str
) -> None:
    workspace = Workspace(dying, slack)
    both, other, asker, room = workspace.dm(), workspace.dm(), workspace.person(), workspace.channel()
    events = [
        workspace.message(*both, BOTH),
        workspace.message(*other, QUESTION),
        workspace.mention(asker, room, CRISIS),
    ]
    bodies = [json.dumps(workspace.event(event)).encode() for event in events]
    workspace.until(lambda: acknowledged(workspace, b'{"type": "url_verification", "challenge": "there"}'))
    (dying.folder / DIE_AT).write_text(step)
    with ThreadPoolExecutor(len(bodies)) as pool:
        taken = list(pool.map(lambda body: acknowledged(workspace, body), bodies))
    assert dying.process is not None
    assert dying.process.wait(PATIENCE) == -signal.SIGKILL
    (dying.folder / DIE_AT).unlink()
    dying.start()
    for body in (body for body, was_taken in zip(bodies, taken, strict=True) if not was_taken):
        # Slack delivers again what was not acknowledged, and it alone.
        retry = {"X_Slack_Retry_Num": "1", "X_Slack_Retry_Reason": "http_error"}
        workspace.until(lambda body=body, retry=retry: acknowledged(workspace, body, **retry))
    slack.wait_posts(both[1], len(whole), PATIENCE)
    slack.wait_posts(other[1], 1, PATIENCE)
    notes = slack.wait(lambda: slack.posts(room, "chat.postEphemeral"), PATIENCE)
    workspace.settled()

    def said(place: str) -> list[str]:
        return [name for call in slack.posts(place, "chat.postMessage") for name in call.names]

    assert len(whole) > 1 and whole[0].startswith("utter_referral/")
    assert (said(both[1]), said(other[1])) == (whole, [ANSWER])
    # The referral lasts; the note in the channel points to it and tells nobody else anything.
    assert (said(asker), said(room)) == ([CRISIS_TEXT], [])
    assert {name for note in notes for name in note.names} == {"utter_slack/answered_privately"}
