"""In front of others: referrals are direct messages, they come first, and they last. What is erased is gone."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from fake_slack import BOT_USER, TEAM, Call, FakeSlack
from here import ANSWER, CRISIS, LUMP, OTHER, OTHER_QUESTION, QUESTION, Here

FINDING = "My report says BI-RADS 4 with clustered microcalcifications. What does it mean for me?"
PRIVATELY = ["utter_slack/answered_privately"]


def wait_names(fake: FakeSlack, about: str, number: int = 1) -> list[str]:
    return [name for call in fake.wait_posts(about, number) for name in call.names]


def shortcut(here: Here, user: str, channel: str, message: dict[str, Any]) -> str:
    """Use "Ask Calla about this" on a message; returns the address for answers."""
    url = here.fake.response_url()
    payload = {
        "type": "message_action",
        "callback_id": "ask_calla",
        "team": {"id": TEAM},
        "user": {"id": user},
        "channel": {"id": channel, "name": "general"},
        "message": message,
        "message_ts": here.fake.now(),
        "trigger_id": here.fake.now(),
        "response_url": url,
    }
    assert here.interact(payload).status_code == 200
    return url


# ------------------------------------------------------------------- referrals last


@pytest.mark.parametrize("text", [FINDING, LUMP, CRISIS])
@pytest.mark.parametrize("where", ["channel", "thread", "private channel", "group", "command", "shortcut", "press"])
def test_a_referral_lasts_and_is_for_the_person_alone(here: Here, own_slack: FakeSlack, where: str, text: str) -> None:
    user, room = here.person(), here.channel("G" if where in ("group", "private channel") else "C")
    url = ""
    if where == "command":
        _, url = here.command(user, room, text)
    elif where == "shortcut":
        url = shortcut(here, user, room, {"user": user, "text": text})
    elif where == "group":
        here.deliver(here.message(user, room, f"<@{BOT_USER}> {text}"))
    elif where == "private channel":
        here.deliver(here.message(user, room, f"<@{BOT_USER}> {text}", channel_type="group"))
    elif where == "thread":
        thread = own_slack.now()
        own_slack.threads.add((room, thread))
        here.deliver(here.mention(user, room, text, thread_ts=thread))
    elif where == "press":
        _, first = here.command(user, room, QUESTION)
        (answer,) = own_slack.wait_posts(first)
        here.agent.says[answer.buttons()[0][1]["value"]] = ["utter_referral/red_flag_symptom", OTHER]
        _, url = here.press(user, answer, answer.buttons()[0][1]["value"], channel=room)
    else:
        here.deliver(here.mention(user, room, text))
    direct = own_slack.wait(lambda: own_slack.posts(user, "chat.postMessage"))[0]
    # A message that stays, not one that Slack may drop and does not keep.
    assert direct.args["channel"] == user and direct.names[0].startswith("utter_referral/")
    assert direct.args["blocks"][0]["type"] == "header"
    (note,) = own_slack.wait(lambda: [call for call in own_slack.posts(url or room) if call.names == PRIVATELY])
    assert note.private and note.time >= direct.time
    here.settled()
    others = [call for call in own_slack.posts(room) if not call.private]
    assert others == []


def test_what_follows_a_referral_is_private_too_and_can_be_shown(here: Here, own_slack: FakeSlack) -> None:
    user, room = here.person(), here.channel()
    here.agent.says[FINDING] = [ANSWER]
    first = here.mention(user, room, FINDING)
    here.deliver(first)
    referral, answer = own_slack.wait(lambda: len(found := own_slack.posts(user, "chat.postMessage")) == 2 and found)
    assert referral.names[0].startswith("utter_referral/") and answer.names == [ANSWER]
    here.settled()
    assert [call.names for call in own_slack.posts(room)] == [PRIVATELY]
    here.press(user, answer, "Show to channel", channel=own_slack.direct(user))
    shown = own_slack.wait(lambda: [call for call in own_slack.posts(room) if not call.private])[0]
    assert shown.args["thread_ts"] == first["ts"] and ANSWER in shown.names and f"<@{user}>" in shown.words


def test_in_direct_messages_nothing_points_anywhere(here: Here, own_slack: FakeSlack) -> None:
    user, channel = here.dm()
    here.deliver(here.message(user, channel, LUMP))
    own_slack.wait_posts(channel)
    here.settled()
    assert len(own_slack.posts(channel)) == 1 and own_slack.posts(user) == []


def test_who_takes_no_direct_messages_reads_it_where_they_are(here: Here, own_slack: FakeSlack) -> None:
    user, room = here.person(), here.channel()
    own_slack.trouble("chat.postMessage", "error", "messages_tab_disabled", about=user)
    here.deliver(here.mention(user, room, LUMP))
    (post,) = own_slack.wait(lambda: own_slack.posts(room, "chat.postEphemeral"))
    assert post.names[0].startswith("utter_referral/") and post.args["user"] == user
    here.settled()
    # Nothing points to a direct message that is not there.
    assert [call for call in own_slack.posts(room) if call.names == PRIVATELY] == []


def test_a_general_question_is_answered_in_public(here: Here, own_slack: FakeSlack) -> None:
    user, room = here.person(), here.channel()
    here.deliver(here.mention(user, room, QUESTION))
    (post,) = own_slack.wait_posts(room)
    assert not post.private


# -------------------------------------------------------------------------- erasing


def with_history(here: Here, own_slack: FakeSlack) -> tuple[str, str, str]:
    """A person with a direct conversation, a thread and a command; returns user, direct messages and channel."""
    user, channel = here.dm()
    room = here.channel()
    here.deliver(here.message(user, channel, QUESTION))
    here.deliver(here.mention(user, room, OTHER_QUESTION))
    _, url = here.command(user, room, QUESTION)
    for about in (channel, room, url):
        own_slack.wait_posts(about)
    here.settled()
    return user, channel, room


def asked_to_erase(here: Here, own_slack: FakeSlack, user: str, channel: str) -> Call:
    here.deliver(here.message(user, channel, "delete my data"))
    return own_slack.wait(lambda: [c for c in own_slack.posts(channel) if c.names == ["utter_slack/erase_ask"]])[0]  # type: ignore[no-any-return]


def test_it_asks_before_it_erases(here: Here, own_slack: FakeSlack) -> None:
    user, channel, _ = with_history(here, own_slack)
    question = asked_to_erase(here, own_slack, user, channel)
    here.settled()
    assert here.agent.erased == [] and [c for c in own_slack.calls if c.method == "chat.delete"] == []
    here.press(user, question, "Keep it", channel=channel)
    kept = own_slack.wait(lambda: [c for c in own_slack.calls if c.method == "chat.update"])[0]
    assert kept.names == ["utter_slack/erase_kept"] and kept.buttons() == []
    assert here.agent.erased == []


@pytest.mark.parametrize("way", ["button", "words"])
def test_everything_of_the_person_is_erased_and_what_stays_is_said(here: Here, own_slack: FakeSlack, way: str) -> None:
    _, elsewhere, _ = with_history(here, own_slack)
    user, channel, room = with_history(here, own_slack)
    mine = {message.sender_id for message in here.agent.heard[-3:]}
    stays = own_slack.posts(room)[0].ts
    own_slack.undeletable.add(stays)
    if way == "button":
        here.press(user, asked_to_erase(here, own_slack, user, channel), "Erase everything", channel=channel)
    else:
        here.deliver(here.message(user, channel, "yes, erase it"))
    own_slack.wait(lambda: [c for c in own_slack.posts(channel) if c.names == ["utter_slack/erased_not_all"]])
    here.settled()
    assert set(here.agent.erased) >= mine and len(mine) == 3
    (report,) = [c for c in own_slack.posts(channel) if c.names == ["utter_slack/erased"]]
    assert "(3)" in report.words
    standing = [one["ts"] for one in [*own_slack.history[channel], *own_slack.history[room]] if one["user"] == BOT_USER]
    reports = [c.ts for c in own_slack.posts(channel) if c.names[0].startswith("utter_slack/erased")]
    assert sorted(standing) == sorted([stays, *reports])
    # Nobody else's.
    assert own_slack.history[elsewhere] and not set(here.agent.erased) & {m.sender_id for m in here.agent.heard[:3]}
    people = here.rows("SELECT DISTINCT person FROM slack_conversations")
    assert len(people) == 1
    assert here.rows(f"SELECT 1 FROM slack_questions WHERE question LIKE '%{user}%'") == []


def test_a_vote_on_somebody_elses_answer_is_erased_with_whoever_gave_it(here: Here, own_slack: FakeSlack) -> None:
    asker, room = here.person(), here.channel()
    here.deliver(here.mention(asker, room, QUESTION))
    (answer,) = own_slack.wait_posts(room)
    user, channel = here.dm()
    here.thumb(user, answer, "positive_button", channel=room)
    own_slack.wait(lambda: [c for c in own_slack.posts(room) if c.private])
    here.deliver(here.message(user, channel, "yes, erase it"))
    own_slack.wait(lambda: [c for c in own_slack.posts(channel) if c.names == ["utter_slack/erased"]])
    (vote,) = here.agent.votes
    assert vote["conversation"] in here.agent.erased
    # The asker keeps theirs, and what was only voted on takes no part in anything.
    assert len(here.rows("SELECT 1 FROM slack_conversations")) == 1


def test_an_answer_shown_where_it_cannot_be_deleted_is_reported(here: Here, own_slack: FakeSlack) -> None:
    user, channel = here.dm()
    _, url = here.command(user, "C0STRANGE", QUESTION)
    (private,) = own_slack.wait_posts(url)
    _, address = here.press(user, private, "Show to channel", channel="C0STRANGE")
    assert own_slack.wait_posts(address)[0].args["response_type"] == "in_channel"
    here.settled()
    here.deliver(here.message(user, channel, "yes, erase it"))
    (report,) = own_slack.wait(lambda: [c for c in own_slack.posts(channel) if c.names == ["utter_slack/erased"]])
    (stays,) = own_slack.wait(
        lambda: [c for c in own_slack.posts(channel) if c.names == ["utter_slack/erased_not_all"]]
    )
    assert "(1)" in stays.words and f"last {here.settings.retention_days} days (0)" in report.words


def test_a_wish_to_erase_survives_a_kill(here: Here, own_slack: FakeSlack) -> None:
    user, channel, room = with_history(here, own_slack)
    question = asked_to_erase(here, own_slack, user, channel)
    held = threading.Event()
    own_slack.trouble("chat.delete", "hang", held)
    here.press(user, question, "Erase everything", channel=channel)
    here.until(lambda: here.agent.erased)
    here.kill()
    held.set()
    here.agent.erased.clear()
    here.start().ready()
    own_slack.wait(lambda: [c for c in own_slack.posts(channel) if c.names == ["utter_slack/erased"]])
    assert own_slack.history[room] == [] and here.agent.erased


def test_asked_in_front_of_others_it_answers_privately(here: Here, own_slack: FakeSlack) -> None:
    user, room = here.person(), here.channel()
    here.deliver(here.mention(user, room, "delete my data"))
    (question,) = own_slack.wait(lambda: own_slack.posts(user, "chat.postMessage"))
    assert question.names == ["utter_slack/erase_ask"]


@pytest.mark.parametrize("waiting", [QUESTION, LUMP])
def test_a_deleted_message_is_forgotten_but_not_its_referral(here: Here, own_slack: FakeSlack, waiting: str) -> None:
    user, channel = here.dm()
    here.ready()
    own_slack.trouble("chat.postMessage", "status", 503, about=channel, times=30)
    event = here.message(user, channel, waiting, thread_ts=own_slack.now())
    here.deliver(event)
    own_slack.wait(lambda: [call for call in own_slack.calls if call.error == "status"])
    here.deliver(
        {
            "type": "message",
            "subtype": "message_deleted",
            "hidden": True,
            "channel": channel,
            "channel_type": "im",
            "ts": own_slack.now(),
            "deleted_ts": event["ts"],
            "previous_message": {key: event[key] for key in ("type", "user", "text", "ts", "thread_ts")},
        }
    )
    here.until(lambda: here.health()["messages_waiting"] == 0)
    assert [c.names for c in own_slack.posts(channel)] == (
        [["utter_referral/red_flag_symptom"]] if waiting == LUMP else []
    )
    assert here.rows("SELECT 1 FROM slack_questions WHERE question IS NOT NULL") == []


def test_a_workspace_that_takes_calla_out_is_forgotten(here: Here, own_slack: FakeSlack) -> None:
    with_history(here, own_slack)
    mine = {message.sender_id for message in here.agent.heard}
    own_slack.revoked = "account_inactive"
    here.deliver({"type": "app_uninstalled"})
    here.until(lambda: set(here.agent.erased) >= mine)
    here.settled()
    for table in ("slack_conversations", "slack_questions", "slack_letters"):
        assert here.rows(f"SELECT 1 FROM {table}") == []
    assert here.health()["token"] == "account_inactive"


def test_revoked_tokens_are_noticed_at_once(here: Here, own_slack: FakeSlack) -> None:
    here.ready()
    own_slack.revoked = "token_revoked"
    here.deliver({"type": "tokens_revoked", "tokens": {"oauth": ["U1"], "bot": []}})
    assert here.health()["token"] == "ok"
    here.deliver({"type": "tokens_revoked", "tokens": {"oauth": [], "bot": [BOT_USER]}})
    here.until(lambda: here.health()["token"] == "token_revoked")


# ------------------------------------------------------------------ who, and from where


@pytest.mark.parametrize(
    ("facts", "allowed", "welcome"),
    [
        ({}, "", True),
        ({"is_restricted": True}, "", False),
        ({"is_ultra_restricted": True}, "", False),
        ({"is_restricted": True}, "guests", True),
        ({"team_id": "T9OTHER"}, "", False),
        ({"team_id": "T9OTHER", "is_stranger": True}, "guests", False),
        ({"team_id": "T9OTHER"}, "T9OTHER", True),
        ({"team_id": "T9OTHER"}, "everybody", True),
        ({"is_restricted": True}, "U9GUEST", True),
    ],
)
def test_guests_and_strangers_are_welcome_if_the_operator_says_so(
    own_slack: FakeSlack, tmp_path: Any, facts: dict[str, Any], allowed: str, welcome: bool
) -> None:
    user, channel = "U9GUEST", "D9GUEST"
    own_slack.users[user] = facts
    with Here(own_slack, tmp_path, slack_allowed_outsiders=f"W1SOMEBODY {allowed}") as here:
        here.deliver(here.message(user, channel, QUESTION))
        expected = [ANSWER] if welcome else ["utter_slack/outsider"]
        assert wait_names(own_slack, channel) == expected
        # A danger is never turned away.
        here.deliver(here.message(user, channel, CRISIS))
        assert wait_names(own_slack, channel, 2)[1].startswith("utter_referral/")


def test_who_comes_from_elsewhere_is_no_member_because_slack_names_their_workspace(
    here: Here, own_slack: FakeSlack
) -> None:
    """In a channel shared with others an event may carry the workspace of whoever wrote it."""
    user, room = here.person(), here.channel()
    own_slack.users[user] = {"team_id": "T9OTHER", "enterprise_user": {"enterprise_id": "E9OTHER"}}
    event = here.event(here.mention(user, room, QUESTION, user_team="T9OTHER", source_team="T9OTHER"))
    installed = {"enterprise_id": None, "team_id": TEAM, "user_id": BOT_USER, "is_bot": True}
    foreign = {"team_id": "T9OTHER", "enterprise_id": "E9OTHER", "authorizations": [installed]}
    assert here.dispatch({**event, **foreign}) == 200
    assert wait_names(own_slack, user) == ["utter_slack/outsider"]
    here.settled()
    assert [call.names for call in own_slack.posts(room)] == [PRIVATELY]
    assert here.rows("SELECT DISTINCT team FROM slack_letters")[0].team == TEAM


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # What the screen does not find, understanding does.
        ("it was something four, they said", ["utter_referral/suspicious_finding"]),
        ("delete my data", ["utter_slack/erase_ask"]),
        ("thanks", ["utter_slack/outsider"]),
    ],
)
def test_who_is_turned_away_gets_a_referral_and_an_erasure_all_the_same(
    here: Here, own_slack: FakeSlack, text: str, expected: list[str]
) -> None:
    user, channel = here.dm()
    own_slack.users[user] = {"is_restricted": True}
    here.agent.says["it was something four, they said"] = ["utter_referral/suspicious_finding", OTHER]
    here.deliver(here.message(user, channel, text))
    own_slack.wait_posts(channel)
    here.settled()
    assert [name for call in own_slack.posts(channel) for name in call.names] == expected


def test_a_member_is_not_turned_away_because_slack_does_not_answer(here: Here, own_slack: FakeSlack) -> None:
    user, channel = here.dm()
    own_slack.trouble("users.info", "error", "missing_scope")
    here.deliver(here.message(user, channel, QUESTION))
    assert wait_names(own_slack, channel) == [ANSWER]


def test_an_answer_does_not_wait_long_for_who_is_a_guest(
    here: Here, own_slack: FakeSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("calla.channels.slack.audience.PATIENCE", 0.1)
    user, channel = here.dm()
    held = threading.Event()
    own_slack.trouble("users.info", "hang", held)
    here.deliver(here.message(user, channel, QUESTION))
    assert wait_names(own_slack, channel) == [ANSWER]
    held.set()


def test_in_a_grid_a_person_is_one_in_all_workspaces(here: Here, own_slack: FakeSlack) -> None:
    user = here.person()
    for number, team in enumerate(("T1SISTER", "T2SISTER")):
        event = here.event(here.message(user, f"D{number}00001", QUESTION))
        grid = {"team_id": team, "enterprise_id": "E1GRID"}
        bots = [{"enterprise_id": "E1GRID", "team_id": team, "user_id": "U0SISTERBOT", "is_bot": True}]
        own_slack.users[user] = {"team_id": team, "enterprise_user": {"enterprise_id": "E1GRID"}}
        assert here.dispatch({**event, **grid, "authorizations": bots}) == 200
        own_slack.wait_posts(f"D{number}00001")
    assert len({message.sender_id for message in here.agent.heard}) == 1
    # The bot's id of the sister workspace is a mention too.
    event = here.event(here.message(user, here.channel(), f"<@U0SISTERBOT> {QUESTION}"))
    assert here.dispatch({**event, **grid, "authorizations": bots}) == 200
    here.until(lambda: len(here.agent.heard) == 3)
    # Without a Grid the same id elsewhere is somebody else.
    here.deliver(here.message(user, "D900001", QUESTION))
    here.until(lambda: len(here.agent.heard) == 4)
    assert here.agent.heard[3].sender_id != here.agent.heard[0].sender_id


def test_the_home_tab_says_who_can_read_along(here: Here, own_slack: FakeSlack) -> None:
    user, channel = here.dm()
    here.deliver(
        {"type": "app_home_opened", "user": user, "channel": channel, "tab": "home", "event_ts": own_slack.now()}
    )
    view = own_slack.wait(lambda: [c for c in own_slack.calls if c.method == "views.publish"])[0].args["view"]
    words = Call("", {"blocks": view["blocks"]}).words
    for said in ("owners of this workspace", "Whoever runs me can read", "care team", "delete my data"):
        assert said in words
    assert "Nobody else reads" not in words and "no person reads" not in words
