"""Requests that can be read in two ways, and connections that trickle, on the bare port."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time

import aiohttp
import pytest
import rasa

from calla.http_guard import MOST_PACKETS, SILENT_SECONDS, framing_problem
from tests.running import API_TOKEN, ROOT, ServerProcess

pytestmark = pytest.mark.asyncio
BODY = b'{"sender":"framing","message":"hello"}'
HEAD = b"POST /webhooks/rest/webhook HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
TRACKER = b"/conversations/x/tracker?token=" + API_TOKEN.encode()
SOCKETS = b"/chat/socket.io/?EIO=4&transport=websocket"
VERSION = rasa.__version__.encode()
RIGHT = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY


async def talk(server: ServerProcess, request: bytes, patience: float = 20) -> bytes:
    """Send bytes; return all that comes until the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        writer.write(request)
        return await asyncio.wait_for(reader.read(), patience)
    finally:
        writer.close()


@pytest.mark.parametrize(
    "extra",
    [
        b"Content-Length: -2\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: 5\r\nContent-Length: 5\r\n",
        b"Content-Length: 5, 5\r\n",
        b"Content-Length: 0x5\r\n",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: identity\r\n",
        b"Host: elsewhere\r\n",
        b"Content-Length : 5\r\n",
        b"X-Folded: a\r\n b\r\n",
        b"X-Nul: a\x00b\r\n",
        b"No colon here\r\n",
        b"".join(b"X-%d: a\r\n" % n for n in range(100)),
    ],
)
async def test_ambiguous_framing_is_refused_and_the_server_lives(server: ServerProcess, extra: bytes) -> None:
    answer = await talk(server, HEAD + extra + b"\r\n" + BODY)
    assert answer.startswith(b"HTTP/1.1 400")
    # One answer: what follows the head is not taken for a second request.
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"nosniff" in answer and b"Traceback" not in answer
    assert server.health()["status"] == "ok"


@pytest.mark.parametrize(
    "line", [b"GET /health", b"GET  /health HTTP/1.1", b"get /health HTTP/1.1", b"GET /a\x00 HTTP/1.1"]
)
async def test_a_malformed_request_line_is_refused(server: ServerProcess, line: bytes) -> None:
    answer = await talk(server, line + b"\r\nHost: localhost\r\n\r\n")
    # An address that cannot even be quoted in an error page is answered with silence.
    assert answer.startswith(b"HTTP/1.1 400") or not answer
    assert server.health()["status"] == "ok"


@pytest.mark.parametrize("host", [b"", b"a b", b"a, b", b"a/b", b"user@a", b"\xc3\xa9"])
async def test_a_host_that_is_none_is_refused(server: ServerProcess, host: bytes) -> None:
    assert (await talk(server, b"GET /health HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")).startswith(b"HTTP/1.1 400")


async def test_a_request_without_a_host_is_refused() -> None:
    assert framing_problem(b"GET / HTTP/1.1\r\nAccept: */*") == "host"
    assert framing_problem(b"GET / HTTP/1.1\r\nHost: a\r\nAccept: */*") is None


