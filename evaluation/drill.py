"""Measure the three seconds: a crowd asks, attacks run beside it, every answer is timed.

    python -m evaluation.drill                      all attacks with a small crowd, then the large crowd
    python -m evaluation.drill crowd --seconds 300  200 conversations with pauses of 30 s
    python -m evaluation.drill long quotes          single attacks

It starts the bot as ``make run`` does, in production settings, on this machine only, and
speaks to it as the widget does: Socket.IO over a web socket, a refused message again when
the server says so. Each visitor has a network address of their own (as a proxy reports it).
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import random
import resource
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Iterable, Optional

import aiohttp

from calla.run import port_problem
from calla.settings import ROOT
from evaluation.attacks import ATTACKS, PORT, URL, headers

ACTION_PORT = 5955
# Seconds after which a message counts as lost.
PATIENCE = 60.0
LIMIT = 3.0


@dataclass
class Asked:
    """One message and what became of it.

    Attributes:
        text: the message.
        owes: whether it owes a referral.
        referral: seconds to the first referral; ``None`` if there was none.
        end: seconds to the end of the answer; ``None`` if it never came.
        refused: how often it was refused first.
    """

    text: str
    owes: bool
    referral: Optional[float] = None
    end: Optional[float] = None
    refused: int = 0


@dataclass
class Figures:
    """What a crowd was answered."""

    asked: list[Asked] = field(default_factory=list)

    def row(self, name: str) -> str:
        """Return a row of the table in docs/reliability.md."""
        owed = [one for one in self.asked if one.owes]
        seconds = [one.referral for one in owed if one.referral is not None]
        others = [one.end for one in self.asked if not one.owes and one.end is not None]
        late = sum(1 for value in seconds if value > LIMIT)
        lost = sum(1 for one in self.asked if one.end is None)
        refused = sum(1 for one in self.asked if one.refused)
        cells = [
            name,
            len(self.asked),
            len(owed),
            *_quantiles(seconds),
            late,
            len(owed) - len(seconds),
            *_quantiles(others),
            refused,
            lost,
        ]
        return "| " + " | ".join(str(cell) for cell in cells) + " |"


HEAD = (
    "| drill | messages | owing | referral p50 | p95 | p99 | max | late | none "
    "| other answers p50 | p95 | p99 | max | refused first | lost |\n|" + "---|" * 15
)


def _quantiles(values: list[float]) -> list[str]:
    if not values:
        return ["-"] * 4
    ordered = sorted(values)
    return [f"{ordered[min(len(ordered) - 1, int(share * len(ordered)))]:.2f}" for share in (0.5, 0.95, 0.99, 1)]


def _texts(file: str, key: str = "text") -> list[str]:
    lines = (ROOT / "tests" / file).read_text(encoding="utf-8").splitlines()
    return [str(json.loads(line)[key]) for line in lines if line.strip()]


class Visitor:
    """One window of the widget."""

    def __init__(self, client: aiohttp.ClientSession, figures: Figures) -> None:
        self._client = client
        self._figures = figures
        self._numbers = itertools.count()
        self._socket: Optional[aiohttp.ClientWebSocketResponse] = None
        self._events: dict[str, Callable[[Any], None]] = {}
        self._reader: Optional[asyncio.Task[None]] = None

    async def begin(self) -> None:
        """Begin a conversation and open the socket."""
        own = headers()
        async with self._client.post(f"{URL}/chat/session", json={}, headers=own) as answer:
            token = (await answer.json())["token"]
        address = f"{URL}/chat/socket.io/?EIO=4&transport=websocket"
        self._socket = await self._client.ws_connect(address, headers=own)
        await self._socket.send_str("40" + json.dumps({"token": token}))
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._socket is not None
        async for packet in self._socket:
            said = str(packet.data)
            if said == "2":
                await self._socket.send_str("3")
            elif said.startswith("42"):
                name, *data = json.loads(said[2:])
                self._events.get(name, lambda _: None)(data[0] if data else None)
            elif said.startswith("43"):
                self._events.get("ack", lambda _: None)(json.loads(said[said.index("[") :])[0])

    async def ask(self, text: str, owes: bool) -> None:
        """Ask and wait for the end of the answer, coming again as often as the server says."""
        assert self._socket is not None
        asked = Asked(text, owes)
        self._figures.asked.append(asked)
        turn = f"drill-{secrets.token_hex(6)}"
        began = time.monotonic()
        done = asyncio.Event()
        again: asyncio.Queue[float] = asyncio.Queue()

        def bot(message: dict[str, Any]) -> None:
            if message["turn"] == turn and message["name"].startswith("utter_referral") and asked.referral is None:
                asked.referral = time.monotonic() - began

        def ack(reply: dict[str, Any]) -> None:
            if not reply.get("ok"):
                asked.refused += 1
                again.put_nowait(float(reply.get("retry_after", 1.0)))

        self._events = {"bot": bot, "ack": ack, "done": lambda data: done.set() if data["turn"] == turn else None}
        while time.monotonic() - began < PATIENCE and not done.is_set():
            await self._socket.send_str(f"42{next(self._numbers)}" + json.dumps(["say", {"id": turn, "text": text}]))
            refused = asyncio.create_task(again.get())
            finished = asyncio.create_task(done.wait())
            await asyncio.wait({refused, finished}, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
            if finished.done():
                asked.end = time.monotonic() - began
            elif refused.done():
                await asyncio.sleep(refused.result())
            for waiting in (refused, finished):
                waiting.cancel()

    async def end(self) -> None:
        """Close the window."""
        if self._reader is not None:
            self._reader.cancel()
        if self._socket is not None:
            await self._socket.close()


async def crowd(client: aiohttp.ClientSession, number: int, pause: float, seconds: float) -> Figures:
    """Let ``number`` people ask for some time, each with pauses; every third message owes a referral."""
    rng = random.Random(1)
    owing, harmless = _texts("safety/referral_messages.jsonl"), _texts("nlu/dev/questions.jsonl")
    figures = Figures()
    until = time.monotonic() + seconds

    async def one() -> None:
        visitor = Visitor(client, figures)
        await asyncio.sleep(rng.uniform(0, min(pause, seconds / 2)))
        await visitor.begin()
        while time.monotonic() < until:
            owes = rng.random() < 1 / 3
            await visitor.ask(rng.choice(owing if owes else harmless), owes)
            await asyncio.sleep(rng.uniform(0.7, 1.3) * pause)
        await visitor.end()

    await asyncio.gather(*(one() for _ in range(number)))
    return figures


async def told_alone(client: aiohttp.ClientSession, texts: Iterable[str]) -> list[str]:
    """Ask each text by itself, in a conversation of its own; return those that get no referral either."""
    figures = Figures()
    for text in texts:
        visitor = Visitor(client, figures)
        await visitor.begin()
        await visitor.ask(text, True)
        await visitor.end()
    return [one.text for one in figures.asked if one.referral is None]


def processor_time(supervisor: int) -> tuple[float, float]:
    """Return the seconds that the bot's threads ran, and that they were ready to and had to wait for a core."""
    ran = waited = 0.0
    for child in Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split():
        if b"calla.server" in Path(f"/proc/{child}/cmdline").read_bytes():
            for thread in Path(f"/proc/{child}/task").iterdir():
                on, off, _ = (thread / "schedstat").read_text().split()
                ran, waited = ran + int(on) / 1e9, waited + int(off) / 1e9
    return ran, waited


