"""In front of others: referrals are for the person alone, and they come first."""

from __future__ import annotations

import pytest
from fake_slack import FakeSlack
from slack_world import Workspace

FINDING = "My report says BI-RADS 4 with clustered microcalcifications. What does it mean for me?"


def mine(fake: FakeSlack, *about: str) -> list:
    found = {id(call): call for name in about for call in fake.posts(name)}
    return sorted(found.values(), key=lambda call: call.time)


@pytest.mark.parametrize("kind", ["C", "G"])
@pytest.mark.parametrize("in_thread", [False, True])
def test_a_referral_goes_to_the_person_alone(workspace: Workspace, fake: FakeSlack, kind: str, in_thread: bool) -> None:
    user, channel = workspace.person(), workspace.channel(kind)
    extra = {}
    if in_thread:
        thread = fake.now()
        fake.threads.add((channel, thread))
        extra = {"thread_ts": thread}
    build = workspace.mention if kind == "C" else workspace.message
    event = build(user, channel, FINDING, **extra)
    workspace.deliver(event)
    first, *rest, last = fake.wait_posts(channel, 2)
    assert first.method == "chat.postEphemeral" and first.args["user"] == user
    assert first.names[0].startswith("utter_referral/")
    assert all(call.private for call in rest)
    assert last.names == ["utter_slack/answered_privately"] and not last.private
    if kind == "C":
        assert last.args["thread_ts"] == extra.get("thread_ts", event["ts"])


def test_in_public_nothing_tells_what_it_was_about(workspace: Workspace, fake: FakeSlack) -> None:
    user, channel = workspace.person(), workspace.channel()
    workspace.deliver(workspace.mention(user, channel, FINDING + " And what is BI-RADS?"))
    fake.wait(lambda: [c for c in fake.posts(channel) if c.names == ["utter_slack/answered_privately"]])
    workspace.settled()
    public = [call for call in fake.posts(channel) if not call.private]
    assert [call.names for call in public] == [["utter_slack/answered_privately"]]


def test_a_general_question_is_answered_in_public(workspace: Workspace, fake: FakeSlack) -> None:
    user, channel = workspace.person(), workspace.channel()
    workspace.deliver(workspace.mention(user, channel, "What is BI-RADS?"))
    (post,) = fake.wait_posts(channel)
    assert not post.private


def test_who_cannot_be_reached_in_the_channel_is_written_to_directly(workspace: Workspace, fake: FakeSlack) -> None:
    user, channel = workspace.person(), workspace.channel()
    fake.absent.add((channel, user))
    workspace.deliver(workspace.mention(user, channel, FINDING))
    (direct,) = [call for call in fake.wait_posts(user) if call.args["channel"] == user]
    assert direct.names[0].startswith("utter_referral/")
    assert fake.wait_posts(channel)[-1].names == ["utter_slack/answered_privately"]


def test_who_cannot_be_reached_at_all_is_told_so_in_the_thread(workspace: Workspace, fake: FakeSlack) -> None:
    user, channel = workspace.person(), workspace.channel()
    fake.absent.add((channel, user))
    fake.trouble("chat.postMessage", "error", "cannot_dm_bot", about=user)
    workspace.deliver(workspace.mention(user, channel, FINDING))
    (post,) = fake.wait_posts(channel)
    assert post.names == ["utter_slack/unreachable"]


def test_an_answer_in_a_channel_that_calla_has_left_comes_directly(workspace: Workspace, fake: FakeSlack) -> None:
    user, channel = workspace.person(), "C0LEFT"
    workspace.deliver(workspace.mention(user, channel, "What is BI-RADS?"))
    (post,) = fake.wait_posts(user)
    assert post.args["channel"] == user


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        (FINDING, "Please call today"),
        ("I want to end my life", "talk to someone now"),
        ("crushing chest pain and I cannot breathe right now", "Get help now"),
        ("Can I stop my warfarin and take vitamin K2 instead?", "doctor or pharmacist"),
    ],
)
def test_referrals_come_first_and_are_marked(workspace: Workspace, fake: FakeSlack, text: str, mark: str) -> None:
    user, channel = workspace.dm()
    workspace.deliver(workspace.message(user, channel, text))
    post = fake.wait_posts(channel)[0]
    header = post.args["blocks"][0]
    assert header["type"] == "header" and mark in header["text"]["text"]
    assert not post.args.get("thread_ts")


def test_a_press_under_a_private_referral_stays_private_and_in_its_conversation(
    workspace: Workspace, fake: FakeSlack
) -> None:
    user, channel = workspace.person(), workspace.channel()
    event = workspace.mention(user, channel, "Can I take vitamin K2 with warfarin?")
    workspace.deliver(event)
    posts = fake.wait_posts(channel, 3)
    answer = next(call for call in posts if call.names and call.names[0].startswith("utter_faq/"))
    assert answer.private
    _, address = workspace.press(user, answer, answer.buttons()[0][1]["value"], channel=channel)
    assert fake.wait_posts(address)[0].private
    workspace.deliver(workspace.message(user, channel, "tell me more", thread_ts=event["ts"]))
    last = fake.wait(lambda: (found := fake.posts(channel)) and len(found) > len(posts) and found[-1])
    assert last.names[0].startswith(("utter_more/", "utter_no_more"))


def test_blocks_that_slack_refuses_go_out_as_text(workspace: Workspace, fake: FakeSlack) -> None:
    user, channel = workspace.dm()
    fake.trouble("chat.postMessage", "error", "invalid_blocks", about=channel)
    workspace.deliver(workspace.message(user, channel, FINDING))
    post = fake.wait_posts(channel)[0]
    assert "blocks" not in post.args and "call" in post.args["text"]
