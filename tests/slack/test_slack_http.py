"""HTTP mode: who gets in, and that each message is answered exactly once (design table B1)."""

from __future__ import annotations

import json
import time

import pytest
import requests
from fake_slack import BOT_ID, BOT_USER, FakeSlack
from slack_world import Workspace, sign

QUESTION = "What are breast calcifications?"


def body_of(workspace: Workspace, user: str, channel: str, text: str = QUESTION) -> bytes:
    return json.dumps(workspace.event(workspace.message(user, channel, text))).encode()


def test_a_signed_direct_message_is_answered_once(workspace: Workspace, fake: FakeSlack) -> None:
    user, channel = workspace.dm()
    answer = workspace.deliver(workspace.message(user, channel, QUESTION))
    assert answer.status_code == 200
    assert answer.elapsed.total_seconds() < 1
    (post,) = fake.wait_posts(channel)
    workspace.settled()
    assert fake.posts(channel) == [post]
    assert post.names == ["utter_faq/what_are_breast_calcifications"]
    assert "thread_ts" not in post.args
    assert post.args["unfurl_links"] is False


@pytest.mark.parametrize(
    "change",
    [
        "wrong signature",
        "no signature",
        "empty signature",
        "altered body",
        "malformed timestamp",
        "non-ASCII signature",
        "no timestamp",
        "foreign secret",
    ],
)
def test_what_slack_did_not_sign_is_refused(workspace: Workspace, fake: FakeSlack, change: str) -> None:
    user, channel = workspace.dm()
    body = body_of(workspace, user, channel)
    headers: dict[str, str | bytes] = {**sign(body), "Content-Type": "application/json"}
    if change == "wrong signature":
        headers["X-Slack-Signature"] = "v0=" + "0" * 64
    elif change == "no signature":
        del headers["X-Slack-Signature"]
    elif change == "empty signature":
        headers["X-Slack-Signature"] = ""
    elif change == "altered body":
        body = body.replace(b"calcifications", b"calcificationz")
    elif change == "malformed timestamp":
        headers["X-Slack-Request-Timestamp"] = "yesterday"
    elif change == "non-ASCII signature":
        headers["X-Slack-Signature"] = "v0=é".encode()
    elif change == "no timestamp":
        del headers["X-Slack-Request-Timestamp"]
    else:
        headers.update(sign(body, secret="another"))
    answer = requests.post(workspace.webhook, data=body, headers=headers, timeout=10)
    assert answer.status_code == 401
    workspace.settled()
    assert fake.posts(channel) == []


@pytest.mark.parametrize(("seconds", "status"), [(-295, 200), (-305, 401), (-3600, 401), (305, 401)])
def test_a_signature_counts_for_five_minutes(workspace: Workspace, fake: FakeSlack, seconds: int, status: int) -> None:
    user, channel = workspace.dm()
    body = body_of(workspace, user, channel)
    headers = {**sign(body, timestamp=int(time.time()) + seconds), "Content-Type": "application/json"}
    assert requests.post(workspace.webhook, data=body, headers=headers, timeout=10).status_code == status
    if status == 200:
        fake.wait_posts(channel, 1, 60)
    workspace.settled()
    assert len(fake.posts(channel)) == (1 if status == 200 else 0)


def test_a_captured_request_replayed_is_answered_once(workspace: Workspace, fake: FakeSlack) -> None:
    user, channel = workspace.dm()
    body = body_of(workspace, user, channel)
    headers = {**sign(body), "Content-Type": "application/json"}
    for _ in range(4):
        assert requests.post(workspace.webhook, data=body, headers=headers, timeout=10).status_code == 200
    fake.wait_posts(channel)
    workspace.settled()
    assert len(fake.posts(channel)) == 1


@pytest.mark.parametrize("why", ["http_timeout", "http_error", "connection_failed", "unknown_error"])
def test_retries_are_answered_once(workspace: Workspace, fake: FakeSlack, why: str) -> None:
    user, channel = workspace.dm()
    event = workspace.message(user, channel, QUESTION)
    assert workspace.deliver(event).status_code == 200
    for number in ("1", "2", "3"):
        retry = workspace.deliver(event, X_Slack_Retry_Num=number, X_Slack_Retry_Reason=why)
        assert retry.status_code == 200
    fake.wait_posts(channel)
    workspace.settled()
    assert len(fake.posts(channel)) == 1


