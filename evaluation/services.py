"""PostgreSQL, Redis and nginx as processes of tests and drills: free ports, temporary folders, no services."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence, Union

from typing_extensions import Self

from calla.settings import ROOT

# Seconds that one may take to start or to end.
LIMIT = 60


def free_port() -> int:
    """Return a port that nothing listened on a moment ago.

    Below those that Linux gives to outgoing connections (32768 and up): one of them could take
    it before whoever asked listens there.
    """
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", random.randrange(20_000, 32_000)))
            return int(probe.getsockname()[1])


def program(name: str) -> str:
    """Return the path of a program of Debian's, also of one that is not on everybody's PATH."""
    places = [Path("/usr/sbin"), *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    found = shutil.which(name) or next((str(place / name) for place in places if (place / name).is_file()), None)
    assert found, f"{name} is missing: scripts/system-packages.sh installs it"
    return found


class Service:
    """A process that can be killed and started again on the same port and folder.

    Attributes:
        port: where it listens.
        folder: what it keeps; removed at the end.
        ending: signal that ends it in order.
    """

    ending = signal.SIGTERM

    def __init__(self) -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="calla-test-"))
        self.user: Optional[str] = None
        self.process: Optional[subprocess.Popen[bytes]] = None

    def command(self) -> Sequence[str]:
        """Return what to run."""
        raise NotImplementedError

    def start(self) -> Self:
        """Start it and wait until it takes connections."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, cwd=self.folder, **self.owner())
        until = time.monotonic() + LIMIT
        while not self.answers():
            said = (self.folder / "log").read_text(errors="replace")[-2000:]
            assert self.process.poll() is None and time.monotonic() < until, said
            time.sleep(0.05)
        return self

    def owner(self) -> dict[str, Any]:
        """Return as whom it runs."""
        return {"user": self.user, "group": self.user, "extra_groups": []} if self.user else {}

    def answers(self) -> bool:
        """Say whether it takes connections."""
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        """End it at once, as a crash would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(LIMIT)

    def __enter__(self) -> Self:
        return self.start()

    def stop(self) -> None:
        """End it in order."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(self.ending)
            self.process.wait(LIMIT)

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Redis(Service):
    """A Redis that keeps nothing."""

    keeping = ("--save", "", "--appendonly", "no")

    @property
    def url(self) -> str:
        """Its address for ``REDIS_URL``."""
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> Sequence[str]:
        """Return what to run (see parent class)."""
        return [program("redis-server"), "--port", str(self.port), "--bind", "127.0.0.1", *self.keeping]


class PostgreSQL(Service):
    """A PostgreSQL that has been set up with the file in deploy/."""

    def __init__(self) -> None:
        super().__init__()
        if os.geteuid() == 0:
            # It refuses to run as root.
            self.user = "postgres"
            shutil.chown(self.folder, "postgres")
        self.data = self.folder / "data"
        make = [program("initdb"), "--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-sync"]
        subprocess.run([*make, "-D", str(self.data)], check=True, capture_output=True, cwd=self.folder, **self.owner())
        self.start()
        self.sql("-v", "ON_ERROR_STOP=1", "-f", str(ROOT / "deploy" / "postgresql" / "setup.sql"))
        self.stop()

    # "Fast": the ordinary signal waits until everybody has gone.
    ending = signal.SIGINT

    @property
    def url(self) -> str:
        """Its address for ``DATABASE_URL``."""
        return f"postgresql://calla@127.0.0.1:{self.port}/calla"

    def command(self) -> Sequence[str]:
        """Return what to run (see parent class)."""
        settings = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": self.folder}
        settings |= {"max_connections": 60, "shared_buffers": "32MB", "lc_messages": "C"}
        return [program("postgres"), "-D", str(self.data), *(f"--{name}={value}" for name, value in settings.items())]

    def answers(self) -> bool:
        """Say whether it takes connections; while it recovers it does not."""
        ready = [program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(ready, check=False).returncode == 0

    def kill(self) -> None:
        """End it and its children at once, as a power cut would."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        super().kill()
        for child in children:
            try:
                os.kill(int(child), signal.SIGKILL)
            except ProcessLookupError:
                continue

    def sql(self, *arguments: str, user: str = "postgres", database: str = "postgres") -> str:
        """Run psql; return what it prints."""
        command = [program("psql"), "-h", "127.0.0.1", "-p", str(self.port), "-U", user, "-d", database, "-XAtq"]
        done = subprocess.run([*command, *arguments], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def bytes(self) -> bytes:
        """Return the bytes of every file that it keeps."""
        self.sql("-c", "CHECKPOINT")
        return b"".join(file.read_bytes() for file in self.folder.rglob("*") if file.is_file())


class Nginx(Service):
    """The real nginx with the files of deploy/nginx, their ports and paths put in.

    Args:
        ports: of the server processes behind it, by their number in those files, or by name and number.
        host: name that its certificate is for.
        upstream: which file names those processes; by default by their number.
    """

    def __init__(
        self, ports: Mapping[Union[int, str], int], host: str = "calla.example.org", upstream: str = ""
    ) -> None:
        super().__init__()
        self._upstream = upstream
        self.plain = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        key = f"-keyout {self.folder}/key.pem -out {self.folder}/fullchain.pem"
        subprocess.run(
            f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={host} {key}".split(),
            check=True,
            capture_output=True,
        )
        self.configure(ports)

    def configure(self, ports: Mapping[Union[int, str], int]) -> None:
        """Write its configuration."""
        folder = ROOT / "deploy" / "nginx"
        upstream = self._upstream or ("upstream-one.conf" if len(ports) == 1 else "upstream-several.conf")
        addresses = {place if isinstance(place, str) else f"127.0.0.1:{place}": port for place, port in ports.items()}
        text = (folder / upstream).read_text() + (folder / "calla.conf").read_text()
        changes = [
            (r"listen 443", f"listen 127.0.0.1:{self.port}"),
            (r"listen 80;", f"listen 127.0.0.1:{self.plain};"),
            (r"/etc/ssl/calla", str(self.folder)),
            (r"/var/log/nginx", str(self.folder)),
            *((rf"\b{re.escape(place)}\b", f"127.0.0.1:{port}") for place, port in addresses.items()),
        ]
        for pattern, value in changes:
            text, number = re.subn(pattern, value, text)
            assert number, pattern
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = "".join(f"{kind}_temp_path {self.folder}/{kind};" for kind in kinds)
        (self.folder / "nginx.conf").write_text(
            f"daemon off; pid {self.folder}/pid; error_log {self.folder}/error.log; "
            f"events {{ worker_connections 1024; }} http {{ {temporary}\n{text}\n}}"
        )

    def reload(self) -> None:
        """Have it read its configuration again, without losing a connection."""
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)

    def command(self) -> Sequence[str]:
        """Return what to run (see parent class)."""
        return [program("nginx"), "-p", str(self.folder), "-c", str(self.folder / "nginx.conf")]
