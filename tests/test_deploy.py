"""The files in deploy/, exercised as an operator has them: the units' commands and the real nginx."""

from __future__ import annotations

import asyncio
import configparser
import contextlib
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
import yaml

from calla.channels.web.sockets import MAX_SOCKETS
from calla.settings import Settings, unknown_problems
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
        systemd.settimeout(1)
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
            said: list[bytes] = []
            until = time.monotonic() + START_LIMIT
            while len(said) < 4:
                with contextlib.suppress(TimeoutError):
                    said.append(systemd.recv(100))
                assert process.poll() is None and time.monotonic() < until, (said, (tmp_path / "log").read_text())
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


def test_the_template_unit_is_the_single_unit_with_a_port() -> None:
    one, several = unit("calla.service")["Service"], unit("calla@.service")["Service"]
    assert several["ExecStart"] == f"/usr/bin/env CALLA_PORT=%i {one['ExecStart']}"
    assert {**several, "ExecStart": ""} == {**one, "ExecStart": ""}


def test_the_containers_are_closed_in() -> None:
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yml").read_text())
    assert {"one", "other", "postgresql", "redis", "nginx"} == set(compose["services"])
    for name, service in compose["services"].items():
        assert service["read_only"] is True and service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"] and service["healthcheck"]["test"], name
        if name != "nginx":
            assert not service["user"].startswith("0") and "ports" not in service, name
        for variable, value in service.get("environment", {}).items():
            assert not re.search("SECRET|TOKEN|PASSWORD|_URL", variable) or variable.endswith("_FILE"), variable
            if variable.endswith("_FILE"):
                assert value.removeprefix("/run/secrets/") in service["secrets"], variable
        assert set(service.get("secrets", ())) <= set(compose["secrets"]), name
    own = {name.removesuffix("_FILE") for name in compose["services"]["one"]["environment"]}
    known = {name for field in Settings.__fields__.values() for name in field.field_info.extra["env_names"]}
    assert own <= known
    copied = re.findall(r"^COPY ([^-].*) \./", (ROOT / "deploy" / "Dockerfile").read_text(), re.M)
    for name in " ".join(copied).split():
        assert name == "models" or (ROOT / name).exists(), name


@pytest.fixture
def links(tmp_path: Path) -> Path:
    """Two checkouts and a link to the first; a systemctl that notes what it is told, and a curl that asks it."""
    for name in ("old", "new", "broken"):
        (tmp_path / name / ".venv" / "bin").mkdir(parents=True)
        python = tmp_path / name / ".venv" / "bin" / "python"
        python.write_text("#!/bin/sh\necho Model: one\n")
        python.chmod(0o755)
    (tmp_path / "calla").symlink_to(tmp_path / "old")
    programs = {
        "systemctl": f'echo "$2 $(basename $(readlink {tmp_path}/calla))" >> {tmp_path}/told',
        "curl": f"test $(basename $(readlink {tmp_path}/calla)) != broken",
        "sleep": "true",
    }
    (tmp_path / "bin").mkdir()
    for name, does in programs.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path


@pytest.mark.parametrize(
    ("checkout", "status", "told", "left"),
    [
        ("new", 0, ["calla@5005 new", "calla@5006 new", "calla-actions new"], "new"),
        ("broken", 1, ["calla@5005 broken", "calla@5005 old", "calla@5006 old"], "old"),
    ],
)
def test_a_change_goes_one_process_at_a_time_and_back_if_one_does_not_get_ready(
    links: Path, checkout: str, status: int, told: list[str], left: str
) -> None:
    environment = {**os.environ, "PATH": f"{links}/bin:{os.environ['PATH']}", "LINK": str(links / "calla")}
    command = [str(ROOT / "deploy" / "change.sh"), str(links / checkout), "5005", "5006"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == status, done.stderr
    assert (links / "told").read_text().splitlines() == told
    assert (links / "calla").resolve().name == left
    if checkout == "broken":
        assert "journalctl -u calla@5005" in done.stderr and "all processes run from" in done.stderr


def test_without_systemd_what_is_started_inherits_nothing_that_calla_refuses(links: Path) -> None:
    program = links / "start"
    program.write_text(f"#!/bin/sh\nenv > {links}/inherited\nexit 0\n")
    program.chmod(0o755)
    environment = {"PATH": f"{links}/bin:{os.environ['PATH']}", "LINK": str(links / "calla"), "SYSTEMCTL": str(program)}
    command = [str(ROOT / "deploy" / "change.sh"), str(links / "new"), "5005", "5006"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    names = {line.partition("=")[0] for line in (links / "inherited").read_text().splitlines()}
    assert not unknown_problems(names) and not names & {"LINK", "SYSTEMCTL"}


def test_a_change_that_cannot_go_back_says_so(links: Path) -> None:
    (links / "bin" / "curl").write_text("#!/bin/sh\nfalse\n")
    environment = {**os.environ, "PATH": f"{links}/bin:{os.environ['PATH']}", "LINK": str(links / "calla")}
    command = [str(ROOT / "deploy" / "change.sh"), str(links / "new"), "5005", "5006"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and (links / "calla").resolve().name == "old"
    assert "did not work either" in done.stderr


def test_a_backup_without_the_noted_erasures_is_refused(tmp_path: Path) -> None:
    """As from a shell that does not know the service's data folder."""
    (tmp_path / "calla.db").touch()
    environment = {"PATH": os.environ["PATH"], "CALLA_DATA_FOLDER": str(tmp_path)}
    command = [str(ROOT / "deploy" / "backup.sh"), str(tmp_path / "backups")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "CALLA_DATA_FOLDER" in done.stderr
    assert not (tmp_path / "backups").exists()


def test_the_settings_to_copy_name_the_data_folder_of_the_units() -> None:
    """What is run by hand must find what the service keeps."""
    guide = (ROOT / "docs" / "operating.md").read_text()
    for name in (*UNITS, "calla@.service"):
        assert f"\n   {unit(name)['Service']['Environment']}\n" in guide
