"""What a message costs over REST: time, processor, crowds, long conversations, memory; both systems in turn."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import aiohttp

from evaluation.bench.messages import class_of
from evaluation.bench.processes import System

CROWDS = (1, 8, 64)
TURNS = (10, 100, 1_000)
# Messages asked in each of the long conversations when they have their length.
PROBES = 10
# Messages after which memory is looked at.
MESSAGES = 1_000
Tick = Callable[[int], object]


def latency(systems: Sequence[System], texts: Sequence[str], tick: Tick) -> list[dict[str, Any]]:
    """Ask every message of each system in turn, each in a new conversation.

    Returns:
        for each message: its class and words, and by system the milliseconds from message
        to answer and of processor time.
    """
    found = []
    for number, text in enumerate(texts):
        row: dict[str, Any] = {"class": class_of(text), "words": len(text.split())}
        # Who goes first changes: the second of a pair finds warmer caches of the processor.
        for system in systems if number % 2 else systems[::-1]:
            row[system.name] = one_message(system, text, uuid.uuid4().hex)
        found.append(row)
        tick(1)
    return found


def one_message(system: System, text: str, conversation: str) -> dict[str, float]:
    """Send a message; return the milliseconds on the clock and of processor time."""
    used, began = system.cpu_seconds(), time.perf_counter()
    system.ask(text, conversation)
    took = time.perf_counter() - began
    return {"ms": 1000 * took, "cpu_ms": 1000 * (system.cpu_seconds() - used)}


def crowd(system: System, clients: int, texts: Sequence[str], seconds: float) -> dict[str, float]:
    """Let some clients ask without pause; return messages per second and how long people wait."""
    return asyncio.run(_crowd(system, clients, texts, seconds))


async def _crowd(system: System, clients: int, texts: Sequence[str], seconds: float) -> dict[str, float]:
    waited: list[float] = []
    endless = itertools.cycle(texts)
    used = system.cpu_seconds()
    began = time.monotonic()

    async def one(session: aiohttp.ClientSession) -> None:
        while time.monotonic() < began + seconds:
            sent = time.monotonic()
            body = {"sender": uuid.uuid4().hex, "message": next(endless)}
            async with session.post(system.address, json=body) as answer:
                await answer.read()
                answer.raise_for_status()
            waited.append(1000 * (time.monotonic() - sent))

    timeout = aiohttp.ClientTimeout(total=120)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
        await asyncio.gather(*(one(session) for _ in range(clients)))
    took = time.monotonic() - began
    return {
        "per_second": len(waited) / took,
        "cpu_ms": 1000 * (system.cpu_seconds() - used) / len(waited),
        **spread(waited),
    }


def conversations(system: System, texts: Sequence[str], limit_s: float, tick: Tick) -> dict[str, Any]:
    """Measure a message in conversations of 10, 100 and 1,000 turns, one after the other in turn.

    Args:
        system: who is asked.
        texts: short messages.
        limit_s: seconds for making a conversation long; a slower one stays shorter and says so.
        tick: told of every turn.
    """
    lengths: dict[str, int] = {}
    endless = itertools.cycle(texts)
    for turns in TURNS:
        conversation, began = uuid.uuid4().hex, time.monotonic()
        for turn in range(turns):
            if time.monotonic() > began + limit_s:
                tick(turns - turn)
                break
            system.ask(next(endless), conversation)
            tick(1)
            lengths[conversation] = turn + 1
    took: dict[str, list[float]] = {conversation: [] for conversation in lengths}
    for text in texts[:PROBES]:
        for conversation, times in took.items():
            times.append(one_message(system, text, conversation)["ms"])
    return {str(lengths[each]): statistics.median(times) for each, times in took.items()}


def memory(system: System, texts: Sequence[str], tick: Tick) -> dict[str, Any]:
    """Ask the rest of 1,000 messages; return the megabytes that all its processes hold then."""
    for number, text in zip(range(MESSAGES), itertools.cycle(texts)):
        system.ask(text, f"memory-{number}")
        tick(1)
    held = system.memory()
    return {**held._asdict(), "parts": system.memory_of_parts()}


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return median and 95th percentile."""
    if len(values) < 2:
        return {"median": values[0], "p95": values[0]}
    return {"median": statistics.median(values), "p95": statistics.quantiles(values, n=20)[-1]}
