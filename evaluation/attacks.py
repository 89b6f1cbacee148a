"""What somebody may throw at Calla while others ask (``evaluation.drill``)."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import secrets
from typing import Awaitable, Callable

import aiohttp

PORT = 5905
URL = f"http://127.0.0.1:{PORT}"
_ADDRESSES = itertools.count(1)


def headers() -> dict[str, str]:
    """Return headers of a visitor with an address of their own."""
    number = next(_ADDRESSES)
    return {"X-Forwarded-For": f"10.{number // 65536 % 256}.{number // 256 % 256}.{number % 256}"}


async def _posts(client: aiohttp.ClientSession, text: Callable[[], str], every: float, addresses: int = 1) -> None:
    """Post messages for ever, ``every`` so many seconds, from one conversation after the other."""
    visitors = []
    for _ in range(addresses):
        own = headers()
        for _ in range(20):
            async with client.post(f"{URL}/chat/session", json={}, headers=own) as answer:
                reply = await answer.json()
            if reply.get("ok"):
                visitors.append({**own, "Authorization": f"Bearer {reply['token']}"})
    pending: set[asyncio.Task[None]] = set()

    async def post(own: dict[str, str]) -> None:
        body = {"id": f"attack-{secrets.token_hex(6)}", "text": text()}
        try:
            async with client.post(f"{URL}/chat/message", json=body, headers=own) as answer:
                await answer.read()
        except aiohttp.ClientError:
            pass

    try:
        for own in itertools.cycle(visitors):
            pending.add(asyncio.create_task(post(own)))
            pending = {task for task in pending if not task.done()}
            await asyncio.sleep(every)
    finally:
        for task in pending:
            task.cancel()


def _long_question() -> str:
    return ("what is the difference between vitamin k and k2, and how much of it is in cheese, " * 30)[:1_990]


def _words() -> str:
    return " ".join("".join(random.choices("abcdefghijklmnoprstuvw", k=7)) for _ in range(1_240))


def _signs() -> str:
    return "".join(chr(random.randrange(0x20, 0xD7FF)) for _ in range(10_000))


async def _packets(client: aiohttp.ClientSession) -> None:
    """Send packets that mean nothing through five open sockets, 25,000 a second."""

    async def one() -> None:
        own = headers()
        async with client.post(f"{URL}/chat/session", json={}, headers=own) as answer:
            token = (await answer.json())["token"]
        while True:
            try:
                address = f"{URL}/chat/socket.io/?EIO=4&transport=websocket"
                async with client.ws_connect(address, headers=own) as socket:
                    await socket.send_str("40" + json.dumps({"token": token}))
                    while True:
                        for _ in range(50):
                            await socket.send_str('42["nothing"]')
                        await asyncio.sleep(0.01)
            except (aiohttp.ClientError, OSError):
                await asyncio.sleep(1)

    await asyncio.gather(*(one() for _ in range(5)))


async def _broken_framing(client: aiohttp.ClientSession) -> None:
    """Send lengths that make a lenient reader loop."""
    while True:
        _, writer = await asyncio.open_connection("127.0.0.1", PORT)
        writer.write(b"POST /chat/message HTTP/1.1\r\nHost: localhost\r\nContent-Length: -2\r\n\r\n{}")
        await asyncio.sleep(0.1)
        writer.close()


async def _slow_connections(client: aiohttp.ClientSession) -> None:
    """Keep three hundred connections half open, a byte now and then."""

    async def one() -> None:
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", PORT)
                writer.write(b"POST /chat/message HTTP/1.1\r\nHost: localhost\r\n")
                while not writer.is_closing():
                    await asyncio.sleep(1)
                    writer.write(b"X")
                    await writer.drain()
            except OSError:
                await asyncio.sleep(0.5)

    await asyncio.gather(*(one() for _ in range(300)))


ATTACKS: dict[str, Callable[[aiohttp.ClientSession], Awaitable[None]]] = {
    "ligatures": lambda client: _posts(client, lambda: "\ufdfa" * 10_000, 0.5),
    "long": lambda client: _posts(client, _long_question, 0.5),
    "long from 20 addresses": lambda client: _posts(client, _long_question, 0.25, 20),
    "quotes": lambda client: _posts(client, lambda: '"' * 10_000, 0.5),
    "brackets": lambda client: _posts(client, lambda: "(" * 10_000, 0.5),
    "random words": lambda client: _posts(client, _words, 0.05),
    "signs of all scripts": lambda client: _posts(client, _signs, 0.05),
    "packets": _packets,
    "broken framing": _broken_framing,
    "slow connections": _slow_connections,
}
