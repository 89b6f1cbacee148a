"""A referral is seen: its first line is on the screen, whatever surrounds it. Measured in pixels."""

from __future__ import annotations

from typing import Any, Callable

import pytest
from playwright.sync_api import expect
from scripted_server import ANSWER, CRISIS, EMERGENCY, FINDING, ScriptedServer
from visitor import Visitor

New = Callable[..., Visitor]
HEADING = ".referral-heading"
REPORT = (
    "Left breast, craniocaudal and mediolateral oblique views, compared with the study of the year before. "
    "The tissue is scattered fibroglandular. In the upper outer part there is a new group of fine pleomorphic "
    "calcifications over fourteen millimetres. No mass and no distortion are seen beside them. "
) * 3
# A referral counts as seen after two seconds, which a busy machine may take.
NOTHING_IS_SEEN = "IntersectionObserver = class { observe() {} unobserve() {} disconnect() {} }"
# 320 x 256 is what a window of 1280 x 1024 leaves at 400 % zoom.
SCREENS = [(320, 256), (320, 568), (390, 780), (667, 375), (1000, 760)]


def screen(size: tuple[int, int]) -> dict[str, Any]:
    """Return the options of a browser with this screen."""
    return {"viewport": {"width": size[0], "height": size[1]}}


@pytest.mark.parametrize("text", ["normal", "large"])
@pytest.mark.parametrize("size", SCREENS)
def test_below_a_pasted_report(meet: New, scripted: ScriptedServer, size: tuple[int, int], text: str) -> None:
    scripted.script[REPORT.strip()] = [FINDING, ANSWER]
    visitor = meet(**screen(size))
    if text == "large":
        visitor.prefers_large_text()
    visitor.opens()
    visitor.types(REPORT)
    visitor.page.locator(".answer").nth(1).wait_for(state="attached")
    visitor.comes_to_see(HEADING)
    # Once more, longer than any scrolling lasts.
    visitor.page.locator(".referral .contact").first.wait_for(state="attached")
    assert visitor.sees(HEADING)


@pytest.mark.parametrize("size", SCREENS)
def test_with_two_messages_in_flight(meet: New, scripted: ScriptedServer, size: tuple[int, int]) -> None:
    scripted.script["it is bi-rads 4"] = [FINDING]
    release = scripted.hold("it is bi-rads 4")
    visitor = meet(**screen(size)).opens()
    visitor.types("it is bi-rads 4")
    visitor.types("and what is mk-7?")
    release()
    visitor.page.locator(".turn").nth(2).locator(".answer").wait_for(state="attached")
    visitor.comes_to_see(HEADING)
    turns = visitor.page.locator(".turn:has(.user)")
    assert [turn.locator(".message").count() for turn in turns.all()] == [2, 2]
    expect(turns.nth(0).locator(".referral")).to_have_count(1)
    expect(turns.nth(1).locator(".answer")).to_have_count(1)


def test_when_the_harmless_message_was_first(meet: New, scripted: ScriptedServer) -> None:
    scripted.script["it is bi-rads 4"] = [FINDING]
    release = scripted.hold("what is mk-7?")
    visitor = meet().opens()
    visitor.types("what is mk-7?")
    visitor.types("it is bi-rads 4")
    release()
    visitor.comes_to_see(HEADING)


def test_while_the_next_answer_is_being_written(meet: New, scripted: ScriptedServer) -> None:
    scripted.script["it is bi-rads 4"] = [FINDING]
    visitor = meet(**screen((390, 500)))
    visitor.page.add_init_script(NOTHING_IS_SEEN)
    visitor.opens()
    visitor.types("it is bi-rads 4")
    visitor.comes_to_see(HEADING)
    release = scripted.hold("what is mk-7?")
    visitor.types("what is mk-7?")
    visitor.page.locator(".dots").wait_for(state="attached")
    assert visitor.sees(HEADING)
    release()
    visitor.page.locator(".turn").nth(2).locator(".answer").wait_for(state="attached")
    assert visitor.sees(HEADING)


