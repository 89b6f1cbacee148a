"""A visitor of a page with Calla on it, and the websites that visitors come from."""

from __future__ import annotations

import functools
import http.server
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, Page, expect

# Milliseconds that anything on the page may take on a busy machine.
PATIENCE = 15_000
# Every point of the first line of the text belongs to the element: in the window, under nothing.
FIRST_LINE_IS_VISIBLE = """element => {
  const range = document.createRange();
  range.selectNodeContents(element.querySelector('span:not(.hidden)') || element);
  const line = range.getClientRects()[0];
  if (!line || line.width < 4 || line.height < 4) return false;
  const across = [0.05, 0.5, 0.95].map((part) => line.left + line.width * part);
  const down = [0.1, 0.5, 0.9].map((part) => line.top + line.height * part);
  const points = across.flatMap((x) => down.map((y) => [x, y]));
  return points.every(([x, y]) => {
    if (x < 0 || y < 0 || x >= innerWidth || y >= innerHeight) return false;
    const at = element.getRootNode().elementFromPoint(x, y);
    return at === element || element.contains(at);
  });
}"""


class Site:
    """A website on this machine that embeds Calla.

    Args:
        folder: where its pages are.
        port: port to serve them at.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self.url = f"http://localhost:{port}"
        self.folder = folder
        handler = functools.partial(_Quiet, directory=str(folder))
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def page(self, name: str, body: str, head: str = "") -> str:
        """Write a page; return its address."""
        text = f"<!doctype html><html lang=en><head>{head}<title>Site</title></head><body><h1>Site</h1>{body}"
        (self.folder / name).write_text(text)
        return f"{self.url}/{name}"

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Keep the tests' output clean."""


class Visitor:
    """A visitor of a page with Calla on it.

    Attributes:
        page: the page.
        console: what the page has written into the console.
        complaints: script errors and violations of the Content-Security-Policy.
        foreign: requests to anywhere but this machine.
    """

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.context = context
        self.url = url
        self.page: Page = context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.complaints: list[str] = []
        self.foreign: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.console: list[str] = []
        self.page.on("console", lambda m: self.console.append(m.text))
        self.page.on("console", lambda m: self.complaints.append(m.text) if "Content Security" in m.text else None)
        self.page.on("request", lambda r: self._look(r.url))

    def _look(self, url: str) -> None:
        if urlsplit(url).hostname not in ("localhost", "127.0.0.1") and not url.startswith("data:"):
            self.foreign.append(url)

    def opens(self, path: str = "/") -> Visitor:
        """Go to a page and open the chat."""
        self.page.goto(self.url + path)
        if path.startswith("/chat"):
            self.input.wait_for()
        else:
            self.launcher.click()
        self.ready()
        return self

    def prefers_large_text(self) -> None:
        """Have set text to 200 % in the browser, before the page is opened."""
        self.page.add_init_script(
            "addEventListener('DOMContentLoaded', () => (document.documentElement.style.fontSize = '32px'))"
        )

    def ready(self) -> None:
        """Wait for the welcome."""
        self.page.locator(".answer").first.wait_for()

    @property
    def launcher(self) -> Any:
        """The button on the page."""
        return self.page.locator("button.launcher")

    @property
    def panel(self) -> Any:
        """The chat."""
        return self.page.locator(".panel")

    @property
    def input(self) -> Any:
        """Where the visitor types."""
        return self.page.get_by_role("textbox")

    def types(self, text: str) -> None:
        """Type a message and press Enter, without waiting for the answer."""
        self.input.click()
        self.page.keyboard.insert_text(text)
        self.page.keyboard.press("Enter")

    def chooses(self, item: str) -> None:
        """Choose from the menu."""
        self.page.get_by_role("button", name="Menu").click()
        self.page.get_by_role("button", name=item).click()

    def asks(self, text: str, answers: int = 1) -> None:
        """Ask and wait until so many more messages of the bot have come."""
        before = self.page.locator(".answer, .referral").count()
        self.types(text)
        self.waits_for(before + answers)

    def waits_for(self, number: int) -> None:
        """Wait until the bot has sent so many messages in all."""
        self.page.locator(".answer, .referral").nth(number - 1).wait_for()
        expect(self.page.locator(".dots")).to_have_count(0)

    def sees(self, selector: str, number: int = 0) -> bool:
        """Whether the first line of an element is on the screen, and nothing lies over it."""
        return bool(self.page.locator(selector).nth(number).evaluate(FIRST_LINE_IS_VISIBLE))

    def comes_to_see(self, selector: str, number: int = 0) -> None:
        """Wait until the first line of an element is on the screen."""
        element = self.page.locator(selector).nth(number)
        element.wait_for(state="attached")
        self.page.wait_for_function(FIRST_LINE_IS_VISIBLE, arg=element.element_handle())

    def said(self) -> list[str]:
        """What the visitor has said, as the page shows it."""
        return [text.strip() for text in self.page.locator(".said").all_inner_texts()]

    def messages(self) -> list[str]:
        """The texts of the bot's messages, as the page shows them."""
        return [text.strip() for text in self.page.locator(".body").all_inner_texts()]