async def test_ordinary_requests_pass_and_share_a_connection(server: ServerProcess) -> None:
    answer = await talk(server, RIGHT + b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200") == 2


@pytest.mark.parametrize(
    "begin", [b"", b"GET /hea", HEAD + b"Content-Length: 5000\r\n\r\n{"], ids=["silent", "in the head", "in the body"]
)
async def test_a_connection_that_trickles_is_closed(server: ServerProcess, begin: bytes) -> None:
    """A byte now and then buys no time, neither in the head nor in the body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    closed = asyncio.ensure_future(reader.read())
    writer.write(begin)
    started = time.monotonic()
    while not closed.done() and time.monotonic() - started < 40:
        await asyncio.wait({closed}, timeout=1)
        if begin and not closed.done():
            writer.write(b"x")
    assert closed.done()
    assert time.monotonic() - started < 20 + SILENT_SECONDS
    assert not (await asyncio.gather(closed, return_exceptions=True))[0] or begin
    writer.close()


async def test_a_web_socket_that_brings_more_packets_than_any_window_is_closed(server: ServerProcess) -> None:
    """Two million bytes of them from one visitor held everybody up for four seconds."""
    address = f"{server.url}/chat/socket.io/?EIO=4&transport=websocket"
    async with aiohttp.ClientSession() as client, client.ws_connect(address) as socket:
        for _ in range(MOST_PACKETS // 2):
            await socket.send_str('42["nothing"]')
        # Still open: it says whose it is, so that nobody closes it for its silence.
        async with client.post(f"{server.url}/chat/session", json={}) as answer:
            token = (await answer.json())["token"]
        await socket.send_str("40" + json.dumps({"token": token}))
        said = [str((await socket.receive(10)).data) for _ in range(2)]
        assert said[0].startswith("0{") and said[1].startswith("40{")
        with contextlib.suppress(OSError):
            for _ in range(2 * MOST_PACKETS):
                await socket.send_str('42["nothing"]')
        while (await socket.receive(10)).type not in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR):
            pass
    assert server.health()["status"] == "ok"


async def test_every_response_has_the_headers_and_no_version(server: ServerProcess) -> None:
    lines = [b"GET " + path for path in (b"/", b"/health", b"/metrics", b"/nothing", b"/chat/nothing", b"/version")]
    lines += [b"PUT /health", b"OPTIONS /chat/message", b"POST /model/parse", b"GET /conversations/x/tracker"]
    lines += [b"GET " + TRACKER + b"&include_events=x", b"GET /report", b"GET " + SOCKETS + b"&sid=x"]
    ends = [b"Connection: close\r\n\r\n", b"Content-Length: -2\r\n\r\n", b"Content-Length: 99999999\r\n\r\n"]
    requests = [line + b" HTTP/1.1\r\nHost: localhost\r\n" + ends[0] for line in lines]
    requests += [HEAD + end for end in ends[1:]]
    for request in requests:
        answer = (await talk(server, request)).lower()
        head = answer.partition(b"\r\n\r\n")[0]
        assert b"x-content-type-options: nosniff" in head, request
        assert b"cross-origin-opener-policy: same-origin" in head, request
        assert b"server:" not in head and b"sanic" not in answer, request
        assert VERSION not in answer and b'"version"' not in answer, request
        assert b"strict-transport-security" not in head, request


@pytest.mark.parametrize(
    ("line", "more", "status"),
    [
        (b"POST /chat/message", b"Authorization: Bearer a.\xff.c\r\nContent-Type: application/json\r\n", b"401"),
        (b"GET /report", b"Authorization: Bearer \xff\r\n", b"401"),
        (b"GET /conversations/x/tracker", b"Authorization: Bearer \xff\r\n", b"401"),
        (b"POST /model/parse?token=" + API_TOKEN.encode(), b"", b"400"),
        (b"GET " + SOCKETS, b"Upgrade: websocket\r\nConnection: Upgrade\r\n", b"400"),
    ],
)
async def test_a_mistake_is_the_clients_and_the_log_repeats_nothing_of_it(
    server: ServerProcess, line: bytes, more: bytes, status: bytes
) -> None:
    mark = b"&marmalade" if b"?" in line else b"?marmalade"
    request = line + mark + b" HTTP/1.1\r\nHost: localhost\r\n" + more + b"Content-Length: 2\r\n\r\n{}"
    assert (await talk(server, request)).startswith(b"HTTP/1.1 " + status)
    log = server.log.read_text()
    assert "marmalade" not in log and API_TOKEN not in log


async def test_too_few_descriptors_are_named_at_start() -> None:
    """In a process of its own: a limit that was lowered cannot be raised again."""
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (100, {hard}));"
        "from calla.http_guard import raise_descriptor_limit;"
        "print(raise_descriptor_limit(400), resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    said = []
    for hard in (200, 500):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program.format(hard=hard), cwd=ROOT, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await process.communicate()
        said.append(output.decode().strip())
    assert said[0].startswith("Only 200 files may be open at once, 400 are wanted") and said[0].endswith(" 200")
    assert said[1] == "None 400"
