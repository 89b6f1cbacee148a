"""Servers with each kind of inbox."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Iterator

import pytest

from tests.handoff.fakes import SECRET, FakeChatwoot, FakeWebhook
from tests.running import ServerProcess

TEAM = "the breast care nurses of Elm Street"


def server_with(folder: Path, **environment: str) -> ServerProcess:
    """Return a server, not started, whose visitors may come often."""
    often = {"CALLA_SESSIONS_PER_HOUR": "5000", "CALLA_ADDRESS_MESSAGES_PER_MINUTE": "5000"}
    return ServerProcess(folder, **{"CALLA_HANDOFF_TEAM": TEAM, **often, **environment})


def webhook_settings(inbox: FakeWebhook) -> dict[str, str]:
    """Return the settings of a web hook."""
    return {"CALLA_HANDOFF": "webhook", "CALLA_HANDOFF_URL": f"{inbox.url}/calla", "CALLA_HANDOFF_SECRET": SECRET}


@pytest.fixture(scope="module")
def inbox() -> Iterator[FakeWebhook]:
    """An operator's web hook."""
    fake = FakeWebhook()
    yield fake
    fake.close()


@pytest.fixture(scope="module")
def server(model: None, inbox: FakeWebhook, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The server with that web hook; its patience outlasts the tests."""
    with server_with(tmp_path_factory.mktemp("handoff"), **webhook_settings(inbox)) as running:
        yield running


@pytest.fixture(scope="module")
def chatwoot() -> Iterator[FakeChatwoot]:
    """A Chatwoot."""
    fake = FakeChatwoot()
    yield fake
    fake.close()


@pytest.fixture(scope="module")
def joined(model: None, chatwoot: FakeChatwoot, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The server with Chatwoot."""
    settings = {
        "CALLA_HANDOFF": "chatwoot",
        "CALLA_HANDOFF_URL": chatwoot.url,
        "CALLA_HANDOFF_SECRET": SECRET,
        "CALLA_HANDOFF_TOKEN": chatwoot.TOKEN,
        "CALLA_HANDOFF_ACCOUNT": str(chatwoot.ACCOUNT),
        "CALLA_HANDOFF_INBOX": str(chatwoot.INBOX),
        "CALLA_HANDOFF_HOURS": "Mon-Sun 00:00-24:00",
        "CALLA_HANDOFF_TIME_ZONE": "Europe/London",
    }
    with server_with(tmp_path_factory.mktemp("chatwoot"), **settings) as running:
        yield running
