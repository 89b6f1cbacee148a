"""A running Calla and a stand-in for Slack."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

import pytest
from fake_slack import FakeSlack
from here import Here
from slack_world import CallaServer, Workspace


@pytest.fixture(scope="session")
def fake() -> Iterator[FakeSlack]:
    """Slack, for the whole session; tests use people and channels of their own."""
    slack = FakeSlack()
    yield slack
    slack.stop()


@pytest.fixture(scope="session")
def server(model: None, fake: FakeSlack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CallaServer]:
    """Calla with both ways in, Socket Mode and HTTP, and with limits that let one address ask everything."""
    with CallaServer(
        tmp_path_factory.mktemp("calla"),
        fake,
        SLACK_CARE_CHANNEL="C0CARE",
        CALLA_SESSIONS_PER_HOUR="100000",
        CALLA_ADDRESS_MESSAGES_PER_MINUTE="100000",
    ) as running:
        fake.members.add("C0CARE")
        yield running


@pytest.fixture(scope="session")
def workspace(server: CallaServer, fake: FakeSlack) -> Workspace:
    """People in Slack who reach Calla over HTTP."""
    return Workspace(server, fake)


@pytest.fixture(scope="module")
def slack() -> Iterator[FakeSlack]:
    """Slack, for a module whose server is its own."""
    fake = FakeSlack()
    yield fake
    fake.stop()


@pytest.fixture
def own_slack() -> Iterator[FakeSlack]:
    """Slack, for one test that breaks it."""
    slack = FakeSlack()
    yield slack
    slack.stop()


@pytest.fixture
def here(own_slack: FakeSlack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Here]:
    """The channel in this process, with a Slack of its own, impatient."""
    monkeypatch.setattr("calla.channels.slack.outbox.FIRST_PAUSE", 0.02)
    monkeypatch.setattr("calla.channels.slack.outbox.LONGEST_PAUSE", 0.1)
    monkeypatch.setattr("calla.channels.slack.connection.REPAIRED", 0.05)
    monkeypatch.setattr("calla.channels.slack.connection.RECONNECT", (0.02,))
    own_slack.members.add("C0CARE")
    running = Here(own_slack, tmp_path, slack_care_channel="C0CARE").start()
    # Its tables are there: the first of them all takes long on a busy machine.
    running.until(lambda: running.rows("SELECT count(*) FROM slack_questions"))
    yield running
    running.stop()
