"""The chat can be used by everyone: WCAG 2.2 AA in every state, on every screen."""

from __future__ import annotations

from typing import Any, Callable, Iterator, Sequence

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from scripted_server import ANSWER, CRISIS, EMERGENCY, FINDING, ScriptedServer
from visitor import Visitor

New = Callable[..., Visitor]
SCRIPT = {
    "my report says BI-RADS 4": [FINDING, ANSWER],
    "I have chest pain and cannot breathe": [EMERGENCY],
    "I cannot go on": [CRISIS],
    "may I skip it": ["utter_referral/refuse_or_delay_care"],
    "may I stop my tablets": ["utter_referral/stop_medication"],
}
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


def violations(visitor: Visitor, rules: Sequence[str] = (*WCAG, "best-practice")) -> list[str]:
    """Return what axe-core finds on the page, open shadow roots included."""
    # The opening animation has its own opacity.
    visitor.page.wait_for_function(
        "() => document.getAnimations().every((one) => one.effect.getTiming().iterations > 1)"
    )
    options = {"runOnly": list(rules), "resultTypes": ["violations"]}
    found = Axe().run(visitor.page, options=options).response["violations"]
    return [f"{one['id']}: {[node['html'][:120] for node in one['nodes']]}" for one in found]


def closed(visitor: Visitor) -> None:
    """The chat is closed."""
    visitor.page.goto(visitor.url)
    visitor.launcher.wait_for()


def welcome(visitor: Visitor) -> None:
    """The chat has just been opened."""
    visitor.opens()


def answered(visitor: Visitor) -> None:
    """A question has been answered and rated."""
    visitor.opens()
    visitor.asks("what is mk-7?")
    visitor.page.get_by_role("button", name="This answer helped").click()


def urgent(visitor: Visitor) -> None:
    """A referral has been given."""
    visitor.opens()
    visitor.asks("my report says BI-RADS 4")


def emergency(visitor: Visitor) -> None:
    """An emergency has been answered."""
    visitor.opens()
    visitor.asks("I have chest pain and cannot breathe")


def other_referrals(visitor: Visitor) -> None:
    """The kinds of referrals that look different, one below the other."""
    visitor.opens()
    for text in ("I cannot go on", "may I skip it", "may I stop my tablets"):
        visitor.asks(text)


def unfolded(visitor: Visitor) -> None:
    """A long message is shown in full."""
    visitor.opens()
    visitor.asks("my report says BI-RADS 4 " * 20)
    visitor.page.get_by_role("button", name="Show all").click()


def kept(visitor: Visitor) -> None:
    """A question is kept for the doctor, the answer copied."""
    visitor.opens()
    visitor.asks("what is mk-7?")
    visitor.page.get_by_role("button", name="Keep this question for my doctor").click()
    visitor.page.get_by_role("button", name="Copy this answer").click()


def unread(visitor: Visitor) -> None:
    """Something has come while the chat was closed."""
    visitor.opens()
    visitor.types("hold this")
    visitor.page.keyboard.press("Escape")
    RELEASE.pop()()
    visitor.page.locator(".badge").wait_for()


def erased(visitor: Visitor) -> None:
    """The conversation has been erased."""
    confirming(visitor)
    visitor.page.get_by_role("button", name="Erase", exact=True).click()
    visitor.page.locator(".polite p", has_text="has been erased").wait_for(state="attached")


def confirming(visitor: Visitor) -> None:
    """The visitor is asked whether to erase."""
    visitor.opens()
    visitor.chooses("Start again")


def offline(visitor: Visitor) -> None:
    """There is no connection and a message waits."""
    visitor.opens()
    visitor.context.set_offline(True)
    visitor.types("what is mk-7?")
    visitor.page.locator(".delivery:visible").wait_for()


def writing(visitor: Visitor) -> None:
    """An answer is being written, longer than usual."""
    visitor.opens()
    visitor.types("hold this")
    visitor.page.locator(".dots").wait_for()
    visitor.page.locator(".trouble").wait_for()


