"""The real server, a browser, and two other websites: one that may embed Calla and one that may not."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright
from visitor import Site, Visitor

sys.path.insert(0, str(Path(__file__).parents[1] / "channels"))

from scripted_server import ScriptedServer
from web_server import RealServer

from tests.running import free_port

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Site]]:
    """A site that may embed Calla and one that may not."""
    both = Site(tmp_path_factory.mktemp("friend"), free_port()), Site(tmp_path_factory.mktemp("stranger"), free_port())
    yield both
    for site in both:
        site.close()


@pytest.fixture(scope="session")
def server(model: None, tmp_path_factory: pytest.TempPathFactory, sites: tuple[Site, Site]) -> Iterator[RealServer]:
    """The real server with the model of the present state."""
    with RealServer(
        tmp_path_factory.mktemp("data"),
        CALLA_ALLOWED_ORIGINS=sites[0].url,
        CALLA_SESSIONS_PER_HOUR="5000",
        CALLA_ADDRESS_MESSAGES_PER_MINUTE="2000",
        CALLA_EMERGENCY_NUMBER="112",
    ) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium. Per module: Playwright's loop must not outlive the module."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def scripted(sites: tuple[Site, Site]) -> Iterator[ScriptedServer]:
    """The channel alone, for what the whole bot cannot easily be brought to do."""
    with ScriptedServer(
        sessions_per_hour=5000, address_messages_per_minute=2000, allowed_origins="http://friend.example"
    ) as running:
        yield running


@pytest.fixture
def visitors(browser: Browser) -> Iterator[Callable[..., Visitor]]:
    """Make visitors; afterwards none may have met an error, a blocked or a foreign request."""
    made: list[Visitor] = []

    def new(url: str, **options: Any) -> Visitor:
        context = browser.new_context(**{"viewport": {"width": 1000, "height": 760}, **options})
        made.append(Visitor(context, url))
        return made[-1]

    yield new
    for visitor in made:
        complaints, foreign = visitor.complaints, visitor.foreign
        visitor.context.close()
        assert complaints == []
        assert foreign == []


@pytest.fixture
def visit(visitors: Callable[..., Visitor], server: RealServer) -> Callable[..., Visitor]:
    """Make visitors of the real server (or of the page that is named)."""
    return lambda url="", **options: visitors(url or server.url, **options)


@pytest.fixture
def meet(visitors: Callable[..., Visitor], scripted: ScriptedServer) -> Callable[..., Visitor]:
    """Make visitors of the scripted server (or of the page that is named)."""
    scripted.script.clear()
    scripted.stands = None
    return lambda url="", **options: visitors(url or scripted.url, **options)
