"""Slack's own ways: threads, thumbs, files, shortcut, what screen readers say."""

from __future__ import annotations

from typing import Any

import pytest
from fake_slack import FakeSlack
from here import ANSWER, LUMP, OTHER, OTHER_QUESTION, QUESTION, Here
from test_slack_privacy import shortcut

from calla.channels.slack.blocks import LACKS

CANNOT_OPEN = "utter_slack/cannot_open"


def names(fake: FakeSlack, about: str) -> list[str]:
    return [name for call in fake.posts(about) for name in call.names]


# ------------------------------------------------------------------------- threads


def test_threads_in_direct_messages_are_answered_there_with_the_context_of_the_person(
    here: Here, own_slack: FakeSlack
) -> None:
    user, channel = here.dm()
    threads = [None, own_slack.now(), own_slack.now()]
    for thread in threads:
        here.deliver(here.message(user, channel, QUESTION, **({"thread_ts": thread} if thread else {})))
    posts = own_slack.wait_posts(channel, 3)
    assert [call.args.get("thread_ts") for call in posts] == threads
    assert len({message.sender_id for message in here.agent.heard}) == 1
    button = posts[1].buttons()[0][1]["value"]
    here.press(user, posts[1], button, channel=channel)
    pressed = own_slack.wait_posts(channel, 4)[3]
    assert pressed.args["thread_ts"] == threads[1] and f"You asked: {button}" in pressed.words
    assert len({message.sender_id for message in here.agent.heard}) == 1


def test_an_assistant_thread_gets_suggestions_and_what_is_deleted_in_it_is_forgotten(
    here: Here, own_slack: FakeSlack
) -> None:
    user, channel = here.dm()
    thread = {"user_id": user, "channel_id": channel, "thread_ts": own_slack.now(), "context": {}}
    assert here.deliver({"type": "assistant_thread_started", "assistant_thread": thread}).status_code == 200
    method = "assistant.threads.setSuggestedPrompts"
    call = own_slack.wait(lambda: next((c for c in own_slack.calls if c.method == method), None))
    assert call.error is None and call.args["thread_ts"] == thread["thread_ts"]
    changed = {"type": "assistant_thread_context_changed", "assistant_thread": thread}
    assert here.deliver(changed).status_code == 200


# ------------------------------------------------------------------------- thumbs


def test_a_thumb_is_recorded_and_changes_in_place(here: Here, own_slack: FakeSlack) -> None:
    user, channel = here.dm()
    here.deliver(here.message(user, channel, QUESTION))
    (post,) = own_slack.wait_posts(channel)
    here.thumb(user, post, "positive_button", channel=channel)
    change = own_slack.wait(lambda: [c for c in own_slack.calls if c.method == "chat.update"])[0]
    assert change.error is None and change.args["ts"] == post.ts
    assert "Thank you" in change.words and "Sources:" in change.words and post.buttons()[0][1]["value"] in change.words
    assert "context_actions" not in {block["type"] for block in change.args["blocks"]}
    assert {block["block_id"] for block in change.args["blocks"]} & {
        b["block_id"] for b in post.args["blocks"]
    } == set()
    here.settled()
    assert own_slack.posts(channel) == [post]
    (vote,) = here.agent.votes
    assert (vote["response"], vote["value"], vote["channel"]) == (ANSWER, 1, "slack")


@pytest.mark.parametrize("lack", LACKS)
def test_a_thumb_down_asks_what_was_missing(here: Here, own_slack: FakeSlack, lack: str) -> None:
    user, channel = here.dm()
    here.deliver(here.message(user, channel, QUESTION))
    (post,) = own_slack.wait_posts(channel)
    here.thumb(user, post, "negative_button", channel=channel)
    asked = own_slack.wait(lambda: [c for c in own_slack.calls if c.method == "chat.update"])[0]
    block, button = next((b, e) for b, e in asked.buttons() if e["action_id"] == f"calla_missing_{lack}")
    here.act(user, post, block, button, channel)
    thanked = own_slack.wait(
        lambda: (found := [c for c in own_slack.calls if c.method == "chat.update"])[1:] and found
    )[1]
    assert not [e for _, e in thanked.buttons() if e["action_id"].startswith("calla_missing")]
    assert [(vote["response"], vote["value"]) for vote in here.agent.votes] == [(ANSWER, -1), (f"{ANSWER}#{lack}", -1)]