def test_the_answer_below_is_one_press_away(meet: New, scripted: ScriptedServer) -> None:
    scripted.script["it is bi-rads 4"] = [FINDING, ANSWER]
    visitor = meet().opens()
    visitor.types("it is bi-rads 4")
    visitor.comes_to_see(HEADING)
    visitor.page.get_by_role("button", name="Answer below").click()
    visitor.comes_to_see(".turn:last-child .answer .body p")
    expect(visitor.page.locator(".turn:last-child .answer")).to_be_focused()


def test_a_referral_that_has_been_seen_makes_room(meet: New, scripted: ScriptedServer) -> None:
    scripted.script["it is bi-rads 4"] = [FINDING]
    visitor = meet(**screen((390, 500))).opens()
    visitor.types("it is bi-rads 4")
    visitor.comes_to_see(HEADING)
    visitor.page.wait_for_timeout(2_500)  # it counts as seen after two seconds
    visitor.types("what is mk-7?")
    visitor.comes_to_see(".turn:last-child .answer .body p")


def test_the_chat_was_closed_when_it_came(meet: New, scripted: ScriptedServer) -> None:
    scripted.script["it is bi-rads 4"] = [FINDING, ANSWER]
    release = scripted.hold("it is bi-rads 4")
    visitor = meet(**screen((390, 500))).opens()
    visitor.types("it is bi-rads 4")
    visitor.page.locator(".dots").wait_for()
    visitor.page.keyboard.press("Escape")
    release()
    expect(visitor.page.locator(".badge")).to_be_visible()
    visitor.page.locator(".answer").nth(1).wait_for(state="attached")
    visitor.launcher.click()
    visitor.comes_to_see(HEADING)


@pytest.mark.parametrize("size", [(320, 256), (390, 780)])
def test_after_a_reload(meet: New, scripted: ScriptedServer, size: tuple[int, int]) -> None:
    scripted.script[REPORT.strip()] = [FINDING, ANSWER]
    visitor = meet(**screen(size)).opens()
    visitor.types(REPORT)
    visitor.comes_to_see(HEADING)
    visitor.page.reload()
    visitor.launcher.click()
    visitor.comes_to_see(HEADING)


def test_in_every_tab(meet: New, scripted: ScriptedServer) -> None:
    scripted.script["it is bi-rads 4"] = [FINDING, ANSWER]
    first = meet(**screen((390, 500))).opens("/chat?remember=true")
    for _ in range(3):
        first.asks("what is mk-7?")
    second = Visitor(first.context, scripted.url).opens("/chat?remember=true")
    second.page.locator(".said").nth(2).wait_for()
    second.page.locator(".messages").hover()
    second.page.mouse.wheel(0, -5_000)
    first.types("it is bi-rads 4")
    first.comes_to_see(HEADING)
    second.page.bring_to_front()
    second.comes_to_see(HEADING)


def test_with_a_queue_of_messages_written_offline(meet: New, scripted: ScriptedServer) -> None:
    scripted.script["it is bi-rads 4"] = [FINDING]
    visitor = meet(**screen((390, 500))).opens()
    visitor.context.set_offline(True)
    for text in ("what is mk-7?", "it is bi-rads 4", "and mk-4?"):
        visitor.types(text)
    visitor.page.locator(".delivery:visible").first.wait_for()
    visitor.context.set_offline(False)
    visitor.page.locator(".turn:last-child .answer").wait_for(state="attached")
    visitor.comes_to_see(HEADING)


@pytest.mark.parametrize("text", ["normal", "large"])
@pytest.mark.parametrize("size", SCREENS)
def test_also_when_the_connection_breaks(meet: New, scripted: ScriptedServer, size: tuple[int, int], text: str) -> None:
    scripted.script[REPORT.strip()] = [FINDING, ANSWER]
    visitor = meet(**screen(size))
    visitor.page.add_init_script(NOTHING_IS_SEEN)
    if text == "large":
        visitor.prefers_large_text()
    visitor.opens()
    visitor.types(REPORT)
    visitor.comes_to_see(HEADING)
    visitor.context.set_offline(True)
    visitor.types("and another?")
    visitor.comes_to_see(".trouble .contact")
    visitor.comes_to_see(HEADING)


