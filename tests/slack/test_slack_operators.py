"""What operators see: connection, token, scopes, care channel, and referrals that did not arrive."""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from fake_slack import APP_TOKEN, SCOPES, TEAM, FakeSlack
from here import LUMP, QUESTION, Here

from calla.channels.slack.identity import IM, Place, Question
from calla.channels.slack.inbox import GIVE_UP, hashed_key


def test_a_healthy_channel_says_so(here: Here) -> None:
    here.ready()
    here.until(lambda: here.health()["care_channel"] == "ok")
    assert here.health() == {
        "token": "ok",
        "socket": "off",
        "missing_scopes": [],
        "care_channel": "ok",
        "messages_waiting": 0,
        "referrals_waiting": 0,
        "referrals_lost": 0,
    }


def test_missing_scopes_are_named(own_slack: FakeSlack, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    own_slack.scopes = SCOPES.replace("im:write,", "").replace(",users:read", "")
    with Here(own_slack, tmp_path) as here:
        here.until(lambda: here.health()["missing_scopes"])
        assert here.health()["missing_scopes"] == ["im:write", "users:read"]
    assert "im:write, users:read" in caplog.text


@pytest.mark.parametrize(
    ("facts", "problem"),
    [
        ({"is_archived": True}, "is_archived"),
        ({"is_member": False}, "not_in_channel"),
        ({"is_ext_shared": True}, "is_shared_with_others"),
        ({"is_private": False}, "is_public"),
        (None, "channel_not_found"),
    ],
)
def test_a_care_channel_that_does_not_work_is_named(
    own_slack: FakeSlack, tmp_path: Path, facts: dict[str, Any], problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    if facts is not None:
        own_slack.members.add("C0CARE")
        own_slack.channels["C0CARE"] = facts
    with Here(own_slack, tmp_path, slack_care_channel="C0CARE") as here:
        here.until(lambda: here.health()["care_channel"] == problem)
    assert "SLACK_CARE_CHANNEL" in caplog.text


def test_a_referral_that_waits_is_shown(here: Here, own_slack: FakeSlack) -> None:
    user, channel = here.dm()
    here.ready()
    own_slack.revoked = "account_inactive"
    here.deliver(here.message(user, channel, LUMP))
    here.until(lambda: here.health()["referrals_waiting"] == 1 and here.health()["token"] == "account_inactive")


def test_nothing_private_is_logged_when_everything_fails(
    here: Here, own_slack: FakeSlack, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="calla")
    user, channel = here.dm()
    here.agent.fails = True
    for kind, value in (("status", 502), ("error", "invalid_blocks"), ("error", "invented"), ("break", None)):
        own_slack.trouble("chat.postMessage", kind, value, about=channel)
    here.deliver(here.message(user, channel, "qwertzuiop in the breast"))
    assert own_slack.wait_posts(channel)[0].names in (["utter_error"], [])
    assert "qwertzuiop" not in caplog.text and user not in caplog.text and "xoxb-" not in caplog.text


def test_what_slack_wants_is_known_when_it_starts_late(
    own_slack: FakeSlack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("calla.channels.slack.connection.RECONNECT", (0.02,))
    own_slack.trouble("auth.test", "status", 503, times=10)
    own_slack.trouble("auth.test", "error", "internal_error")
    with Here(own_slack, tmp_path) as here:
        here.until(lambda: here.health()["token"] == "ok")


def test_what_was_well_at_start_is_looked_at_again(
    here: Here, own_slack: FakeSlack, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("calla.channels.slack.connection.LOOK_AGAIN", 0.05)
    here.ready()
    here.stop()
    here.start()
    here.until(lambda: here.health()["care_channel"] == "ok")
    own_slack.channels["C0CARE"] = {"is_archived": True}
    own_slack.scopes = SCOPES.replace("im:write,", "")
    here.until(lambda: here.health()["care_channel"] == "is_archived" and here.health()["missing_scopes"])
    own_slack.trouble("auth.test", "status", 503, times=20)
    here.until(lambda: here.health()["token"] == "unreachable")
    own_slack.revoked = "token_revoked"
    here.until(lambda: here.health()["token"] == "token_revoked")
    own_slack.revoked = ""
    here.until(lambda: here.health()["token"] == "ok")
    # Said once, not at every look.
    assert caplog.text.count("SLACK_CARE_CHANNEL is not as it should be") == 1
    assert caplog.text.count("lacks scopes") == 1


def test_a_referral_that_nobody_could_give_for_a_day_is_counted_as_lost(here: Here, own_slack: FakeSlack) -> None:
    here.ready()
    here.stop()
    user, channel = here.dm()
    before = time.time() - GIVE_UP - 60
    for key, text in (("1", LUMP), ("2", QUESTION)):
        question = Question(key, "slack_c", text, Place(TEAM, channel, user, IM), "p", urgent=text == LUMP)
        row = (hashed_key(key), json.dumps(question.as_dict()), "p", TEAM, "gone", before)
        with sqlite3.connect(here.folder / "calla.db") as database:
            database.execute("INSERT INTO slack_questions VALUES (?, ?, ?, ?, ?, ?)", row)
    for _ in range(2):
        here.start().ready()
        here.until(lambda: here.health()["referrals_lost"] == 1)
        assert here.rows("SELECT 1 FROM slack_questions WHERE question IS NOT NULL") == []
        here.stop()
    assert own_slack.posts(channel) == []
    here.start()


def test_calla_is_heard_in_its_own_log(here: Here) -> None:
    here.ready()
    assert logging.getLogger("calla").isEnabledFor(logging.WARNING)
    assert not logging.getLogger("calla.channels.slack.bolt").isEnabledFor(logging.ERROR)


# ------------------------------------------------------------------------ the socket


@pytest.fixture
def on_socket(own_slack: FakeSlack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The channel over a socket, impatient."""
    monkeypatch.setattr("calla.channels.slack.connection.PING", 0.2)
    monkeypatch.setattr("calla.channels.slack.connection.SILENCE", 3.0)
    monkeypatch.setattr("calla.channels.slack.connection.RECONNECT", (0.05,))
    monkeypatch.setattr("calla.channels.slack.connection.REPAIRED", 0.05)
    with Here(own_slack, tmp_path, slack_app_token=APP_TOKEN) as running:
        running.until(lambda: running.health()["socket"] == "ok" and own_slack.sockets)
        yield running


def ask(here: Here, fake: FakeSlack) -> None:
    user, channel = here.dm()
    fake.wait_ack(fake.send_envelope("events_api", here.event(here.message(user, channel, QUESTION))))
    assert fake.wait_posts(channel)


def test_a_socket_that_falls_silent_is_replaced(on_socket: Here, own_slack: FakeSlack) -> None:
    ask(on_socket, own_slack)
    opened = own_slack.opened
    own_slack.silent = True
    own_slack.wait(lambda: own_slack.opened > opened, 30)
    own_slack.silent = False
    own_slack.wait(lambda: own_slack.sockets, 30)
    on_socket.until(lambda: on_socket.health()["socket"] == "ok")
    ask(on_socket, own_slack)


@pytest.mark.parametrize("way", ["refresh", "drop", "refused ticket"])
def test_a_socket_that_ends_is_replaced(on_socket: Here, own_slack: FakeSlack, way: str) -> None:
    opened = own_slack.opened
    if way == "refresh":
        own_slack.send_raw({"type": "disconnect", "reason": "refresh_requested"})
    else:
        if way == "refused ticket":
            own_slack.trouble("apps.connections.open", "error", "internal_error", times=3)
        own_slack.drop_sockets()
    own_slack.wait(lambda: own_slack.opened > opened and own_slack.sockets, 30)
    ask(on_socket, own_slack)


def test_an_app_token_that_is_refused_is_shown_and_tried_again(own_slack: FakeSlack, tmp_path: Path) -> None:
    with Here(own_slack, tmp_path, slack_app_token="xapp-wrong") as here:
        here.until(lambda: here.health()["socket"] == "invalid_auth")
        assert here.health()["token"] == "ok"
