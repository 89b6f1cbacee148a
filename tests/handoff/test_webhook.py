"""A talk with a person over the open protocol, from the wish to the way back."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import uuid
from typing import Any

import aiohttp
import jsonschema
import pytest
import socketio

from tests.handoff.conftest import TEAM
from tests.handoff.fakes import AGREE, BACK, DECLINE, WISH, FakeWebhook, Visitor, person_does
from tests.running import ROOT, ServerProcess

if not hasattr(aiohttp, "ClientWSTimeout"):
    aiohttp.ClientWSTimeout = lambda ws_close: ws_close  # type: ignore[attr-defined]


# Words of each talk's own, and the same in every run: letters at random are now and then a word.
_NUMBERS = itertools.count(1)


@pytest.fixture
def visitor(server: ServerProcess) -> Visitor:
    """A visitor who has asked something."""
    return Visitor(server)


def talk(visitor: Visitor, inbox: FakeWebhook, name: str = "Kim Lee") -> tuple[str, str]:
    """Bring a visitor together with a person; return the id of the hand-off and the visitor's own words."""
    words = f"{WISH}? ({next(_NUMBERS)})"
    (offer,) = visitor.says(words)
    assert offer["name"] == "utter_handoff/offer"
    visitor.says(AGREE)
    handoff = inbox.request_with(words)["handoff"]
    assert person_does(visitor.server, "joined", handoff, person={"name": name}) == 200
    visitor.comes_to_read("utter_handoff/joined")
    return handoff, words


# ---------------------------------------------------------------- what is shown and agreed to


def test_nothing_is_passed_on_before_the_visitor_has_seen_it_and_agreed(visitor: Visitor, inbox: FakeWebhook) -> None:
    own = f"what is MK-7? asked by {uuid.uuid4().hex}"
    visitor.says(own)
    before = len(inbox.events)
    (offer,) = visitor.says(WISH)
    assert TEAM in offer["text"]
    assert f"- {own}" in offer["text"] and f"- {WISH}" in offer["text"]
    assert offer["buttons"] == [AGREE, DECLINE]
    visitor.names("what is vitamin k2")
    assert len(inbox.events) == before
    assert visitor.status() is None
    visitor.says(AGREE)
    request = inbox.request_with(own)
    # What was shown, and nothing else.
    assert request["passed"] == [own, WISH]
    assert request["wait_minutes"] == 10


def test_no_waiting_time_is_invented(visitor: Visitor) -> None:
    (offer,) = visitor.says(WISH)
    assert "I do not know if somebody is there now, or how long you would wait" in offer["text"]
    assert not re.search(r"\d+ (minutes|hours)", offer["text"])


@pytest.mark.parametrize("yes", ["yes", "Yes please!", "pass it on"])
def test_a_plain_yes_right_after_the_offer_agrees(visitor: Visitor, yes: str) -> None:
    visitor.says(WISH)
    assert visitor.names(yes) == ["utter_handoff/waiting"]


def test_a_yes_to_something_else_agrees_to_nothing(visitor: Visitor) -> None:
    visitor.says(WISH)
    visitor.says("what is MK-7?")
    assert "utter_handoff/waiting" not in visitor.names("yes")
    assert visitor.status() is None


@pytest.mark.parametrize("no", [DECLINE, "no", "not now"])
def test_who_declines_is_left_with_the_program(visitor: Visitor, inbox: FakeWebhook, no: str) -> None:
    before = len(inbox.events)
    visitor.says(WISH)
    assert visitor.names(no) == ["utter_handoff/declined"]
    # The button of before is worth nothing now.
    assert "utter_handoff/waiting" not in visitor.names(AGREE)
    assert len(inbox.events) == before


def test_a_wish_beside_a_finding_is_referred_first(visitor: Visitor) -> None:
    names = visitor.names("I found a new lump in my breast. Can I talk to a person?")
    assert names[0].startswith("utter_referral")


# ------------------------------------------------------------------------------- waiting


def test_while_nobody_has_joined_the_program_answers_and_the_inbox_sees_it(
    visitor: Visitor, inbox: FakeWebhook
) -> None:
    words = f"{WISH} please, {uuid.uuid4().hex}"
    visitor.says(words)
    visitor.says(AGREE)
    handoff = inbox.request_with(words)["handoff"]
    visitor.until(lambda: "has arrived" in (visitor.status() or {}).get("text", ""))
    assert visitor.status()["state"] == "waiting"  # type: ignore[index]
    assert visitor.names("what is MK-7?") == ["utter_faq/what_is_mk7"]
    sent = inbox.wait(lambda: inbox.of(handoff, "message"))
    assert sent == [{"handoff": handoff, "text": "what is MK-7?", "referrals": []}]
    assert visitor.names(WISH) == ["utter_handoff/still_waiting"]


# ---------------------------------------------------------------------------- the talk


