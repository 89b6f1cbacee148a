"""An answer is never lost: every message goes out in the end, referrals first, and once where Slack can tell."""

from __future__ import annotations

import itertools
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from fake_slack import Call, FakeSlack
from here import ANSWER, LUMP, OTHER, OTHER_QUESTION, QUESTION, Here

from calla.channels.slack import outbox
from calla.channels.slack.errors import ELSEWHERE, HOPELESS, WAIT, classified, way_on

TRANSIENT: list[tuple[str, Any]] = [
    *(("status", code) for code in (200, 403, 404, 429, 500, 502, 503, 504)),
    *(("error", code) for code in ("internal_error", "fatal_error", "service_unavailable", "request_timeout")),
    *(("error", code) for code in ("ratelimited", "team_added_to_org", "missing_scope", "invented_tomorrow")),
    ("rate", 0),
    ("break", None),
]


def names(calls: list[Call]) -> list[str]:
    return [name for call in calls for name in call.names]


@pytest.mark.parametrize(("kind", "value"), TRANSIENT, ids=lambda value: str(value))
def test_what_slack_does_not_take_now_it_gets_later(here: Here, own_slack: FakeSlack, kind: str, value: Any) -> None:
    user, channel = here.dm()
    own_slack.trouble("chat.postMessage", kind, value, about=channel, times=3)
    here.deliver(here.message(user, channel, LUMP))
    (post,) = own_slack.wait_posts(channel)
    assert post.names[0].startswith("utter_referral/")
    here.settled()
    assert len(own_slack.posts(channel)) == 1
    assert here.rows("SELECT 1 FROM slack_letters WHERE letter IS NOT NULL") == []


@pytest.mark.parametrize("kind", ["status", "break", "rate"])
def test_a_response_url_that_fails_is_tried_again(here: Here, own_slack: FakeSlack, kind: str) -> None:
    url = own_slack.response_url()
    own_slack.trouble("response_url", kind, 503 if kind == "status" else 0, times=3)
    here.command(here.person(), here.channel(), QUESTION, url=url)
    assert names(own_slack.wait_posts(url)) == [ANSWER]


def test_an_hour_of_outage_loses_nothing_and_keeps_the_order(here: Here, own_slack: FakeSlack) -> None:
    people = [here.dm() for _ in range(5)]
    here.ready()
    own_slack.trouble("chat.postMessage", "status", 503, times=60)
    for user, channel in people:
        here.deliver(here.message(user, channel, QUESTION))
        here.deliver(here.message(user, channel, OTHER_QUESTION))
    own_slack.wait(lambda: len([call for call in own_slack.calls if call.error == "status"]) >= 10)
    assert here.health()["messages_waiting"] > 0
    for _, channel in people:
        assert names(own_slack.wait_posts(channel, 2)) == [ANSWER, OTHER]


def test_a_referral_goes_before_what_waits(here: Here, own_slack: FakeSlack) -> None:
    user, channel = here.dm()
    held = threading.Event()
    own_slack.trouble("chat.postMessage", "hang", held, about=channel)
    here.deliver(here.message(user, channel, QUESTION))
    own_slack.wait(lambda: [call for call in own_slack.calls if call.error == "hang"])
    here.deliver(here.message(user, channel, OTHER_QUESTION))
    here.deliver(here.message(user, channel, LUMP))
    here.until(lambda: here.health()["messages_waiting"] == 3)
    held.set()
    said = names(own_slack.wait_posts(channel, 3))
    assert said[0].startswith("utter_referral/") and said[1:] == [ANSWER, OTHER]


def test_a_referral_does_not_wait_for_the_pause_of_what_failed(
    here: Here, own_slack: FakeSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "FIRST_PAUSE", 30.0)
    monkeypatch.setattr(outbox, "LONGEST_PAUSE", 30.0)
    user, channel = here.dm()
    own_slack.trouble("chat.postMessage", "status", 502, about=channel)
    here.deliver(here.message(user, channel, QUESTION))
    own_slack.wait(lambda: [call for call in own_slack.calls if call.error == "status"])
    here.deliver(here.message(user, channel, LUMP))
    said = names(own_slack.wait_posts(channel, 2, timeout=3))
    assert said[0].startswith("utter_referral/") and said[1] == ANSWER


