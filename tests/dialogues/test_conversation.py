"""Conversations through the real server: what a person reads."""

from __future__ import annotations

import sqlite3
import urllib.error
import urllib.request

import pytest

from tests.running import API_TOKEN, ServerProcess


def texts(server: ServerProcess, message: str, sender: str | None = None) -> str:
    """Return everything said in answer to a message."""
    return "\n".join(reply.get("text", "") for reply in server.ask(message, sender))


def topics(server: ServerProcess, sender: str) -> list[str]:
    """Return the names of what was said, details by the name of their topic."""
    return [name.partition(".")[0] for name in server.said(sender)]


def test_answer_shows_label_source_and_related_topics(server: ServerProcess) -> None:
    (reply,) = server.ask("what is mk-7?")
    assert "MK-7" in reply["text"] and "menaquinone" in reply["text"]
    assert "Evidence: limited" in reply["text"]
    assert "https://" in reply["text"]
    assert 2 <= len(reply["buttons"]) <= 3


def test_button_asks_its_title(server: ServerProcess) -> None:
    (reply,) = server.ask("what is mk-7?", "presser")
    title = "MK-4 or MK-7: how do they differ?"
    pressed = next(button for button in reply["buttons"] if button["title"] == title)
    server.ask(pressed["payload"], "presser")
    assert server.said("presser")[1] == "utter_faq/mk4_vs_mk7"


@pytest.mark.parametrize(
    "message",
    [
        "WHAT IS MK-7",
        "what is mk7",
        "whats mk seven please",
        "Hello! What is MK-7?",
        "/faq/what_is_mk7",
        "wat is mk-7 🙂",
        "\u200bwhat\u200b is \uff2d\uff2b-7?",
    ],
)
def test_however_it_is_typed(server: ServerProcess, message: str) -> None:
    assert "MK-7" in texts(server, message)


def test_two_questions_are_answered_in_turn(server: ServerProcess) -> None:
    server.ask("what is mk-7? and how much water should I drink?", "two")
    assert topics(server, "two") == ["utter_faq/what_is_mk7", "utter_faq/hydration"]


@pytest.mark.parametrize(
    "message",
    [
        "must I drink more water must I give up coffee",
        "1) how much water should I drink 2) is coffee bad for this",
        "how much water should i drink & is coffee bad for it",
    ],
)
def test_two_questions_without_a_question_mark(server: ServerProcess, message: str) -> None:
    sender = f"unmarked-{len(message)}"
    server.ask(message, sender)
    assert topics(server, sender) == ["utter_faq/hydration", "utter_faq/alcohol_caffeine_soy"]


def test_what_may_have_been_meant_too_is_on_a_button(server: ServerProcess) -> None:
    """A message between two topics: one is answered, the other is a press away."""
    first, *_ = server.ask("supplements dissolve calcifications, proof?", "between")
    assert topics(server, "between")[0] in ("utter_faq/supplement_evidence", "utter_faq/can_calcifications_go_away")
    assert len(first["buttons"]) == 3


@pytest.mark.parametrize(
    ("pictures", "response"),
    [
        ("🙂", "utter_chat/feedback_positive"),
        ("👍👍", "utter_chat/feedback_positive"),
        ("👎", "utter_chat/feedback_negative"),
        ("😢", "utter_faq/worried_or_anxious"),
        ("🤔", "utter_empty_message"),
    ],
)
def test_emoji_alone_are_no_question(server: ServerProcess, pictures: str, response: str) -> None:
    sender = f"pictures-{ord(pictures[0])}"
    server.ask("MK-4 or MK-7: how do they differ?", sender)
    server.ask(pictures, sender)
    assert topics(server, sender)[1] == response


def test_asking_back_does_not_offer_what_was_just_said(server: ServerProcess) -> None:
    server.ask("MK-4 or MK-7: how do they differ?", "unclear")
    (reply,) = server.ask("side efects", "unclear")
    assert "MK-4 or MK-7: how do they differ?" not in {button["title"] for button in reply["buttons"]}
    assert len(reply["buttons"]) >= 2


def test_a_referral_alone_offers_what_may_have_been_meant(server: ServerProcess) -> None:
    (reply,) = server.ask("my report says pleomorphic")
    assert reply["buttons"]


def test_one_question_with_and_is_answered_once(server: ServerProcess) -> None:
    server.ask("do salmon and walnuts have omega 3?", "one")
    assert topics(server, "one") == ["utter_faq/omega_3"]


def test_follow_ups_use_the_last_topic(server: ServerProcess) -> None:
    for message in ("what is vitamin K2?", "which foods have it?", "is it safe?", "tell me more"):
        server.ask(message, "following")
    assert topics(server, "following") == [
        "utter_faq/what_is_vitamin_k2",
        "utter_faq/vitamin_k2_foods",
        "utter_faq/vitamin_k2_side_effects",
        "utter_more_about",
    ]


