"""Measure several server processes: messages a second against one, and memory over time.

    python -m evaluation.several compare --seconds 60     one process, then two
    python -m evaluation.several soak --minutes 30        200 conversations, memory every half minute

It starts PostgreSQL, Redis and the server processes itself, on this machine only. People write by plain
requests, each to one process, as nginx would send them; its own limits for one address are left out.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import random
import secrets
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Iterator

import aiohttp

from calla.settings import ROOT
from evaluation.services import PostgreSQL, Redis, free_port

HOST = "calla.example.org"
READY_LIMIT = 300.0
# One in three owes a referral.
TEXTS = ["what is vitamin k2", "are calcifications cancer", "my report says BI-RADS 5", "how much MK-7 should I take"]
SAMPLE_EVERY = 30.0
_ADDRESSES = itertools.count(1)


@dataclass
class Figures:
    """What came out.

    Attributes:
        seconds: of each answered message.
        late: answers with a referral that took more than three seconds.
        failed: messages without an answer.
        memory: resident megabytes of each process, from time to time.
    """

    seconds: list[float] = field(default_factory=list)
    late: int = 0
    failed: int = 0
    memory: list[list[int]] = field(default_factory=list)

    def quantile(self, share: float) -> float:
        """Return a quantile of the seconds."""
        ordered = sorted(self.seconds) or [0.0]
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Installation:
    """Server processes with what they share.

    Args:
        number: how many.
        stack: ends everything.
    """

    def __init__(self, number: int, stack: ExitStack) -> None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="calla-several-")))
        database, redis = stack.enter_context(PostgreSQL()), stack.enter_context(Redis())
        common = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("CALLA_", "SLACK_"))},
            "CALLA_ENVIRONMENT": "production",
            "CALLA_SECRET": secrets.token_urlsafe(32),
            "CALLA_PROXIES": "1",
            "CALLA_PUBLIC_ADDRESS": f"https://{HOST}",
            "CALLA_DATA_FOLDER": str(folder),
            "CALLA_SESSIONS_PER_HOUR": "100000",
            "CALLA_ACTION_PORT": str(free_port()),
            "DATABASE_URL": database.url,
            "REDIS_URL": redis.url,
        }
        self.ports = [free_port() for _ in range(number)]
        self.processes: list[subprocess.Popen[bytes]] = []
        self._start(stack, folder / "actions.log", "calla.action_server", common)
        for port in self.ports:
            own = {**common, "CALLA_PORT": str(port)}
            self.processes.append(self._start(stack, folder / f"{port}.log", "calla.server", own))

    @staticmethod
    def _start(stack: ExitStack, log: Path, module: str, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", module], cwd=ROOT, env=environment, stdout=file, stderr=file
            )
        stack.callback(process.wait, 40)
        stack.callback(process.terminate)
        return process

    async def ready(self, client: aiohttp.ClientSession) -> None:
        """Wait until all answer."""
        until = time.monotonic() + READY_LIMIT
        for port in self.ports:
            while True:
                try:
                    async with client.get(f"http://127.0.0.1:{port}/health/ready") as answer:
                        if answer.status == 200:
                            break
                except aiohttp.ClientError:
                    pass
                if time.monotonic() > until:
                    raise TimeoutError("a process does not get ready")
                await asyncio.sleep(0.2)

    def memory(self) -> list[int]:
        """Return the resident megabytes of each process."""
        page = os.sysconf("SC_PAGE_SIZE")
        return [int(Path(f"/proc/{one.pid}/statm").read_text().split()[1]) * page // 2**20 for one in self.processes]


@contextmanager
def installed(number: int) -> Iterator[Installation]:
    """Give an installation and end it."""
    with ExitStack() as stack:
        yield Installation(number, stack)


async def person(client: aiohttp.ClientSession, ports: list[int], until: float, pause: float, figures: Figures) -> None:
    """Begin a conversation and write until the time is over."""
    number = next(_ADDRESSES)
    url = f"http://127.0.0.1:{ports[number % len(ports)]}"
    own = {"Host": HOST, "X-Forwarded-For": f"10.{number // 65536 % 256}.{number // 256 % 256}.{number % 256}"}

    async def post(call: str, body: Any) -> tuple[int, Any]:
        async with client.post(f"{url}/chat/{call}", json=body, headers=own) as answer:
            return answer.status, await answer.json(content_type=None)

    await asyncio.sleep(random.random() * pause)
    own["Authorization"] = f"Bearer {(await post('session', {}))[1]['token']}"
    for text in itertools.cycle(random.sample(TEXTS, len(TEXTS))):
        if time.monotonic() > until:
            return
        began, turn, status = time.monotonic(), uuid.uuid4().hex, 0
        reply: dict[str, Any] = {}
        while status != 200 and time.monotonic() - began < 60:
            try:
                status, reply = await post("message", {"id": turn, "text": text})
            except (aiohttp.ClientError, asyncio.TimeoutError, ValueError):
                status, reply = 0, {}
            if status != 200:
                await asyncio.sleep(reply.get("retry_after", 0.2))
        took = time.monotonic() - began
        figures.failed += status != 200
        figures.seconds.append(took)
        figures.late += took > 3 and any("referral" in one["name"] for one in reply.get("messages", ()))
        await asyncio.sleep(pause * (0.5 + random.random()) if pause else 3.1)


async def crowd(house: Installation, people: int, seconds: float, pause: float) -> Figures:
    """Have people write for a time."""
    figures = Figures()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60)) as client:
        await house.ready(client)
        until = time.monotonic() + seconds

        async def sample() -> None:
            while time.monotonic() < until:
                figures.memory.append(house.memory())
                await asyncio.sleep(min(SAMPLE_EVERY, max(0.1, until - time.monotonic())))

        await asyncio.gather(sample(), *(person(client, house.ports, until, pause, figures) for _ in range(people)))
        figures.memory.append(house.memory())
    return figures


def compare(people: int, seconds: float) -> None:
    """Print how many messages a second one process and two can answer."""
    rates = []
    print("| processes | messages a second | p50 | p95 | max | referrals late | unanswered | MB each |\n|" + "---|" * 8)
    for number in (1, 2):
        with installed(number) as house:
            figures = asyncio.run(crowd(house, people, seconds, 0.0))
        rates.append(len(figures.seconds) / seconds)
        cells = [number, f"{rates[-1]:.1f}", *(f"{figures.quantile(share):.2f}" for share in (0.5, 0.95, 1))]
        cells += [figures.late, figures.failed, max(max(one) for one in figures.memory)]
        print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)
    load = os.getloadavg()[0]
    print(f"\nTwo carry {rates[1] / rates[0]:.2f} times one ({os.cpu_count()} cores, load {load:.1f} at the end).")


def soak(people: int, minutes: float) -> int:
    """Let people write for minutes; print memory; returns 1 if it grows."""
    with installed(2) as house:
        figures = asyncio.run(crowd(house, people, minutes * 60, 30.0))
    for number, sizes in enumerate(figures.memory):
        print(f"{number * SAMPLE_EVERY / 60:5.1f} min  {' '.join(f'{size} MB' for size in sizes)}")
    print(
        f"{len(figures.seconds)} messages, p50 {figures.quantile(0.5):.2f} s, p95 {figures.quantile(0.95):.2f} s, "
        f"max {figures.quantile(1):.2f} s; {figures.late} referrals late, {figures.failed} unanswered."
    )
    # Caches fill in the first third.
    early, late = figures.memory[len(figures.memory) // 3], figures.memory[-1]
    grown = max(now - then for then, now in zip(early, late, strict=True))
    print(f"Grown since a third of the time: {grown} MB at most.")
    return 1 if grown > 50 or figures.failed else 0


def main() -> int:
    """Run a drill; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("drill", choices=["compare", "soak"])
    parser.add_argument("--people", type=int, default=0, help="at most 400")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each part of compare, at most 600")
    parser.add_argument("--minutes", type=float, default=30.0, help="of soak, at most 120")
    arguments = parser.parse_args()
    if arguments.drill == "compare":
        compare(min(arguments.people or 150, 400), min(arguments.seconds, 600.0))
        return 0
    return soak(min(arguments.people or 200, 400), min(arguments.minutes, 120.0))


if __name__ == "__main__":
    sys.exit(main())