def test_in_front_of_others_a_thumb_changes_nothing_for_them(here: Here, own_slack: FakeSlack) -> None:
    user, room = here.person(), here.channel()
    here.deliver(here.mention(user, room, QUESTION))
    (post,) = own_slack.wait_posts(room)
    here.thumb(here.person(), post, "negative_button", channel=room)
    asked = own_slack.wait_posts(room, 2)[1]
    assert asked.private and asked.buttons() and here.agent.votes[0]["value"] == -1
    assert [c for c in own_slack.calls if c.method == "chat.update"] == []


def test_under_a_private_answer_thumbs_change_in_place_too(here: Here, own_slack: FakeSlack) -> None:
    user, room = here.person(), here.channel()
    _, url = here.command(user, room, QUESTION)
    (post,) = own_slack.wait_posts(url)
    _, address = here.thumb(user, post, "positive_button", channel=room)
    (change,) = own_slack.wait_posts(address)
    assert change.args["replace_original"] is True and "Thank you" in change.words and "Sources:" in change.words


@pytest.mark.parametrize(
    "value", ["up|utter_referral/emergency", "up|utter_slack/thanks", "sideways|" + ANSWER, "up|no"]
)
def test_only_answers_can_be_voted_on(here: Here, own_slack: FakeSlack, value: str) -> None:
    user, channel = here.dm()
    here.deliver(here.message(user, channel, QUESTION))
    (post,) = own_slack.wait_posts(channel)
    here.thumb(user, post, "positive_button", channel=channel, value=value)
    here.settled()
    assert here.agent.votes == [] and [c for c in own_slack.calls if c.method == "chat.update"] == []


# --------------------------------------------------------------------------- files


@pytest.mark.parametrize(
    "file",
    [
        {"id": "F1", "mode": "hosted", "mimetype": "image/png", "preview": "no words"},
        {"id": "F1", "mode": "hosted", "subtype": "slack_audio", "transcription": {"status": "processing"}},
        {"id": "F1", "mode": "file_access", "file_access": "check_file_info"},
    ],
)
@pytest.mark.parametrize("text", ["", QUESTION, LUMP])
def test_a_file_gets_an_honest_sentence_after_everything_else(
    here: Here, own_slack: FakeSlack, file: dict[str, Any], text: str
) -> None:
    user, channel = here.dm()
    here.deliver(here.message(user, channel, text, subtype="file_share", files=[file]))
    expected = {"": [], QUESTION: [ANSWER], LUMP: ["utter_referral/red_flag_symptom"]}[text]
    own_slack.wait_posts(channel, len(expected) + 1)
    here.settled()
    assert names(own_slack, channel) == [*expected, CANNOT_OPEN]


@pytest.mark.parametrize(
    "file",
    [
        {"id": "F1", "mode": "snippet", "mimetype": "text/plain", "preview": LUMP},
        {"id": "F1", "mode": "hosted", "mimetype": "text/plain", "plain_text": LUMP},
        {"id": "F1", "subtype": "slack_audio", "transcription": {"status": "complete", "preview": {"content": LUMP}}},
    ],
)
def test_words_that_come_with_a_file_are_read_and_screened(
    here: Here, own_slack: FakeSlack, file: dict[str, Any]
) -> None:
    user, channel = here.dm()
    here.deliver(here.message(user, channel, "", subtype="file_share", files=[file]))
    own_slack.wait_posts(channel)
    here.settled()
    assert names(own_slack, channel) == ["utter_referral/red_flag_symptom"]
    assert here.agent.heard[0].text == LUMP


@pytest.mark.parametrize(
    "file",
    [
        {"id": "F1", "mode": "snippet", "mimetype": "text/plain", "preview": LUMP, "preview_is_truncated": True},
        {"id": "F1", "transcription": {"status": "complete", "preview": {"content": LUMP, "has_more": True}}},
    ],
)
def test_who_sends_more_than_comes_along_is_told(here: Here, own_slack: FakeSlack, file: dict[str, Any]) -> None:
    user, channel = here.dm()
    here.deliver(here.message(user, channel, "", subtype="file_share", files=[file]))
    own_slack.wait_posts(channel, 2)
    assert names(own_slack, channel) == ["utter_referral/red_flag_symptom", CANNOT_OPEN]


