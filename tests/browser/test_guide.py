"""What docs/widget.md promises to whoever follows it, and what /embed-check tells them."""

from __future__ import annotations

import re
from typing import Any, Callable

import pytest
from playwright.sync_api import Browser, Page, expect
from scripted_server import ScriptedServer
from visitor import Visitor

from calla.channels.web.files import with_contacts

New = Callable[..., Visitor]
Host = Callable[..., Visitor]
CLINIC = "Northside Breast Clinic on 555 0100"


@pytest.fixture
def host(meet: New, scripted: ScriptedServer) -> Host:
    """Visit a page with a tag that has these attributes."""

    def visit(attributes: str = "", **options: Any) -> Visitor:
        visitor = meet(**options)
        page = (
            "<!doctype html><html lang=en><meta name=viewport content='width=device-width'><title>Site</title>"
            f"<h1>Site</h1><script src='/widget.js' {attributes} defer></script>"
        )
        visitor.page.route("**/site.html", lambda route: route.fulfill(body=page, content_type="text/html"))
        visitor.page.goto(f"{scripted.url}/site.html")
        visitor.launcher.wait_for(state="attached")
        return visitor

    return visit


@pytest.mark.parametrize("lang", ["en", "ar"])
@pytest.mark.parametrize("position", ["left", "right"])
@pytest.mark.parametrize("size", [(390, 844), (844, 390)])
def test_on_a_phone_the_chat_fills_the_screen(host: Host, position: str, lang: str, size: tuple[int, int]) -> None:
    viewport = {"width": size[0], "height": size[1]}
    visitor = host(f"data-position={position} data-lang={lang}", viewport=viewport)
    visitor.launcher.click()
    visitor.ready()
    box = visitor.panel.bounding_box()
    assert (box["x"], box["y"], box["width"], box["height"]) == (0, 0, *size)


@pytest.mark.parametrize("size, opens", [((390, 844), False), ((844, 390), False), ((1000, 760), True)])
def test_it_opens_at_once_but_not_on_a_phone(host: Host, size: tuple[int, int], opens: bool) -> None:
    visitor = host("data-open=true", viewport={"width": size[0], "height": size[1]})
    if opens:
        visitor.ready()
        return
    visitor.page.wait_for_load_state("networkidle")
    expect(visitor.launcher).to_be_visible()
    expect(visitor.panel).to_have_count(0)


@pytest.mark.parametrize("argument", ["", "undefined", "null", "' '"])
def test_asking_nothing_only_opens(host: Host, scripted: ScriptedServer, argument: str) -> None:
    visitor = host()
    before = len(scripted.heard)
    visitor.page.evaluate(f"Calla.ask({argument})")
    visitor.ready()
    # What was said would stand before this and reach the server before it.
    visitor.asks("what is mk-7?")
    assert visitor.said() == scripted.heard[before:] == ["what is mk-7?"]


def test_it_is_told_once_that_the_chat_was_opened(host: Host) -> None:
    visitor = host()
    visitor.page.evaluate("() => { window.opened = 0; Calla.addEventListener('open', () => (opened += 1)); }")
    for number, question in enumerate(("what is mk-7?", "and mk-4?"), 1):
        visitor.page.evaluate(f"Calla.ask('{question}')")
        visitor.waits_for(1 + number)
    visitor.page.evaluate("Calla.open()")
    assert visitor.page.evaluate("opened") == 1
    visitor.page.evaluate("Calla.close()")
    visitor.page.evaluate("Calla.open()")
    visitor.page.wait_for_function("opened === 2")


