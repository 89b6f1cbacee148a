"""A visitor's conversation in the browser, with the real server and model."""

from __future__ import annotations

import re
import time
from typing import Callable

import pytest
import sqlalchemy as sa
from playwright.sync_api import expect
from scripted_server import ScriptedServer
from visitor import PATIENCE, Visitor
from web_server import RealServer

New = Callable[..., Visitor]


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds that no page tells of."""
    end = time.monotonic() + PATIENCE / 1000
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_the_chat_is_loaded_only_when_it_is_opened(visit: New) -> None:
    visitor = visit()
    asked: list[str] = []
    visitor.page.on("request", lambda request: asked.append(request.url))
    visitor.page.goto(visitor.url)
    visitor.launcher.wait_for()
    assert not any("chat.js" in url or "socket.io" in url or "session" in url for url in asked)
    visitor.launcher.click()
    visitor.ready()
    assert any("chat.js" in url for url in asked)


def test_a_whole_conversation_by_keyboard(visit: New) -> None:
    visitor = visit()
    page = visitor.page
    page.goto(visitor.url)
    visitor.launcher.focus()
    page.keyboard.press("Enter")
    visitor.ready()
    expect(visitor.input).to_be_focused()
    page.keyboard.type("what is mk-7?")
    page.keyboard.press("Enter")
    visitor.waits_for(2)
    assert "menaquinone-7" in visitor.messages()[-1]
    expect(visitor.input).to_be_focused()
    page.keyboard.press("Shift+Tab")
    if page.locator(".jump").is_visible():
        page.keyboard.press("Shift+Tab")
    assert page.locator("button.reply").last.evaluate("e => e === e.getRootNode().activeElement")
    page.keyboard.press("Enter")
    visitor.waits_for(3)
    page.keyboard.press("Escape")
    expect(visitor.panel).to_be_hidden()
    expect(visitor.launcher).to_be_focused()


def test_the_send_button_answers_to_space(visit: New) -> None:
    visitor = visit().opens()
    visitor.input.click()
    visitor.page.keyboard.type("what is mk-7?")
    visitor.page.get_by_role("button", name="Send").focus()
    visitor.page.keyboard.press(" ")
    visitor.waits_for(2)
    assert visitor.said() == ["what is mk-7?"]


def test_the_welcome_has_three_questions_that_can_be_pressed(visit: New) -> None:
    visitor = visit().opens()
    replies = visitor.page.locator("button.reply")
    expect(replies).to_have_count(3)
    title = replies.first.inner_text()
    replies.first.click()
    visitor.waits_for(2)
    assert visitor.said() == [title]
    # They stay, to be asked later.
    expect(visitor.page.get_by_role("button", name=title).first).to_be_visible()


def test_an_answer_has_label_sources_and_next_questions(visit: New) -> None:
    visitor = visit().opens()
    visitor.asks("what is mk-7?")
    answer = visitor.page.locator(".answer").last
    expect(answer.locator(".label")).to_contain_text("Limited evidence")
    links = answer.locator(".sources a")
    assert links.count() >= 1
    for link in links.all():
        assert re.match(r"https?://", link.get_attribute("href") or "")
        assert (link.get_attribute("rel"), link.get_attribute("target")) == ("noopener noreferrer", "_blank")
    assert visitor.page.locator("button.reply").count() >= 2


def test_a_referral_looks_different_and_is_announced_at_once(visit: New) -> None:
    visitor = visit().opens()
    visitor.asks("my report says BI-RADS 4, they want a biopsy")
    referral = visitor.page.locator(".referral").first
    expect(referral).to_contain_text("Please read this first")
    assert visitor.page.locator(".referral, .answer").nth(1).evaluate("e => e.classList.contains('referral')")
    expect(visitor.page.locator(".assertive p")).to_contain_text("call")
    assert visitor.page.locator(".polite p", has_text="Please read this first").count() == 0


def test_a_referral_comes_before_the_answer_to_the_same_message(visit: New) -> None:
    visitor = visit().opens()
    visitor.asks("my report says BI-RADS 5. what is mk-7?", answers=2)
    kinds = [element.get_attribute("class") or "" for element in visitor.page.locator(".referral, .answer").all()]
    assert "referral" in kinds[1]
    assert all("answer" in kind for kind in kinds[2:])


def test_two_questions_are_both_answered_and_read_from_the_start(visit: New) -> None:
    visitor = visit().opens()
    visitor.asks("what are macrocalcifications and does a mammogram hurt?", answers=2)
    texts = " ".join(visitor.messages())
    assert "coarse" in texts
    assert "mammogram" in texts
    visitor.comes_to_see(".turn:last-child .said")


def test_what_is_typed_is_shown_as_typed(visit: New) -> None:
    visitor = visit().opens()
    text = (
        '<img src=x onerror="document.title=1"> [a](javascript:document.title=2) **b** '
        "<script>document.title=3</script>"
    )
    visitor.asks(text)
    assert visitor.said() == [text]
    assert visitor.page.locator(".said img, .said a, .said script, .said strong").count() == 0
    assert visitor.page.title().startswith("Calla")


def test_a_poisoned_server_text_stays_text_and_its_links_are_dropped(visit: New) -> None:
    visitor = visit()

    def poison(route: object) -> None:
        answer = route.fetch()  # type: ignore[attr-defined]
        body = answer.json()
        body["welcome"].update(
            text="<img src=x onerror='document.title=1'> [x](javascript:alert(1))",
            sources=[
                {"organisation": "x", "title": "y", "url": "javascript:alert(1)"},
                {"organisation": "NHS", "title": "ok", "url": "https://nhs.uk/"},
            ],
            buttons=["<b>bold</b>"],
        )
        route.fulfill(response=answer, json=body)  # type: ignore[attr-defined]

    visitor.page.route("**/chat/session", poison)
    visitor.opens()
    assert visitor.messages() == ["<img src=x onerror='document.title=1'> [x](javascript:alert(1))"]
    assert [a.get_attribute("href") for a in visitor.page.locator(".sources a").all()] == ["https://nhs.uk/"]
    expect(visitor.page.locator("button.reply")).to_have_text("<b>bold</b>")


def test_thumbs_are_recorded_without_text_and_can_be_taken_back(visit: New, server: RealServer) -> None:
    visitor = visit().opens()
    visitor.asks("what is mk-7?")
    engine = sa.create_engine(f"sqlite:///{server.log.parent / 'calla.db'}")

    def rows() -> list[tuple[str, int]]:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text("SELECT response, value FROM feedback"))]

    helped = visitor.page.get_by_role("button", name="This answer helped")
    not_helped = visitor.page.get_by_role("button", name="This answer did not help")
    before = rows()
    helped.click()
    expect(helped).to_have_attribute("aria-pressed", "true")
    until(lambda: rows()[len(before) :] == [("utter_faq/what_is_mk7", 1)])
    not_helped.click()
    expect(helped).to_have_attribute("aria-pressed", "false")
    until(lambda: rows()[len(before) :] == [("utter_faq/what_is_mk7", -1)])
    not_helped.click()
    until(lambda: rows() == before)


def test_an_answer_can_be_copied_with_its_sources(visit: New) -> None:
    visitor = visit(permissions=["clipboard-read", "clipboard-write"]).opens()
    visitor.asks("what is mk-7?")
    visitor.page.get_by_role("button", name="Copy this answer").last.click()
    visitor.page.locator(".polite p", has_text="Copied").wait_for(state="attached")
    copied = visitor.page.evaluate("navigator.clipboard.readText()")
    assert "menaquinone-7" in copied
    assert "https://" in copied


def test_messages_that_come_while_the_chat_is_closed_are_counted(meet: New, scripted: ScriptedServer) -> None:
    release = scripted.hold("what is mk-7?")
    visitor = meet().opens()
    visitor.types("what is mk-7?")
    visitor.page.keyboard.press("Escape")
    expect(visitor.panel).to_be_hidden()
    release()
    badge = visitor.page.locator(".badge")
    expect(badge).to_have_text("1")
    assert "New messages: 1" in (visitor.launcher.get_attribute("aria-label") or "")
    visitor.launcher.click()
    expect(badge).to_be_hidden()


def test_a_reload_continues_the_conversation(visit: New) -> None:
    visitor = visit().opens()
    visitor.asks("what is mk-7?")
    visitor.asks("and MK-4?")
    said, messages = visitor.said(), visitor.messages()
    visitor.page.reload()
    visitor.ready()
    visitor.page.locator(".said").nth(1).wait_for()
    assert visitor.said() == said
    assert visitor.messages() == messages
    expect(visitor.page.locator(".divider")).to_contain_text("Earlier in this conversation")


def test_another_tab_is_another_conversation(visit: New) -> None:
    visitor = visit().opens()
    visitor.asks("what is mk-7?")
    other = Visitor(visitor.context, visitor.url).opens()
    assert other.said() == []


def test_clearing_erases_here_and_on_the_server(visit: New, server: RealServer) -> None:
    visitor = visit().opens()
    visitor.asks("what is mk-7?")
    token = visitor.page.evaluate("JSON.parse(Object.entries(sessionStorage).find(([k]) => k.endsWith(':token'))[1])")
    visitor.chooses("Start again")
    expect(visitor.page.get_by_role("button", name="Keep it")).to_be_focused()
    visitor.page.get_by_role("button", name="Erase").click()
    expect(visitor.page.locator(".said")).to_have_count(0)
    visitor.ready()
    # The erased conversation is not empty but gone: nobody can go on with it, or begin it again.
    header = {"Authorization": f"Bearer {token}"}
    for call in ("sync", "message", "export"):
        old = visitor.page.request.post(f"{server.url}/chat/{call}", data={"id": "0" * 8, "text": "a"}, headers=header)
        assert (old.status, old.json()["error"]) == (401, "unauthorized"), call
    resumed = visitor.page.request.post(f"{server.url}/chat/session", data={}, headers=header).json()
    assert (resumed["resumed"], resumed["history"]) == (False, [])
    visitor.page.reload()
    visitor.ready()
    assert visitor.said() == []


def test_clearing_can_be_thought_better_of(visit: New) -> None:
    visitor = visit().opens()
    visitor.asks("what is mk-7?")
    visitor.chooses("Start again")
    visitor.page.keyboard.press("Escape")
    expect(visitor.page.locator(".confirm")).to_be_hidden()
    expect(visitor.panel).to_be_visible()
    assert visitor.said() == ["what is mk-7?"]


def test_asking_to_delete_the_data_leaves_only_the_confirmation(visit: New) -> None:
    visitor = visit().opens()
    visitor.asks("what is mk-7?")
    visitor.asks("delete my data")
    assert visitor.said() == ["what is mk-7?", "delete my data"]
    visitor.page.get_by_role("button", name="Yes, delete everything").click()
    visitor.page.get_by_text("This conversation has been erased").first.wait_for()
    expect(visitor.page.locator(".said")).to_have_count(0)


def test_too_many_messages_get_a_text_and_are_all_answered_in_the_end(meet: New, scripted: ScriptedServer) -> None:
    visitor = meet().opens()
    scripted.refuse_after(2, wait=3.0)
    for number in range(5):
        visitor.types(f"what is mk-7? {number}")
    visitor.page.locator(".notice", has_text="Many messages came in at once").wait_for()
    expect(visitor.page.locator(".delivery:visible").first).to_contain_text("in a moment")
    visitor.page.locator(".answer").nth(5).wait_for()
    assert visitor.said() == scripted.heard[-5:] == [f"what is mk-7? {number}" for number in range(5)]
    expect(visitor.page.locator(".delivery:visible")).to_have_count(0)


def test_a_message_of_ten_thousand_characters_is_asked_to_be_shorter(visit: New) -> None:
    visitor = visit().opens()
    visitor.types("What are breast calcifications? " * 400)
    visitor.page.get_by_text("That message is too long").first.wait_for(state="attached")


@pytest.mark.parametrize("how", ["websocket", "rest"])
def test_both_transports_answer(visit: New, how: str) -> None:
    visitor = visit()
    if how == "rest":
        visitor.page.route("**/socket.io/**", lambda route: route.abort())
        visitor.page.route_web_socket("**/socket.io/**", lambda socket: socket.close())
    visitor.opens()
    visitor.asks("what is mk-7?")
    assert "menaquinone-7" in visitor.messages()[-1]


@pytest.mark.parametrize(
    ("text", "language", "direction"),
    [
        ("أريد أن أموت", "ar", "rtl"),
        ("no puedo respirar, me duele el pecho", "es", "ltr"),
        ("what is mk-7?", "en", "ltr"),
    ],
)
def test_a_text_is_marked_with_its_language(visit: New, text: str, language: str, direction: str) -> None:
    """A screen reader takes the right voice, and Arabic begins at the right (WCAG 3.1.2)."""
    visitor = visit().opens()
    visitor.asks(text)
    body = visitor.page.locator(".body").last
    expect(body).to_have_attribute("lang", language)
    expect(body).to_have_attribute("dir", direction)