@pytest.mark.parametrize(
    ("first", "then", "response"),
    [
        ("macrocalcifications, what are those", "and the tiny version?", "utter_faq/what_are_microcalcifications"),
        (
            "does exercise help with breast calcifications",
            "what about losing a few kilos",
            "utter_faq/smoking_and_weight",
        ),
        ("is exercise good for breast health", "how many times a week", "utter_faq/exercise_benefits"),
        ("what is vitamin k2", "prove it", "utter_faq/supplement_evidence"),
        ("what is mk-7?", "is it going to rain tomorrow", "utter_out_of_scope"),
        ("what is mk-7?", "what is mk-7?", "utter_faq/what_is_mk7"),
    ],
)
def test_a_message_is_read_in_the_light_of_the_last_answer(
    server: ServerProcess, first: str, then: str, response: str
) -> None:
    sender = f"light-{response}"
    server.ask(first, sender)
    server.ask(then, sender)
    assert topics(server, sender)[1:] == [response]


def test_what_was_left_out_of_the_second_question_is_understood(server: ServerProcess) -> None:
    server.ask("which foods have vitamin k2, and how much do people take?", "left-out")
    assert topics(server, "left-out") == ["utter_faq/vitamin_k2_foods", "utter_faq/vitamin_k2_dose"]


def test_things_asked_about_with_one_verb_are_answered_in_turn(server: ServerProcess) -> None:
    server.ask("do stress, coffee and hormones matter for calcifications", "listed")
    assert topics(server, "listed") == [
        "utter_faq/stress_and_cortisol",
        "utter_faq/alcohol_caffeine_soy",
        "utter_faq/hormones_and_calcifications",
    ]


def test_a_remark_that_owes_a_referral_is_no_question_for_more(server: ServerProcess) -> None:
    """ "She takes eliquis" got the referral and then a paragraph on spinach; said first, an emergency's."""
    server.ask("which foods have magnesium", "remark")
    server.ask("she takes eliquis", "remark")
    assert topics(server, "remark")[1:] == ["utter_referral/medicines", "utter_faq/vitamin_k_and_blood_thinners"]
    assert server.ask("she takes warfarin", "remark-alone")[0]["text"].startswith("Good that you ask")


def test_tell_me_more_offers_details_that_can_be_picked_by_number(server: ServerProcess) -> None:
    server.ask("what is mk-7?", "curious")
    (reply,) = server.ask("tell me more", "curious")
    assert server.said("curious")[-1] == "utter_more_about"
    offered = [button["title"] for button in reply["buttons"]]
    assert 2 <= len(offered) <= 3
    server.ask("the second one", "curious")
    picked = server.said("curious")[-1]
    server.ask(offered[1], "pressed")
    assert server.said("pressed") == [picked]


def test_details_of_a_topic_are_answered_one_by_one(server: ServerProcess) -> None:
    """The third question about the same thing used to get the same text."""
    for message in ("what is the marker clip", "does it stay in forever", "will it beep at the airport"):
        server.ask(message, "detail")
    assert topics(server, "detail") == ["utter_faq/biopsy_marker_clip"] * 3
    assert len(set(server.said("detail"))) == 3


def test_a_stray_clause_is_no_second_question(server: ServerProcess) -> None:
    """ "... what I wrote" used to be answered as a complaint, "where do I get it" as a question for sources."""
    server.ask("can you delete what i wrote", "stray")
    server.ask("what is mk-7 and where do I get it", "stray")
    said = topics(server, "stray")
    assert said[0] == "utter_chat/delete_my_data" and said[1] == "utter_faq/what_is_mk7"
    assert "utter_chat/feedback_negative" not in said and "utter_chat/sources" not in said


def test_tell_me_more_without_a_topic_asks_back(server: ServerProcess) -> None:
    server.ask("tell me more", "nothing-yet")
    assert topics(server, "nothing-yet") == ["utter_no_topic_yet"]


@pytest.mark.parametrize(
    ("message", "response"),
    [
        ("what's the weather tomorrow", "utter_out_of_scope"),
        ("write me a poem about the sea", "utter_out_of_scope"),
        ("¿dónde puedo comprar un coche barato en la ciudad?", "utter_other_language/es"),
        ("a long story " * 400, "utter_too_long"),
        ("are you a doctor", "utter_chat/bot_challenge"),
        ("thank you", "utter_chat/thanks"),
        ("is this chat private?", "utter_chat/privacy"),
    ],
)
def test_what_is_not_a_question_gets_a_useful_reply(server: ServerProcess, message: str, response: str) -> None:
    sender = f"special-{response}-{len(message)}"
    replies = server.ask(message, sender)
    assert topics(server, sender) == [response]
    assert all(reply.get("text") for reply in replies)


def test_bot_says_it_is_no_doctor(server: ServerProcess) -> None:
    assert "not a doctor" in texts(server, "are you a real doctor?")


def test_referral_names_the_operators_clinic(server: ServerProcess) -> None:
    text = texts(server, "my report says suspicious clustered microcalcifications, BI-RADS 4", "clinic")
    assert text.count("Breast Clinic at Elm Street") >= 1
    assert "{" not in text


