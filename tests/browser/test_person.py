"""The widget shows honestly whether it is a person who answers, who, and how things stand."""

from __future__ import annotations

import re
from typing import Any, Callable

import pytest
from playwright.sync_api import expect
from scripted_server import ANSWER, FINDING, ScriptedServer
from test_access import violations
from test_announced import listens
from visitor import PATIENCE, Visitor

New = Callable[..., Visitor]
BACK = "Back to the program"
WAITING = {"state": "waiting", "text": "Your wish for a person has arrived. Nobody has joined yet.", "button": BACK}
TAKEN = {"state": "taken", "text": "You are talking to a person: Kim Lee", "button": BACK}
PHONE = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True}
LOW = {"viewport": {"width": 320, "height": 256}}


def begins(visitor: Visitor) -> Visitor:
    """Open the chat and ask something, so that there is a conversation."""
    visitor.opens()
    visitor.asks("what is mk-7?")
    return visitor


def test_without_a_person_nothing_is_shown(meet: New) -> None:
    visitor = begins(meet())
    expect(visitor.page.locator(".handoff")).to_be_hidden()
    expect(visitor.page.locator(".note")).to_contain_text("I am a computer program, not a doctor.")


def test_waiting_joined_and_left_are_shown_and_read_out(meet: New, scripted: ScriptedServer) -> None:
    visitor = listens(meet())
    visitor.asks("what is mk-7?")
    line = visitor.page.locator(".handoff")
    for stands in (WAITING, TAKEN):
        scripted.person_is(stands)
        expect(line).to_contain_text(stands["text"])
        assert visitor.sees(".handoff p")
        visitor.page.wait_for_function("s => heard.some(([, text]) => text === s)", arg=stands["text"])
    # While a person answers, the head does not say that a program does; whom to call stays.
    expect(visitor.page.locator(".note")).not_to_contain_text("computer program")
    expect(visitor.page.locator(".note")).to_contain_text("112")
    scripted.person_is(None)
    expect(line).to_be_hidden()
    expect(visitor.page.locator(".note")).to_contain_text("I am a computer program, not a doctor.")


def test_how_things_stand_is_read_out_once(meet: New, scripted: ScriptedServer) -> None:
    visitor = listens(meet())
    visitor.asks("what is mk-7?")
    for _ in range(3):
        scripted.person_is(WAITING)
    scripted.person_is(TAKEN)
    visitor.page.wait_for_function("s => heard.some(([, text]) => text === s)", arg=TAKEN["text"])
    assert visitor.page.evaluate("s => heard.filter(([, text]) => text === s).length", WAITING["text"]) == 1


def test_what_a_person_writes_is_labelled_in_view_and_followed(meet: New, scripted: ScriptedServer) -> None:
    visitor = begins(meet(locale="en-GB"))
    scripted.person_is(TAKEN)
    for number in range(6):
        scripted.person_says(f"This is part {number} of what I want to say. " * 4)
        visitor.comes_to_see(".person-heading", number)
    expect(visitor.page.locator(".person-heading").first).to_have_text(re.compile("^A person: Kim Lee"))
    visitor.page.wait_for_function(
        "() => [...document.querySelector('#calla-widget').shadowRoot.querySelectorAll('[aria-live] p')]"
        ".some((one) => one.textContent.startsWith('A person: Kim Lee'))"
    )


def test_the_program_does_not_write_while_a_person_answers(meet: New, scripted: ScriptedServer) -> None:
    visitor = listens(meet())
    visitor.asks("what is mk-7?")
    scripted.person_is(TAKEN)
    expect(visitor.page.locator(".handoff")).to_contain_text("Kim Lee")
    release = scripted.hold("are you there?")
    visitor.types("are you there?")
    visitor.page.wait_for_function("() => heard.some(([, text]) => text === 'Sent')")
    expect(visitor.page.locator(".dots")).to_have_count(0)
    release()
    expect(visitor.page.locator(".turn:last-child .delivery")).to_be_hidden()
    assert not visitor.page.evaluate("() => heard.some(([, text]) => text.includes('is writing'))")
    expect(visitor.page.locator(".turn:last-child .answer")).to_have_count(0)