def test_the_shortcut_on_a_picture_says_that_it_cannot_be_opened(here: Here, own_slack: FakeSlack) -> None:
    user, room = here.person(), here.channel()
    picture = {"id": "F1", "mode": "hosted", "mimetype": "image/png"}
    url = shortcut(here, user, room, {"user": user, "text": "", "files": [picture]})
    assert own_slack.wait_posts(url)[0].names == [CANNOT_OPEN]


def test_half_a_character_is_no_reason_to_lose_a_message(here: Here, own_slack: FakeSlack) -> None:
    user, channel = here.dm()
    assert here.deliver(here.message(user, channel, f"{LUMP} \ud83d")).status_code == 200
    own_slack.wait_posts(channel)
    assert names(own_slack, channel)[0] == "utter_referral/red_flag_symptom"


# ------------------------------------------------------------------------ shortcut


def test_the_shortcut_on_what_somebody_else_wrote_says_so(here: Here, own_slack: FakeSlack) -> None:
    user, room, author = here.person(), here.channel(), here.person()
    url = shortcut(here, user, room, {"user": author, "text": QUESTION})
    (post,) = own_slack.wait_posts(url)
    assert f"<@{author}>" in post.words and "about them and not about you" in post.words
    shortcut(here, user, room, {"user": author, "text": LUMP})
    (referral,) = own_slack.wait(lambda: own_slack.posts(user, "chat.postMessage"))
    assert referral.args["blocks"][0]["type"] == "header" and f"<@{author}>" in referral.words
    own = shortcut(here, user, room, {"user": user, "text": QUESTION})
    assert "about them" not in own_slack.wait_posts(own)[0].words


# ---------------------------------------------------------------------------- show


def test_an_answer_is_shown_in_the_thread_where_it_was_asked(here: Here, own_slack: FakeSlack) -> None:
    user, room = here.person(), here.channel()
    thread = own_slack.now()
    own_slack.threads.add((room, thread))
    here.deliver(here.mention(user, room, OTHER_QUESTION, thread_ts=thread))
    (first,) = own_slack.wait_posts(room)
    _, url = here.command(user, room, QUESTION)
    (private,) = own_slack.wait_posts(url)
    here.press(user, private, "Show to channel", channel=room)
    shown = own_slack.wait_posts(room, 2)[1]
    assert "thread_ts" not in shown.args and not shown.private and f"<@{user}>" in shown.words
    here.press(user, private, "Show to channel", channel=room)
    here.settled()
    assert len(own_slack.posts(room)) == 2 and first.names == [OTHER]


def test_where_calla_is_no_member_an_answer_is_shown_through_its_address(here: Here, own_slack: FakeSlack) -> None:
    user, room = here.person(), "C0STRANGE"
    _, url = here.command(user, room, QUESTION)
    (private,) = own_slack.wait_posts(url)
    _, address = here.press(user, private, "Show to channel", channel=room)
    (shown,) = own_slack.wait_posts(address)
    assert shown.args["response_type"] == "in_channel" and ANSWER in shown.names


# ------------------------------------------------------------------ screen readers


def test_the_text_of_a_message_says_all_that_matters(here: Here, own_slack: FakeSlack) -> None:
    user, channel = here.dm()
    here.deliver(here.message(user, channel, LUMP))
    here.deliver(here.message(user, channel, QUESTION))
    referral, answer = own_slack.wait_posts(channel, 2)
    mark = referral.args["blocks"][0]["text"]["text"]
    assert referral.args["text"].startswith(mark) and len(referral.args["text"]) > 100
    for _, button in answer.buttons():
        assert button["value"] in answer.args["text"]
    assert "Last checked: 20" in answer.args["text"]


