"""Stopped in the middle: what was acknowledged is answered after the restart, once."""

from __future__ import annotations

import logging
import signal
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Iterator

import pytest
import requests
from fake_slack import FakeSlack
from slack_world import CallaServer, Workspace

from tests.running import START_LIMIT

logger = logging.getLogger(__name__)

QUESTION = "What are breast calcifications?"
BOTH = "My report says BI-RADS 4. Also, what is vitamin K2?"


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
    own.ask(BOTH, "undisturbed")
    whole = own.said("undisturbed")
    assert len(whole) > 1 and whole[0].startswith("utter_referral/")
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
    assert [name for call in slack.posts(half[1]) for name in call.names] == whole[:1]
    own.stop(signal.SIGKILL)
    held.set()
    slack._troubles.clear()
    # While it does not know yet who it is in Slack, it can take nothing, and Slack tries again.
    slack.trouble("auth.test", "error", "internal_error")
    slack.trouble("auth.test", "hang", nameless := threading.Event())
    starting = threading.Thread(target=own.start)
    starting.start()
    slack.wait(lambda: [c for c in slack.calls if c.method == "auth.test" and c.error == "hang"], START_LIMIT)
    assert workspace.deliver(unanswered).status_code == 503
    assert requests.get(f"{own.url}/health", timeout=5).status_code == 200
    nameless.set()
    starting.join(60)
    first, second = slack.wait_posts(lost[1], 2)
    assert (first.names, second.names) == (
        ["utter_faq/what_are_breast_calcifications"],
        ["utter_more_about"],
    )
    slack.wait_posts(half[1], len(whole))
    # Slack delivers again what it may believe lost.
    slack.wait(lambda: workspace.deliver(unanswered).status_code == 200 or None)
    workspace.deliver(unanswered, X_Slack_Retry_Num="1", X_Slack_Retry_Reason="http_timeout")
    workspace.deliver(finished, X_Slack_Retry_Num="1", X_Slack_Retry_Reason="http_timeout")
    workspace.settled()
    assert len(slack.posts(lost[1])) == 2
    assert len(slack.posts(done[1])) == 1
    assert [name for call in slack.posts(half[1]) for name in call.names] == whole


@pytest.mark.drill
def test_killed_while_a_hundred_people_ask_everybody_is_answered_once(own: CallaServer, slack: FakeSlack) -> None:
    workspace = Workspace(own, slack)
    own.ask(BOTH, "quiet")
    whole = own.said("quiet")
    people = [workspace.dm() for _ in range(100)]

    def said(channel: str) -> list[str]:
        return [name for call in slack.posts(channel) for name in call.names]

    def ask(person: tuple[str, str]) -> None:
        event = workspace.message(*person, BOTH)
        while not acknowledged(workspace, event):
            # Slack delivers again what was not acknowledged.
            time.sleep(0.5)

    with ThreadPoolExecutor(20) as pool:
        asking = [pool.submit(ask, person) for person in people]
        slack.wait(lambda: sum(bool(said(channel)) for _, channel in people) > 20, 60)
        own.stop(signal.SIGKILL)
        begun, finished = (sum(test(said(channel)) for _, channel in people) for test in (bool, whole.__eq__))
        own.start()
        back = time.monotonic()
        for one in asking:
            one.result()
    for _, channel in people:
        slack.wait_posts(channel, len(whole), 120)
    logger.info(
        "killed when %d of 100 had begun to read and %d had read all; all had everything %.1f s after the start",
        *(begun, finished, time.monotonic() - back),
    )
    workspace.settled()
    assert [channel for _, channel in people if said(channel) != whole] == []


def acknowledged(workspace: Workspace, event: dict[str, Any]) -> bool:
    """Deliver an event; say whether the server is there and takes it."""
    try:
        return workspace.deliver(event).status_code == 200
    except requests.ConnectionError:
        return False


def test_a_server_that_stops_answers_what_is_open_first(own: CallaServer, slack: FakeSlack) -> None:
    workspace = Workspace(own, slack)
    user, channel = workspace.dm()
    slack.trouble("chat.postMessage", "slow", 2, about=channel)
    workspace.deliver(workspace.message(user, channel, QUESTION))
    own.stop(signal.SIGTERM)
    assert len(slack.posts(channel)) == 1
    assert open_questions(own) == 0
    # Nothing was left running.
    assert "was destroyed" not in own.log.read_text() and "never retrieved" not in own.log.read_text()
