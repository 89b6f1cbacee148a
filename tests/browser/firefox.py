"""Debian's Firefox, spoken to in WebDriver BiDi (W3C): Playwright needs a Firefox of its own."""

from __future__ import annotations

import asyncio
import itertools
import re
import tempfile
from pathlib import Path
from typing import Any, Optional

import aiohttp
from typing_extensions import Self

FIREFOX = "/usr/bin/firefox-esr"
ENTER = "\ue007"
# Nothing that a fresh profile would ask the network for.
PREFERENCES = {
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "toolkit.telemetry.server": "",
}
# Seconds that anything may take on a busy machine.
PATIENCE = 60


class Firefox:
    """A window of Firefox.

    Args:
        size: width and height of the page in pixels.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self._size = size
        self._numbers = itertools.count(1)
        self._context = ""
        self._profile = tempfile.TemporaryDirectory(prefix="calla-firefox-", ignore_cleanup_errors=True)
        lines = [
            f'user_pref("{name}", {str(value).lower() if value != "" else chr(34) * 2});'
            for name, value in PREFERENCES.items()
        ]
        Path(self._profile.name, "user.js").write_text("\n".join(lines), encoding="utf-8")

    async def __aenter__(self) -> Self:
        arguments = ["--headless", "--no-remote", "--profile", self._profile.name, "--remote-debugging-port", "0"]
        self._process = await asyncio.create_subprocess_exec(
            FIREFOX, *arguments, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
        )
        self._client = aiohttp.ClientSession()
        address = await asyncio.wait_for(self._address(), PATIENCE)
        self._socket = await self._client.ws_connect(f"{address}/session", max_msg_size=0)
        await self.call("session.new", {"capabilities": {}})
        self._context = (await self.call("browsingContext.getTree", {}))["contexts"][0]["context"]
        viewport = {"width": self._size[0], "height": self._size[1]}
        await self.call("browsingContext.setViewport", {"context": self._context, "viewport": viewport})
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._socket.close()
        await self._client.close()
        self._process.terminate()
        await self._process.wait()
        self._profile.cleanup()

    async def _address(self) -> str:
        assert self._process.stderr is not None
        while line := (await self._process.stderr.readline()).decode():
            if found := re.search(r"WebDriver BiDi listening on (ws://\S+)", line):
                return found.group(1)
        raise RuntimeError("Firefox ended before it listened.")

    async def call(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Send a command; return its result.

        Raises:
            RuntimeError: with Firefox's own words, if it refuses.
        """
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            answer = await asyncio.wait_for(self._socket.receive_json(), PATIENCE)
            if answer.get("id") == number:
                if answer["type"] == "error":
                    raise RuntimeError(f"{method}: {answer['message']}")
                return dict(answer["result"])

    async def goto(self, url: str) -> None:
        """Go to a page and wait until it is loaded."""
        await self.call("browsingContext.navigate", {"context": self._context, "url": url, "wait": "complete"})

    async def run(self, code: str) -> Any:
        """Run JavaScript (an expression; a promise is waited for); return plain values.

        Raises:
            RuntimeError: if it throws.
        """
        parameters = {"expression": code, "target": {"context": self._context}, "awaitPromise": True}
        result = await self.call("script.evaluate", parameters)
        if result["type"] == "exception":
            raise RuntimeError(result["exceptionDetails"]["text"])
        return result["result"].get("value")

    async def until(self, code: str) -> None:
        """Wait until JavaScript is true."""
        every_frame = (
            f"new Promise((done) => {{ const look = () => (({code}) ? done(true) : setTimeout(look, 50)); look(); }})"
        )
        await asyncio.wait_for(self.run(every_frame), PATIENCE)

    async def keys(self, text: str) -> None:
        """Press keys, as a person does."""
        actions = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
        source = {"type": "key", "id": "keyboard", "actions": actions}
        await self.call("input.performActions", {"context": self._context, "actions": [source]})

    async def click(self, x: float, y: float) -> None:
        """Press the mouse somewhere."""
        actions: list[dict[str, Any]] = [{"type": "pointerMove", "x": int(x), "y": int(y)}]
        actions += [{"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]
        source: dict[str, Optional[Any]] = {"type": "pointer", "id": "mouse", "actions": actions}
        await self.call("input.performActions", {"context": self._context, "actions": [source]})
