"""Websites of every kind: strict policies, loud styles, exchanged bodies, several tags. The chat works on all."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any, Callable

import pytest
from playwright.sync_api import expect
from scripted_server import ScriptedServer
from visitor import Visitor

New = Callable[..., Visitor]
Host = Callable[..., Visitor]
TAG = "<script src='/widget.js' nonce='n0nce' defer></script>"
TYPES = "require-trusted-types-for 'script'"
# Seconds; a request that nobody answers would hold the chat for longer.
GONE_WITHIN = 3.0
SOCKETS = "connect-src 'self' ws:; style-src 'none'"


@pytest.fixture
def host(meet: New, scripted: ScriptedServer) -> Host:
    """Visit a page that is made up here."""

    def visit(body: str = TAG, policy: str = "", head: str = "", **options: Any) -> Visitor:
        visitor = meet(**options)
        page = f"<!doctype html><html lang=en><head><title>Site</title>{head}</head><body><h1>Site</h1>{body}"
        headers = {"Content-Type": "text/html", **({"Content-Security-Policy": policy} if policy else {})}
        visitor.page.route("**/site.html", lambda route: route.fulfill(body=page, headers=headers))
        visitor.page.goto(f"{scripted.url}/site.html")
        return visitor

    return visit


def converses(visitor: Visitor) -> None:
    """Open the chat and get an answer."""
    visitor.launcher.click()
    visitor.ready()
    visitor.asks("what is mk-7?")


@pytest.mark.parametrize(
    "policy",
    [
        f"default-src 'none'; script-src 'nonce-n0nce'; {SOCKETS}",
        f"default-src 'none'; script-src 'nonce-n0nce' 'strict-dynamic'; {SOCKETS}",
        f"default-src 'none'; script-src 'nonce-n0nce'; {SOCKETS}; {TYPES}; trusted-types calla",
        f"script-src 'nonce-n0nce' 'strict-dynamic'; {SOCKETS}; {TYPES}",
    ],
)
def test_a_strict_policy(host: Host, policy: str) -> None:
    visitor = host(policy=policy)
    converses(visitor)


@pytest.mark.parametrize(
    "body",
    [
        "<script type=module src='/widget.js?title=Ada'></script>",
        "<script type=module>import '/widget.js?title=Ada'</script>",
        "<script>import('/widget.js?title=Ada')</script>",
        "<script type=module src='/widget.js' data-title=Ada></script>",
    ],
)
def test_modules(host: Host, body: str) -> None:
    visitor = host(body)
    expect(visitor.launcher).to_have_text("Ask Ada")
    converses(visitor)


def test_a_tag_inside_a_shadow_root(host: Host) -> None:
    visitor = host(
        "<div id=x></div><script>const s = document.createElement('script'); s.src = '/widget.js';"
        "s.dataset.title = 'Ada'; document.getElementById('x').attachShadow({mode: 'open'}).append(s)</script>"
    )
    expect(visitor.launcher).to_have_text("Ask Ada")
    converses(visitor)


def test_an_own_button_inside_a_component(host: Host) -> None:
    visitor = host(
        f"<div id=x></div>{TAG}<script>document.getElementById('x').attachShadow({{mode: 'open'}}).innerHTML ="
        "'<button data-calla-open>Questions?</button>'</script>"
    )
    visitor.page.get_by_role("button", name="Questions?").click()
    visitor.ready()


@pytest.mark.parametrize(
    "style",
    [
        "body { transform: translate(300px, 200px) scale(.5); overflow: hidden; height: 50px }",
        "* { all: unset !important }",
        "div, button, dialog { display: none !important; position: static !important; opacity: 0 !important }",
        ":root { --accent: red; --zoom: 9; filter: blur(0) } html > * { contain: paint; width: 10px !important }",
        "#calla-widget { inset: 0 !important; width: 100px !important; transform: scale(.1) !important }",
    ],
)
def test_styles_of_the_site(host: Host, style: str) -> None:
    visitor = host(head=f"<style>{style}</style>")
    box = visitor.launcher.bounding_box()
    assert box["x"] + box["width"] == pytest.approx(980, abs=2)
    assert box["y"] + box["height"] == pytest.approx(740, abs=2)
    converses(visitor)
    box = visitor.panel.bounding_box()
    assert (box["width"], box["height"]) == (420, 700)


def test_above_everything_of_the_site(host: Host) -> None:
    over = "<div style='position:fixed;inset:0;z-index:2147483647;background:#eee'>Cookies?</div>"
    converses(host(TAG + over))


def test_a_body_that_is_exchanged(host: Host) -> None:
    visitor = host()
    converses(visitor)
    # What Turbo does on a visit, the tag included.
    visitor.page.evaluate(
        """() => {
      const body = document.createElement('body');
      body.innerHTML = '<h1>Next</h1>';
      const script = document.createElement('script');
      script.src = '/widget.js';
      body.append(script);
      document.body.replaceWith(body);
    }"""
    )
    visitor.asks("and mk-4?")
    expect(visitor.page.locator(".panel")).to_have_count(1)
    # What htmx does.
    visitor.page.evaluate("document.body.innerHTML = '<h1>Third</h1>'")
    visitor.asks("and how much?")
    # Everything at once.
    visitor.page.evaluate(
        "document.documentElement.replaceChildren(document.createElement('head'), document.createElement('body'))"
    )
    visitor.asks("and when?")
    assert len(visitor.said()) == 4


def test_two_tags_are_one_chat(host: Host) -> None:
    visitor = host(TAG + TAG)
    converses(visitor)
    assert visitor.launcher.count() == 1
    assert any("already" in line for line in visitor.console)


def test_taken_away_and_put_back_nothing_is_left_over(host: Host) -> None:
    visitor = host()
    page = visitor.page
    session = page.context.new_cdp_session(page)
    ours: set[str] = set()
    # Playwright listens on the page as well: only what our files put there counts.
    session.on(
        "Debugger.scriptParsed",
        lambda script: ours.add(script["scriptId"]) if script["url"].split("?")[0].endswith(".js") else None,
    )
    session.send("Debugger.enable")

    def listeners() -> Counter[str]:
        """Count what listens on the page itself, where it outlives every element."""
        found: Counter[str] = Counter()
        for target in ("window", "document", "document.documentElement", "visualViewport"):
            thing = session.send("Runtime.evaluate", {"expression": target})["result"]["objectId"]
            heard = session.send("DOMDebugger.getEventListeners", {"objectId": thing})["listeners"]
            found.update(f"{target} {one['type']}" for one in heard if one["scriptId"] in ours)
        return found

    for n in range(4):
        converses(visitor)
        assert listeners()["document visibilitychange"] == 1
        page.evaluate("() => (window.gone ??= []).push(new WeakRef(document.getElementById('calla-widget')))")
        # The two ways to be taken away.
        page.evaluate("Calla.destroy()" if n % 2 else "document.getElementById('calla-widget').remove()")
        page.wait_for_function("() => !window.Calla")
        expect(visitor.panel).to_have_count(0)
        # socket.io listens once for all its connections.
        assert listeners() == {"window offline": 1, "window pagehide": 1}
        page.evaluate("sessionStorage.removeItem('calla:open')")
        page.evaluate(
            "() => { const s = document.createElement('script'); s.src = '/widget.js'; document.body.append(s); }"
        )
        visitor.launcher.wait_for()
    page.evaluate("Calla.destroy()")
    expect(visitor.launcher).to_have_count(0)
    assert page.evaluate("document.documentElement.style.overflow") == ""
    # No timer, request or socket holds on to what was taken away.
    session.send("HeapProfiler.collectGarbage")
    assert page.evaluate("gone.map((one) => one.deref() === undefined)") == [True] * 4


def test_taken_away_while_it_waits_it_waits_no_longer(host: Host) -> None:
    visitor = host()
    page = visitor.page
    page.route("**/chat/session", lambda route: None)
    with page.expect_request("**/chat/session"):
        visitor.launcher.click()
    page.evaluate("() => (window.gone = new WeakRef(document.getElementById('calla-widget')))")
    # Sooner than the request would have given up by itself.
    with page.expect_event("requestfailed", timeout=5_000):
        page.evaluate("Calla.destroy()")
    # What is done with a failed request is done a little after it is told of.
    browser, deadline = page.context.new_cdp_session(page), time.monotonic() + GONE_WITHIN
    while not page.evaluate("gone.deref() === undefined"):
        assert time.monotonic() < deadline, "something still holds the chat"
        browser.send("HeapProfiler.collectGarbage")
    page.unroute_all(behavior="ignoreErrors")


def test_the_page_can_steer_it(host: Host) -> None:
    visitor = host()
    visitor.launcher.wait_for()
    visitor.page.evaluate(
        "() => { window.log = []; for (const n of ['open', 'close', 'unread', 'destroy'])"
        " Calla.addEventListener(n, (e) => log.push(n)); }"
    )
    visitor.page.evaluate("Calla.ask('what is mk-7?')")
    visitor.waits_for(2)
    assert visitor.said() == ["what is mk-7?"]
    visitor.page.evaluate("Calla.close()")
    expect(visitor.panel).to_be_hidden()
    visitor.page.evaluate("Calla.open()")
    expect(visitor.panel).to_be_visible()
    visitor.page.evaluate("Calla.destroy()")
    expect(visitor.panel).to_have_count(0)
    assert visitor.page.evaluate("log") == ["open", "close", "open", "destroy"]


def test_names_of_the_site_stay_its_own(host: Host) -> None:
    visitor = host(
        "<script>window.Calla = 'theirs'; customElements.define('deep-chat', class extends HTMLElement {"
        "connectedCallback() { this.textContent = 'their chat' } })</script><deep-chat></deep-chat>"
        f"<div class=panel id=messages>theirs</div>{TAG}"
    )
    visitor.launcher.click()
    visitor.page.locator("dialog.panel .answer").wait_for()
    assert visitor.page.evaluate("Calla") == "theirs"
    expect(visitor.page.locator("deep-chat")).to_have_text("their chat")


def test_an_old_browser_gets_a_link(host: Host, scripted: ScriptedServer, meet: New) -> None:
    visitor = meet()
    visitor.page.add_init_script("CSS.supports = () => false")
    visitor.page.goto(scripted.url)
    link = visitor.page.get_by_role("link", name="Ask Calla")
    expect(link).to_have_attribute("href", f"{scripted.url}/chat")
    link.click()
    expect(visitor.page.get_by_text("Call your doctor or clinic")).to_be_visible()
    # The site's own button leads there, too.
    visitor.page.goto(scripted.url)
    visitor.page.locator("[data-calla-open]").click()
    visitor.page.wait_for_url("**/chat")
    expect(visitor.page.get_by_text("Call your doctor or clinic")).to_be_visible()


def test_a_policy_that_forbids_the_server_is_named(host: Host, scripted: ScriptedServer) -> None:
    visitor = host(policy="script-src 'self'; connect-src 'none'")
    visitor.launcher.click()
    visitor.page.locator(".trouble").wait_for()
    # At once, not after a wrong reason.
    text = visitor.page.locator(".trouble").inner_text()
    assert "not available on this website" in text
    assert "call your doctor or clinic" in text
    assert any("connect-src" in line and "Calla:" in line for line in visitor.console)
    visitor.complaints.clear()


@pytest.mark.parametrize(
    "address, policy, tag, says",
    [
        ("https://else.example/x", "", "", "does not let https://else.example in"),
        ("http://friend.example/x", "", "", "lets http://friend.example in"),
        ("http://www.friend.example/x", "", "", "with or without www"),
        ("http://friend.example/", "script-src 'self'; connect-src 'self'", "", "Add to connect-src"),
        ("http://friend.example/", "script-src 'self'", "", "keeps the script out"),
        ("http://friend.example/", "trusted-types default; script-src *", "", "Add to trusted-types"),
        ("http://friend.example/", "script-src 'nonce-x' 'strict-dynamic'", "", "give the tag the nonce"),
        ("http://friend.example/", "", "<script src='https://cdn.example/widget.js' data-titel='Ada'>", "data-titel"),
        ("http://friend.example/", "", "<script src='SERVER/widget.js' data-color='red'>", "must look like #1f6b66"),
        ("http://friend.example/", "", "<script src='SERVER/widget.js' data-title='Ada' defer>", "The tag is right"),
    ],
)
def test_the_page_for_integrators_says_what_is_wrong(
    meet: New, scripted: ScriptedServer, address: str, policy: str, tag: str, says: str
) -> None:
    visitor = meet()
    visitor.page.goto(f"{scripted.url}/embed-check")
    visitor.page.get_by_label("Address of the page").fill(address)
    visitor.page.get_by_label("Content-Security-Policy").fill(policy)
    visitor.page.get_by_label("The tag as it stands").fill(tag.replace("SERVER", scripted.url))
    visitor.page.get_by_role("button", name="Check").click()
    expect(visitor.page.locator("#findings")).to_contain_text(says)
    expect(visitor.page.locator("#findings")).to_contain_text("The server begins conversations")


def test_a_server_that_does_not_know_its_own_address_is_told_so(meet: New, scripted: ScriptedServer) -> None:
    visitor = meet()
    refusal = {"ok": False, "error": "origin_not_allowed"}
    visitor.page.route("**/chat/session", lambda route: route.fulfill(status=403, json=refusal))
    visitor.page.goto(f"{scripted.url}/embed-check")
    visitor.page.get_by_label("Address of the page").fill("http://friend.example/")
    visitor.page.get_by_role("button", name="Check").click()
    expect(visitor.page.locator("#findings .bad")).to_contain_text([f"CALLA_PUBLIC_ADDRESS={scripted.url}"])


def test_a_site_that_is_wider_than_the_phone(host: Host) -> None:
    """Phones lay out what is fixed as wide as the site; the chat stays on the screen."""
    phone = {"viewport": {"width": 320, "height": 640}, "is_mobile": True, "has_touch": True}
    head = "<meta name=viewport content='width=device-width, initial-scale=1'>"
    visitor = host(
        f"<div style='width:600px'>wide</div><button data-calla-open>Questions?</button>{TAG}", head=head, **phone
    )
    assert visitor.page.evaluate("innerWidth") > 500
    visitor.page.evaluate("Calla.open()")
    visitor.ready()
    box = visitor.panel.bounding_box()
    assert (box["x"], box["width"]) == (0, 320)
