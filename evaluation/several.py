"""Measure several server processes: messages a second against one, and memory over time.

    python -m evaluation.several compare --seconds 60     one process, then two
    python -m evaluation.several compare --share 0.4      the same, each with 40 % of a core and no more
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
from typing import Any, Iterator, Optional

import aiohttp

from calla.settings import ROOT
from evaluation.services import PostgreSQL, Redis, free_port
from evaluation.shares import Share, SharesError, seconds_used

HOST = "calla.example.org"
READY_LIMIT = 300.0
# One in four owes a referral.
TEXTS = ["what is vitamin k2", "are calcifications cancer", "my report says BI-RADS 5", "how much MK-7 should I take"]
SAMPLE_EVERY = 30.0
# Two processes must carry this many times one's messages a second, where each has cores of its own. On a machine
# with fewer than so many cores the crowd and the stores take those; there each process gets a share of one.
BAR, ENOUGH_CORES, SHARE = 1.7, 4, 0.4
PEOPLE_PER_CORE = 150
WARMING = 15.0
_ADDRESSES = itertools.count(1)


@dataclass
class Figures:
    """What came out.

    Attributes:
        seconds: of each message.
        since: when measuring began.
        answered: messages whose answer came within the time that is measured.
        late: answers with a referral that took more than three seconds.
        failed: messages without an answer.
        memory: resident megabytes of each process, from time to time.
        cores: that the server processes used, all together.
    """

    seconds: list[float] = field(default_factory=list)
    since: float = 0.0
    answered: int = 0
    late: int = 0
    failed: int = 0
    memory: list[list[int]] = field(default_factory=list)
    cores: float = 0.0

    def quantile(self, share: float) -> float:
        """Return a quantile of the seconds."""
        ordered = sorted(self.seconds) or [0.0]
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Installation:
    """Server processes with what they share.

    Args:
        number: how many.
        stack: ends everything.
        share: of a core for each, with an action server of its own; 0: no limit, and one action server for all.
    """

    def __init__(self, number: int, stack: ExitStack, share: float = 0.0) -> None:
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
            "DATABASE_URL": database.url,
            "REDIS_URL": redis.url,
        }
        self.ports = [free_port() for _ in range(number)]
        self.processes: list[subprocess.Popen[bytes]] = []
        self.actions: list[subprocess.Popen[bytes]] = []
        self.shares = [stack.enter_context(Share(share)) for _ in self.ports if share]
        for port in self.ports:
            if share or not self.actions:
                common["CALLA_ACTION_PORT"] = str(free_port())
                self.actions.append(self._start(stack, folder / f"actions-{port}.log", "calla.action_server", common))
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
        """Wait until all answer; from then on each has its share."""
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
        for number, share in enumerate(self.shares):
            share.take(self.processes[number].pid, self.actions[number].pid)

    def seconds_used(self) -> float:
        """Return the processor time that server processes and action servers have used."""
        return sum(seconds_used(one.pid) for one in self.processes + self.actions)

    def memory(self) -> list[int]:
        """Return the resident megabytes of each process."""
        page = os.sysconf("SC_PAGE_SIZE")
        return [int(Path(f"/proc/{one.pid}/statm").read_text().split()[1]) * page // 2**20 for one in self.processes]


@contextmanager
def installed(number: int, share: float = 0.0) -> Iterator[Installation]:
    """Give an installation and end it."""
    with ExitStack() as stack:
        yield Installation(number, stack, share)


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
        figures.answered += status == 200 and figures.since < time.monotonic() < until
        figures.failed += status != 200
        figures.seconds.append(took)
        figures.late += took > 3 and any("referral" in one["name"] for one in reply.get("messages", ()))
        await asyncio.sleep(pause * (0.5 + random.random()) if pause else 3.1)


async def crowd(house: Installation, people: int, seconds: float, pause: float, warming: float = 0.0) -> Figures:
    """Have people write for a time, and for some seconds before."""
    figures = Figures()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60)) as client:
        await house.ready(client)
        # Nobody is measured until everybody has come in and written for a while.
        figures.since = time.monotonic() + warming
        until = figures.since + seconds

        async def sample() -> None:
            await asyncio.sleep(warming)
            used, began = house.seconds_used(), time.monotonic()
            while time.monotonic() < until:
                figures.memory.append(house.memory())
                await asyncio.sleep(min(SAMPLE_EVERY, max(0.1, until - time.monotonic())))
            figures.memory.append(house.memory())
            figures.cores = (house.seconds_used() - used) / (time.monotonic() - began)

        await asyncio.gather(sample(), *(person(client, house.ports, until, pause, figures) for _ in range(people)))
    return figures


HEAD = ["processes", "people", "messages a second", "p50", "p95", "max", "referrals late", "unanswered", "cores", "MB"]


def compare(people: int, seconds: float, share: float) -> float:
    """Print how many messages a second one process and two can answer; return the ratio.

    One is measured with as many people as two, and with half of them, and its better figure counts: a crowd that
    is too large for one must not make it look slower than it is.

    Args:
        people: who write to two processes.
        seconds: of each of the three parts.
        share: of a core for each process with its action server; 0: no limit.
    """
    print("| " + " | ".join(HEAD) + " |\n|" + "---|" * len(HEAD))
    rates: dict[int, float] = {}
    for number, crowded in ((1, people // 2), (1, people), (2, people)):
        with installed(number, share) as house:
            figures = asyncio.run(crowd(house, crowded, seconds, 0.0, WARMING))
        rate = figures.answered / seconds
        rates[number] = max(rate, rates.get(number, 0.0))
        cells = [number, crowded, f"{rate:.1f}", *(f"{figures.quantile(part):.2f}" for part in (0.5, 0.95, 1))]
        cells += [figures.late, figures.failed, f"{figures.cores:.2f}", max(max(one) for one in figures.memory)]
        print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)
    each = f"each with {share:g} of a core and its own action server" if share else "no limits"
    times, load = rates[2] / rates[1], os.getloadavg()[0]
    print(f"\nTwo carry {times:.2f} times one ({each}; {os.cpu_count()} cores, load {load:.1f} at the end).\n")
    return times


def compare_as_this_machine_allows(people: int, seconds: float, share: Optional[float]) -> int:
    """Compare without limits and, on a machine without cores to spare, with shares too; return the exit status."""
    shares = [0.0] if share is None else [share]
    if share is None and (os.cpu_count() or 1) < ENOUGH_CORES:
        shares.append(SHARE)
    for one in shares:
        # So many people keep a process busy: the limit of a conversation is a message every three seconds.
        crowded = min(people or int(PEOPLE_PER_CORE * one * 2) or 240, 400)
        try:
            times = compare(crowded, seconds, one)
        except SharesError as problem:
            print(f"Shares cannot be given: {problem}. On fewer than {ENOUGH_CORES} cores this says little.")
            return 1
    return 0 if times >= BAR else 1


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
    parser.add_argument("--seconds", type=float, default=40.0, help="of each part of compare, at most 600")
    parser.add_argument("--share", type=float, help="of a core for each process, such as 0.4; 0: no limit")
    parser.add_argument("--minutes", type=float, default=30.0, help="of soak, at most 120")
    arguments = parser.parse_args()
    if arguments.drill == "compare":
        return compare_as_this_machine_allows(arguments.people, min(arguments.seconds, 600.0), arguments.share)
    return soak(min(arguments.people or 200, 400), min(arguments.minutes, 120.0))


if __name__ == "__main__":
    sys.exit(main())
