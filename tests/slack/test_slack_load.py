"""Many people at once: acknowledged in time, everybody answered once, in order."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from fake_slack import FakeSlack
from slack_world import Workspace

logger = logging.getLogger(__name__)

# A few in `make test`; a hundred are for a machine that does nothing else.
CROWDS = (20, pytest.param(100, marks=pytest.mark.drill))
# Seconds that Slack waits for an acknowledgement.
SLACK_WAITS = 3.0
QUESTIONS = (
    ("What are breast calcifications?", "utter_faq/what_are_breast_calcifications"),
    ("tell me more", "utter_more_about"),
    ("What is BI-RADS?", "utter_faq/what_is_birads"),
)


def measured(what: str, seconds: list[float]) -> None:
    """Tell the figures for docs/slack.md (``--log-cli-level=INFO`` shows them)."""
    in_order = sorted(seconds)
    median, late = in_order[len(in_order) // 2], in_order[int(len(in_order) * 0.95)]
    logger.info("%d %s: p50 %.2f s, p95 %.2f s, max %.2f s", len(in_order), what, median, late, in_order[-1])


@pytest.mark.parametrize("number", CROWDS)
def test_many_people_at_once_are_acknowledged_in_time_and_answered_once(
    workspace: Workspace, fake: FakeSlack, number: int
) -> None:
    people = [workspace.dm() for _ in range(number)]
    start = threading.Barrier(20)
    asked: dict[str, float] = {}

    def ask(person: tuple[str, str]) -> float:
        user, channel = person
        if people.index(person) < 20:
            start.wait(10)
        event = workspace.message(user, channel, "What is vitamin K2?")
        sent = asked[channel] = time.monotonic()
        assert workspace.deliver(event).status_code == 200
        taken = time.monotonic() - sent
        workspace.deliver(event, X_Slack_Retry_Num="1")
        return taken

    with ThreadPoolExecutor(20) as pool:
        taken = list(pool.map(ask, people))
    answers = [fake.wait_posts(channel, timeout=60)[0].time - asked[channel] for _, channel in people]
    measured("people at once over HTTP, acknowledged after", taken)
    measured("people at once over HTTP, answered after", answers)
    assert max(taken) < SLACK_WAITS
    workspace.settled()
    assert all(len(fake.posts(channel)) == 1 for _, channel in people)


@pytest.mark.parametrize("number", CROWDS)
def test_many_envelopes_at_once_are_acknowledged_in_time(workspace: Workspace, fake: FakeSlack, number: int) -> None:
    people = [workspace.dm() for _ in range(number)]
    sent = {}
    for user, channel in people:
        event = workspace.message(user, channel, "Which foods are rich in magnesium?")
        sent[fake.send_envelope("events_api", workspace.event(event))] = time.monotonic()
    taken = [fake.wait_ack(envelope)[0] - moment for envelope, moment in sent.items()]
    first = min(sent.values())
    answers = [fake.wait_posts(channel, timeout=60)[0].time - first for _, channel in people]
    measured("people at once in Socket Mode, acknowledged after", taken)
    measured("people at once in Socket Mode, answered after", answers)
    assert max(taken) < SLACK_WAITS


def test_messages_of_a_conversation_are_answered_in_order(workspace: Workspace, fake: FakeSlack) -> None:
    people = [workspace.dm() for _ in range(10)]
    for number, (text, _) in enumerate(QUESTIONS):
        for user, channel in people:
            if number == 0:
                # The first answer is held up; the others must not overtake it.
                fake.trouble("chat.postMessage", "slow", 0.5, about=channel)
            workspace.deliver(workspace.message(user, channel, text))
    for _, channel in people:
        posts = fake.wait_posts(channel, 3, timeout=60)
        assert [call.names for call in posts] == [[name] for _, name in QUESTIONS]


def test_a_long_message_holds_up_nobody_for_long(workspace: Workspace, fake: FakeSlack) -> None:
    user, channel = workspace.dm()
    workspace.deliver(workspace.message(user, channel, "is magnesium in nuts " * 1900))
    other, elsewhere = workspace.dm()
    answer = workspace.deliver(workspace.message(other, elsewhere, "What is vitamin K2?"))
    assert answer.elapsed.total_seconds() < SLACK_WAITS
    assert fake.wait_posts(elsewhere)