@pytest.mark.parametrize("value", [None, 500, 504, 200])
@pytest.mark.parametrize("where", ["direct", "thread", "private"])
def test_what_was_taken_but_not_answered_is_recognised(
    here: Here, own_slack: FakeSlack, value: Any, where: str
) -> None:
    user, channel = here.dm()
    if where == "direct":
        own_slack.trouble("chat.postMessage", "accepted", value, about=channel)
        here.deliver(here.message(user, channel, QUESTION))
        about = channel
    else:
        room = here.channel()
        about = user if where == "private" else room
        own_slack.trouble("chat.postMessage", "accepted", value, about=about)
        here.deliver(here.mention(user, room, LUMP if where == "private" else QUESTION))
    asked = ("conversations.history", "conversations.replies")
    own_slack.wait(lambda: [call for call in own_slack.calls if call.method in asked and call.error is None])
    here.settled()
    assert len(own_slack.posts(about, "chat.postMessage")) == 1
    assert here.until(lambda: here.rows("SELECT 1 FROM slack_letters WHERE ts IS NOT NULL"))


def test_in_a_busy_place_it_is_recognised_too(
    here: Here, own_slack: FakeSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("calla.channels.slack.sending.LOOK_THROUGH", 3)
    user, channel = here.dm()
    own_slack.trouble("chat.postMessage", "accepted", None, about=channel)
    held = threading.Event()
    own_slack.trouble("conversations.history", "hang", held, about=channel)
    here.deliver(here.message(user, channel, QUESTION))
    own_slack.wait(lambda: [call for call in own_slack.calls if call.error == "hang"])
    for number in range(8):
        own_slack.history[channel].insert(0, {"ts": own_slack.now(), "user": user, "text": str(number)})
    held.set()
    pages = "conversations.history"
    own_slack.wait(lambda: len([c for c in own_slack.calls if c.method == pages and not c.error]) >= 3)
    here.settled()
    assert len(own_slack.posts(channel)) == 1


def test_metadata_that_slack_does_not_want_costs_no_message(here: Here, own_slack: FakeSlack) -> None:
    user, channel = here.dm()
    own_slack.trouble("chat.postMessage", "error", "metadata_must_be_sent_from_app", about=channel, times=2)
    here.deliver(here.message(user, channel, QUESTION))
    (post,) = own_slack.wait_posts(channel)
    assert "metadata" not in post.args and "calcifications" in post.args["text"]


def test_where_slack_cannot_tell_twice_is_better_than_never(here: Here, own_slack: FakeSlack) -> None:
    user, channel = here.dm()
    own_slack.trouble("chat.postMessage", "accepted", None, about=channel)
    own_slack.trouble("conversations.history", "error", "missing_scope", about=channel)
    here.deliver(here.message(user, channel, LUMP))
    assert len(own_slack.wait_posts(channel, 2)) == 2


def test_a_limit_of_one_message_a_second_is_kept(here: Here, own_slack: FakeSlack) -> None:
    own_slack.pace = 0.3
    user, channel = here.dm()
    for text in (QUESTION, OTHER_QUESTION, LUMP):
        here.deliver(here.message(user, channel, text))
    posts = own_slack.wait_posts(channel, 3)
    assert all(later.time - earlier.time >= 0.3 for earlier, later in itertools.pairwise(posts))
    assert sorted(names(posts))[:2] == [ANSWER, OTHER]


def test_one_slow_channel_holds_up_no_other(here: Here, own_slack: FakeSlack) -> None:
    (user, slow), (other, quick) = here.dm(), here.dm()
    held = threading.Event()
    own_slack.trouble("chat.postMessage", "hang", held, about=slow)
    here.deliver(here.message(user, slow, QUESTION))
    here.deliver(here.message(other, quick, QUESTION))
    assert own_slack.wait_posts(quick, timeout=3)
    held.set()
    assert own_slack.wait_posts(slow)


def test_a_revoked_token_holds_everything_back_until_it_is_repaired(here: Here, own_slack: FakeSlack) -> None:
    user, channel = here.dm()
    here.ready()
    own_slack.revoked = "token_revoked"
    here.deliver(here.message(user, channel, LUMP))
    here.until(lambda: here.health()["token"] == "token_revoked")
    assert here.health()["referrals_waiting"] == 1
    own_slack.revoked = ""
    assert names(own_slack.wait_posts(channel))[0].startswith("utter_referral/")
    here.until(lambda: here.health()["token"] == "ok")
    here.settled()
    assert here.health()["referrals_waiting"] == 0


# ----------------------------------------------------------------------- other ways


def test_blocks_that_slack_does_not_know_are_left_out_one_after_another(here: Here, own_slack: FakeSlack) -> None:
    own_slack.old = True
    user, channel = here.dm()
    here.deliver(here.message(user, channel, QUESTION))
    (post,) = own_slack.wait_posts(channel)
    assert "context_actions" not in {block["type"] for block in post.args["blocks"]}
    assert post.buttons() and "Sources:" in post.words
    own_slack.trouble("chat.postMessage", "error", "invalid_blocks", about=channel, times=2)
    here.deliver(here.message(user, channel, OTHER_QUESTION))
    last = own_slack.wait_posts(channel, 2)[1]
    assert "blocks" not in last.args and "BI-RADS" in last.args["text"]


@pytest.mark.parametrize("code", ["thread_not_found", "cannot_reply_to_message"])
def test_in_a_thread_that_is_gone_the_answer_comes_beside_it(here: Here, own_slack: FakeSlack, code: str) -> None:
    user, channel = here.dm()
    own_slack.trouble("chat.postMessage", "error", code, about=channel)
    here.deliver(here.message(user, channel, QUESTION, thread_ts=own_slack.now()))
    (post,) = own_slack.wait_posts(channel)
    assert "thread_ts" not in post.args and post.names == [ANSWER]


@pytest.mark.parametrize("code", ["not_in_channel", "is_archived", "restricted_action_read_only_channel"])
def test_an_answer_that_a_channel_does_not_take_comes_directly(here: Here, own_slack: FakeSlack, code: str) -> None:
    user, room = here.person(), here.channel()
    own_slack.trouble("chat.postMessage", "error", code, about=room)
    here.deliver(here.mention(user, room, QUESTION))
    (post,) = own_slack.wait_posts(user)
    assert post.args["channel"] == user and post.names == [ANSWER]


def test_a_referral_that_can_reach_nobody_is_counted_and_said_so(here: Here, own_slack: FakeSlack) -> None:
    user, room = here.person(), here.channel()
    own_slack.absent.add((room, user))
    own_slack.trouble("chat.postMessage", "error", "messages_tab_disabled", about=user)
    here.deliver(here.mention(user, room, LUMP))
    (post,) = own_slack.wait_posts(room)
    assert post.names == ["utter_slack/unreachable"] and not post.private
    here.settled()
    assert here.health()["referrals_lost"] == 1
    here.stop()
    here.start().ready()
    here.until(lambda: here.health()["referrals_lost"] == 1)


def test_after_a_day_a_message_is_given_up_and_counted(
    here: Here, own_slack: FakeSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, channel = here.dm()
    own_slack.trouble("chat.postMessage", "status", 503, about=channel, times=1000)
    here.deliver(here.message(user, channel, LUMP))
    own_slack.wait(lambda: [call for call in own_slack.calls if call.error == "status"])
    now = time.time()
    monkeypatch.setattr("calla.channels.slack.outbox.time.time", lambda: now + outbox.GIVE_UP + 1)
    here.until(lambda: here.health()["referrals_lost"] == 1 and here.health()["messages_waiting"] == 0)


def test_codes_are_understood() -> None:
    assert way_on("token_expired", 1000) == WAIT
    assert way_on("invented_tomorrow", 0) == WAIT
    assert way_on("invented_tomorrow", 1000) == ELSEWHERE
    assert way_on("restricted_action_of_tomorrow") == ELSEWHERE
    assert way_on("slack_connect_lists_sharing_blocked") == ELSEWHERE
    # Somebody can repair these, or they pass: never given up before the day is over.
    for code in ("two_factor_setup_required", "org_login_required", "ekm_access_denied", "external_channel_migrating"):
        assert way_on(code, 1000) == WAIT
    assert way_on("no_text") == HOPELESS
    assert classified(TimeoutError()).uncertain
    assert classified(KeyError()).way_on == HOPELESS


def test_without_a_database_everything_is_said_all_the_same(own_slack: FakeSlack, tmp_path: Path) -> None:
    with Here(own_slack, tmp_path, database_url=f"sqlite:///{tmp_path}/missing/calla.db") as here:
        user, channel = here.dm()
        here.deliver(here.message(user, channel, LUMP))
        assert names(own_slack.wait_posts(channel))[0].startswith("utter_referral/")
        here.deliver(here.message(user, channel, QUESTION))
        assert names(own_slack.wait_posts(channel, 2))[1] == ANSWER
