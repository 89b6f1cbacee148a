"""Among others Calla speaks when it is spoken to, and leaves when it is asked to."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from fake_slack import BOT_USER, FakeSlack
from here import ANSWER, CRISIS, LUMP, OTHER, OTHER_QUESTION, QUESTION, Here


def said(fake: FakeSlack, *about: str) -> list[str]:
    return [name for channel in about for call in fake.posts(channel) for name in call.names]


@pytest.fixture
def thread(here: Here, own_slack: FakeSlack) -> tuple[str, str, str]:
    """A person who mentioned Calla in a channel: user, channel and thread."""
    user, room = here.person(), here.channel()
    first = here.mention(user, room, QUESTION)
    here.deliver(first)
    own_slack.wait_posts(room)
    return user, room, first["ts"]


def test_in_a_group_of_direct_messages_it_waits_to_be_mentioned(here: Here, own_slack: FakeSlack) -> None:
    user, group = here.person(), here.channel("G")
    here.deliver(here.message(user, group, QUESTION))
    here.deliver(here.message(user, group, f"<@{BOT_USER}> {QUESTION}"))
    own_slack.wait_posts(group)
    here.deliver(here.message(user, group, OTHER_QUESTION))
    here.deliver(here.message(user, group, OTHER_QUESTION, thread_ts=own_slack.now()))
    here.settled()
    assert said(own_slack, group, user) == [ANSWER]
    assert len(here.agent.heard) == 1


def test_a_follow_up_needs_no_second_mention(here: Here, own_slack: FakeSlack, thread: tuple[str, str, str]) -> None:
    user, room, ts = thread
    here.deliver(here.message(user, room, OTHER_QUESTION, thread_ts=ts))
    assert own_slack.wait_posts(room, 2)[1].args["thread_ts"] == ts


@pytest.mark.parametrize("to", ["<@U9> {}", "{} <@U9>", "<!here> {}", "<!subteam^S1|@nurses> {}", "<!channel>: {}"])
def test_what_is_said_to_somebody_else_is_left_alone(
    here: Here, own_slack: FakeSlack, thread: tuple[str, str, str], to: str
) -> None:
    user, room, ts = thread
    here.deliver(here.message(user, room, to.format(OTHER_QUESTION), thread_ts=ts))
    here.settled()
    assert said(own_slack, room) == [ANSWER] and len(here.agent.heard) == 1


def test_what_others_say_in_the_thread_is_not_even_read(
    here: Here, own_slack: FakeSlack, thread: tuple[str, str, str]
) -> None:
    _, room, ts = thread
    here.deliver(here.message(here.person(), room, LUMP, thread_ts=ts))
    here.settled()
    assert said(own_slack, room) == [ANSWER] and len(here.agent.heard) == 1


@pytest.mark.parametrize("text", ["thanks", "football"])
def test_small_talk_and_other_fields_are_left_alone_until_it_is_mentioned(
    here: Here, own_slack: FakeSlack, thread: tuple[str, str, str], text: str
) -> None:
    user, room, ts = thread
    here.deliver(here.message(user, room, text, thread_ts=ts))
    here.settled()
    assert said(own_slack, room) == [ANSWER]
    here.deliver(here.mention(user, room, text, thread_ts=ts))
    assert len(own_slack.wait_posts(room, 2)) == 2


def test_a_clarification_and_a_danger_are_not_small_talk(
    here: Here, own_slack: FakeSlack, thread: tuple[str, str, str]
) -> None:
    user, room, ts = thread
    here.deliver(here.message(user, room, "which?", thread_ts=ts))
    assert own_slack.wait_posts(room, 2)[1].names == ["utter_did_you_mean"]
    here.deliver(here.message(user, room, CRISIS, thread_ts=ts))
    assert own_slack.wait_posts(user)[0].names[0].startswith("utter_referral/")


@pytest.mark.parametrize("text", ["stop", "Please stop!", "That's enough."])
def test_told_to_stop_it_says_so_once_and_a_mention_brings_it_back(
    here: Here, own_slack: FakeSlack, thread: tuple[str, str, str], text: str
) -> None:
    user, room, ts = thread
    here.deliver(here.message(user, room, text, thread_ts=ts))
    own_slack.wait_posts(room, 2)
    here.deliver(here.message(user, room, text, thread_ts=ts))
    here.deliver(here.message(user, room, OTHER_QUESTION, thread_ts=ts))
    here.settled()
    assert said(own_slack, room) == [ANSWER, "utter_slack/stopped"]
    assert {call.args["thread_ts"] for call in own_slack.posts(room)} == {ts}
    here.stop()
    here.start().ready()
    here.deliver(here.message(user, room, OTHER_QUESTION, thread_ts=ts))
    here.deliver(here.mention(user, room, QUESTION, thread_ts=ts))
    own_slack.wait_posts(room, 3)
    here.deliver(here.message(user, room, OTHER_QUESTION, thread_ts=ts))
    own_slack.wait_posts(room, 4)
    assert said(own_slack, room) == [ANSWER, "utter_slack/stopped", ANSWER, OTHER]


@pytest.mark.parametrize("name", ["utter_other_language/fr", "utter_chat/capabilities.languages", "utter_chat/greet"])
def test_a_language_and_a_detail_are_small_talk_like_all_of_their_kind(
    here: Here, own_slack: FakeSlack, thread: tuple[str, str, str], name: str
) -> None:
    user, room, ts = thread
    here.agent.says.update({"small": [name], "mine": ["utter_chat/privacy.who_can_read_it"]})
    here.deliver(here.message(user, room, "small", thread_ts=ts))
    here.deliver(here.message(user, room, "mine", thread_ts=ts))
    own_slack.wait_posts(room, 2)
    here.settled()
    assert said(own_slack, room) == [ANSWER, "utter_chat/privacy.who_can_read_it"]


def test_a_follow_up_is_not_lost_because_the_database_does_not_tell_whose_thread_it_is(
    here: Here, own_slack: FakeSlack, thread: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    user, room, ts = thread
    here.settled()
    follow_up = here.message(user, room, OTHER_QUESTION, thread_ts=ts)
    going = threading.Event()
    with monkeypatch.context() as slow:
        slow.setattr("calla.database.DEADLINE", 0.05)
        slow.setattr(here.app._inbox, "_takes_part", lambda _: going.wait(10))
        # Slack delivers again what was not acknowledged.
        assert here.dispatch(here.event(follow_up)) == 503
    going.set()
    here.until(lambda: not here.app._ledger._database._missing)
    assert here.deliver(follow_up).status_code == 200
    assert own_slack.wait_posts(room, 2)[1].names == [OTHER]


def test_what_is_written_right_behind_stop_is_left_alone(
    here: Here, own_slack: FakeSlack, thread: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    user, room, ts = thread
    going, original = threading.Event(), here.app._answering.answer

    async def slowly(*arguments: Any) -> None:
        await asyncio.get_running_loop().run_in_executor(None, going.wait, 10)
        await original(*arguments)

    monkeypatch.setattr(here.app._answering, "answer", slowly)
    here.deliver(here.message(user, room, "stop", thread_ts=ts))
    here.deliver(here.message(user, room, OTHER_QUESTION, thread_ts=ts))
    going.set()
    here.settled()
    assert said(own_slack, room) == [ANSWER, "utter_slack/stopped"]


def test_stop_concerns_the_one_who_says_it(here: Here, own_slack: FakeSlack, thread: tuple[str, str, str]) -> None:
    user, room, ts = thread
    here.deliver(here.message(here.person(), room, "stop", thread_ts=ts))
    here.deliver(here.message(user, room, OTHER_QUESTION, thread_ts=ts))
    own_slack.wait_posts(room, 2)
    assert said(own_slack, room) == [ANSWER, OTHER]


def test_in_direct_messages_stop_is_a_message_like_any_other(here: Here, own_slack: FakeSlack) -> None:
    user, channel = here.dm()
    here.deliver(here.message(user, channel, "stop"))
    assert own_slack.wait_posts(channel)[0].names != ["utter_slack/stopped"]


def test_who_presses_a_button_of_somebody_else_is_answered_and_not_adopted(
    here: Here, own_slack: FakeSlack, thread: tuple[str, str, str]
) -> None:
    _, room, ts = thread
    other = here.person()
    (answer,) = own_slack.posts(room)
    here.press(other, answer, answer.buttons()[0][1]["value"], channel=room)
    assert own_slack.wait_posts(room, 2)[1].args["thread_ts"] == ts
    here.deliver(here.message(other, room, OTHER_QUESTION, thread_ts=ts))
    here.settled()
    assert len(own_slack.posts(room)) == 2


def test_a_bare_mention_greets_and_the_thread_goes_on(here: Here, own_slack: FakeSlack) -> None:
    user, room = here.person(), here.channel()
    first = here.mention(user, room, "")
    here.deliver(first)
    (post,) = own_slack.wait_posts(room)
    assert post.names == ["utter_slack/welcome"] and post.args["thread_ts"] == first["ts"]
    here.deliver(here.message(user, room, QUESTION, thread_ts=first["ts"]))
    assert own_slack.wait_posts(room, 2)[1].names == [ANSWER]


def changed(before: dict[str, Any], text: str) -> dict[str, Any]:
    """A ``message_changed`` event."""
    now = {key: before[key] for key in ("type", "user", "ts", "text") if key in before}
    edited = {**now, "text": text, "edited": {"user": before["user"], "ts": "1700009999.000001"}}
    return {
        "type": "message",
        "subtype": "message_changed",
        "hidden": True,
        "channel": before["channel"],
        "channel_type": before["channel_type"],
        "ts": "1700009999.000002",
        "message": edited,
        "previous_message": now,
    }


@pytest.mark.parametrize("way", ["message_changed", "app_mention", "both"])
def test_a_mention_added_by_editing_is_answered_once(here: Here, own_slack: FakeSlack, way: str) -> None:
    user, room = here.person(), here.channel()
    before = here.message(user, room, QUESTION)
    here.deliver(before)
    if way in ("message_changed", "both"):
        here.deliver(changed(before, f"<@{BOT_USER}> {QUESTION}"))
    if way in ("app_mention", "both"):
        text = f"<@{BOT_USER}> {QUESTION}"
        here.deliver({**before, "type": "app_mention", "text": text, "edited": {"user": user, "ts": "1.2"}})
    own_slack.wait_posts(room)
    here.settled()
    (post,) = own_slack.posts(room)
    assert post.names == [ANSWER] and post.args["thread_ts"] == before["ts"]


def test_another_edit_of_what_was_answered_asks_nothing(here: Here, own_slack: FakeSlack) -> None:
    user, room = here.person(), here.channel()
    before = here.message(user, room, f"<@{BOT_USER}> {QUESTION}")
    here.deliver(before)
    own_slack.wait_posts(room)
    here.deliver(changed(before, f"<@{BOT_USER}> {OTHER_QUESTION}"))
    here.deliver({**before, "type": "app_mention", "edited": {"user": user, "ts": "1.2"}})
    here.settled()
    assert said(own_slack, room) == [ANSWER]
