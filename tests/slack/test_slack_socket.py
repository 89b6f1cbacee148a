"""Socket Mode: acknowledged at once, answered once, connected again by itself."""

from __future__ import annotations

import time
import uuid

from fake_slack import TEAM, FakeSlack
from slack_world import Workspace

QUESTION = "What are breast calcifications?"


def test_an_envelope_is_acknowledged_and_answered(workspace: Workspace, fake: FakeSlack) -> None:
    user, channel = workspace.dm()
    sent = time.monotonic()
    envelope = fake.send_envelope("events_api", workspace.event(workspace.message(user, channel, QUESTION)))
    acknowledged, _ = fake.wait_ack(envelope)
    assert acknowledged - sent < 1
    assert fake.wait_posts(channel)[0].names == ["utter_faq/what_are_breast_calcifications"]


def test_envelopes_of_one_message_are_answered_once(workspace: Workspace, fake: FakeSlack) -> None:
    user, channel = workspace.dm()
    event = workspace.message(user, channel, QUESTION)
    for _ in range(3):
        fake.wait_ack(fake.send_envelope("events_api", workspace.event(event)))
    fake.wait_posts(channel)
    workspace.settled()
    assert len(fake.posts(channel)) == 1


def test_a_message_over_both_ways_is_answered_once(workspace: Workspace, fake: FakeSlack) -> None:
    user, channel = workspace.dm()
    event = workspace.message(user, channel, QUESTION)
    fake.wait_ack(fake.send_envelope("events_api", workspace.event(event)))
    workspace.deliver(event)
    fake.wait_posts(channel)
    workspace.settled()
    assert len(fake.posts(channel)) == 1


def test_a_command_over_the_socket_is_answered_privately(workspace: Workspace, fake: FakeSlack) -> None:
    url = fake.response_url()
    payload = {
        "command": "/calla",
        "text": QUESTION,
        "team_id": TEAM,
        "channel_id": "C0STRANGE",
        "user_id": workspace.person(),
        "response_url": url,
        "trigger_id": uuid.uuid4().hex,
    }
    _, answer = fake.wait_ack(fake.send_envelope("slash_commands", payload))
    assert not answer
    assert fake.wait_posts(url)[0].private


def test_a_press_over_the_socket_is_answered(workspace: Workspace, fake: FakeSlack) -> None:
    user, channel = workspace.dm()
    workspace.deliver(workspace.message(user, channel, QUESTION))
    (post,) = fake.wait_posts(channel)
    block, button = post.buttons()[0]
    payload = {
        "type": "block_actions",
        "team": {"id": TEAM},
        "user": {"id": user},
        "channel": {"id": channel, "name": "directmessage"},
        "container": {"type": "message", "message_ts": post.ts, "channel_id": channel},
        "message": {"ts": post.ts},
        "actions": [{**button, "block_id": block["block_id"], "action_ts": "2.2"}],
    }
    fake.wait_ack(fake.send_envelope("interactive", payload))
    assert len(fake.wait_posts(channel, 2)) == 2


def test_a_slow_slack_does_not_hold_up_envelopes(workspace: Workspace, fake: FakeSlack) -> None:
    user, channel = workspace.dm()
    fake.trouble("chat.postMessage", "slow", 4, about=channel)
    fake.wait_ack(fake.send_envelope("events_api", workspace.event(workspace.message(user, channel, QUESTION))))
    sent = time.monotonic()
    envelope = fake.send_envelope("events_api", workspace.event(workspace.message(user, channel, "tell me more")))
    assert fake.wait_ack(envelope)[0] - sent < 1
    posts = fake.wait_posts(channel, 2)
    assert [call.names[0].partition("/")[0] for call in posts] == ["utter_faq", "utter_more_about"]


def test_calla_connects_again_when_asked_to(workspace: Workspace, fake: FakeSlack) -> None:
    opened = fake.opened
    fake.send_raw({"type": "disconnect", "reason": "refresh_requested"})
    fake.wait(lambda: fake.opened > opened)
    user, channel = workspace.dm()
    fake.wait_ack(fake.send_envelope("events_api", workspace.event(workspace.message(user, channel, QUESTION))))
    assert fake.wait_posts(channel)


def test_calla_connects_again_after_a_break_and_misses_nothing(workspace: Workspace, fake: FakeSlack) -> None:
    opened = fake.opened
    user, channel = workspace.dm()
    fake.trouble("chat.postMessage", "slow", 1, about=channel)
    event = workspace.message(user, channel, QUESTION)
    fake.wait_ack(fake.send_envelope("events_api", workspace.event(event)))
    fake.drop_sockets()
    fake.wait(lambda: fake.opened > opened and fake.sockets, 40)
    # Slack delivers again what it believes lost.
    fake.wait_ack(fake.send_envelope("events_api", workspace.event(event)))
    fake.wait_posts(channel)
    workspace.settled()
    assert len(fake.posts(channel)) == 1


def test_rubbish_on_the_socket_does_no_harm(workspace: Workspace, fake: FakeSlack) -> None:
    fake.send_raw({"type": "nonsense"})
    fake.send_envelope("events_api", {"type": "event_callback", "event": {"type": "message"}})
    user, channel = workspace.dm()
    fake.wait_ack(fake.send_envelope("events_api", workspace.event(workspace.message(user, channel, QUESTION))))
    assert fake.wait_posts(channel)