def test_every_button_is_in_the_text_of_its_message_and_no_other(here: Here, own_slack: FakeSlack) -> None:
    """Screen readers read the text alone."""
    user, room = here.person(), here.channel()
    _, channel = here.dm()
    here.deliver(here.message(user, channel, "a person please"))
    here.deliver(here.message(user, channel, QUESTION))
    _, url = here.command(user, room, QUESTION)
    (private,) = own_slack.wait_posts(url)
    answer = own_slack.wait_posts(channel, 2)[1]
    assert "- Show to channel" in private.args["text"] and "Show to" not in answer.args["text"]
    (note,) = own_slack.posts("C0CARE")
    assert note.args["text"].endswith("\n- I'll take this")
    assert "👍 Helpful / 👎 Not helpful" in answer.args["text"]
    here.thumb(user, answer, "negative_button", channel=channel)
    asked = own_slack.wait(lambda: [c for c in own_slack.calls if c.method == "chat.update"])[0]
    assert "👍" not in asked.args["text"] and "What was wrong" in asked.args["text"]
    for call in (note, answer, private, asked):
        assert all(f"- {button['text']['text']}" in call.args["text"] for _, button in call.buttons())
    block, lack = next((b, e) for b, e in asked.buttons() if e["action_id"].startswith("calla_missing"))
    here.act(user, answer, block, lack, channel)
    thanked = own_slack.wait(lambda: [c for c in own_slack.calls if c.method == "chat.update"][1:])[0]
    assert "What was wrong" not in thanked.args["text"] and lack["text"]["text"] not in thanked.args["text"]
    assert answer.args["text"].partition("👍")[0].strip() in thanked.args["text"]


# ------------------------------------------------------------------------ care team


def test_the_care_team_takes_a_wish_and_the_person_hears_who(here: Here, own_slack: FakeSlack) -> None:
    user, channel = here.dm()
    event = here.message(user, channel, "a person please")
    here.deliver(event)
    (told,) = own_slack.wait_posts(channel)
    assert told.names == ["utter_slack/handoff_noted"]
    (note,) = own_slack.posts("C0CARE")
    assert f"<@{user}>" in note.words and "a person please" not in note.words and note.time <= told.time
    nurse, late = here.person(), here.person()
    here.press(nurse, note, "I'll take this", channel="C0CARE")
    change = own_slack.wait(lambda: [c for c in own_slack.calls if c.method == "chat.update"])[0]
    assert f"<@{nurse}>" in change.words and f"<@{user}>" in change.words and change.buttons() == []
    here.press(late, note, "I'll take this", channel="C0CARE")
    here.settled()
    (status,) = own_slack.posts(user)
    assert status.names == ["utter_slack/handoff_taken"] and f"<@{nurse}>" in status.words


def test_a_second_wish_leaves_no_second_note(here: Here, own_slack: FakeSlack) -> None:
    user, channel = here.dm()
    for number in (1, 2):
        here.deliver(here.message(user, channel, "a person please"))
        assert own_slack.wait_posts(channel, number)[-1].names == ["utter_slack/handoff_noted"]
    assert len(own_slack.posts("C0CARE")) == 1


def test_a_note_that_nobody_got_is_not_promised(here: Here, own_slack: FakeSlack) -> None:
    user, channel = here.dm()
    own_slack.trouble("chat.postMessage", "error", "is_archived", about="C0CARE", times=2)
    for number in (1, 2):
        here.deliver(here.message(user, channel, "a person please"))
        assert own_slack.wait_posts(channel, number)[-1].names == ["utter_chat/human_handoff"]


def test_only_in_the_care_channel_a_wish_can_be_taken(here: Here, own_slack: FakeSlack) -> None:
    user, channel = here.dm()
    here.deliver(here.message(user, channel, "a person please"))
    own_slack.wait_posts(channel)
    (note,) = own_slack.posts("C0CARE")
    here.act(here.person(), note, *note.buttons()[0], here.channel())
    here.settled()
    assert own_slack.posts(user) == []


@pytest.mark.parametrize("code", ["user_disabled", "messages_tab_disabled"])
def test_who_takes_a_wish_hears_if_the_person_did_not(here: Here, own_slack: FakeSlack, code: str) -> None:
    user, channel = here.dm()
    here.deliver(here.message(user, channel, "a person please"))
    own_slack.wait_posts(channel)
    (note,) = own_slack.posts("C0CARE")
    own_slack.trouble("chat.postMessage", "error", code, about=user)
    here.press(here.person(), note, "I'll take this", channel="C0CARE")
    said = own_slack.wait(lambda: own_slack.posts("C0CARE")[1:])[0]
    assert said.names == ["utter_slack/handoff_taken_unheard"] and said.args["thread_ts"] == note.ts
    assert f"<@{user}>" in said.words and own_slack.posts(user) == []
