"""The core conversation in Firefox."""

from __future__ import annotations

import json

import pytest
from firefox import ENTER, Firefox
from scripted_server import ANSWER, FINDING, ScriptedServer
from visitor import FIRST_LINE_IS_VISIBLE

pytestmark = pytest.mark.asyncio
ROOT = "document.getElementById('calla-widget').shadowRoot"
REPORT = (
    "a new group of fine pleomorphic calcifications over fourteen millimetres in the upper outer part of the breast "
    * 6
)


async def centre(window: Firefox, selector: str) -> tuple[float, float]:
    """Return the middle of an element."""
    await window.until(f"{ROOT}.querySelector('{selector}')?.getBoundingClientRect().width")
    code = f"JSON.stringify({ROOT}.querySelector('{selector}').getBoundingClientRect())"
    box = json.loads(await window.run(code))
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


async def says(window: Firefox, text: str) -> None:
    """Type a message into the field that has the focus, and send it."""
    await window.keys(text + ENTER)


@pytest.mark.parametrize("size", [(1000, 760), (390, 700), (320, 256)])
async def test_the_core_conversation(scripted: ScriptedServer, size: tuple[int, int]) -> None:
    scripted.script.update({"it is bi-rads 4": [FINDING, ANSWER], REPORT.strip(): [FINDING, ANSWER]})
    async with Firefox(size) as window:
        await window.goto(scripted.url)
        await window.click(*await centre(window, ".launcher"))
        await window.until(f"{ROOT}.querySelector('.answer')")
        assert await window.run(f"{ROOT}.activeElement?.localName") == "textarea"
        await says(window, "what is mk-7?")
        await window.until(f"{ROOT}.querySelectorAll('.answer').length === 2")
        await window.run(f"{ROOT}.querySelector('textarea').value = {json.dumps(REPORT)}")
        await window.keys(ENTER)
        # Lines that have been read out are taken away again.
        await window.until(f"{ROOT}.querySelector('.assertive p')?.textContent.startsWith('Please read this first')")
        await window.until(f"{ROOT}.querySelector('.turn:last-child .answer')")
        await window.until(f"({FIRST_LINE_IS_VISIBLE})({ROOT}.querySelector('.referral-heading'))")
        classes = (
            f"JSON.stringify([...{ROOT}.querySelectorAll('.turn:last-child .message')].map((m) => m.classList[1]))"
        )
        assert json.loads(await window.run(classes)) == ["user", "referral", "answer"]
        # A press on the way to the answer, then closed by key, open again: still there.
        await window.keys("\ue00c")
        assert await window.run(f"getComputedStyle({ROOT}.querySelector('.panel')).display") == "none"
        await window.click(*await centre(window, ".launcher"))
        await window.until(f"({FIRST_LINE_IS_VISIBLE})({ROOT}.querySelector('.referral-heading'))")
        await window.goto(scripted.url)
        await window.until(f"{ROOT}.querySelector('.launcher')")
        if size[0] <= 480:
            await window.click(*await centre(window, ".launcher"))
        await window.until(f"{ROOT}.querySelectorAll('.said').length === 2")
        await window.until(f"({FIRST_LINE_IS_VISIBLE})({ROOT}.querySelector('.referral-heading'))")