def test_the_same_event_twice_without_a_retry_header_is_answered_once(workspace: Workspace, fake: FakeSlack) -> None:
    user, channel = workspace.dm()
    event = workspace.message(user, channel, QUESTION)
    workspace.deliver(event)
    workspace.deliver(event)
    fake.wait_posts(channel)
    workspace.settled()
    assert len(fake.posts(channel)) == 1


def test_a_lost_original_is_answered_when_its_retry_arrives(workspace: Workspace, fake: FakeSlack) -> None:
    user, channel = workspace.dm()
    event = workspace.message(user, channel, QUESTION)
    workspace.deliver(event, X_Slack_Retry_Num="1", X_Slack_Retry_Reason="http_timeout")
    assert len(fake.wait_posts(channel)) == 1


def test_a_limited_rate_is_waited_for(workspace: Workspace, fake: FakeSlack) -> None:
    user, channel = workspace.dm()
    fake.trouble("chat.postMessage", "rate", 1, about=channel)
    workspace.deliver(workspace.message(user, channel, QUESTION))
    (post,) = fake.wait_posts(channel)
    refused = next(c for c in fake.calls if c.args.get("channel") == channel and c.error == "rate")
    assert post.time - refused.time >= 1


@pytest.mark.parametrize("trouble", ["break", "server"])
def test_a_broken_connection_is_tried_again(workspace: Workspace, fake: FakeSlack, trouble: str) -> None:
    user, channel = workspace.dm()
    fake.trouble("chat.postMessage", trouble, about=channel)
    workspace.deliver(workspace.message(user, channel, QUESTION))
    assert len(fake.wait_posts(channel)) == 1


def test_a_slow_slack_does_not_hold_up_acknowledgements(workspace: Workspace, fake: FakeSlack) -> None:
    user, channel = workspace.dm()
    fake.trouble("chat.postMessage", "slow", 4, about=channel)
    assert workspace.deliver(workspace.message(user, channel, QUESTION)).elapsed.total_seconds() < 1
    other, elsewhere = workspace.dm()
    workspace.deliver(workspace.message(other, elsewhere, QUESTION))
    fake.wait_posts(elsewhere)
    assert fake.posts(channel) == []
    assert len(fake.wait_posts(channel)) == 1


@pytest.mark.parametrize("in_thread", [False, True])
def test_a_mention_is_answered_in_its_thread(workspace: Workspace, fake: FakeSlack, in_thread: bool) -> None:
    user, channel = workspace.person(), workspace.channel()
    extra = {"thread_ts": fake.now()} if in_thread else {}
    event = workspace.mention(user, channel, QUESTION, **extra)
    workspace.deliver(event)
    (post,) = fake.wait_posts(channel)
    assert post.args["thread_ts"] == extra.get("thread_ts", event["ts"])
    assert post.method == "chat.postMessage"


def test_a_mention_that_also_arrives_as_a_message_is_answered_once(workspace: Workspace, fake: FakeSlack) -> None:
    user, channel = workspace.person(), workspace.channel()
    mention = workspace.mention(user, channel, QUESTION)
    message = {**mention, "type": "message", "channel_type": "channel"}
    for event in (message, mention, message):
        workspace.deliver(event)
    fake.wait_posts(channel)
    workspace.settled()
    assert len(fake.posts(channel)) == 1


def test_a_channel_message_without_a_mention_is_not_for_calla(workspace: Workspace, fake: FakeSlack) -> None:
    user, channel = workspace.person(), workspace.channel()
    workspace.deliver(workspace.message(user, channel, QUESTION))
    workspace.deliver(workspace.message(user, channel, QUESTION, thread_ts=fake.now()))
    workspace.settled()
    assert fake.posts(channel) == []


