"""The files in deploy/, exercised as an operator has them: the units' commands and the real nginx."""

from __future__ import annotations

import asyncio
import configparser
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from calla.channels.web.sockets import MAX_SOCKETS
from evaluation.services import Nginx
from tests.running import ROOT, SECRET, START_LIMIT, ServerProcess, free_port

UNITS = ("calla.service", "calla-actions.service")
NAME = "calla.example.org"


def unit(name: str) -> configparser.ConfigParser:
    parsed = configparser.ConfigParser(interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment,method-assign]
    parsed.read(ROOT / "deploy" / "systemd" / name)
    return parsed


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_restarts_what_ends_or_hangs(name: str) -> None:
    service = unit(name)["Service"]
    assert (service["Type"], service["Restart"]) == ("notify", "always")
    assert int(service["WatchdogSec"]) <= 60
    assert service["UMask"] == "0077" and service["NoNewPrivileges"] == "yes"
    assert int(unit("calla.service")["Service"]["LimitNOFILE"]) > MAX_SOCKETS


@pytest.mark.parametrize("name", UNITS)
def test_the_command_of_a_unit_tells_systemd_that_it_is_ready_and_alive(name: str, model: None, tmp_path: Path) -> None:
    service = unit(name)["Service"]
    python, *arguments = service["ExecStart"].split()
    assert python.startswith(service["WorkingDirectory"])
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(START_LIMIT)
        environment = {
            **os.environ,
            "CALLA_DATA_FOLDER": str(tmp_path),
            "CALLA_PORT": str(free_port()),
            "CALLA_ACTION_PORT": str(free_port()),
            "CALLA_ENVIRONMENT": "production",
            "CALLA_SECRET": SECRET,
            "NOTIFY_SOCKET": str(tmp_path / "notify"),
            "WATCHDOG_USEC": "1000000",
        }
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            said = [systemd.recv(100) for _ in range(4)]
            assert b"READY=1" in said[:2] and said.count(b"WATCHDOG=1") >= 2
            # A process that hangs says nothing any more.
            process.send_signal(signal.SIGSTOP)
            systemd.settimeout(3)
            with pytest.raises(TimeoutError):
                while True:
                    systemd.recv(100)
            process.send_signal(signal.SIGCONT)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(40)
    for line in (tmp_path / "log").read_text().splitlines():
        # One format: an object a line.
        assert {"event", "level", "timestamp"} <= set(json.loads(line)), line


@pytest.fixture(scope="module")
def behind_nginx(model: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Nginx, ServerProcess]]:
    settings = {
        "CALLA_ENVIRONMENT": "production",
        "CALLA_PROXIES": "1",
        "CALLA_PUBLIC_ADDRESS": f"https://{NAME}",
        "CALLA_API_TOKEN": "",
    }
    with ServerProcess(tmp_path_factory.mktemp("calla"), **settings) as server, Nginx({5005: server.port}) as nginx:
        yield nginx, server


@pytest.mark.asyncio
async def test_through_the_real_nginx(behind_nginx: tuple[Nginx, ServerProcess]) -> None:
    nginx, _ = behind_nginx
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    ours = {"Host": NAME, "Origin": f"https://{NAME}"}
    connector = aiohttp.TCPConnector(ssl=trusting)
    async with aiohttp.ClientSession(connector=connector) as client:
        for _ in range(100):
            try:
                async with client.get(f"{nginx.url}/", headers=ours) as page:
                    assert page.status == 200
                    assert page.headers.getall("Strict-Transport-Security") == ["max-age=31536000"]
                    assert "nginx/" not in page.headers.get("Server", "")
                break
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0.1)
        async with client.post(f"{nginx.url}/chat/session", json={}, headers=ours) as answer:
            assert answer.status == 200
            token = (await answer.json())["token"]
        # A page of another name, also one that was pointed at this machine.
        foreign = {"Host": NAME, "Origin": "https://evil.example"}
        async with client.post(f"{nginx.url}/chat/session", json={}, headers=foreign) as answer:
            assert answer.status == 403
        with pytest.raises(aiohttp.ClientError):
            await client.get(f"{nginx.url}/", headers={"Host": "evil.example"})
        async with client.post(f"{nginx.url}/chat/message", data=b"x" * 2_000_000, headers=ours) as answer:
            assert answer.status == 413
        async with client.get(f"http://127.0.0.1:{nginx.plain}/", headers=ours, allow_redirects=False) as answer:
            assert answer.headers["Location"] == f"https://{NAME}/"
        # The widget's socket, and a referral through it.
        address = f"{nginx.url}/chat/socket.io/?EIO=4&transport=websocket"
        async with client.ws_connect(address, headers=ours) as window:
            await window.send_str("40" + json.dumps({"token": token}))
            said = {"id": "message-1", "text": "my report says BI-RADS 5"}
            names: list[str] = []
            async for packet in window:
                if packet.data.startswith("40"):
                    await window.send_str("421" + json.dumps(["say", said]))
                elif packet.data.startswith('42["bot"'):
                    names.append(json.loads(packet.data[2:])[1]["name"])
                elif packet.data.startswith('42["done"'):
                    break
        assert names[0].startswith("utter_referral")
