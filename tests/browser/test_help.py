"""Whom to call is one tap away, above all when the chat does not work; and the true reason is named."""

from __future__ import annotations

import time
from typing import Any, Callable

import pytest
from playwright.sync_api import Route, expect
from scripted_server import CRISIS, EMERGENCY, FINDING, ScriptedServer
from visitor import Visitor

New = Callable[..., Visitor]
# Seconds within which somebody must be told.
SOON = 3.0


def refused(error: str, **more: Any) -> Callable[[Route], None]:
    """Answer every request with a refusal."""
    status = {"rate_limited": 429, "overloaded": 503, "starting": 503, "origin_not_allowed": 403}[error]
    return lambda route: route.fulfill(status=status, json={"ok": False, "error": error, **more})


def is_told(visitor: Visitor, reason: str, begun: float) -> None:
    """The reason and whom to call stand there in time, with a number to tap."""
    trouble = visitor.page.locator(".trouble")
    expect(trouble).to_contain_text(reason)
    expect(trouble).to_contain_text("Do not wait for the chat: call your doctor or clinic")
    expect(trouble).to_contain_text("In an emergency, call 112")
    expect(trouble.get_by_role("link", name="Call 112")).to_have_attribute("href", "tel:112")
    assert time.monotonic() - begun < SOON + 0.5


def test_a_referral_has_its_numbers_to_tap(meet: New, scripted: ScriptedServer) -> None:
    scripted.script.update({"birads": [FINDING], "chest": [EMERGENCY]})
    visitor = meet().opens()
    visitor.asks("birads")
    link = visitor.page.locator(".referral").get_by_role("link", name="Call Northside Breast Clinic on 555 0100")
    expect(link).to_have_attribute("href", "tel:5550100")
    assert link.bounding_box()["height"] >= 44
    visitor.asks("chest")
    expect(visitor.page.locator(".emergency").get_by_role("link", name="Call 112")).to_have_attribute("href", "tel:112")


def followed_by(visitor: Visitor, number: str) -> str:
    """Return the sentence that a button of the referral stands under."""
    button = visitor.page.locator(f".referral .contacts:has([href='tel:{number}'])")
    return str(button.evaluate("e => e.previousElementSibling.textContent"))


def test_a_number_stands_under_the_sentence_that_names_it(meet: New, scripted: ScriptedServer) -> None:
    scripted.script.update({"tamoxifen": ["utter_referral/stop_medication"], "alone": [CRISIS]})
    visitor = meet().opens()
    visitor.asks("tamoxifen")
    # Nobody is to call an ambulance to ask about a medicine.
    assert followed_by(visitor, "112").startswith("Sudden chest pain")
    visitor.chooses("Start again")
    visitor.page.get_by_role("button", name="Erase", exact=True).click()
    expect(visitor.page.locator(".referral")).to_have_count(0)
    visitor.asks("alone")
    assert followed_by(visitor, "116123").startswith("I am glad you told me")
    assert followed_by(visitor, "112").startswith("If you may harm yourself")


def test_an_address_is_opened_in_one_tap(meet: New, scripted: ScriptedServer) -> None:
    contact = {
        "label": "the clinic at https://clinic.example/call",
        "kind": "https",
        "value": "https://clinic.example/call",
    }
    text = "Please write to the clinic."
    parts = {"body": text, "kind": "urgent", "contacts": [contact]}
    scripted.script["birads"] = [{"text": text, "utter_action": FINDING, "metadata": parts}]
    visitor = meet().opens()
    visitor.asks("birads")
    link = visitor.page.locator(".referral").get_by_role("link", name="Open the clinic")
    expect(link).to_have_attribute("href", "https://clinic.example/call")
    expect(link).to_have_attribute("target", "_blank")
    assert link.bounding_box()["height"] >= 44


@pytest.mark.parametrize("how", ["hangs", "fails"])
def test_a_chat_that_does_not_load(meet: New, how: str) -> None:
    visitor = meet()
    held: list[Route] = []
    visitor.page.route("**/chat.js*", lambda route: held.append(route) if how == "hangs" else route.abort())
    visitor.page.goto(visitor.url)
    begun = time.monotonic()
    visitor.launcher.click()
    alert = visitor.page.get_by_role("alert")
    expect(alert).to_contain_text("The chat does not load.")
    expect(alert.get_by_role("link", name="112", exact=True)).to_have_attribute("href", "tel:112")
    expect(alert.get_by_role("link", name="Northside")).to_have_attribute("href", "tel:5550100")
    assert time.monotonic() - begun < SOON + 0.5
    if how == "hangs":
        held[0].continue_()
        visitor.ready()
        expect(alert).to_be_hidden()