def helping(visitor: Visitor) -> None:
    """The visitor looks whom to call."""
    visitor.opens()
    visitor.page.get_by_role("button", name="Whom to call").click()


def choosing(visitor: Visitor) -> None:
    """The menu is open."""
    visitor.opens()
    visitor.page.get_by_role("button", name="Menu").click()


def missing(visitor: Visitor) -> None:
    """The visitor says that an answer did not help."""
    visitor.opens()
    visitor.asks("what is mk-7?")
    visitor.page.get_by_role("button", name="This answer did not help").click()


def limited(visitor: Visitor) -> None:
    """No conversation can be begun."""
    refuse = {"ok": False, "error": "rate_limited", "retry_after": 600}
    visitor.page.route("**/chat/session", lambda route: route.fulfill(status=429, json=refuse))
    visitor.page.goto(visitor.url)
    visitor.launcher.click()
    visitor.page.locator(".trouble").wait_for()


def refused(visitor: Visitor) -> None:
    """The chat is not allowed on this website, and something was written all the same."""
    refuse = {"ok": False, "error": "origin_not_allowed"}
    visitor.page.route("**/chat/session", lambda route: route.fulfill(status=403, json=refuse))
    visitor.page.goto(visitor.url)
    visitor.launcher.click()
    visitor.page.locator(".trouble").wait_for()
    visitor.types("what is mk-7?")
    visitor.page.locator(".delivery:visible").wait_for()


def failed(visitor: Visitor) -> None:
    """A message was not accepted."""
    refuse = {"ok": False, "error": "bad_request"}
    visitor.page.route_web_socket("**/socket.io/**", lambda socket: socket.close())
    visitor.page.route("**/socket.io/**", lambda route: route.abort())
    visitor.page.route("**/chat/message", lambda route: route.fulfill(status=400, json=refuse))
    visitor.opens()
    visitor.types("what is mk-7?")
    visitor.page.get_by_role("button", name="Try again").wait_for()


def old_browser(visitor: Visitor) -> None:
    """The browser is too old for the chat."""
    visitor.page.add_init_script("CSS.supports = () => false")
    visitor.page.goto(visitor.url)
    visitor.page.get_by_role("link", name="Ask Calla").wait_for()


def old_browser_alone(visitor: Visitor) -> None:
    """The browser is too old for the chat's own page."""
    visitor.page.add_init_script("CSS.supports = () => false")
    visitor.page.goto(f"{visitor.url}/chat")
    visitor.page.get_by_role("link", name="112").wait_for()


def checked(visitor: Visitor) -> None:
    """Somebody who builds a website has it checked."""
    visitor.page.goto(f"{visitor.url}/embed-check")
    visitor.page.get_by_label("Address of the page").fill("http://friend.example/")
    visitor.page.get_by_role("button", name="Check").click()
    visitor.page.locator("#findings .good").first.wait_for()


def broken(visitor: Visitor) -> None:
    """The chat cannot be loaded."""
    visitor.page.route("**/chat.js*", lambda route: route.abort())
    visitor.page.goto(visitor.url)
    visitor.launcher.click()
    visitor.page.get_by_role("alert").wait_for()


def below(visitor: Visitor) -> None:
    """Something is below what can be seen, and the visitor's message is long."""
    visitor.opens()
    visitor.asks("my report says BI-RADS 4 " * 20)
    visitor.asks("my report says BI-RADS 4", answers=2)
    visitor.page.locator(".jump").wait_for()


def resumed(visitor: Visitor) -> None:
    """A conversation goes on after a reload."""
    answered(visitor)
    visitor.page.reload()
    if visitor.page.viewport_size["width"] <= 480:
        visitor.launcher.click()
    visitor.page.locator(".divider").wait_for()


def frame(visitor: Visitor) -> None:
    """The page for frames, in Arabic and yellow."""
    visitor.opens("/chat?lang=ar&color=%23ffd400")
    visitor.asks("what is mk-7?")


