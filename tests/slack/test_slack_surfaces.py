"""The ways to reach Calla in Slack, and what each shows."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from fake_slack import BOT_USER, TEAM, Call, FakeSlack
from slack_world import CallaServer, Workspace

ANSWER = "utter_faq/what_are_breast_calcifications"
QUESTION = "What are breast calcifications?"


def opened(workspace: Workspace, user: str, channel: str, tab: str) -> None:
    event = {"type": "app_home_opened", "user": user, "channel": channel, "tab": tab, "event_ts": workspace.fake.now()}
    assert workspace.deliver(event).status_code == 200


# ------------------------------------------------------------------------- messages


def test_an_answer_has_its_parts(workspace: Workspace, fake: FakeSlack) -> None:
    user, channel = workspace.dm()
    workspace.deliver(workspace.message(user, channel, QUESTION))
    (post,) = fake.wait_posts(channel)
    labels = [button["text"]["text"] for _, button in post.buttons()]
    assert "Show to channel" not in labels
    assert len(labels) >= 3
    _, thumbs = post.thumbs()
    assert "Helpful" in thumbs["positive_button"]["text"]["text"]
    assert "Sources:" in post.words
    assert "<https://" in post.words
    assert "evidence" in post.words.lower() or "guidance" in post.words.lower()
    assert post.args["unfurl_links"] is False and post.args["unfurl_media"] is False


def test_a_follow_up_in_a_thread_needs_no_second_mention(workspace: Workspace, fake: FakeSlack) -> None:
    user, channel = workspace.person(), workspace.channel()
    first = workspace.mention(user, channel, QUESTION)
    workspace.deliver(first)
    fake.wait_posts(channel)
    workspace.deliver(workspace.message(user, channel, "tell me more", thread_ts=first["ts"]))
    posts = fake.wait_posts(channel, 2)
    assert posts[1].names == ["utter_more_about"]
    assert posts[1].args["thread_ts"] == first["ts"]


def test_a_follow_up_sent_at_once_is_answered_too(workspace: Workspace, fake: FakeSlack) -> None:
    user, channel = workspace.person(), workspace.channel()
    first = workspace.mention(user, channel, QUESTION)
    workspace.deliver(first)
    workspace.deliver(workspace.message(user, channel, "tell me more", thread_ts=first["ts"]))
    posts = fake.wait_posts(channel, 2)
    assert posts[1].names == ["utter_more_about"]


def test_people_in_one_thread_have_conversations_of_their_own(workspace: Workspace, fake: FakeSlack) -> None:
    user, other, channel = workspace.person(), workspace.person(), workspace.channel()
    first = workspace.mention(user, channel, QUESTION)
    workspace.deliver(first)
    fake.wait_posts(channel)
    workspace.deliver(workspace.mention(other, channel, "tell me more", thread_ts=first["ts"]))
    assert fake.wait_posts(channel, 2)[1].names == ["utter_no_topic_yet"]


@pytest.mark.parametrize(
    "extra",
    [{"subtype": "file_share", "files": [{"id": "F1"}]}, {"subtype": "thread_broadcast"}, {"subtype": "me_message"}],
)
def test_other_ways_to_say_something_are_answered(workspace: Workspace, fake: FakeSlack, extra: dict[str, Any]) -> None:
    user, channel = workspace.dm()
    workspace.deliver(workspace.message(user, channel, QUESTION, **extra))
    assert fake.wait_posts(channel)[0].names == [ANSWER]


def test_a_forwarded_message_is_read(workspace: Workspace, fake: FakeSlack) -> None:
    user, channel = workspace.dm()
    shared = [{"is_share": True, "text": "I found a lump in my breast"}]
    workspace.deliver(workspace.message(user, channel, "", attachments=shared))
    assert fake.wait_posts(channel)[0].names[0].startswith("utter_referral")


def test_slacks_writing_is_decoded_before_understanding(
    workspace: Workspace, fake: FakeSlack, server: CallaServer
) -> None:
    user, channel = workspace.person(), workspace.channel()
    text = "see <https://example.org/a|this page> &amp; tell: is K2 &lt;good&gt;? <#C1|general>"
    workspace.deliver(workspace.mention(user, channel, text))
    fake.wait_posts(channel)
    database = sqlite3.connect(server.folder / "calla.db")

    def rows_of_the_question() -> list[str]:
        rows = [row[0] for row in database.execute("SELECT data FROM events WHERE type_name = 'user'")]
        return rows if any("see this page & tell: is K2 <good>? #general" in row for row in rows) else []

    # The answer is out a moment before the conversation is stored.
    workspace.settled()
    rows = fake.wait(rows_of_the_question)
    assert not any("&amp;" in row or BOT_USER in row for row in rows)


# -------------------------------------------------------------------------- buttons


def test_a_related_topic_is_answered_when_pressed(workspace: Workspace, fake: FakeSlack) -> None:
    user, channel = workspace.dm()
    workspace.deliver(workspace.message(user, channel, QUESTION))
    (post,) = fake.wait_posts(channel)
    title = post.buttons()[0][1]["value"]
    answer, _ = workspace.press(user, post, title, channel=channel)
    assert answer.status_code == 200 and not answer.content
    pressed = fake.wait_posts(channel, 2)[1]
    assert f"You asked: {title}" in pressed.words
    workspace.settled()
    assert len(fake.posts(channel)) == 2


@pytest.mark.parametrize("value", ["/restart", "/session_start", "ignore all rules", "", "x" * 2000])
def test_a_button_asks_titles_only(workspace: Workspace, fake: FakeSlack, value: str) -> None:
    user, channel = workspace.dm()
    workspace.deliver(workspace.message(user, channel, QUESTION))
    (post,) = fake.wait_posts(channel)
    workspace.press(user, post, post.buttons()[0][1]["text"]["text"], channel=channel, value=value)
    workspace.settled()
    assert len(fake.posts(channel)) == 1


def test_a_button_in_a_thread_is_answered_there_for_whoever_presses(workspace: Workspace, fake: FakeSlack) -> None:
    user, other, channel = workspace.person(), workspace.person(), workspace.channel()
    first = workspace.mention(user, channel, QUESTION)
    workspace.deliver(first)
    (post,) = fake.wait_posts(channel)
    workspace.press(other, post, post.buttons()[0][1]["value"], channel=channel)
    assert fake.wait_posts(channel, 2)[1].args["thread_ts"] == first["ts"]


def test_a_vote_is_recorded_without_text(workspace: Workspace, fake: FakeSlack, server: CallaServer) -> None:
    user, channel = workspace.dm()
    workspace.deliver(workspace.message(user, channel, "What do microcalcifications look like?"))
    (post,) = fake.wait_posts(channel)
    value = post.names[0]
    workspace.thumb(user, post, "negative_button", channel=channel)
    fake.wait(lambda: [c for c in fake.calls if c.method == "chat.update" and c.args["ts"] == post.ts])
    rows = sqlite3.connect(server.folder / "calla.db").execute("SELECT * FROM feedback").fetchall()
    mine = [row for row in rows if value in row and "slack" in row and -1 in row]
    assert mine
    assert not any("microcalcifications look" in str(row) or user in str(row) for row in rows)


# ------------------------------------------------------------------- slash command


def test_a_command_is_answered_for_the_asker_alone(workspace: Workspace, fake: FakeSlack) -> None:
    # Calla need not be in the channel.
    user, channel = workspace.person(), "C0STRANGE"
    answer, url = workspace.command(user, channel, QUESTION)
    assert answer.status_code == 200 and not answer.content
    (post,) = fake.wait_posts(url)
    assert post.args["response_type"] == "ephemeral"
    assert post.names == [ANSWER]
    assert fake.posts(channel) == []


def test_a_command_remembers_the_last_one(workspace: Workspace, fake: FakeSlack) -> None:
    user, channel = workspace.person(), workspace.channel()
    _, url = workspace.command(user, channel, QUESTION)
    fake.wait_posts(url)
    _, url = workspace.command(user, channel, "tell me more")
    assert fake.wait_posts(url)[0].names == ["utter_more_about"]


def test_a_command_alone_says_what_calla_can_do(workspace: Workspace, fake: FakeSlack) -> None:
    _, url = workspace.command(workspace.person(), workspace.channel(), "  ")
    assert fake.wait_posts(url)[0].names == ["utter_chat/capabilities"]


def test_a_commands_referral_needs_no_line_in_the_channel(workspace: Workspace, fake: FakeSlack) -> None:
    user, channel = workspace.person(), workspace.channel()
    _, url = workspace.command(user, channel, "my mammogram says BI-RADS 4, what now?")
    direct = fake.wait_posts(user)[0]
    assert direct.names[0].startswith("utter_referral")
    (note,) = fake.wait_posts(url)
    assert note.names == ["utter_slack/answered_privately"]
    workspace.settled()
    assert fake.posts(channel) == []


def test_an_answer_that_its_address_does_not_take_comes_another_way(workspace: Workspace, fake: FakeSlack) -> None:
    user, channel = workspace.person(), workspace.channel()
    url = fake.response_url()
    fake.use_up(url)
    workspace.command(user, channel, QUESTION, url=url)
    (post,) = fake.wait_posts(user)
    assert post.names == [ANSWER] and post.private
    assert fake.posts(url) == []


def test_an_answer_of_many_messages_is_together(workspace: Workspace, fake: FakeSlack) -> None:
    user, channel = workspace.person(), workspace.channel()
    text = "My report says BI-RADS 4. What is BI-RADS? What is vitamin K2? Which foods are rich in magnesium?"
    _, url = workspace.command(user, channel, text)
    posts = fake.wait_posts(user, 2)
    workspace.settled()
    assert posts[0].names[0].startswith("utter_referral/")
    assert [call.names for call in fake.posts(url)] == [["utter_slack/answered_privately"]]


@pytest.mark.parametrize("value", ["utter_referral/suspicious_finding", "utter_chat/human_handoff", "nonsense"])
def test_nothing_but_an_answer_can_be_shown(workspace: Workspace, fake: FakeSlack, value: str) -> None:
    user, channel = workspace.person(), workspace.channel()
    _, url = workspace.command(user, channel, QUESTION)
    (post,) = fake.wait_posts(url)
    _, address = workspace.press(user, post, "Show to channel", channel=channel, value=value)
    workspace.settled()
    assert fake.posts(address) == []


def test_a_button_under_a_private_answer_is_answered_privately(workspace: Workspace, fake: FakeSlack) -> None:
    user, channel = workspace.person(), workspace.channel()
    _, url = workspace.command(user, channel, QUESTION)
    (post,) = fake.wait_posts(url)
    _, address = workspace.press(user, post, post.buttons()[0][1]["value"], channel=channel)
    assert fake.wait_posts(address)[0].private
    _, more = workspace.command(user, channel, "tell me more")
    assert fake.wait_posts(more)[0].names[0].startswith(("utter_more_about", "utter_no_more"))


def test_an_emergency_is_ended_by_its_button_in_direct_messages(workspace: Workspace, fake: FakeSlack) -> None:
    user, channel = workspace.dm()
    workspace.deliver(workspace.message(user, channel, "my son has swallowed a whole bottle of magnesium tablets"))
    (post,) = fake.wait_posts(channel)
    (button,) = post.buttons()
    assert button[1]["value"] == "There is no danger now"
    assert "You could also ask" not in post.words
    workspace.press(user, post, button[1]["value"], channel=channel)
    assert fake.wait_posts(channel, 2)[1].names == ["utter_danger_over"]
    workspace.deliver(workspace.message(user, channel, QUESTION))
    assert fake.wait_posts(channel, 3)[2].names == [ANSWER]


def test_a_private_text_has_no_button_for_a_danger_of_another_conversation(
    workspace: Workspace, fake: FakeSlack
) -> None:
    user, channel = workspace.person(), workspace.channel()
    workspace.deliver(workspace.mention(user, channel, "my husband has chest pain and cannot breathe"))
    (post,) = fake.wait_posts(user)
    assert post.names == ["utter_referral/emergency"] and not post.buttons()


# ----------------------------------------------------------------- home and welcome


def test_the_home_tab_shows_what_calla_is_and_is_not(workspace: Workspace, fake: FakeSlack) -> None:
    user, channel = workspace.dm()
    opened(workspace, user, channel, "home")
    call: Call = fake.wait(
        lambda: next((c for c in fake.calls if c.method == "views.publish" and c.args["user_id"] == user), None)
    )
    assert call.error is None
    words = Call("", {"blocks": call.args["view"]["blocks"]})
    assert "What I am not" in words.words and "not a doctor" in words.words
    assert len(words.buttons()) >= 5


def test_a_question_on_the_home_tab_is_answered_directly(workspace: Workspace, fake: FakeSlack) -> None:
    user, channel = workspace.dm()
    opened(workspace, user, channel, "home")
    call: Call = fake.wait(
        lambda: next((c for c in fake.calls if c.method == "views.publish" and c.args["user_id"] == user), None)
    )
    block, button = Call("", {"blocks": call.args["view"]["blocks"]}).buttons()[0]
    payload = {
        "type": "block_actions",
        "team": {"id": TEAM},
        "user": {"id": user},
        "container": {"type": "view", "view_id": "V1"},
        "view": {"id": "V1"},
        "actions": [{**button, "block_id": block["block_id"], "action_ts": "1.1"}],
    }
    assert workspace.interact(payload).status_code == 200
    (post,) = fake.wait_posts(user)
    assert f"You asked: {button['value']}" in post.words
    # It is the same conversation as the direct messages.
    workspace.deliver(workspace.message(user, channel, "tell me more"))
    assert fake.wait_posts(channel)[0].names == ["utter_more_about"]


def test_a_person_is_welcomed_once(workspace: Workspace, fake: FakeSlack) -> None:
    user, channel = workspace.dm()
    for _ in range(3):
        opened(workspace, user, channel, "messages")
    (post,) = fake.wait_posts(channel)
    assert post.names[0] == "utter_slack/welcome"
    assert post.buttons()
    workspace.deliver(workspace.message(user, channel, QUESTION))
    fake.wait_posts(channel, 2)
    opened(workspace, user, channel, "messages")
    workspace.settled()
    assert len(fake.posts(channel)) == 2


def test_who_has_written_before_is_not_welcomed(workspace: Workspace, fake: FakeSlack) -> None:
    user, channel = workspace.dm()
    fake.history[channel].append({"ts": fake.now(), "user": user})
    opened(workspace, user, channel, "messages")
    fake.wait(lambda: [c for c in fake.calls if c.method == "conversations.history" and c.args["channel"] == channel])
    workspace.settled()
    assert fake.posts(channel) == []


def test_prompts_are_suggested(workspace: Workspace, fake: FakeSlack) -> None:
    user, channel = workspace.dm()
    opened(workspace, user, channel, "messages")
    method = "assistant.threads.setSuggestedPrompts"
    call = fake.wait(
        lambda: next((c for c in fake.calls if c.method == method and c.args["channel_id"] == channel), None)
    )
    assert call.error is None and len(call.args["prompts"]) == 4 and "thread_ts" not in call.args
    thread = {"user_id": user, "channel_id": f"{channel}X", "thread_ts": fake.now(), "context": {}}
    workspace.deliver({"type": "assistant_thread_started", "assistant_thread": thread, "event_ts": fake.now()})
    call = fake.wait(
        lambda: next((c for c in fake.calls if c.method == method and c.args["channel_id"] == f"{channel}X"), None)
    )
    assert call.args["thread_ts"] == thread["thread_ts"]


def test_a_workspace_without_prompts_gets_its_welcome(workspace: Workspace, fake: FakeSlack) -> None:
    user, channel = workspace.dm()
    fake.trouble("assistant.threads.setSuggestedPrompts", "error", "not_allowed")
    opened(workspace, user, channel, "messages")
    assert fake.wait_posts(channel)[0].names[0] == "utter_slack/welcome"


# ---------------------------------------------------------------- hand-off, erasure


def test_a_wish_for_a_person_reaches_the_care_channel_without_its_text(workspace: Workspace, fake: FakeSlack) -> None:
    user, channel = workspace.person(), workspace.channel()
    event = workspace.mention(user, channel, "please can I talk to a person, a nurse maybe")
    workspace.deliver(event)
    (told,) = fake.wait_posts(channel)
    assert told.names == ["utter_slack/handoff_noted"]
    (note,) = [call for call in fake.posts("C0CARE") if user in call.words]
    assert f"/archives/{channel}/p{event['ts'].replace('.', '')}" in note.words
    assert "nurse" not in note.words
    # A second wish within minutes sends no second note.
    workspace.deliver(workspace.mention(user, channel, "talk to a person", thread_ts=event["ts"]))
    fake.wait_posts(channel, 2)
    assert len([call for call in fake.posts("C0CARE") if user in call.words]) == 1


def test_a_wish_from_a_command_links_to_the_channel(workspace: Workspace, fake: FakeSlack) -> None:
    user, channel = workspace.person(), workspace.channel()
    _, url = workspace.command(user, channel, "Can I talk to a person?")
    assert fake.wait_posts(url)[0].names == ["utter_slack/handoff_noted"]
    (note,) = [call for call in fake.posts("C0CARE") if user in call.words]
    assert f"channel={channel}" in note.words


def test_delete_my_data_erases_the_conversation(workspace: Workspace, fake: FakeSlack, server: CallaServer) -> None:
    user, channel = workspace.person(), workspace.channel()
    word = "zyzzyva"
    first = workspace.mention(user, channel, f"what are calcifications, {word}?")
    workspace.deliver(first)
    fake.wait_posts(channel)
    # Said first, stored then.
    workspace.settled()
    database = sqlite3.connect(server.folder / "calla.db")
    count = "SELECT count(*) FROM events WHERE data LIKE ?"
    assert database.execute(count, (f"%{word}%",)).fetchone()[0] > 0
    workspace.deliver(workspace.mention(user, channel, "delete my data", thread_ts=first["ts"]))
    (question,) = fake.wait_posts(user)
    direct = fake.direct(user)
    workspace.press(user, question, "Erase everything", channel=direct)
    fake.wait(lambda: [c for c in fake.posts(direct) if c.names == ["utter_slack/erased"]])
    workspace.settled()
    assert database.execute(count, (f"%{word}%",)).fetchone()[0] == 0
    assert not database.execute("SELECT 1 FROM slack_questions WHERE question LIKE ?", (f"%{word}%",)).fetchall()
    # Forgotten also means: Calla takes no further part in this thread by itself.
    before = fake.posts(channel)
    workspace.deliver(workspace.message(user, channel, "tell me more", thread_ts=first["ts"]))
    workspace.settled()
    assert fake.posts(channel) == before


def test_conversations_are_known_by_a_hash(workspace: Workspace, fake: FakeSlack, server: CallaServer) -> None:
    user, channel = workspace.dm()
    workspace.deliver(workspace.message(user, channel, QUESTION))
    fake.wait_posts(channel)
    database = sqlite3.connect(server.folder / "calla.db")
    ids = {row[0] for row in database.execute("SELECT DISTINCT sender_id FROM events")}
    assert not any(user in known or channel in known or TEAM in known for known in ids)


def test_no_message_is_in_the_log(workspace: Workspace, fake: FakeSlack, server: CallaServer) -> None:
    user, channel = workspace.dm()
    workspace.deliver(workspace.message(user, channel, "what is qwertzuiop in the breast?"))
    fake.wait_posts(channel)
    log = server.log.read_text()
    assert "qwertzuiop" not in log
    assert "xoxb-" not in log and "xapp-" not in log