def test_a_message_over_the_limit_is_not_to_be_sent_again(meet: New, scripted: ScriptedServer) -> None:
    visitor = meet().opens()
    scripted.refuse_after(0, wait=3.0)
    visitor.types("what is mk-7?")
    notice = visitor.page.locator(".notice")
    notice.wait_for()
    expect(visitor.page.locator(".delivery:visible")).to_contain_text("It will be sent in a moment")
    assert "has to wait a moment" in notice.inner_text()
    assert "send your question" not in notice.inner_text()
    visitor.waits_for(2)
    assert visitor.said() == ["what is mk-7?"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_where_the_chat_is_not_allowed_no_message_is_promised_to_be_sent(meet: New, when: str) -> None:
    visitor = meet()
    refusal = {"ok": False, "error": "origin_not_allowed"}
    pending: list[Any] = []
    visitor.page.route("**/chat/session", lambda route: pending.append(route))
    with visitor.page.expect_request("**/chat/session"):
        visitor.page.goto(f"{visitor.url}/chat")
    if when == "before":
        visitor.types("what is mk-7?")
        expect(visitor.page.locator(".delivery")).to_contain_text("Waiting for the connection")
    pending.pop().fulfill(status=403, json=refusal)
    expect(visitor.page.locator(".trouble")).to_contain_text("not available on this website")
    if when == "after":
        visitor.types("what is mk-7?")
    expect(visitor.page.locator(".delivery")).to_have_text("The chat is not available on this website.")
    visitor.page.unroute_all(behavior="ignoreErrors")


@pytest.mark.parametrize("path", ["/", "/chat"])
def test_without_javascript_it_says_whom_to_call(browser: Browser, scripted: ScriptedServer, path: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(scripted.url + path)
    names_whom_to_call(page)
    context.close()


def names_whom_to_call(page: Page) -> None:
    """The operator's emergency number and clinic stand on the page."""
    text = page.inner_text("body")
    assert re.search(r"n an emergency, call:?\s112", text)
    assert CLINIC in text


@pytest.mark.parametrize("path", ["/", "/chat"])
def test_in_an_older_browser_it_says_whom_to_call(meet: New, path: str) -> None:
    visitor = meet()
    visitor.page.add_init_script("CSS.supports = () => false")
    visitor.page.goto(visitor.url + path)
    names_whom_to_call(visitor.page)
    if path == "/chat":
        hrefs = [link.get_attribute("href") for link in visitor.page.get_by_role("link").all()]
        assert hrefs == ["tel:112", "tel:5550100"]


def test_in_an_older_browser_the_link_is_in_view_on_a_long_page(meet: New) -> None:
    visitor = meet()
    visitor.page.add_init_script("CSS.supports = () => false")
    tag = f"<script src='{visitor.url}/widget.js'></script>"
    page = f"<!doctype html><title>Site</title><div style='height:5000px'></div>{tag}"
    visitor.page.route("**/site.html", lambda route: route.fulfill(body=page, content_type="text/html"))
    visitor.page.goto(f"{visitor.url}/site.html")
    expect(visitor.page.get_by_role("link", name="Ask Calla")).to_be_in_viewport()


def test_its_own_page_is_as_the_site_has_set_it(host: Host) -> None:
    visitor = host("data-title=Ada data-color=#7a1f5c data-lang=es data-theme=dark")
    refusal = {"ok": False, "error": "origin_not_allowed"}
    visitor.page.route("**/chat/session", lambda route: route.fulfill(status=403, json=refusal))
    visitor.launcher.click()
    link = visitor.page.locator(".trouble a[href*='/chat?']")
    link.wait_for()
    address = str(link.get_attribute("href"))
    visitor.page.unroute_all()
    visitor.page.goto(address)
    expect(visitor.page.get_by_role("button", name="Enviar")).to_be_visible()
    expect(visitor.page.locator("h1")).to_have_text("Ada")
    expect(visitor.page).to_have_title("Ada")
    expect(visitor.panel).to_have_attribute("data-theme", "dark")
    assert visitor.page.locator("header").evaluate("e => getComputedStyle(e).backgroundColor") == "rgb(122, 31, 92)"


def test_a_contact_is_put_in_as_text_and_a_phrase_where_none_is_set() -> None:
    page = b'<p title="{a|}">{a|x} {b|your clinic} {c|}'
    assert with_contacts(page, {"a": '1<2"'}) == b'<p title="1&lt;2&quot;">1&lt;2&quot; your clinic '


def checks(visitor: Visitor, policy: str, tag: str) -> Any:
    """Have a page of an allowed site checked; return the findings."""
    page = visitor.page
    page.goto(f"{visitor.url}/embed-check")
    page.get_by_label("Address of the page").fill("http://friend.example/")
    page.get_by_label("Content-Security-Policy").fill(policy)
    page.get_by_label("The tag as it stands").fill(tag.replace("SERVER", visitor.url))
    page.get_by_role("button", name="Check").click()
    return page.locator("#findings")


def wrong(findings: Any) -> Any:
    """The crosses, but for the one that this test's site has earned: it is http."""
    return findings.locator(".bad", has_not_text="Your page is http")


TAG = "<script src='SERVER/widget.js' defer></script>"
FRAME = (
    '<iframe src="SERVER/chat?title=Ada&color=%237a1f5c" title="Ada" width="400" height="640" '
    'style="max-width:100%;border:0"></iframe>'
)


@pytest.mark.parametrize(
    "policy, tag, says",
    [
        ("script-src 'nonce-x'", TAG, "the tag has none"),
        ("script-src * 'nonce-x' 'strict-dynamic'", TAG, "the tag has none"),
        ("hello", TAG, "is no Content-Security-Policy"),
        ("frame-src 'self'", FRAME, "Add to frame-src"),
        ("", FRAME.replace("title=Ada&", "titel=Ada&"), "does not know titel"),
        ("", FRAME.replace("/chat", "/"), "this server's chat is"),
        ("", TAG.replace("defer", "data-position='top'"), "data-position can be left, right, not top"),
        ("", TAG.replace("defer", "data-theme='black'"), "data-theme can be auto, light, dark, not black"),
        ("", TAG.replace("defer", "data-open='yes'"), "data-open can be true, false, not yes"),
    ],
)
def test_the_check_finds(meet: New, policy: str, tag: str, says: str) -> None:
    findings = checks(meet(), policy, tag)
    expect(wrong(findings)).to_have_count(1)
    expect(wrong(findings)).to_contain_text(says)


@pytest.mark.parametrize(
    "policy, tag",
    [
        ("script-src 'nonce-x'; connect-src *", TAG.replace("defer", "nonce='x' defer")),
        ("script-src SERVER 'nonce-x'; connect-src *", TAG),
        ("default-src 'self'; frame-src SERVER", FRAME),
        ("script-src 'self'; connect-src 'self'; trusted-types x; frame-src SERVER", FRAME),
        ("Content-Security-Policy: upgrade-insecure-requests", TAG),
        ("", FRAME),
        ("", TAG.replace("defer", "data-position=left data-theme=dark data-open=true data-lang=ar")),
    ],
)
def test_the_check_finds_nothing_wrong(meet: New, policy: str, tag: str) -> None:
    visitor = meet()
    findings = checks(visitor, policy.replace("SERVER", visitor.url).replace("connect-src *", "connect-src * ws:"), tag)
    expect(findings.locator(".good")).not_to_have_count(0)
    expect(wrong(findings)).to_have_count(0)


def test_the_check_says_when_there_were_too_many(meet: New) -> None:
    visitor = meet()
    limited = {"ok": False, "error": "rate_limited", "retry_after": 600}
    visitor.page.route("**/chat/session", lambda route: route.fulfill(status=429, json=limited))
    bad = wrong(checks(visitor, "", TAG))
    expect(bad).to_contain_text("each check counts as one")
    expect(bad).to_contain_text("about 10 min")
