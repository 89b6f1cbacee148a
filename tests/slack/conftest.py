"""A running Calla and a stand-in for Slack."""

from __future__ import annotations

from typing import Iterator

import pytest
from fake_slack import FakeSlack
from slack_world import CallaServer, Workspace


@pytest.fixture(scope="session")
def fake() -> Iterator[FakeSlack]:
    """Slack, for the whole session; tests use people and channels of their own."""
    slack = FakeSlack()
    yield slack
    slack.stop()


@pytest.fixture(scope="session")
def server(model: None, fake: FakeSlack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CallaServer]:
    """Calla with both ways in: Socket Mode and HTTP."""
    with CallaServer(tmp_path_factory.mktemp("calla"), fake, SLACK_CARE_CHANNEL="C0CARE") as running:
        fake.members.add("C0CARE")
        yield running


@pytest.fixture(scope="session")
def workspace(server: CallaServer, fake: FakeSlack) -> Workspace:
    """People in Slack who reach Calla over HTTP."""
    return Workspace(server, fake)