def test_when_too_many_messages_were_sent(meet: New, scripted: ScriptedServer) -> None:
    scripted.script["it is bi-rads 4"] = [FINDING]
    visitor = meet().opens()
    scripted.refuse_after(2)
    for text in ("what is mk-7?", "it is bi-rads 4", "what is mk-4?"):
        visitor.types(text)
    visitor.page.locator(".notice").wait_for(state="attached")
    visitor.comes_to_see(HEADING)


@pytest.mark.parametrize("now", [(320, 256), (667, 375), (390, 400)])
def test_when_the_screen_turns_or_a_keyboard_comes_up(
    meet: New, scripted: ScriptedServer, now: tuple[int, int]
) -> None:
    scripted.script[REPORT.strip()] = [FINDING, ANSWER]
    visitor = meet(**screen((390, 780))).opens()
    visitor.types(REPORT)
    visitor.comes_to_see(HEADING)
    visitor.page.set_viewport_size({"width": now[0], "height": now[1]})
    visitor.comes_to_see(HEADING)


def test_the_more_urgent_of_two_in_one_message(meet: New, scripted: ScriptedServer) -> None:
    scripted.script["everything"] = [CRISIS, FINDING, ANSWER]
    visitor = meet(**screen((390, 500))).opens()
    visitor.types("everything")
    visitor.page.locator(".answer").nth(1).wait_for(state="attached")
    visitor.comes_to_see(".crisis .referral-heading")


def test_an_emergency_takes_the_place_of_something_less_urgent(meet: New, scripted: ScriptedServer) -> None:
    scripted.script.update({"it is bi-rads 4": [FINDING], "my chest hurts": [EMERGENCY]})
    visitor = meet(**screen((390, 500)))
    visitor.page.add_init_script(NOTHING_IS_SEEN)
    visitor.opens()
    visitor.types("it is bi-rads 4")
    visitor.types("my chest hurts")
    visitor.comes_to_see(".emergency .referral-heading")
    # The other one has not been seen yet: it is offered by its name.
    visitor.page.get_by_role("button", name="Please read this first").click()
    visitor.comes_to_see(".urgent .referral-heading")


def test_a_referral_stands_before_an_answer_that_was_faster(meet: New, scripted: ScriptedServer) -> None:
    scripted.script["both"] = [ANSWER, FINDING]
    visitor = meet().opens()
    visitor.types("both")
    visitor.comes_to_see(HEADING)
    kinds = [
        message.get_attribute("class") or "" for message in visitor.page.locator(".turn:last-child .message").all()
    ]
    assert ["referral" in kind for kind in kinds] == [False, True, False]


def test_a_long_message_is_folded_and_can_be_read(meet: New) -> None:
    visitor = meet().opens()
    visitor.asks(REPORT)
    said = visitor.page.locator(".said")
    folded = said.bounding_box()["height"]
    assert folded < 120
    button = visitor.page.get_by_role("button", name="Show all")
    expect(button).to_have_attribute("aria-expanded", "false")
    button.click()
    expect(visitor.page.get_by_role("button", name="Show less")).to_have_attribute("aria-expanded", "true")
    assert said.bounding_box()["height"] > 2 * folded


def test_who_reads_above_is_not_pulled_down_by_an_answer(meet: New, scripted: ScriptedServer) -> None:
    visitor = meet(**screen((390, 500))).opens()
    visitor.asks("what is mk-7?")
    release = scripted.hold("and mk-4?")
    visitor.types("and mk-4?")
    visitor.page.locator(".dots").wait_for()
    visitor.page.locator(".messages").hover()
    visitor.page.mouse.wheel(0, -5_000)
    visitor.page.wait_for_function(
        "list => list.scrollTop === 0", arg=visitor.page.locator(".messages").element_handle()
    )
    release()
    visitor.page.get_by_role("button", name="Answer below").wait_for()
    assert visitor.page.locator(".messages").evaluate("e => e.scrollTop") == 0
