"""Which conversations have been erased, for the day on which a backup from before is restored.

A file for each day holds a line for each erasure: when, and a keyed hash, from which nobody can be told. After a
restore every conversation in the database is looked up in it; what was erased after the backup is noted as still to be
erased (``calla.erasure.Tombstones``), beside what was noted at the backup and since. The server erases it when it
starts. ``deploy/restore.sh`` calls

    python -m calla.erased SECONDS TOMBSTONES FOLDER...

with the time at which the backup was begun, its tombstones, and the folders where such lists are.
"""

from __future__ import annotations

from calla.settings import Settings, SettingsError, read_settings, silence_dependencies

silence_dependencies()

import os
import sys
import time
from pathlib import Path
from typing import Iterable

import sqlalchemy as sa

from calla.database import engine_for
from calla.erasure import ErasureError, Tombstones
from calla.keys import secret_key
from calla.records import hashed, utc

FOLDER, TOMBSTONES = "erased", "erasures"
# Where the database has conversations by name.
PLACES = (("events", "sender_id"), ("slack_conversations", "conversation"), ("handoffs", "conversation"))


class Erased:
    """The list of what has been erased.

    Args:
        folder: where its files are.
        key: key of the hash.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self._folder = folder
        self._key = key

    def add(self, conversation: str) -> None:
        """Write down that a conversation has been erased, on disk when this returns.

        Raises:
            OSError: if the disk refuses.
        """
        self._folder.mkdir(mode=0o700, exist_ok=True)
        # A line's end before it, too: what a crash has cut off must not run into it.
        line = f"\n{time.time():.3f} {name_of(conversation, self._key)}\n".encode()
        # One short piece at the end of the file: other processes may do the same.
        descriptor = os.open(self._folder / f"{utc():%Y-%m-%d}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            if os.write(descriptor, line) != len(line):
                raise OSError("the line was cut off")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    async def purge(self, before: float) -> None:
        """Delete what was written down before the day of a time (seconds since the epoch).

        What a backup could bring back of it is then deleted by age.
        """
        for file in self._folder.glob("????-??-??"):
            if file.name < f"{utc(before):%Y-%m-%d}":
                file.unlink(missing_ok=True)


def name_of(conversation: str, key: str) -> str:
    """Return what stands in the list for a conversation; another hash than in the records, so that none leads there."""
    return hashed(f"erased {conversation}", key)


def read(folders: Iterable[Path]) -> dict[str, float]:
    """Return when each name in such files was erased for the last time, seconds since the epoch."""
    times: dict[str, float] = {}
    for file in (file for folder in folders for file in folder.glob("????-??-??")):
        for line in file.read_text(encoding="ascii", errors="replace").splitlines():
            when, _, name = line.partition(" ")
            try:
                times[name] = max(float(when), times.get(name, 0.0))
            except ValueError:
                # Empty, or cut off by a crash.
                continue
    return times


def conversations(url: str) -> set[str]:
    """Return all conversations of a database."""
    engine = engine_for(url)
    there = set(sa.inspect(engine).get_table_names())
    with engine.connect() as connection:
        found = {
            name
            for table, column in PLACES
            if table in there
            for (name,) in connection.execute(sa.select(sa.column(column)).select_from(sa.table(table)).distinct())
        }
    # SQLite takes its other files away with the last connection; they would belong to whoever restores.
    engine.dispose()
    return found


def note_again(config: Settings, since: float, noted: Path, folders: Iterable[Path]) -> tuple[int, int]:
    """Note as still to be erased what a restore has brought back.

    Args:
        config: the settings.
        since: when the backup was begun, seconds since the epoch.
        noted: the tombstones of the backup.
        folders: where lists are.

    Returns:
        how many erasures are in the lists, and how many of them are noted now.

    Raises:
        SettingsError: if the key of the list is not known.
        ErasureError: if it cannot be noted.
    """
    erased = read(folders)
    back: list[str] = []
    if erased:
        if config.secret is None and not (config.data_folder / "secret").is_file():
            raise SettingsError('The secret is missing: set CALLA_SECRET, or put the file "secret" back.')
        key = secret_key(config)
        back = [name for name in conversations(config.database) if erased.get(name_of(name, key), 0.0) > since]
    before = Tombstones(noted).all() if noted.is_file() else []
    tombstones = Tombstones(config.data_folder / TOMBSTONES, room=len(back) + len(before))
    for conversation in [*before, *back]:
        tombstones.add(conversation)
    return len(erased), len(back)


def main(arguments: list[str]) -> int:
    """Have erased again what a restore has brought back; 2 if that cannot be done."""
    since, noted, *folders = arguments
    try:
        known, back = note_again(read_settings(), float(since), Path(noted), map(Path, folders))
    except (SettingsError, ErasureError, OSError, sa.exc.SQLAlchemyError) as problem:
        print(type(problem).__name__ if isinstance(problem, sa.exc.SQLAlchemyError) else problem, file=sys.stderr)
        return 2
    print(f"{known} erasures are known; {back} of them came back with the backup and go when Calla starts.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