STATES = [
    *(closed, welcome, answered, missing, kept, urgent, emergency, other_referrals, below, unfolded),
    *(helping, choosing, confirming, erased, resumed, unread, frame),
    *(offline, writing, limited, refused, failed, broken, old_browser, old_browser_alone, checked),
]
RELEASE: list[Callable[[], None]] = []


@pytest.fixture
def scene(meet: New, scripted: ScriptedServer) -> Iterator[New]:
    """Visitors of a server that knows the messages of the states."""
    scripted.script.update(SCRIPT)
    release = scripted.hold("hold this")
    RELEASE[:] = [release]
    yield meet
    release()


PHONE = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True}


@pytest.mark.parametrize("screen", [{}, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("state", STATES)
def test_axe_finds_nothing_light_or_dark(scene: New, state: Callable[[Visitor], None], screen: dict[str, Any]) -> None:
    visitor = scene(color_scheme="light", **screen)
    state(visitor)
    # What older browsers get has no room for landmarks of its own.
    rules = WCAG if state in (old_browser, old_browser_alone) else (*WCAG, "best-practice")
    assert violations(visitor, rules) == []
    visitor.page.emulate_media(color_scheme="dark")
    assert violations(visitor, rules) == []


@pytest.mark.parametrize("state", [answered, urgent, choosing, confirming, offline, refused, limited])
def test_axe_finds_nothing_at_high_zoom_and_large_text(scene: New, state: Callable[[Visitor], None]) -> None:
    visitor = scene(viewport={"width": 320, "height": 256})
    visitor.prefers_large_text()
    state(visitor)
    assert violations(visitor) == []


@pytest.mark.parametrize("color", ["#ffffff", "#000000", "#ffd400", "#ff6666", "#808080", "#1f6b66"])
def test_any_accent_stays_legible(scene: New, color: str) -> None:
    visitor = scene().opens(f"/chat?color=%23{color[1:]}")
    visitor.asks("what is mk-7?")
    assert violations(visitor) == []


def test_the_log_has_its_role_and_controls_their_names(scene: New) -> None:
    visitor = scene().opens()
    expect(visitor.page.get_by_role("log", name="Conversation")).to_be_visible()
    expect(visitor.page.get_by_role("dialog", name="Calla")).to_be_visible()
    for name in ("Whom to call", "Menu", "Close the chat", "Send"):
        expect(visitor.page.get_by_role("button", name=name)).to_be_visible()
    expect(visitor.page.get_by_role("textbox", name="Type your question")).to_be_visible()
    expect(visitor.page.locator(".note")).to_contain_text("not a doctor. In an emergency, call 112.")


def test_the_focus_goes_through_the_chat_in_reading_order(scene: New) -> None:
    visitor = scene().opens()
    visitor.asks("what is mk-7?")
    visitor.page.get_by_role("button", name="Whom to call").focus()
    order = []
    for _ in range(24):
        order.append(
            visitor.page.evaluate("""() => {
          let e = document.activeElement;
          while (e.shadowRoot && e.shadowRoot.activeElement) e = e.shadowRoot.activeElement;
          return e.className || e.id || e.tagName;
        }""")
        )
        visitor.page.keyboard.press("Tab")
    kinds = [kind.split()[0] for kind in order]
    wanted = [*["icon-button"] * 3, "messages", *["reply"] * 3, *["A"], *["tool"] * 4, "reply", "TEXTAREA", "send"]
    at = 0
    for kind in kinds:
        if at < len(wanted) and kind == wanted[at]:
            at += 1
    assert at == len(wanted), order


@pytest.mark.parametrize("size", [(320, 568), (320, 256), (375, 812), (768, 1024), (1440, 900), (500, 320)])
def test_nothing_overflows_on_any_screen(scene: New, size: tuple[int, int]) -> None:
    visitor = scene(viewport={"width": size[0], "height": size[1]}).opens()
    visitor.asks("what is mk-7?")
    box = visitor.panel.bounding_box()
    assert box["x"] >= 0 and box["y"] >= 0
    assert box["x"] + box["width"] <= size[0] and box["y"] + box["height"] <= size[1]
    send = visitor.page.get_by_role("button", name="Send").bounding_box()
    assert send["x"] + send["width"] <= box["x"] + box["width"]
    assert send["y"] + send["height"] <= box["y"] + box["height"]
    assert visitor.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert visitor.page.locator(".messages").evaluate("e => e.scrollWidth <= e.clientWidth")


def test_text_can_be_twice_as_large(scene: New) -> None:
    # 200 % zoom of a 1000 pixel window is a 500 pixel window with twice the density.
    visitor = scene(viewport={"width": 500, "height": 380}, device_scale_factor=2).opens()
    visitor.page.evaluate("document.documentElement.style.fontSize = '32px'")
    visitor.asks("what is mk-7?")
    assert visitor.page.locator(".messages").evaluate("e => e.scrollWidth <= e.clientWidth")
    assert visitor.page.locator(".messages").bounding_box()["height"] > 60


@pytest.mark.parametrize(
    "name", ["Whom to call", "Menu", "Close the chat", "Send", "Copy this answer", "This answer helped"]
)
def test_controls_are_large_enough_to_hit(scene: New, name: str) -> None:
    visitor = scene().opens()
    visitor.asks("what is mk-7?")
    box = visitor.page.get_by_role("button", name=name).last.bounding_box()
    assert min(box["width"], box["height"]) >= 24


def test_right_to_left_is_mirrored(scene: New) -> None:
    visitor = scene().opens("/chat?lang=ar")
    visitor.asks("what is mk-7?")
    panel = visitor.panel
    assert panel.get_attribute("dir") == "rtl"
    send = visitor.page.get_by_role("button", name="إرسال").bounding_box()
    assert send["x"] < panel.bounding_box()["width"] / 2
    assert visitor.page.locator(".body").last.get_attribute("dir") == "ltr"


@pytest.mark.parametrize("lang, word", [("es", "Enviar"), ("fr", "Envoyer"), ("de", "Senden"), ("xx", "Send")])
def test_the_chrome_speaks_the_language_of_the_site(scene: New, lang: str, word: str) -> None:
    visitor = scene().opens(f"/chat?lang={lang}")
    expect(visitor.page.get_by_role("button", name=word)).to_be_visible()


def test_the_button_keeps_its_shape_with_the_focus(scene: New) -> None:
    visitor = scene().opens()
    visitor.page.keyboard.press("Escape")
    expect(visitor.launcher).to_be_focused()
    assert visitor.launcher.evaluate("e => e.matches(':focus-visible')")
    assert visitor.launcher.evaluate("e => getComputedStyle(e).borderRadius") == "28px"


def test_motion_can_be_reduced(scene: New) -> None:
    visitor = scene(reduced_motion="reduce").opens()
    writing_dots: Any = visitor.panel.evaluate("e => getComputedStyle(e).animationName")
    assert writing_dots == "none"


def test_forced_colours_keep_borders_and_focus(scene: New) -> None:
    visitor = scene(forced_colors="active").opens()
    visitor.asks("my report says BI-RADS 4")
    width = visitor.page.locator(".referral").first.evaluate("e => parseFloat(getComputedStyle(e).borderTopWidth)")
    assert width >= 2
    assert violations(visitor) == []


def test_a_printed_conversation_is_complete(scene: New) -> None:
    visitor = scene().opens()
    visitor.asks("what is mk-7?")
    visitor.asks("what are macrocalcifications?")
    visitor.page.emulate_media(media="print")
    expect(visitor.page.locator(".composer")).to_be_hidden()
    expect(visitor.launcher).to_be_hidden()
    assert visitor.page.locator(".messages").evaluate("e => getComputedStyle(e).overflowY") == "visible"
    last = visitor.page.locator(".answer").last.bounding_box()
    box = visitor.panel.bounding_box()
    assert last["y"] + last["height"] <= box["y"] + box["height"] + 1
    assert box["height"] > 760
