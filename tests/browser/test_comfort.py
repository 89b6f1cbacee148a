"""What people expect of a chat: times, a copy to take along, a draft that stays, text of their size, their language."""

from __future__ import annotations

import re
from typing import Any, Callable

import pytest
from playwright.sync_api import expect
from rasa.shared.core.events import BotUttered, UserUttered
from scripted_server import ANSWER, FINDING, ScriptedServer
from visitor import Visitor

New = Callable[..., Visitor]
PHONE = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True}


def test_messages_have_their_time(meet: New) -> None:
    visitor = meet(locale="en-GB").opens()
    visitor.asks("what is mk-7?")
    times = visitor.page.locator(".turn:last-child time").all_inner_texts()
    assert len(times) == 2
    assert all(re.fullmatch(r"\d{2}:\d{2}", time) for time in times)


def test_the_conversation_can_be_taken_along_as_a_file(meet: New, scripted: ScriptedServer) -> None:
    scripted.script["my report says bi-rads 4"] = [FINDING, ANSWER]
    visitor = meet().opens("/?")
    visitor.asks("my report says bi-rads 4", answers=2)
    visitor.page.get_by_role("button", name="Keep this question for my doctor").first.click()
    with visitor.page.expect_download() as download:
        visitor.chooses("Save the conversation")
    assert re.fullmatch(r"calla-\d{4}-\d{2}-\d{2}\.txt", download.value.suggested_filename)
    text = download.value.path().read_text(encoding="utf-8")
    assert "Conversation with Calla, " in text
    assert "Questions for my doctor:\n[ ] my report says bi-rads 4" in text.replace("\r", "")
    assert text.index("Please read this first") < text.index("menaquinone-7")
    for part in ("You (", "Sources:", "https://", "Checked on", "not a doctor"):
        assert part in text


def test_the_conversation_alone_is_printed(meet: New, scripted: ScriptedServer) -> None:
    visitor = meet()
    visitor.page.add_init_script("window.print = () => { top.printed = document.body.innerText; }")
    visitor.opens()
    visitor.asks("what is mk-7?")
    visitor.page.get_by_role("button", name="Keep this question for my doctor").click()
    visitor.chooses("Print the conversation")
    printed = visitor.page.evaluate("printed")
    assert "Questions for my doctor" in printed
    assert "menaquinone-7" in printed
    assert "Ask Calla" not in printed


def test_thumbs_kept_questions_and_the_draft_survive_a_reload(meet: New) -> None:
    visitor = meet().opens()
    visitor.asks("what is mk-7?")
    visitor.page.get_by_role("button", name="This answer did not help").click()
    visitor.page.get_by_role("button", name="Hard to understand").click()
    visitor.page.get_by_role("button", name="Keep this question for my doctor").click()
    visitor.input.click()
    visitor.page.keyboard.type("and how mu")
    visitor.page.reload()
    visitor.page.locator(".divider").wait_for()
    expect(visitor.input).to_have_value("and how mu")
    for name in ("This answer did not help", "Hard to understand", "Keep this question for my doctor"):
        expect(visitor.page.get_by_role("button", name=name)).to_have_attribute("aria-pressed", "true")
    expect(visitor.page.get_by_role("button", name="This answer helped")).to_have_attribute("aria-pressed", "false")


def test_a_thumb_down_asks_for_a_reason_of_fixed_words(meet: New) -> None:
    visitor = meet()
    sent: list[Any] = []
    visitor.page.route_web_socket("**/socket.io/**", lambda socket: socket.close())
    visitor.page.route("**/socket.io/**", lambda route: route.abort())
    visitor.page.on("request", lambda r: sent.append(r.post_data_json) if r.url.endswith("/rate") else None)
    visitor.opens()
    visitor.asks("what is mk-7?")
    visitor.page.get_by_role("button", name="This answer did not help").click()
    visitor.page.get_by_role("button", name="Something is missing").click()
    visitor.page.get_by_role("button", name="This answer did not help").click()
    expect(visitor.page.get_by_role("button", name="Something is missing")).to_be_hidden()
    visitor.page.wait_for_function("() => true")
    assert [one["value"] for one in sent] == ["down", "too_little", "none"]
    assert all(set(one) == {"message", "value"} for one in sent)


def test_text_can_be_made_larger_and_stays_so(meet: New) -> None:
    visitor = meet().opens()
    size = "e => parseFloat(getComputedStyle(e).fontSize)"
    visitor.page.get_by_role("button", name="Menu").click()
    for _ in range(4):
        visitor.page.get_by_role("button", name="Larger text").click()
    assert visitor.page.locator(".body").first.evaluate(size) == 32
    visitor.page.reload()
    visitor.ready()
    assert visitor.page.locator(".body").first.evaluate(size) == 32
    assert visitor.page.locator(".messages").evaluate("e => e.scrollWidth <= e.clientWidth")


@pytest.mark.parametrize("locale, word", [("es-MX", "Enviar"), ("de-CH", "Senden"), ("ar", "إرسال"), ("fi", "Send")])
def test_the_browser_chooses_the_language(meet: New, locale: str, word: str) -> None:
    visitor = meet(locale=locale).opens()
    expect(visitor.page.get_by_role("button", name=word, exact=True)).to_be_visible()