async def drill(
    supervisor: int, names: list[str], people: int, pause: float, seconds: float, attack_seconds: float
) -> bool:
    """Run the drills and print the table; return whether every referral came in time and nothing was lost."""
    # No limit on connections, and no cookies: every visitor is somebody else.
    connector = aiohttp.TCPConnector(limit=0)
    well = True
    without: set[str] = set()
    before = processor_time(supervisor)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as client:
        print(HEAD, flush=True)
        for name in names:
            if name in ATTACKS:
                attack = asyncio.ensure_future(ATTACKS[name](client))
                figures = await crowd(client, 20, 5.0, attack_seconds)
                attack.cancel()
                await asyncio.gather(attack, return_exceptions=True)
            elif name == "writing without pause":
                figures = await crowd(client, 50, 0.0, attack_seconds)
            else:
                figures = await crowd(client, people, pause, seconds)
            print(figures.row(name), flush=True)
            without.update(one.text for one in figures.asked if one.owes and one.referral is None)
            well &= all(one.end is not None and (one.referral or 0.0) <= LIMIT for one in figures.asked)
        misread = await told_alone(client, sorted(without))
        print(f"\nwithout a referral: {len(without)} texts, of which {len(misread)} get none when asked alone either:")
        print("\n".join(f"  {text!r}{'' if text in misread else ' (alone it does)'}" for text in sorted(without)))
        well &= set(misread) == without
        async with client.get(f"{URL}/health") as answer:
            health = await answer.json()
    shown = ("referral_stand_ins", "handling_failures", "database_failures", "lost_saves", "unsaved_messages")
    print(f"\n/health afterwards: {', '.join(f'{key} {health.get(key)}' for key in shown)}")
    ran, waited = (now - then for now, then in zip(processor_time(supervisor), before, strict=True))
    print(f"the bot ran {ran:.0f} s and waited {waited:.0f} s for a core that something else had")
    print(f"load of the machine over the last minute: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    return well


def started(folder: str) -> subprocess.Popen[bytes]:
    """Start bot and action server as ``make run`` does; return when they answer.

    Raises:
        RuntimeError: if they do not.
    """
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("CALLA_", "SLACK_"))},
        "CALLA_PORT": str(PORT),
        "CALLA_ACTION_PORT": str(ACTION_PORT),
        "CALLA_DATA_FOLDER": folder,
        "CALLA_ENVIRONMENT": "production",
        "CALLA_SECRET": secrets.token_urlsafe(32),
        "CALLA_PROXIES": "1",
    }
    with (Path(folder) / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "calla.run"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=log
        )
    assert process.stdout is not None
    for line in process.stdout:
        if b"Calla answers at" in line:
            return process
    raise RuntimeError("Calla did not start.")


def main() -> int:
    """Run the drills that are named, or all; return 0 if every referral came in time and nothing was lost."""
    every = [*ATTACKS, "writing without pause", "crowd"]
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("drills", nargs="*", metavar="drill", help=f"which: {', '.join(every)} (default: all)")
    parser.add_argument("--people", type=int, default=200, help="conversations of the large crowd")
    parser.add_argument("--pause", type=float, default=30.0, help="seconds between two messages of a person")
    parser.add_argument("--seconds", type=float, default=300.0, help="length of the large crowd's drill")
    parser.add_argument("--attack-seconds", type=float, default=40.0, help="length of every other drill")
    options = parser.parse_args()
    if unknown := set(options.drills) - set(every):
        parser.error(f"no such drill: {', '.join(sorted(unknown))}")
    if problem := port_problem("127.0.0.1", PORT, "PORT"):
        parser.error(problem)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 8_192)), hard))
    with tempfile.TemporaryDirectory() as folder:
        process = started(folder)
        try:
            names = options.drills or every
            well = asyncio.run(
                drill(process.pid, names, options.people, options.pause, options.seconds, options.attack_seconds)
            )
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
    print("Every referral came within three seconds, nothing was lost." if well else "Not every bar was met.")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
