"""One tag on any site that the operator allows; none on others."""

from __future__ import annotations

from typing import Callable

from playwright.sync_api import expect
from visitor import Site, Visitor
from web_server import RealServer

New = Callable[..., Visitor]


def test_one_tag_is_enough(visit: New, server: RealServer, sites: tuple[Site, Site]) -> None:
    address = sites[0].page(
        "tag.html",
        f'<script src="{server.url}/widget.js" data-title="Nurse Ada" data-color="#7a1f5c" '
        'data-position="left"></script>',
    )
    visitor = visit(sites[0].url)
    visitor.page.goto(address)
    expect(visitor.launcher).to_have_text("Ask Nurse Ada")
    visitor.launcher.click()
    visitor.ready()
    visitor.asks("what is mk-7?")
    assert visitor.page.get_by_role("dialog", name="Nurse Ada").bounding_box()["x"] < 50
    assert visitor.page.locator("header").evaluate("e => getComputedStyle(e).backgroundColor") == "rgb(122, 31, 92)"


def test_a_site_that_is_not_allowed_is_told_so(visit: New, server: RealServer, sites: tuple[Site, Site]) -> None:
    visitor = visit(sites[1].url)
    visitor.page.goto(sites[1].page("tag.html", f'<script src="{server.url}/widget.js"></script>'))
    visitor.launcher.click()
    trouble = visitor.page.locator(".trouble")
    expect(trouble).to_contain_text("not available on this website")
    expect(trouble).to_contain_text("call your doctor or clinic")
    own = trouble.get_by_role("link", name="Open the chat on its own page").get_attribute("href")
    assert str(own).startswith(f"{server.url}/chat?title=Calla&")
    assert any(f"add {sites[1].url} to CALLA_ALLOWED_ORIGINS" in line for line in visitor.console)
    assert visitor.page.locator(".answer").count() == 0


def test_an_allowed_site_can_use_a_frame(visit: New, server: RealServer, sites: tuple[Site, Site]) -> None:
    visitor = visit(sites[0].url)
    visitor.page.goto(
        sites[0].page(
            "frame.html", f'<iframe title="Calla" width=400 height=600 src="{server.url}/chat?title=Ada"></iframe>'
        )
    )
    frame = visitor.page.frame_locator("iframe")
    frame.locator(".answer").first.wait_for()
    frame.get_by_role("textbox").click()
    visitor.page.keyboard.type("what is mk-7?")
    visitor.page.keyboard.press("Enter")
    expect(frame.locator(".answer").nth(1)).to_contain_text("menaquinone-7")
    expect(frame.locator("h1")).to_have_text("Ada")


def test_a_site_that_is_not_allowed_cannot_use_a_frame(
    visit: New, server: RealServer, sites: tuple[Site, Site]
) -> None:
    visitor = visit(sites[1].url)
    visitor.page.goto(sites[1].page("frame.html", f'<iframe title="Calla" src="{server.url}/chat"></iframe>'))
    visitor.page.wait_for_load_state("networkidle")
    assert visitor.page.frame_locator("iframe").locator("#calla-widget").count() == 0
    assert any("frame-ancestors" in complaint for complaint in visitor.complaints)
    visitor.complaints.clear()


def test_a_strict_policy_of_the_site_is_enough(visit: New, server: RealServer, sites: tuple[Site, Site]) -> None:
    own = server.url
    policy = f"default-src 'none'; script-src {own}; connect-src {own} {own.replace('http', 'ws')}; style-src 'none'"
    visitor = visit(sites[0].url)
    visitor.page.goto(
        sites[0].page(
            "strict.html",
            f'<script src="{own}/widget.js"></script>',
            head=f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        )
    )
    visitor.launcher.click()
    visitor.ready()
    visitor.asks("what is mk-7?")


def test_a_policy_that_forbids_the_server_is_named_at_once(
    visit: New, server: RealServer, sites: tuple[Site, Site]
) -> None:
    visitor = visit(sites[0].url)
    policy = f"script-src {server.url}; connect-src 'self'"
    head = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    visitor.page.goto(sites[0].page("forbids.html", f'<script src="{server.url}/widget.js"></script>', head=head))
    visitor.launcher.click()
    visitor.page.locator(".trouble").wait_for()
    assert "not available on this website" in visitor.page.locator(".trouble").inner_text()
    assert any("connect-src" in line and "Calla:" in line for line in visitor.console)
    visitor.complaints.clear()


def test_a_site_may_have_its_own_button(visit: New, server: RealServer, sites: tuple[Site, Site]) -> None:
    visitor = visit(sites[0].url)
    visitor.page.goto(
        sites[0].page(
            "own.html", f'<button data-calla-open>Questions?</button><script src="{server.url}/widget.js"></script>'
        )
    )
    visitor.page.get_by_role("button", name="Questions?").click()
    visitor.ready()


def test_the_styles_of_the_site_do_not_reach_in(visit: New, server: RealServer, sites: tuple[Site, Site]) -> None:
    visitor = visit(sites[0].url)
    visitor.page.goto(
        sites[0].page(
            "loud.html",
            "<style>html{font-size:8px} *{color:red!important;font-family:cursive!important} "
            f'button{{display:none!important}}</style><script src="{server.url}/widget.js"></script>',
        )
    )
    visitor.launcher.click()
    visitor.ready()
    text = visitor.page.locator(".body").first
    assert text.evaluate("e => getComputedStyle(e).color") != "rgb(255, 0, 0)"
    assert float(text.evaluate("e => parseFloat(getComputedStyle(e).fontSize)")) >= 16