def test_the_site_names_it_everywhere(meet: New, scripted: ScriptedServer) -> None:
    scripted.script["who are you?"] = ["utter_chat/bot_challenge", ANSWER]
    visitor = meet(locale="de").opens("/chat?title=Ada")
    visitor.asks("who are you?", answers=2)
    assert "Calla" not in visitor.panel.inner_text()
    assert "Ada antwortet auf Englisch" in visitor.panel.inner_text()
    assert "Calla" not in visitor.panel.aria_snapshot()


def test_older_turns_come_when_they_are_scrolled_to(meet: New, scripted: ScriptedServer) -> None:
    visitor = meet().opens()
    visitor.asks("question number 45")
    events = scripted.events
    older: list[Any] = []
    for number in range(45):
        older.append(
            UserUttered(f"question number {number}", message_id=f"older-turn-{number}", timestamp=number + 1.0)
        )
        older.append(BotUttered(f"answer number {number}", {}, {"utter_action": "utter_faq/what_is_mk7"}, number + 1.0))
    events[:0] = older
    visitor.page.reload()
    visitor.page.locator(".divider").wait_for()
    expect(visitor.page.locator(".said")).to_have_count(20)
    visitor.page.get_by_role("button", name="Show earlier messages").click()
    expect(visitor.page.locator(".said")).to_have_count(40)
    visitor.page.locator(".messages").hover()
    visitor.page.mouse.wheel(0, -50_000)
    expect(visitor.page.locator(".said")).to_have_count(46)
    assert visitor.said() == [f"question number {number}" for number in range(46)]
    expect(visitor.page.get_by_role("button", name="Show earlier messages")).to_be_hidden()


def test_a_word_that_is_being_composed_is_not_sent(meet: New) -> None:
    visitor = meet().opens()
    visitor.input.click()
    visitor.page.keyboard.insert_text("mk")
    visitor.input.dispatch_event("keydown", {"key": "Enter", "isComposing": True})
    visitor.input.dispatch_event("keydown", {"key": "Enter", "keyCode": 229})
    assert visitor.said() == []
    expect(visitor.input).to_have_value("mk")
    visitor.page.keyboard.press("Shift+Enter")
    visitor.page.keyboard.insert_text("7")
    visitor.page.keyboard.press("Enter")
    visitor.waits_for(2)
    assert visitor.said() == ["mk\n7"]


def test_without_storage_it_works_until_the_page_is_left(meet: New) -> None:
    visitor = meet()
    visitor.page.add_init_script(
        "for (const n of ['sessionStorage', 'localStorage'])"
        " Object.defineProperty(window, n, {get() { throw new DOMException('blocked', 'SecurityError'); }})"
    )
    visitor.opens()
    visitor.asks("what is mk-7?")
    visitor.page.get_by_role("button", name="This answer helped").click()
    visitor.asks("and mk-4?")
    assert len(visitor.said()) == 2


def test_on_a_phone_it_is_modal_and_raises_no_keyboard(meet: New) -> None:
    visitor = meet(**PHONE)
    visitor.page.goto(visitor.url)
    visitor.launcher.tap()
    visitor.ready()
    expect(visitor.input).not_to_be_focused()
    assert visitor.page.evaluate("getComputedStyle(document.documentElement).overflow") == "hidden"
    visitor.page.locator("button.reply").first.tap()
    visitor.waits_for(2)
    expect(visitor.input).not_to_be_focused()
    # Nothing behind it can be reached.
    for _ in range(30):
        visitor.page.keyboard.press("Tab")
        assert visitor.page.evaluate("document.activeElement.id || document.activeElement.tagName") in (
            "calla-widget",
            "BODY",
        )
    visitor.page.get_by_role("button", name="Close the chat").tap()
    assert visitor.page.evaluate("getComputedStyle(document.documentElement).overflow") == "visible"
    expect(visitor.launcher).to_be_focused()


def test_when_the_keyboard_comes_up_the_field_stays_above_it(meet: New) -> None:
    visitor = meet(**PHONE).opens()
    visitor.page.evaluate(
        """() => {
      Object.defineProperty(visualViewport, 'height', {get: () => 400});
      Object.defineProperty(visualViewport, 'offsetTop', {get: () => 30});
      visualViewport.dispatchEvent(new Event('resize'));
    }"""
    )
    box = visitor.panel.bounding_box()
    assert (box["y"], box["height"]) == (30, 400)
    field = visitor.input.bounding_box()
    assert field["y"] + field["height"] <= 430


def test_at_high_zoom_the_disclaimer_makes_room_and_can_still_be_found(meet: New) -> None:
    visitor = meet(viewport={"width": 320, "height": 256}).opens()
    expect(visitor.page.locator(".note")).to_be_hidden()
    visitor.page.get_by_role("button", name="Whom to call").click()
    expect(visitor.page.get_by_role("region", name="Whom to call")).to_contain_text("not a doctor")


def test_something_happens_at_once_on_a_slow_network(meet: New, scripted: ScriptedServer) -> None:
    release = scripted.hold("slow")
    visitor = meet().opens()
    visitor.types("slow")
    assert visitor.said() == ["slow"]
    expect(visitor.page.locator(".delivery")).to_be_visible(timeout=1_000)
    expect(visitor.page.locator(".dots")).to_be_visible(timeout=2_000)
    release()
    visitor.waits_for(2)
    expect(visitor.page.locator(".delivery")).to_be_hidden()
