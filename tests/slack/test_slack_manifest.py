"""The manifest and the guide: the least scopes, and nothing that the code does not use."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from fake_slack import APP_TOKEN, BOT_TOKEN, METHODS, SIGNING_SECRET, FakeSlack
from slack_world import CallaServer, Workspace, sign

from calla.channels.slack import intake as slack
from calla.channels.slack.connection import SCOPES
from calla.settings import ROOT, Settings

CHANNEL_FILES = sorted((ROOT / "calla" / "channels" / "slack").glob("*.py"))
GUIDE = (ROOT / "docs" / "slack.md").read_text(encoding="utf-8")
# The scope that each method of the Web API needs; None: any token.
METHOD_SCOPES: dict[str, set[str]] = {
    "auth_test": set(),
    "apps_connections_open": set(),
    "chat_getPermalink": set(),
    "views_publish": set(),
    "chat_postMessage": {"chat:write"},
    "chat_postEphemeral": {"chat:write"},
    "chat_update": {"chat:write"},
    "chat_delete": {"chat:write"},
    "conversations_history": {"im:history", "channels:history", "groups:history", "mpim:history"},
    "conversations_replies": {"im:history", "channels:history", "groups:history", "mpim:history"},
    "conversations_info": {"channels:read", "groups:read"},
    "conversations_open": {"im:write"},
    "users_info": {"users:read"},
    "assistant_threads_setSuggestedPrompts": {"assistant:write"},
}
EVENT_SCOPES = {
    "app_home_opened": None,
    "app_uninstalled": None,
    "tokens_revoked": None,
    "app_mention": "app_mentions:read",
    "message.channels": "channels:history",
    "message.groups": "groups:history",
    "message.im": "im:history",
    "message.mpim": "mpim:history",
}


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "deploy" / "slack" / "manifest.yml").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def called_methods() -> set[str]:
    """Methods of the Web API that the channel calls."""
    found = set()
    for file in CHANNEL_FILES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            named = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute)
            if named and node.value.attr == "_client":
                found.add(node.attr)
    return found - {"session", "base_url"}


def test_the_scopes_are_what_the_code_uses(manifest: dict[str, Any]) -> None:
    methods = called_methods()
    assert methods == set(METHOD_SCOPES)
    events = set(manifest["settings"]["event_subscriptions"]["bot_events"])
    assert events == set(EVENT_SCOPES)
    needed = set().union(*METHOD_SCOPES.values()) | {EVENT_SCOPES[e] for e in events} | {"commands"}
    assert set(manifest["oauth_config"]["scopes"]["bot"]) == needed - {None} == SCOPES
    assert manifest["settings"]["org_deploy_enabled"] is True
    assert "user" not in manifest["oauth_config"]["scopes"]


def test_the_fake_knows_every_method_that_is_called() -> None:
    assert {name.replace(".", "_") for name in METHODS} == called_methods()


def test_command_and_shortcut_are_those_of_the_code(manifest: dict[str, Any]) -> None:
    features = manifest["features"]
    assert [c["command"] for c in features["slash_commands"]] == ["/calla"]
    assert [(s["callback_id"], s["type"]) for s in features["shortcuts"]] == [(slack.SHORTCUT, "message")]
    assert slack.COMMAND == "/calla"
    assert features["shortcuts"][0]["name"] == "Ask Calla about this"


def test_people_can_write_to_calla(manifest: dict[str, Any]) -> None:
    home = manifest["features"]["app_home"]
    assert home == {"home_tab_enabled": True, "messages_tab_enabled": True, "messages_tab_read_only_enabled": False}
    assert manifest["settings"]["interactivity"]["is_enabled"] is True
    assert manifest["settings"]["socket_mode_enabled"] is True


def test_the_texts_fit_slacks_limits(manifest: dict[str, Any]) -> None:
    shown = manifest["display_information"]
    assert len(shown["name"]) <= 35 and len(shown["description"]) <= 140
    assert 174 <= len(shown["long_description"]) <= 4000
    assert re.fullmatch(r"#[0-9a-f]{6}", shown["background_color"])
    assert len(manifest["features"]["shortcuts"][0]["name"]) <= 24
    assert len(manifest["features"]["agent_view"]["agent_description"]) <= 300


def test_the_guide_has_ten_steps_and_names_what_exists() -> None:
    steps = re.findall(r"^(\d+)\. ", GUIDE, flags=re.M)
    assert steps == [str(number) for number in range(1, 11)]
    known = {name for f in Settings.__fields__.values() for name in f.field_info.extra.get("env_names", ())}
    assert set(re.findall(r"`((?:SLACK|CALLA|REDIS)_[A-Z_]+)`", GUIDE)) <= known
    for path in re.findall(r"`((?:deploy|docs|tests)/[\w./]+)`", GUIDE):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("mode", ["socket", "http"])
def test_who_follows_the_guide_gets_an_answer(model: None, tmp_path: Path, manifest: dict[str, Any], mode: str) -> None:
    """Steps 5 to 10 in the stated mode, with no setting that the guide does not name."""
    fake = FakeSlack()
    fake.members.update({"C0CARE", "C0ROOM"})
    way_in = {
        "socket": {"SLACK_APP_TOKEN": APP_TOKEN, "SLACK_SIGNING_SECRET": ""},
        "http": {"SLACK_APP_TOKEN": "", "SLACK_SIGNING_SECRET": SIGNING_SECRET},
    }[mode]
    server = CallaServer(tmp_path, fake, SLACK_BOT_TOKEN=BOT_TOKEN, SLACK_CARE_CHANNEL="C0CARE", **way_in).start()
    workspace = Workspace(server, fake)

    def deliver(event: dict[str, Any]) -> None:
        if mode == "socket":
            fake.wait_ack(fake.send_envelope("events_api", workspace.event(event)))
        else:
            fake.wait(lambda: workspace.deliver(event).status_code == 200 or None)

    try:
        if mode == "http":
            address = re.search(r"https://YOUR\.DOMAIN(/\S+?)`", GUIDE)
            assert address is not None and workspace.webhook.endswith(address.group(1))
            body = b'{"type": "url_verification", "challenge": "c"}'
            headers = {**sign(body), "Content-Type": "application/json"}
            assert requests.post(server.url + address.group(1), data=body, headers=headers, timeout=10).json() == {
                "challenge": "c"
            }
        user, channel = workspace.dm()
        deliver({"type": "app_home_opened", "user": user, "channel": channel, "tab": "home", "event_ts": fake.now()})
        deliver(
            {"type": "app_home_opened", "user": user, "channel": channel, "tab": "messages", "event_ts": fake.now()}
        )
        assert fake.wait_posts(channel)[0].names[0] == "utter_slack/welcome"
        deliver(workspace.message(user, channel, "What are breast calcifications?"))
        assert fake.wait_posts(channel, 2)[1].names == ["utter_faq/what_are_breast_calcifications"]
        mention = workspace.mention(user, "C0ROOM", "what is BI-RADS?")
        deliver(mention)
        assert fake.wait_posts("C0ROOM")[0].args["thread_ts"] == mention["ts"]
        fake.wait(lambda: [c for c in fake.calls if c.method == "views.publish" and c.error is None])
        assert {c.error for c in fake.calls} == {None}
        known = server.health()["slack"]
        shown = {name: known[name] for name in ("token", "socket", "missing_scopes", "care_channel")}
        connected = "ok" if mode == "socket" else "off"
        assert shown == {"token": "ok", "socket": connected, "missing_scopes": [], "care_channel": "ok"}
    finally:
        server.stop()
        fake.stop()
    if mode == "socket":
        sentence = "Calla listens to Slack (Socket Mode)."
        assert sentence in GUIDE and sentence in server.log.read_text()
