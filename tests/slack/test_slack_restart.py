"""Stopped in the middle: what was acknowledged is answered after the restart, once."""

from __future__ import annotations

import signal
import sqlite3
import threading
from pathlib import Path
from typing import Iterator

import pytest
import requests
from fake_slack import FakeSlack
from slack_world import CallaServer, Workspace

pytestmark = pytest.mark.drill

QUESTION = "What are breast calcifications?"
BOTH = "My report says BI-RADS 4. Also, what is vitamin K2?"


@pytest.fixture(scope="module")
def slack() -> Iterator[FakeSlack]:
    """A Slack of this module's own."""
    fake = FakeSlack()
    yield fake
    fake.stop()


@pytest.fixture(scope="module")
def own(model: None, slack: FakeSlack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CallaServer]:
    """A server of this module's own, in HTTP mode alone."""
    with CallaServer(tmp_path_factory.mktemp("restart"), slack, SLACK_APP_TOKEN="", CALLA_SECRET="a-secret") as running:
        yield running


def open_questions(server: CallaServer) -> int:
    query = "SELECT count(*) FROM slack_questions WHERE question IS NOT NULL"
    return int(sqlite3.connect(server.folder / "calla.db").execute(query).fetchone()[0])


def test_without_an_app_token_no_socket_is_opened(own: CallaServer, slack: FakeSlack) -> None:
    Workspace(own, slack).settled()
    assert slack.opened == 0
    assert not [call for call in slack.calls if call.method == "apps.connections.open"]


def test_killed_in_the_middle_everything_is_answered_once(own: CallaServer, slack: FakeSlack) -> None:
    workspace = Workspace(own, slack)
    lost, half, done = workspace.dm(), workspace.dm(), workspace.dm()
    finished = workspace.message(*done, QUESTION)
    workspace.deliver(finished)
    slack.wait_posts(done[1])
    held = threading.Event()
    # One question gets nothing out before the end, the other the first of its messages.
    slack.trouble("chat.postMessage", "hang", held, about=lost[1], times=9)
    slack.trouble("chat.postMessage", "slow", 0, about=half[1])
    slack.trouble("chat.postMessage", "hang", held, about=half[1], times=9)
    unanswered = workspace.message(*lost, QUESTION)
    assert workspace.deliver(unanswered).status_code == 200
    workspace.deliver(workspace.message(*lost, "tell me more"))
    workspace.deliver(workspace.message(*half, BOTH))
    hanging = {lost[1], half[1]}
    slack.wait(lambda: hanging <= {c.args.get("channel") for c in slack.calls if c.error == "hang"})
    assert slack.posts(lost[1]) == []
    assert len(slack.posts(half[1])) == 1
    own.stop(signal.SIGKILL)
    held.set()
    slack._troubles.clear()
    own.start()
    first, second = slack.wait_posts(lost[1], 2)
    assert (first.names, second.names) == (
        ["utter_faq/what_are_breast_calcifications"],
        ["utter_more_about"],
    )
    posts = slack.wait_posts(half[1], 2)
    # Slack delivers again what it may believe lost.
    workspace.deliver(unanswered, X_Slack_Retry_Num="1", X_Slack_Retry_Reason="http_timeout")
    workspace.deliver(finished, X_Slack_Retry_Num="1", X_Slack_Retry_Reason="http_timeout")
    workspace.settled()
    assert len(slack.posts(lost[1])) == 2
    assert len(slack.posts(done[1])) == 1
    posts = slack.posts(half[1])
    assert posts[0].names[0].startswith("utter_referral/")
    names = [call.names[0] for call in posts]
    assert len(names) == len(set(names)) == 2


def test_a_server_that_stops_answers_what_is_open_first(own: CallaServer, slack: FakeSlack) -> None:
    workspace = Workspace(own, slack)
    user, channel = workspace.dm()
    slack.trouble("chat.postMessage", "slow", 2, about=channel)
    workspace.deliver(workspace.message(user, channel, QUESTION))
    own.stop(signal.SIGTERM)
    assert len(slack.posts(channel)) == 1
    assert open_questions(own) == 0
    own.start()
    workspace.settled()
    assert len(slack.posts(channel)) == 1


def test_a_server_that_does_not_know_slack_yet_asks_for_a_retry(
    own: CallaServer, slack: FakeSlack, tmp_path: Path
) -> None:
    workspace = Workspace(own, slack)
    own.stop()
    slack.trouble("auth.test", "error", "internal_error")
    slack.trouble("auth.test", "hang", held := threading.Event())
    starting = threading.Thread(target=own.start)
    starting.start()
    slack.wait(lambda: [c for c in slack.calls if c.method == "auth.test" and c.error == "hang"], 120)
    user, channel = workspace.dm()
    event = workspace.message(user, channel, QUESTION)
    answer = workspace.deliver(event)
    assert answer.status_code == 503
    assert requests.get(f"{own.url}/health", timeout=5).status_code == 200
    held.set()
    starting.join(60)
    slack.wait(lambda: workspace.deliver(event).status_code == 200 or None)
    assert len(slack.wait_posts(channel)) == 1