def test_the_header_says_whom_to_call_at_any_time(meet: New) -> None:
    visitor = meet().opens()
    visitor.page.get_by_role("button", name="Whom to call").click()
    sheet = visitor.page.get_by_role("region", name="Whom to call")
    assert [a.get_attribute("href") for a in sheet.get_by_role("link").all()] == [
        "tel:112",
        "tel:5550100",
        "tel:116123",
    ]
    expect(sheet.get_by_role("link").first).to_be_focused()
    visitor.page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    expect(visitor.page.get_by_role("button", name="Whom to call")).to_be_focused()


def test_every_number_is_there_with_large_text(meet: New, scripted: ScriptedServer) -> None:
    two = [
        {"label": f"{name} on {number}", "kind": "tel", "value": number}
        for name, number in (("A", "111"), ("B", "222"))
    ]
    message = {"text": "Please call. Today.", "utter_action": FINDING, "metadata": {"kind": "urgent", "contacts": two}}
    message["metadata"]["body"] = message["text"]
    scripted.script["birads"] = [message]
    visitor = meet(viewport={"width": 320, "height": 640})
    visitor.prefers_large_text()
    visitor.opens()
    visitor.asks("birads")
    assert [link.inner_text() for link in visitor.page.locator(".referral .contact:visible").all()] == [
        "Call A on 111",
        "Call B on 222",
    ]
    visitor.page.get_by_role("button", name="Whom to call").click()
    expect(visitor.page.locator(".help-sheet .contact:visible")).to_have_count(3)


def test_offline(meet: New) -> None:
    visitor = meet().opens()
    visitor.context.set_offline(True)
    begun = time.monotonic()
    visitor.types("I have found a lump")
    is_told(visitor, "No connection", begun)
    expect(visitor.page.locator(".delivery")).to_contain_text("Waiting for the connection")
    visitor.context.set_offline(False)
    visitor.waits_for(2)
    expect(visitor.page.locator(".trouble")).to_be_hidden()


@pytest.mark.parametrize("text", ["normal", "large"])
@pytest.mark.parametrize("size", [(320, 256), (320, 640), (390, 844), (1280, 800)])
def test_offline_the_reason_and_a_number_are_in_view(meet: New, size: tuple[int, int], text: str) -> None:
    visitor = meet(viewport={"width": size[0], "height": size[1]})
    if text == "large":
        visitor.prefers_large_text()
    visitor.opens()
    visitor.context.set_offline(True)
    visitor.comes_to_see(".trouble .why-not")
    visitor.comes_to_see(".trouble .contact")
    expect(visitor.page.locator(".trouble .contact").first).to_have_text("Call 112")
    # The reason is not cut off before it has been named.
    words = visitor.page.locator(".trouble .why-not span").evaluate(
        """span => {
          const range = document.createRange();
          range.setStart(span.firstChild, 0);
          range.setEnd(span.firstChild, 'No connection.'.length);
          return range.getBoundingClientRect().bottom - span.getBoundingClientRect().bottom;
        }"""
    )
    assert words <= 1


def test_offline_from_the_beginning_with_the_number_of_the_site(meet: New, scripted: ScriptedServer) -> None:
    visitor = meet()
    visitor.page.route("**/chat/session", lambda route: route.abort())
    begun = time.monotonic()
    visitor.page.goto(f"{scripted.url}/chat?emergency=112")
    is_told(visitor, "No connection", begun)


def test_contacts_are_still_known_after_a_reload_without_the_server(meet: New) -> None:
    visitor = meet().opens()
    visitor.page.route("**/chat/session", lambda route: route.abort())
    # The chat was open, so it opens again by itself.
    begun = time.monotonic()
    visitor.page.reload()
    is_told(visitor, "No connection", begun)


@pytest.mark.parametrize(
    "error, reason, more",
    [
        ("rate_limited", "opens again in about 10 min", {"retry_after": 600}),
        ("overloaded", "Many people are asking", {"retry_after": 3}),
        ("starting", "Many people are asking", {"retry_after": 3}),
        ("origin_not_allowed", "not available on this website", {}),
    ],
)
def test_the_true_reason(meet: New, error: str, reason: str, more: dict[str, Any]) -> None:
    visitor = meet().opens()
    visitor.page.route("**/chat/session", refused(error, **more))
    # The chat was open, so it opens again by itself.
    begun = time.monotonic()
    visitor.page.reload()
    is_told(visitor, reason, begun)


READABLE = """span => {
  const range = document.createRange();
  range.selectNodeContents(span);
  const text = range.getBoundingClientRect();
  return [span, span.closest('.trouble')].every((one) => {
    const box = one.getBoundingClientRect();
    return text.top >= box.top - 1 && text.bottom <= box.bottom + 1 && text.right <= box.right + 1;
  });
}"""