def test_a_person_is_shown_as_a_person_with_a_name(visitor: Visitor, inbox: FakeWebhook) -> None:
    handoff, _ = talk(visitor, inbox)
    assert "Kim Lee has joined this chat. This is a person" in visitor.comes_to_read("utter_handoff/joined")["text"]
    assert visitor.status() == {"state": "taken", "text": "You are talking to a person: Kim Lee", "button": BACK}
    text = "Hello, this is Kim. <b>How</b> can I help?\nTake your time."
    assert person_does(visitor.server, "message", handoff, text=text, person={"name": "Kim Lee"}) == 200
    message = visitor.comes_to_read("utter_person")
    assert (message["person"], message["text"]) == ("Kim Lee", text)
    assert "rated" not in message and "kind" not in message


def test_a_person_without_a_name_is_somebody_of_the_team(visitor: Visitor, inbox: FakeWebhook) -> None:
    handoff, _ = talk(visitor, inbox, name="")
    person_does(visitor.server, "message", handoff, text="Hello")
    assert visitor.comes_to_read("utter_person")["person"] == f"Somebody of {TEAM}"


def test_a_first_message_means_that_the_person_has_joined(visitor: Visitor, inbox: FakeWebhook) -> None:
    words = f"{WISH}, {uuid.uuid4().hex}"
    visitor.says(words)
    visitor.says(AGREE)
    handoff = inbox.request_with(words)["handoff"]
    person_does(visitor.server, "message", handoff, text="Good morning", person={"name": "Kim"})
    visitor.comes_to_read("utter_person")
    assert [m["name"] for m in visitor.reads()][-2:] == ["utter_handoff/joined", "utter_person"]


def test_the_program_is_silent_and_the_person_reads(visitor: Visitor, inbox: FakeWebhook) -> None:
    handoff, _ = talk(visitor, inbox)
    assert visitor.names("what is MK-7?") == []
    assert visitor.names("hello?") == []
    inbox.wait(lambda: len(inbox.of(handoff, "message")) == 2)
    assert [m["text"] for m in inbox.of(handoff, "message")] == ["what is MK-7?", "hello?"]
    # What was said stands in the conversation after a reload.
    assert [turn["text"] for turn in visitor.sync()["history"]][-2:] == ["what is MK-7?", "hello?"]


@pytest.mark.parametrize(
    "danger, kind",
    [
        ("I can't breathe and my chest hurts badly", "emergency"),
        ("I want to end my life", "crisis"),
        ("there is a new lump in my left breast", "urgent"),
        ("I will just stop taking my tamoxifen", "prescriber"),
    ],
)
def test_a_referral_goes_out_whoever_has_the_conversation_and_the_person_sees_it(
    visitor: Visitor, inbox: FakeWebhook, danger: str, kind: str
) -> None:
    handoff, _ = talk(visitor, inbox)
    messages = visitor.says(danger)
    assert messages[0].get("kind") == kind
    assert all(m["name"].startswith("utter_referral") for m in messages)
    (sent,) = inbox.wait(lambda: inbox.of(handoff, "message"))
    assert sent["text"] == danger
    assert sent["referrals"][0]["kind"] == kind
    assert sent["referrals"][0]["text"] == messages[0]["text"]
    assert messages[0] in visitor.reads()


def test_the_same_message_of_the_visitor_is_passed_on_once(visitor: Visitor, inbox: FakeWebhook) -> None:
    handoff, _ = talk(visitor, inbox)
    turn = uuid.uuid4().hex
    visitor.says("are you there?", turn)
    visitor.says("are you there?", turn)
    visitor.says("the last one")
    inbox.wait(lambda: len(inbox.of(handoff, "message")) >= 2)
    assert [m["text"] for m in inbox.of(handoff, "message")] == ["are you there?", "the last one"]


def test_the_same_message_of_the_person_is_shown_once(visitor: Visitor, inbox: FakeWebhook) -> None:
    handoff, _ = talk(visitor, inbox)
    for _ in range(2):
        assert person_does(visitor.server, "message", handoff, key="one", text="once") == 200
    person_does(visitor.server, "message", handoff, key="two", text="twice")
    visitor.until(lambda: [m["text"] for m in visitor.reads() if m["name"] == "utter_person"][-1:] == ["twice"])
    assert [m["text"] for m in visitor.reads() if m["name"] == "utter_person"] == ["once", "twice"]


def test_an_open_window_is_told_at_once(visitor: Visitor, inbox: FakeWebhook) -> None:
    handoff, _ = talk(visitor, inbox)

    async def watch() -> tuple[Any, Any]:
        client = socketio.AsyncClient(reconnection=False)
        said, stands = asyncio.get_running_loop().create_future(), asyncio.get_running_loop().create_future()
        client.on("bot", said.set_result)
        client.on("handoff", stands.set_result)
        await client.connect(
            visitor.server.url, socketio_path="/chat/socket.io", auth={"token": visitor.token}, transports=["websocket"]
        )
        asyncio.get_running_loop().run_in_executor(
            None, lambda: person_does(visitor.server, "message", handoff, text="pushed", person={"name": "Kim Lee"})
        )
        message = await asyncio.wait_for(said, 20)
        said = asyncio.get_running_loop().create_future()
        client.on("bot", said.set_result)
        asyncio.get_running_loop().run_in_executor(None, lambda: person_does(visitor.server, "left", handoff))
        state = await asyncio.wait_for(stands, 20)
        await client.disconnect()
        return message, state

    message, state = asyncio.run(watch())
    assert (message["text"], message["person"]) == ("pushed", "Kim Lee")
    assert state == {"handoff": None}
    # The same message, asked for later, is the same message.
    assert message in visitor.reads()


