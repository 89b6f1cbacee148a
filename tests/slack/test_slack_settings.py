"""Half-given settings: one sentence at start that says what to do; none: no Slack."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest
import requests
from fake_slack import APP_TOKEN, BOT_TOKEN, SIGNING_SECRET, FakeSlack
from slack_world import CallaServer

from calla.settings import ROOT, SettingsError, read_settings

NAMES = ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"SLACK_BOT_TOKEN": BOT_TOKEN}, "SLACK_APP_TOKEN"),
        ({"SLACK_APP_TOKEN": APP_TOKEN}, "SLACK_BOT_TOKEN"),
        ({"SLACK_SIGNING_SECRET": SIGNING_SECRET}, "SLACK_BOT_TOKEN"),
        ({"SLACK_BOT_TOKEN": " ", "SLACK_APP_TOKEN": APP_TOKEN}, "SLACK_BOT_TOKEN"),
        ({"SLACK_BOT_TOKEN": APP_TOKEN, "SLACK_APP_TOKEN": APP_TOKEN}, "xoxb-"),
        ({"SLACK_BOT_TOKEN": BOT_TOKEN, "SLACK_APP_TOKEN": BOT_TOKEN}, "xapp-"),
    ],
)
def test_half_given_tokens_are_named(monkeypatch: pytest.MonkeyPatch, given: dict[str, str], named: str) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as problem:
        read_settings()
    sentence = str(problem.value)
    assert named in sentence and sentence.count(". ") == 0 and "\n" not in sentence
    assert not any(value.strip() and value in sentence for value in given.values())


@pytest.mark.parametrize(
    "given",
    [
        {},
        dict.fromkeys(NAMES, ""),
        {"SLACK_BOT_TOKEN": BOT_TOKEN, "SLACK_APP_TOKEN": APP_TOKEN},
        {"SLACK_BOT_TOKEN": BOT_TOKEN, "SLACK_SIGNING_SECRET": SIGNING_SECRET},
    ],
)
def test_whole_settings_are_accepted(monkeypatch: pytest.MonkeyPatch, given: dict[str, str]) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    read_settings()


def test_the_server_says_it_in_one_sentence_and_does_not_start(tmp_path: Path) -> None:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("SLACK_")}
    ended = subprocess.run(
        [sys.executable, "-m", "calla.server"],
        cwd=ROOT,
        env={**clean, "SLACK_BOT_TOKEN": BOT_TOKEN, "CALLA_DATA_FOLDER": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 2
    last = ended.stderr.strip().splitlines()[-1]
    assert last.startswith("SLACK_BOT_TOKEN is set alone") and "Traceback" not in ended.stderr


@pytest.fixture
def refusing() -> Iterator[FakeSlack]:
    """A Slack that refuses the tokens."""
    fake = FakeSlack()
    yield fake
    fake.stop()


@pytest.mark.parametrize(
    ("environment", "method", "named"),
    [
        ({"SLACK_BOT_TOKEN": "xoxb-revoked"}, "auth.test", "SLACK_BOT_TOKEN"),
        ({"SLACK_APP_TOKEN": "xapp-revoked", "SLACK_SIGNING_SECRET": ""}, "apps.connections.open", "SLACK_APP_TOKEN"),
    ],
)
def test_a_token_that_slack_refuses_is_named_and_the_rest_runs_on(
    model: None, refusing: FakeSlack, tmp_path: Path, environment: dict[str, str], method: str, named: str
) -> None:
    with CallaServer(tmp_path, refusing, **environment) as server:
        refusing.wait(lambda: [c for c in refusing.calls if c.method == method and c.error == "invalid_auth"])
        assert server.ask("hello", "somebody")
        if method == "apps.connections.open":
            # Socket Mode alone has no address.
            answer = requests.post(f"{server.url}/webhooks/slack/webhook", json={}, timeout=5)
            assert answer.status_code == 404
    sentences = [line for line in server.log.read_text().splitlines() if f"Slack refuses {named}" in line]
    assert len(sentences) == 1
    assert "revoked" not in server.log.read_text().replace("token_revoked", "")


def test_without_slack_settings_the_channel_is_off(model: None, refusing: FakeSlack, tmp_path: Path) -> None:
    off = dict.fromkeys(NAMES, "")
    server = CallaServer(tmp_path, refusing, **off)
    refusing.calls.clear()
    refusing.wait = lambda *_, **__: None  # type: ignore[method-assign]  # nothing arrives there
    with server:
        assert requests.post(f"{server.url}/webhooks/slack/webhook", json={}, timeout=5).status_code == 404
        assert server.ask("hello", "somebody")
    assert refusing.calls == []