def test_a_group_of_direct_messages_is_answered(workspace: Workspace, fake: FakeSlack) -> None:
    user, group = workspace.person(), workspace.channel("G")
    workspace.deliver(workspace.message(user, group, f"<@{BOT_USER}> {QUESTION}"))
    workspace.deliver(workspace.message(user, group, f"<@{BOT_USER}> Is magnesium in nuts?", thread_ts=fake.now()))
    assert len(fake.wait_posts(group, 2)) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"edited": {"user": "U1", "ts": "1.2"}},
        {"subtype": "channel_join"},
        {"subtype": "message_changed", "message": {"text": QUESTION, "user": "U1"}},
        {"subtype": "message_deleted"},
        {"subtype": "bot_message", "bot_id": "B99"},
        {"bot_id": "B99"},
        {"bot_id": BOT_ID, "user": BOT_USER},
        {"user": BOT_USER},
        {"user": None},
        {"user": "USLACKBOT"},
        {"hidden": True},
        {"channel": None},
        {"ts": None},
    ],
    ids=lambda change: " ".join(f"{k}={v}" for k, v in change.items())[:40],
)
def test_what_nobody_has_just_written_is_ignored(
    workspace: Workspace, fake: FakeSlack, change: dict[str, object]
) -> None:
    user, channel = workspace.dm()
    event = {**workspace.message(user, channel, QUESTION), **change}
    assert workspace.deliver({k: v for k, v in event.items() if v is not None}).status_code == 200
    workspace.settled()
    assert fake.posts(channel) == []
    assert fake.posts(user) == []


@pytest.mark.parametrize("text", ["/restart", "/bot_challenge", "/session_start", '/greet{"city": "x"}'])
def test_a_slash_in_a_message_runs_nothing(workspace: Workspace, fake: FakeSlack, text: str) -> None:
    user, channel = workspace.person(), workspace.channel()
    first = workspace.mention(user, channel, QUESTION)
    workspace.deliver(first)
    fake.wait_posts(channel, 1)
    workspace.deliver(workspace.mention(user, channel, text, thread_ts=first["ts"]))
    posts = fake.wait_posts(channel, 2)
    assert len(posts) == 2
    # The conversation is still there: "more" knows what it was about.
    workspace.deliver(workspace.mention(user, channel, "tell me more", thread_ts=first["ts"]))
    assert fake.wait_posts(channel, 3)[2].names == ["utter_more_about"]


def test_a_very_long_message_gets_one_short_answer(workspace: Workspace, fake: FakeSlack) -> None:
    user, channel = workspace.dm()
    sent = time.monotonic()
    assert workspace.deliver(workspace.message(user, channel, "calcium and milk " * 2400)).status_code == 200
    (post,) = fake.wait_posts(channel)
    assert post.names == ["utter_too_long"]
    assert post.time - sent < 8


def test_the_screen_reads_ten_thousand_characters(workspace: Workspace, fake: FakeSlack) -> None:
    user, channel = workspace.dm()
    text = "I like milk. " * 700 + "I found a lump in my breast."
    assert 2_000 < len(text) < 10_000
    workspace.deliver(workspace.message(user, channel, text))
    assert fake.wait_posts(channel)[0].names[0].startswith("utter_referral")


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "application/json;charset=UTF-8"])
def test_a_charset_in_the_content_type_is_fine(workspace: Workspace, fake: FakeSlack, content_type: str) -> None:
    user, channel = workspace.dm()
    workspace.send(body_of(workspace, user, channel), content_type)
    assert len(fake.wait_posts(channel)) == 1


def test_the_address_is_verified_as_slack_asks(workspace: Workspace) -> None:
    body = json.dumps({"type": "url_verification", "challenge": "abc", "token": "x"}).encode()
    answer = workspace.send(body)
    assert answer.status_code == 200
    assert answer.json() == {"challenge": "abc"}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b'{"type": "event_callback"}', b"payload=%7B"])
def test_rubbish_does_no_harm(workspace: Workspace, body: bytes) -> None:
    assert workspace.send(body).status_code < 500
    workspace.settled()


def test_a_huge_request_is_refused_before_it_is_read(workspace: Workspace) -> None:
    assert workspace.send(b"x" * 1_000_001).status_code == 413


def test_unknown_events_are_acknowledged(workspace: Workspace) -> None:
    assert workspace.deliver({"type": "reaction_added", "user": "U1", "reaction": "wave"}).status_code == 200


def test_who_calla_is_is_not_asked_for_every_request(workspace: Workspace, fake: FakeSlack) -> None:
    def asked() -> int:
        return len([c for c in fake.calls if c.method == "auth.test"])

    before = asked()
    for _ in range(3):
        workspace.settled()
    # Once more at most: now and then the channel looks whether all is well.
    assert asked() - before <= 1
