"""Fixed shares of processor time for processes, by Linux control groups (both versions).

With them one server process and two can be compared on a machine that has not two cores to spare: each gets the
same part of a core, and what is measured is whether two do twice as much, not whether the machine has room.
"""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path

from typing_extensions import Self

MOUNT = Path("/sys/fs/cgroup")
# Microseconds within which a share is counted; short, so that a process which has used it up stands still briefly.
PERIOD = 50_000
# Seconds in which a group whose processes have ended can be removed.
REMOVAL = 10.0


class SharesError(RuntimeError):
    """Control groups cannot be written here."""


class Share:
    """A group of processes that get a part of a core together: no more, and no less because others want it too.

    Args:
        part: of one core, such as 0.4.

    Raises:
        SharesError: if this machine does not allow it.
    """

    def __init__(self, part: float) -> None:
        name, quota = f"calla-{secrets.token_hex(4)}", int(part * PERIOD)
        if (MOUNT / "cgroup.controllers").exists():
            self._folder = MOUNT / name
            values = {"cpu.max": f"{quota} {PERIOD}", "cpu.weight": "10000"}
        else:
            self._folder = MOUNT / "cpu" / name
            values = {"cpu.cfs_period_us": str(PERIOD), "cpu.cfs_quota_us": str(quota), "cpu.shares": "262144"}
        try:
            self._folder.mkdir()
            for file, value in values.items():
                (self._folder / file).write_text(value)
        except OSError as problem:
            if self._folder.is_dir():
                self._folder.rmdir()
            raise SharesError(f"control groups cannot be written here ({problem.strerror})") from None

    def take(self, *processes: int) -> None:
        """Put processes into the group, with all their threads."""
        for process in processes:
            (self._folder / "cgroup.procs").write_text(str(process))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        until = time.monotonic() + REMOVAL
        while True:
            try:
                self._folder.rmdir()
                return
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)


def seconds_used(process: int) -> float:
    """Return the processor time that a process has used, without its children."""
    # Behind the name, which may hold spaces, stand the fields from the third on.
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
