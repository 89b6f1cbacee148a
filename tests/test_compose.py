"""What deploy/compose.yml says, run as processes on loopback: its settings, secrets, commands and health checks."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from redis import AuthenticationError
from redis import Redis as Client

from evaluation.services import Nginx, PostgreSQL, Redis, free_port, program
from tests.running import ROOT, ServerProcess
from tests.several.house import FINDING, HOST, Person, http

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
SECRETS = "/run/secrets"


class ComposeRedis(Redis):
    """Redis by the command of the file, with its secret."""

    def __init__(self, place: Path) -> None:
        super().__init__()
        self.place = place

    def command(self) -> Sequence[str]:
        """Return the command, with the port and the place of secrets of this test."""
        shell, flag, line = (word.replace("$$", "$") for word in SERVICES["redis"]["command"])
        assert line.startswith("exec redis-server ")
        line = line.replace("exec redis-server", f"exec {program('redis-server')} --bind 127.0.0.1 --port {self.port}")
        return [shell, flag, line.replace(SECRETS, str(self.place))]


class Installation:
    """Everything in the file but the containers."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.secrets = folder / "secrets"
        self.secrets.mkdir()
        password = secrets.token_hex(24)
        self.write("redis_password", password)
        self.write("calla_database_password", secrets.token_hex(24))
        self.write("calla_secret", secrets.token_urlsafe(32))
        self.redis = ComposeRedis(self.secrets)
        stack.enter_context(self.redis)
        self.postgresql = stack.enter_context(PostgreSQL())
        self.write("redis_url", f"redis://:{password}@127.0.0.1:{self.redis.port}/0")
        self.write(
            "database_url", self.postgresql.url.replace("calla@", f"calla:{self.read('calla_database_password')}@")
        )
        self.servers = {name: self.server(name, folder, stack) for name in ("one", "other")}
        ports: dict[int | str, int] = {f"{name}:5005": server.port for name, server in self.servers.items()}
        self.nginx = stack.enter_context(Nginx(ports, upstream="upstream-compose.conf"))

    def write(self, name: str, value: str) -> None:
        """Make a secret, with a line's end as an editor leaves it."""
        assert name in COMPOSE["secrets"]
        (self.secrets / name).write_text(f"{value}\n")

    def read(self, name: str) -> str:
        """Return a secret."""
        return (self.secrets / name).read_text().strip()

    def server(self, name: str, folder: Path, stack: ExitStack) -> ServerProcess:
        """Return a server process with the settings of a service and no others."""
        known = {"CALLA_PUBLIC_ADDRESS": f"https://{HOST}"}
        settings = {
            setting: re.sub(r"\$\{(\w+):[?-][^}]*\}", lambda found: known.get(found[1], ""), value).replace(
                SECRETS, str(self.secrets)
            )
            for setting, value in SERVICES[name]["environment"].items()
        }
        # One machine for both, and none of them for others.
        settings |= {"CALLA_HOST": "127.0.0.1", "CALLA_API_TOKEN": "", "CALLA_SECRET": ""}
        server = ServerProcess(folder / "data", **{n: v for n, v in settings.items() if n != "CALLA_PORT"})
        server.log = folder / f"{name}.log"
        stack.callback(server.stop)
        return server

    def healthy(self, service: str, changes: dict[str, str]) -> bool:
        """Run the health check of a service; say whether it is content."""
        kind, *command = SERVICES[service]["healthcheck"]["test"]
        if kind == "CMD-SHELL":
            command = ["sh", "-c", command[0].replace("$$", "$")]
        for old, new in changes.items():
            command = [word.replace(old, new) for word in command]
        return subprocess.run(command, capture_output=True, timeout=60).returncode == 0


@pytest.fixture(scope="module")
def installation(model: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("compose")
    (folder / "data").mkdir()
    with ExitStack() as stack:
        made = Installation(folder, stack)
        for server in made.servers.values():
            server.begin()
        for server in made.servers.values():
            server.wait()
        yield made


def test_two_processes_answer_behind_nginx_with_secrets_from_files(installation: Installation) -> None:
    async def ask() -> None:
        async with http() as client:
            for _ in range(4):
                person = await Person(client).begin(installation.nginx.url)
                names = await person.insist(installation.nginx.url, FINDING)
                assert names[0].startswith("utter_referral")
                stored = installation.postgresql.sql(
                    "-c", f"SELECT count(*) FROM events WHERE sender_id = '{person.sender}'", database="calla"
                )
                assert int(stored) > 0

    asyncio.run(ask())
    for server in installation.servers.values():
        health = server.health()
        assert health["redis_works"] and health["database_works"]
        for name in COMPOSE["secrets"]:
            if (installation.secrets / name).exists():
                assert installation.read(name) not in server.log.read_text(errors="replace")


def test_redis_asks_for_its_password_and_keeps_nothing(installation: Installation) -> None:
    with pytest.raises(AuthenticationError):
        Client(port=installation.redis.port).ping()
    with Client.from_url(installation.read("redis_url")) as client:
        assert client.config_get("save") == {"save": ""} and client.config_get("appendonly") == {"appendonly": "no"}


def test_the_health_checks_tell_well_from_ill(installation: Installation) -> None:
    one = installation.servers["one"]
    python = {"python": sys.executable}
    assert installation.healthy("one", {**python, "127.0.0.1:5005": f"127.0.0.1:{one.port}"})
    assert not installation.healthy("one", {**python, "127.0.0.1:5005": f"127.0.0.1:{free_port()}"})
    cli = f"{program('redis-cli')} -p "
    assert installation.healthy(
        "redis", {"redis-cli ": f"{cli}{installation.redis.port} ", SECRETS: str(installation.secrets)}
    )
    assert not installation.healthy("redis", {"redis-cli ": f"{cli}{installation.redis.port} ", SECRETS: "/nowhere"})
    ready = {"pg_isready": program("pg_isready")}
    os.environ |= {"PGHOST": "127.0.0.1", "PGPORT": str(installation.postgresql.port)}
    try:
        assert installation.healthy("postgresql", ready)
        os.environ["PGPORT"] = str(free_port())
        assert not installation.healthy("postgresql", ready)
    finally:
        del os.environ["PGHOST"], os.environ["PGPORT"]


def test_the_role_of_the_database_gets_the_password_of_its_secret(installation: Installation) -> None:
    """The script that the image runs once, with the place of secrets of this test."""
    script = (ROOT / "deploy" / "postgresql" / "password.sh").read_text().replace(SECRETS, str(installation.secrets))
    environment = {**os.environ, "PGHOST": "127.0.0.1", "PGPORT": str(installation.postgresql.port)}
    done = subprocess.run(["bash", "-euc", script], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    kept = installation.postgresql.sql("-c", "SELECT rolpassword FROM pg_authid WHERE rolname = 'calla'")
    assert kept.startswith("SCRAM-SHA-256$") and installation.read("calla_database_password") not in kept