@pytest.mark.parametrize("error", ["rate_limited", "overloaded", "origin_not_allowed"])
@pytest.mark.parametrize("text", ["normal", "large"])
def test_the_whole_reason_can_be_read_on_a_small_screen(meet: New, error: str, text: str) -> None:
    visitor = meet(viewport={"width": 320, "height": 256})
    if text == "large":
        visitor.prefers_large_text()
    contacts = [{"label": "112", "kind": "tel", "value": "112"}]
    message = {"id": "notice:x", "turn": "notice", "name": "utter_limited", "text": "Too many.", "contacts": contacts}
    visitor.page.route("**/chat/session", refused(error, retry_after=600, message=message))
    visitor.page.goto(visitor.url)
    visitor.launcher.click()
    reason = visitor.page.locator(".trouble .why-not span")
    reason.wait_for()
    assert reason.evaluate(READABLE)
    visitor.comes_to_see(".trouble .contact")


def test_a_chat_that_does_not_load_says_all_on_a_small_screen(meet: New) -> None:
    visitor = meet(viewport={"width": 320, "height": 256})
    visitor.page.route("**/chat.js*", lambda route: route.abort())
    visitor.page.goto(visitor.url)
    visitor.launcher.click()
    alert = visitor.page.get_by_role("alert")
    alert.wait_for()
    assert alert.bounding_box()["y"] >= 0
    expect(alert).to_contain_text("The chat does not load.")


def test_a_refusal_at_the_first_visit_brings_the_numbers(meet: New) -> None:
    contacts = [{"label": "112", "kind": "tel", "value": "112"}]
    message = {"id": "notice:utter_limited", "turn": "notice", "name": "utter_limited", "text": "Too many."}
    visitor = meet()
    visitor.page.route(
        "**/chat/session", refused("rate_limited", retry_after=600, message={**message, "contacts": contacts})
    )
    visitor.page.goto(visitor.url)
    visitor.launcher.click()
    expect(visitor.page.locator(".trouble")).to_contain_text("Too many conversations")
    visitor.comes_to_see(".trouble .contact")
    expect(visitor.page.locator(".trouble .contact")).to_have_attribute("href", "tel:112")
    visitor.page.get_by_role("button", name="Whom to call").click()
    expect(visitor.page.get_by_role("region", name="Whom to call").get_by_role("link", name="Call 112")).to_be_focused()


def test_a_server_that_hangs(meet: New) -> None:
    visitor = meet().opens()
    visitor.page.route("**/chat/session", lambda route: None)
    # The chat was open, so it opens again by itself.
    begun = time.monotonic()
    visitor.page.reload()
    is_told(visitor, "longer than usual", begun)
    visitor.page.unroute_all(behavior="ignoreErrors")


def test_an_answer_that_does_not_come(meet: New, scripted: ScriptedServer) -> None:
    release = scripted.hold("slow")
    visitor = meet().opens()
    begun = time.monotonic()
    visitor.types("slow")
    is_told(visitor, "longer than usual", begun)
    release()
    visitor.waits_for(2)
    expect(visitor.page.locator(".trouble")).to_be_hidden()


def test_too_many_messages_say_whom_to_call(meet: New, scripted: ScriptedServer) -> None:
    visitor = meet().opens()
    scripted.refuse_after(2, wait=3.0)
    for number in range(3):
        visitor.types(f"what is mk-7? {number}")
    notice = visitor.page.locator(".notice")
    notice.wait_for(state="attached")
    expect(notice).to_contain_text("call your doctor or clinic")
    expect(notice.get_by_role("link", name="Call 112")).to_have_attribute("href", "tel:112")
    # It stands under the message that it is about, and goes when that is answered.
    expect(visitor.page.locator(".turn", has=notice).locator(".said")).to_have_text("what is mk-7? 2")
    visitor.page.locator(".turn:last-child .answer").wait_for()
    expect(notice).to_have_count(0)


def test_a_number_that_is_none_is_no_button(meet: New) -> None:
    visitor = meet()

    def poison(route: Route) -> None:
        answer = route.fetch()
        body = answer.json()
        body["welcome"]["contacts"] = [
            {"label": "a", "kind": "tel", "value": "javascript:alert(1)"},
            {"label": "b", "kind": "https", "value": "javascript:alert(1)"},
            {"label": "c", "kind": "https", "value": "http://insecure.example"},
            {"label": "d", "kind": "tel", "value": "+4420"},
        ]
        route.fulfill(response=answer, json=body)

    visitor.page.route("**/chat/session", poison)
    visitor.opens()
    visitor.page.get_by_role("button", name="Whom to call").click()
    sheet = visitor.page.get_by_role("region", name="Whom to call")
    assert [link.get_attribute("href") for link in sheet.get_by_role("link").all()] == ["tel:+4420"]
