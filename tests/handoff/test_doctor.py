"""``make doctor`` asks the inbox, and says what is wrong with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Callable, Iterator

import pytest

from tests.handoff.fakes import SECRET, FakeChatwoot, FakeWebhook
from tests.running import ROOT, free_port

Says = Callable[..., list[str]]


@pytest.fixture
def says(tmp_path: Path) -> Says:
    """Return what the doctor says of the hand-off."""

    def run(**settings: str) -> list[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CALLA_", "SLACK_"))}
        done = subprocess.run(
            [sys.executable, "-m", "calla.doctor"],
            cwd=ROOT,
            env={**kept, "CALLA_DATA_FOLDER": str(tmp_path), **settings},
            capture_output=True,
            text=True,
            timeout=120,
        )
        return [line[13:].strip() for line in done.stdout.splitlines() if line.startswith("hand-off")]

    return run


@pytest.fixture
def hook() -> Iterator[FakeWebhook]:
    fake = FakeWebhook()
    yield fake
    fake.close()


def test_without_a_hand_off_there_is_nothing_to_say(says: Says) -> None:
    assert says() == ["ok"]


def test_a_web_hook(says: Says, hook: FakeWebhook) -> None:
    settings = {"CALLA_HANDOFF": "webhook", "CALLA_HANDOFF_URL": hook.url, "CALLA_HANDOFF_SECRET": SECRET}
    hours = {"CALLA_HANDOFF_HOURS": "Mon 09:00-17:00", "CALLA_HANDOFF_TIME_ZONE": "Europe/London"}
    assert says(**settings, **hours) == ["ok"]
    assert [event["type"] for event in hook.events] == ["handoff.ping"]
    assert "does not know if somebody is there" in says(**settings)[0]
    hook.secret = "another secret, long enough for anything"
    assert "status 401" in says(**settings)[0] and "the same CALLA_HANDOFF_SECRET" in says(**settings)[0]
    down = {**settings, "CALLA_HANDOFF_URL": f"http://127.0.0.1:{free_port()}"}
    assert "does not answer as it should" in says(**down)[0]


def test_chatwoot(says: Says) -> None:
    fake = FakeChatwoot()
    settings = {
        "CALLA_HANDOFF": "chatwoot",
        "CALLA_HANDOFF_URL": fake.url,
        "CALLA_HANDOFF_SECRET": SECRET,
        "CALLA_HANDOFF_TOKEN": fake.TOKEN,
        "CALLA_HANDOFF_ACCOUNT": str(fake.ACCOUNT),
        "CALLA_HANDOFF_INBOX": str(fake.INBOX),
        "CALLA_HANDOFF_HOURS": "Mon 09:00-17:00",
        "CALLA_HANDOFF_TIME_ZONE": "Europe/London",
    }
    assert says(**settings) == ["ok"]
    assert "status 401" in says(**{**settings, "CALLA_HANDOFF_TOKEN": "an agent's"})[0]
    assert "status 404" in says(**{**settings, "CALLA_HANDOFF_INBOX": "99"})[0]
    fake.close()