def test_a_referral_is_seen_and_said_first_also_then(meet: New, scripted: ScriptedServer) -> None:
    scripted.script["a new lump"] = [FINDING]
    visitor = listens(meet(**LOW))
    visitor.asks("what is mk-7?")
    scripted.person_is(TAKEN)
    scripted.person_says("Tell me more.")
    visitor.types("a new lump")
    visitor.comes_to_see(".referral-heading")
    visitor.page.wait_for_function("() => heard.some(([level]) => level === 'assertive')")


def test_it_is_all_there_after_a_reload(meet: New, scripted: ScriptedServer) -> None:
    visitor = begins(meet())
    scripted.person_is(TAKEN)
    scripted.person_says("Hello, I am Kim.")
    visitor.page.locator(".person").wait_for()
    visitor.page.reload()
    visitor.page.locator(".divider").wait_for()
    expect(visitor.page.locator(".handoff")).to_contain_text(TAKEN["text"])
    expect(visitor.page.locator(".person")).to_have_count(1)
    expect(visitor.page.locator(".person")).to_contain_text("Hello, I am Kim.")


def test_what_nobody_told_is_asked_for(meet: New, scripted: ScriptedServer) -> None:
    visitor = meet()
    visitor.page.route_web_socket("**/socket.io/**", lambda socket: socket.close())
    visitor.page.route("**/socket.io/**", lambda route: route.abort())
    visitor.opens()
    scripted.stands = WAITING
    visitor.asks("what is mk-7?")
    visitor.page.reload()
    expect(visitor.page.locator(".handoff")).to_contain_text(WAITING["text"])
    # No socket, and so nothing but its own questions.
    scripted.person_is(TAKEN, told=False)
    scripted.person_says("Hello, I am Kim.", told=False)
    expect(visitor.page.locator(".handoff")).to_contain_text(TAKEN["text"], timeout=PATIENCE)
    expect(visitor.page.locator(".person")).to_contain_text("Hello, I am Kim.")


def test_the_button_gives_the_conversation_back(meet: New, scripted: ScriptedServer) -> None:
    visitor = begins(meet())
    scripted.person_is(TAKEN)
    scripted.script[BACK] = ["utter_out_of_scope"]
    visitor.page.locator(".handoff").get_by_role("button", name=BACK).click()
    visitor.waits_for(3)
    assert scripted.heard[-1] == BACK
    assert visitor.said()[-1] == BACK


def test_erasing_takes_the_line_away(meet: New, scripted: ScriptedServer) -> None:
    visitor = begins(meet())
    scripted.person_is(TAKEN)
    expect(visitor.page.locator(".handoff")).to_be_visible()
    scripted.stands = None
    visitor.chooses("Start again")
    visitor.page.get_by_role("button", name="Erase", exact=True).click()
    expect(visitor.page.locator(".handoff")).to_be_hidden()
    expect(visitor.page.locator(".said")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", [{}, PHONE, LOW], ids=["desktop", "phone", "low"])
def test_everybody_can_use_it(meet: New, scripted: ScriptedServer, screen: dict[str, Any], scheme: str) -> None:
    visitor = begins(meet(color_scheme=scheme, **screen))
    for stands in (WAITING, TAKEN):
        scripted.person_is(stands)
        expect(visitor.page.locator(".handoff")).to_contain_text(stands["text"])
        assert violations(visitor) == []
    scripted.person_says("Hello, I am Kim, a nurse.")
    visitor.comes_to_see(".person-heading")
    assert violations(visitor) == []


def test_the_offer_has_its_buttons(meet: New, scripted: ScriptedServer) -> None:
    texts: dict[str, Any] = {
        "metadata": {"body": "Shall I?"},
        "text": "Shall I?",
        "utter_action": "utter_handoff/offer",
    }
    buttons = [{"title": "Yes, pass this on"}, {"title": "No, thank you"}]
    scripted.script["a person please"] = [{**texts, "buttons": buttons}]
    scripted.script["Yes, pass this on"] = [ANSWER]
    visitor = meet().opens()
    visitor.asks("a person please")
    visitor.page.get_by_role("button", name="Yes, pass this on").click()
    visitor.waits_for(3)
    assert scripted.heard[-1] == "Yes, pass this on"
