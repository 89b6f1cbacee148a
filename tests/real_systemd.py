"""A real systemd with the units of deploy/systemd, in namespaces of its own: nothing of this machine is changed.

It sees the machine's files with changes of its own above /etc, /opt and /var/lib, is the first process among its
own, and has no units but ours and the targets that these need. The network is the machine's.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Optional

from typing_extensions import Self

from tests.running import ROOT

UNITS = ("calla@.service", "calla-actions.service")
NAMESPACES = ("--mount", "--pid", "--ipc", "--uts", "--cgroup")
LIMIT = 60.0
PATH = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
# As docs/operating.md has it: the checkout in /opt/calla-1, Python outside everybody's home, a user of Calla's own.
SET_UP = r"""
set -e
mount -t tmpfs tmpfs /run
for place in etc opt var/lib; do
  mkdir -p /run/above/$place /run/work/$place
  mount -t overlay overlay -o lowerdir=/$place,upperdir=/run/above/$place,workdir=/run/work/$place /$place
done
mkdir /opt/calla-1 /opt/calla-2 /opt/calla-python /run/venv /run/venv/bin /run/venv/lib
mount --bind "$PREFIX" /opt/calla-python
mount --bind "$ROOT/.venv/lib" /run/venv/lib
ln -s /opt/calla-python/bin/python3.10 /run/venv/bin/python
echo "home = /opt/calla-python/bin" > /run/venv/pyvenv.cfg
mount --rbind /run/venv "$ROOT/.venv"
for checkout in /opt/calla-1 /opt/calla-2; do mount --rbind "$ROOT" $checkout; done
ln -s /opt/calla-1 /opt/calla
echo /opt/calla-python/lib > /etc/ld.so.conf.d/calla.conf && ldconfig
userdel calla 2>/dev/null || true
useradd --system --home-dir /var/lib/calla calla
install -d -m 700 /etc/calla
install -m 600 "$ENVIRONMENT" /etc/calla/env
rm -rf /etc/systemd/system /var/lib/calla
mkdir -p /etc/systemd/system /run/units
for unit in $UNITS; do
  cp "$ROOT/deploy/systemd/$unit" /etc/systemd/system/
  mkdir "/etc/systemd/system/$unit.d"
  printf '[Service]\nStandardOutput=append:/run/log\nStandardError=inherit\n' > "/etc/systemd/system/$unit.d/log.conf"
done
for target in sysinit basic shutdown network multi-user; do
  printf '[Unit]\nDescription=%s\n' $target > /run/units/$target.target
done
# Of the control groups it sees those of its own alone.
mount -t tmpfs tmpfs /sys/fs/cgroup
mkdir /sys/fs/cgroup/systemd
mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd || {
  rmdir /sys/fs/cgroup/systemd; umount /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup; }
export container=lxc SYSTEMD_UNIT_PATH=/etc/systemd/system:/run/units
exec /lib/systemd/systemd --system --log-target=null --show-status=no --unit=multi-user.target
"""


class RealSystemd:
    """The service manager with Calla's units installed, as an operator has them.

    Args:
        folder: for the environment file.
        settings: what stands in /etc/calla/env.
    """

    def __init__(self, folder: Path, **settings: str) -> None:
        assert os.geteuid() == 0, "a service manager of its own needs root"
        assert shutil.which("systemctl"), "systemd is missing: Debian has it in the package systemd"
        self._environment = folder / "env"
        self._environment.write_text("".join(f'{name}="{value}"\n' for name, value in settings.items()))
        self._group = (
            Path("/sys/fs/cgroup/systemd") if Path("/sys/fs/cgroup/systemd").is_dir() else Path("/sys/fs/cgroup")
        )
        self._group /= f"calla-{os.getpid()}"
        self.first = 0
        self._process: Optional[subprocess.Popen[bytes]] = None

    def __enter__(self) -> Self:
        self._group.mkdir()
        variables = {
            **PATH,
            "ROOT": str(ROOT),
            "PREFIX": sys.base_prefix,
            "ENVIRONMENT": str(self._environment),
            "UNITS": " ".join(UNITS),
        }
        # The group first, so that its control groups are below this one and nothing else.
        script = f"echo $$ > {self._group}/cgroup.procs; exec unshare {' '.join(NAMESPACES)} --fork --mount-proc"
        script += ' bash -c "$0"'
        self._process = subprocess.Popen(["bash", "-c", script, SET_UP], env=variables, stdin=subprocess.DEVNULL)
        try:
            self.first = self._first_process()
            self._until(lambda: self.does("systemctl", "is-active", "multi-user.target").returncode == 0)
        except BaseException:
            self.__exit__()
            raise
        return self

    def _first_process(self) -> int:
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        self._until(lambda: bool(children.read_text().split()))
        return int(children.read_text().split()[0])

    def _until(self, what: object) -> None:
        until = time.monotonic() + LIMIT
        while not what():  # type: ignore[operator]
            assert self._process is not None and self._process.poll() is None, "it ended"
            assert time.monotonic() < until, "it did not start in time"
            time.sleep(0.1)

    def __exit__(self, *_: object) -> None:
        if self.first:
            # The first process of a namespace takes all others with it.
            os.kill(self.first, signal.SIGKILL)
        assert self._process is not None
        self._process.wait(LIMIT)
        for group in [*sorted(self._group.rglob("*/"), reverse=True), self._group]:
            if group.is_dir():
                group.rmdir()

    def does(self, *command: str, seconds: float = 200.0) -> subprocess.CompletedProcess[str]:
        """Run a command as root on that system."""
        inside = ["nsenter", "--target", str(self.first), *NAMESPACES, "--wd=/", *command]
        return subprocess.run(inside, capture_output=True, text=True, timeout=seconds, env=PATH)

    def says(self, *command: str) -> str:
        """Return what a command prints that succeeds."""
        done = self.does(*command)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{self.does('tail', '-n', '20', '/run/log').stdout}"
        return done.stdout.strip()

    def main_process(self, unit: str) -> int:
        """Return the id of a unit's main process on that system; 0 if it has none."""
        return int(self.says("systemctl", "show", "--property=MainPID", "--value", unit))