def test_referral_is_recorded_without_text_or_name(server: ServerProcess) -> None:
    server.ask("my report says BI-RADS 5, I am Wilhelmina", "recorded-person")
    with sqlite3.connect(server.folder / "calla.db") as database:
        rows = database.execute("SELECT topic, kind, channel, conversation FROM referrals ORDER BY id").fetchall()
    assert rows[-1][:3] == ("suspicious_finding", "urgent", "collector")
    assert "Wilhelmina" not in str(rows) and "recorded-person" not in str(rows)


def test_delete_my_data_asks_before_it_erases(server: ServerProcess) -> None:
    def left() -> int:
        with sqlite3.connect(server.folder / "calla.db") as database:
            (count,) = database.execute("SELECT COUNT(*) FROM events WHERE sender_id = 'leaving'").fetchone()
        return int(count)

    server.ask("what is mk-7?", "leaving")
    (reply,) = server.ask("delete my conversation", "leaving")
    assert "Shall I?" in reply["text"] and [b["title"] for b in reply["buttons"]] == ["Yes, delete everything"]
    assert left() > 0
    assert "erased" in texts(server, "yes", "leaving").lower()
    assert left() == 0


@pytest.mark.parametrize("message", ["forget it", "remove it", "reset"])
def test_a_passing_word_erases_nothing(server: ServerProcess, message: str) -> None:
    sender = f"kept-{message[:3]}"
    server.ask("what is mk-7?", sender)
    server.ask(message, sender)
    assert server.said(sender)[0] == "utter_faq/what_is_mk7"


def test_no_message_text_in_the_log(server: ServerProcess) -> None:
    server.ask("my secret word is Quaxolotl, what is mk-7", "logged")
    assert "Quaxolotl" not in server.log.read_text()


@pytest.mark.parametrize(
    ("method", "path"),
    [("DELETE", "/model"), ("POST", "/model/train"), ("GET", "/domain"), ("GET", "/status"), ("PUT", "/model")],
)
def test_dangerous_api_is_closed_even_with_the_token(server: ServerProcess, method: str, path: str) -> None:
    request = urllib.request.Request(f"{server.url}{path}?token={API_TOKEN}", method=method)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    assert refused.value.code == 404


def test_tracker_needs_the_token(server: ServerProcess) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{server.url}/conversations/two/tracker", timeout=10)
    assert refused.value.code == 401


def test_what_is_said_to_calla_itself_is_not_completed_by_the_answer_before(server: ServerProcess) -> None:
    """The wish for a person got the list of people to talk to after an answer on MK-7."""
    server.ask("what is MK-7?", "wish")
    server.ask("can I talk to a person, I am number 2", "wish")
    assert topics(server, "wish")[-1] == "utter_chat/human_handoff"


def test_a_talk_about_ones_own_biopsy_is_no_alarm(server: ServerProcess) -> None:
    """Each of these got an alarm in place of what was asked."""
    lifting = server.ask("we had the biopsy yesterday, when can my wife lift our son")
    assert lifting[-1]["text"].startswith("Heavy lifting")
    server.ask("how long does a breast biopsy take", "talk")
    (fainted,) = server.ask("i fainted at bloods last time", "talk")
    assert "emergency" not in fainted["text"]
    assert server.ask("and can I drive home after it", "talk")[0]["text"].startswith("Driving home")


@pytest.mark.parametrize(
    "message",
    ["my biopsy hole is hot and red and there is pus coming out", "mum has 39 fever two days after the biopsy"],
)
def test_an_infected_biopsy_is_for_the_clinic_on_the_same_day(server: ServerProcess, message: str) -> None:
    referral = server.ask(message)[0]
    assert "after a biopsy? Please call" in referral["text"] and "today" in referral["text"]
    assert "next working day" not in referral["text"]


def test_a_category_of_ones_own_is_referred_and_explained(server: ServerProcess) -> None:
    referral, answer = server.ask("My report says BI-RADS 4B, what does that mean")[:2]
    assert "call" in referral["text"].lower() and "4B" in answer["text"]


def test_mk4_after_mk7_is_about_mk4(server: ServerProcess) -> None:
    server.ask("what is mk-7", "and-mk4")
    assert "MK-4" in texts(server, "and mk-4?", "and-mk4")


def test_after_a_false_alarm_the_question_is_answered_when_the_button_says_so(server: ServerProcess) -> None:
    server.ask("my husband has chest pain and cannot breathe", "alarmed")
    (held,) = server.ask("ok. does it hurt?", "alarmed")
    assert server.said("alarmed")[-1] == "utter_referral_short/emergency"
    (button,) = held["buttons"]
    over, *_ = server.ask(button["payload"], "alarmed")
    assert "answer your questions again" in over["text"]
    assert not any(name.startswith("utter_referral") for name in server.said("alarmed")[2:])
    server.ask("how much water should I drink?", "alarmed")
    assert topics(server, "alarmed")[-1] == "utter_faq/hydration"
    # The next emergency is told in full again.
    server.ask("now she has passed out and is not breathing", "alarmed")
    assert server.said("alarmed")[-1] == "utter_referral/emergency"