# --------------------------------------------------------------------------- the way back


def test_the_person_gives_the_conversation_back(visitor: Visitor, inbox: FakeWebhook) -> None:
    handoff, _ = talk(visitor, inbox)
    assert person_does(visitor.server, "left", handoff) == 200
    assert "Kim Lee has left this chat" in visitor.comes_to_read("utter_handoff/left")["text"]
    assert visitor.status() is None
    assert visitor.names("what is MK-7?") == ["utter_faq/what_is_mk7"]
    # What is written into an ended talk reaches nobody, and whoever wrote it is told.
    assert person_does(visitor.server, "message", handoff, text="still here?") == 410
    assert "still here?" not in [m["text"] for m in visitor.reads()]


@pytest.mark.parametrize("joined", [True, False])
def test_the_visitor_takes_the_conversation_back(visitor: Visitor, inbox: FakeWebhook, joined: bool) -> None:
    if joined:
        handoff, _ = talk(visitor, inbox)
    else:
        words = f"{WISH}, {uuid.uuid4().hex}"
        visitor.says(words)
        visitor.says(AGREE)
        handoff = inbox.request_with(words)["handoff"]
        visitor.until(lambda: "has arrived" in (visitor.status() or {}).get("text", ""))
    assert visitor.names(BACK) == ["utter_handoff/you_left"]
    assert inbox.wait(lambda: inbox.of(handoff, "returned")) == [{"handoff": handoff, "reason": "visitor"}]
    assert visitor.names("what is MK-7?") == ["utter_faq/what_is_mk7"]
    assert visitor.status() is None
    assert "what is MK-7?" not in [m["text"] for m in inbox.of(handoff, "message")]


def test_a_person_can_be_asked_for_again(visitor: Visitor, inbox: FakeWebhook) -> None:
    first, _ = talk(visitor, inbox)
    visitor.says(BACK)
    second, _ = talk(visitor, inbox)
    assert first != second


# ---------------------------------------------------------------- who may speak to Calla


@pytest.mark.parametrize("kind", ["joined", "message", "left"])
def test_what_is_not_signed_with_the_secret_is_not_listened_to(visitor: Visitor, inbox: FakeWebhook, kind: str) -> None:
    handoff, _ = talk(visitor, inbox)
    before = visitor.reads()
    assert person_does(visitor.server, kind, handoff, secret="somebody else's secret, long", text="believe me") == 401
    assert visitor.reads() == before


def test_what_is_malformed_is_refused_in_a_word(visitor: Visitor, inbox: FakeWebhook) -> None:
    handoff, _ = talk(visitor, inbox)
    assert person_does(visitor.server, "danced", handoff) == 400
    assert person_does(visitor.server, "message", handoff, text=7) == 400
    assert person_does(visitor.server, "message", handoff, text="x" * 300_000) == 413
    assert person_does(visitor.server, "message", "not-there", text="hello") == 410


def test_events_are_as_the_documentation_says(visitor: Visitor, inbox: FakeWebhook) -> None:
    handoff, _ = talk(visitor, inbox)
    visitor.says("there is a new lump in my left breast")
    visitor.erases()
    inbox.wait(lambda: any(e["type"] == "handoff.erase" and e["data"]["handoff"] == handoff for e in inbox.events))
    page = (ROOT / "docs" / "handoff.md").read_text(encoding="utf-8")
    schema = json.loads(re.findall(r"```json\n(\{\n  \"\$schema\".*?)```", page, re.S)[0])
    assert {e["type"] for e in inbox.events} >= {"handoff.requested", "handoff.message", "handoff.erase"}
    for event in inbox.events:
        jsonschema.validate(event, schema)
    ids = inbox.ids
    assert len(ids) == len(set(ids))


def test_health_and_metrics_know(server: ServerProcess, visitor: Visitor, inbox: FakeWebhook) -> None:
    talk(visitor, inbox)
    facts = visitor.until(lambda: server.health()["handoff"] if server.health()["handoff"]["taken"] else None)
    assert facts["inbox"] == "webhook" and facts["inbox_works"] is True and facts["open_now"] is None
    metrics = visitor.session.get(f"{server.url}/metrics", timeout=10).text
    assert re.search(r"^calla_handoffs_taken [1-9]", metrics, re.M)
    assert re.search(r'^calla_handoffs_total\{what="requested"\} [1-9]', metrics, re.M)


def test_what_calla_says_about_itself_is_true_here(visitor: Visitor) -> None:
    assert visitor.names("are you an AI like ChatGPT?") == ["utter_handoff/ai_or_person"]
