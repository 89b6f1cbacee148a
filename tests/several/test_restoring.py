"""What was erased after a backup does not come back with it: through the real server and the scripts in deploy/."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from calla.database import engine_for
from calla.erased import Erased, main, name_of
from calla.erasure import Erasure, Tombstones
from calla.migrations import migrate
from evaluation.services import PostgreSQL
from tests.running import ROOT, SECRET, ServerProcess
from tests.several.house import Person, http
from tests.test_run import eventually

DAY = 24 * 3600


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQL]:
    with PostgreSQL() as running:
        yield running


def script(name: str, server: ServerProcess, *arguments: Path | str) -> str:
    """Run a script of deploy/ with the server's settings; return what it prints."""
    command = [str(ROOT / "deploy" / name), *map(str, arguments)]
    done = subprocess.run(command, env=server.environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def everything(server: ServerProcess, postgresql: PostgreSQL, kind: str) -> bytes:
    """Return every byte that the server and its database keep."""
    own = b"".join(file.read_bytes() for file in server.folder.rglob("*") if file.is_file())
    return own + (postgresql.bytes() if kind == "postgresql" else b"")


@pytest.mark.parametrize(("kind", "disk"), [("sqlite", "is lost"), ("postgresql", "is there")])
def test_what_was_erased_after_a_backup_goes_again_at_the_restore(
    model: None, kind: str, disk: str, postgresql: PostgreSQL, tmp_path: Path
) -> None:
    settings = {"DATABASE_URL": postgresql.url} if kind == "postgresql" else {}
    needle, kept = f"needle {kind} {disk}", f"kept {kind} {disk}"
    (tmp_path / "data").mkdir()
    backups = tmp_path / "backups"

    async def until_the_disk_breaks(server: ServerProcess) -> tuple[Person, Person, str]:
        async with http() as client:
            gone, stays, later = [await Person(client).begin(server.url) for _ in range(3)]
            for person, text in ((gone, needle), (stays, kept), (later, "what is mk-7")):
                await person.insist(server.url, f"what is mk-7 {text}")
            # Two of one second would have one name.
            backup = os.path.join(backups, "calla-before.tar")
            os.rename(script("backup.sh", server, backups), backup)
            assert (await gone.post(server.url, "erase", {}))[1]["message"]["name"] == "utter_erased"
            # The list that the next backup puts beside itself, as on any later day.
            script("backup.sh", server, backups)
            return gone, stays, backup

    with ServerProcess(tmp_path / "data", **settings) as server:
        gone, stays, backup = asyncio.run(until_the_disk_breaks(server))
    if disk == "is lost":
        for file in [*server.folder.glob("calla.db*"), *(server.folder / "erased").iterdir()]:
            file.unlink()
    said = script("restore.sh", server, backup)
    assert "1 erasures are known; 1 of them came back" in said
    assert needle.encode() in everything(server, postgresql, kind)
    server.start()
    try:
        eventually(lambda: server.health()["erasures_pending"] == 0)
        assert server.said(gone.sender) == [] and "utter_faq/what_is_mk7" in server.said(stays.sender)
        left = everything(server, postgresql, kind)
        assert needle.encode() not in left and gone.sender.encode() not in left and kept.encode() in left
    finally:
        server.stop()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder whose settings this process reads, with the conversations of a restored database."""
    for name in [name for name in os.environ if name.startswith(("CALLA_", "SLACK_", "DATABASE_", "REDIS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CALLA_DATA_FOLDER", str(tmp_path))
    monkeypatch.setenv("CALLA_SECRET", SECRET)
    migrate(engine_for(f"sqlite:///{tmp_path / 'calla.db'}"))
    with sqlite3.connect(tmp_path / "calla.db") as database:
        for number in range(400):
            database.execute(
                "INSERT INTO events (sender_id, type_name, data) VALUES (?, 'user', '{}')", (f"web_{number}",)
            )
        database.execute("INSERT INTO slack_conversations VALUES ('slack_1', 'x', 'T', 0)")
    return tmp_path


def apply(folder: Path, since: float = 0.0, noted: Path = Path("/nowhere")) -> list[str]:
    """Apply the list of a folder to its database; return what is then noted as still to be erased."""
    assert main([str(since), str(noted), str(folder / "erased")]) == 0
    return sorted(Tombstones(folder / "erasures").all())


def test_more_than_the_file_of_tombstones_holds(folder: Path) -> None:
    erased = Erased(folder / "erased", SECRET)
    for number in range(300):
        erased.add(f"web_{number}")
    erased.add("slack_1")
    assert len(apply(folder)) == 301
    # As the server opens it.
    assert len(Tombstones(folder / "erasures")) == 301


def test_what_is_said_after_an_erasure_and_before_the_backup_stays(folder: Path) -> None:
    """In Slack a conversation goes on under its name."""
    erased = Erased(folder / "erased", SECRET)
    erased.add("slack_1")
    backup = time.time() + 0.01
    time.sleep(0.02)
    erased.add("web_7")
    assert apply(folder, backup) == ["web_7"]


def test_what_was_noted_at_the_backup_and_what_was_noted_since_stay_noted(folder: Path, tmp_path: Path) -> None:
    Tombstones(tmp_path / "backup").add("web_at_the_backup")
    Tombstones(folder / "erasures").add("web_since")
    assert apply(folder, noted=tmp_path / "backup") == ["web_at_the_backup", "web_since"]


def test_nobody_can_be_told_from_the_list_and_a_line_that_was_cut_off_is_no_harm(folder: Path) -> None:
    erased = Erased(folder / "erased", SECRET)
    erased.add("web_7")
    (file,) = (folder / "erased").iterdir()
    assert file.stat().st_mode & 0o077 == 0 and (folder / "erased").stat().st_mode & 0o077 == 0
    assert "web_7" not in file.read_text() and name_of("web_7", "another key") not in file.read_text()
    file.write_text(f"half a li\n{file.read_text()}17")
    erased.add("web_8")
    assert apply(folder, time.time() + 60) == []
    assert apply(folder) == ["web_7", "web_8"]


def test_without_the_secret_it_says_so_and_makes_none(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Erased(folder / "erased", SECRET).add("web_7")
    monkeypatch.delenv("CALLA_SECRET")
    assert main(["0", "/nowhere", str(folder / "erased")]) == 2
    assert "CALLA_SECRET" in capsys.readouterr().err and not (folder / "secret").exists()


@pytest.mark.asyncio
async def test_the_list_goes_with_age(folder: Path) -> None:
    erased = Erased(folder / "erased", SECRET)
    erased.add("web_7")
    (file,) = (folder / "erased").iterdir()
    old = file.rename(file.with_name("2026-01-31"))
    erased.add("web_8")
    await erased.purge(time.time() - 30 * DAY)
    assert not old.exists() and apply(folder) == ["web_8"]


@pytest.mark.asyncio
async def test_a_tombstone_stays_until_the_erasure_is_in_the_list(tmp_path: Path) -> None:
    full = True

    def remember(_: str) -> None:
        if full:
            raise OSError(28, "No space left on device")

    erasure = Erasure(Tombstones(tmp_path / "erasures"), remember)
    # It is done, and said so; what is missing is only the line.
    assert await erasure.erase("web_7") is True
    assert erasure.pending("web_7")
    full = False
    await erasure.retry()
    assert not erasure.pending("web_7")
