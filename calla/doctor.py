"""Say in two seconds what is wrong with settings, contacts, database, hand-off, disk and model (``make doctor``)."""

from __future__ import annotations

import os

from calla.settings import QUIET, Settings, SettingsError, read_settings

os.environ.update(QUIET)

import contextlib
import shutil
import stat
import sys
import time
from pathlib import Path
from typing import Callable, Iterator, Optional

import redis
import sqlalchemy as sa

from calla.database import engine_for
from calla.handoff.check import inbox_problem
from calla.http_guard import raise_descriptor_limit
from calla.keys import secret_key
from calla.model import ModelMissingError, latest_model
from calla.run import port_problem

# Megabytes below which a disk is as good as full.
LITTLE_SPACE = 500
# Descriptors for some thousand visitors.
DESCRIPTORS = 5_500

# What is wrong, if anything; a warning begins with "(".
Check = Callable[[Settings], Iterator[str]]


def contacts(config: Settings) -> Iterator[str]:
    """Contacts that referrals name only with a phrase."""
    names = {
        "emergency_number": "CALLA_EMERGENCY_NUMBER",
        "urgent_care_line": "CALLA_URGENT_CARE_LINE",
        "crisis_line": "CALLA_CRISIS_LINE",
        "poison_centre": "CALLA_POISON_CENTRE",
        "cancer_helpline": "CALLA_CANCER_HELPLINE",
        "breast_clinic_contact": "CALLA_BREAST_CLINIC_CONTACT",
    }
    unset = [variable for name, variable in names.items() if name not in config.contacts]
    if unset:
        yield f"(a phrase without a number stands in referrals for: {', '.join(unset)})"


def folder(config: Settings) -> Iterator[str]:
    """The data folder: there, ours alone, with space left."""
    place = config.data_folder
    try:
        place.mkdir(parents=True, exist_ok=True)
        secret_key(config)
    except OSError as error:
        yield f"CALLA_DATA_FOLDER {place} cannot be used: {error.strerror}."
        return
    if not os.access(place, os.W_OK):
        yield f"CALLA_DATA_FOLDER {place} cannot be written to."
    for file in (place / "secret", place / "erasures", place / "calla.db"):
        if file.is_file() and stat.S_IMODE(file.stat().st_mode) & 0o007:
            yield f"({file.name} in the data folder can be read by everybody on this machine: chmod o-rwx)"
    if strangers := not_the_owners(place):
        yield (
            f"In the data folder {', '.join(strangers)} belongs to another user than the folder, so Calla may not be "
            f"able to use it: chown --reference={place} {' '.join(str(place / name) for name in strangers)}"
        )
    free = shutil.disk_usage(place).free // 2**20
    if free < LITTLE_SPACE:
        yield f"Only {free} MB are free for data."


def not_the_owners(place: Path) -> list[str]:
    """Return the files of the data folder that belong to somebody else; the report may, Calla never reads it."""
    owner = place.stat().st_uid
    files = (file for file in sorted(place.iterdir()) if file.is_file() and file.name != "report.html")
    return [file.name for file in files if file.stat().st_uid != owner]


def database(config: Settings) -> Iterator[str]:
    """The database: a real write, and with SQLite whether the file is sound."""
    try:
        engine = engine_for(config.database)
        with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                sound = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
                if sound != "ok":
                    yield "The database file is damaged: stop Calla and put the last backup in its place."
                    return
            connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS doctor (seen INTEGER)")
            connection.execute(sa.text("INSERT INTO doctor VALUES (1)"))
            connection.exec_driver_sql("DROP TABLE doctor")
            if engine.dialect.name == "postgresql":
                yield from rights(connection)
    except sa.exc.SQLAlchemyError as error:
        kind = str(getattr(error, "orig", None) or type(error).__name__)
        yield f"The database does not work ({kind.splitlines()[0]}). Calla answers without it and stores nothing."


def handoff(config: Settings) -> Iterator[str]:
    """The hand-off to a person: whether its inbox answers, and knows the same secret."""
    if problem := inbox_problem(config):
        yield problem
    if config.handoff and not config.handoff_hours:
        yield "(CALLA_HANDOFF_HOURS is not set: visitors are told that Calla does not know if somebody is there)"


def rights(connection: sa.engine.Connection) -> Iterator[str]:
    """What PostgreSQL must allow, so that what is erased leaves its log too."""
    role = "pg_has_role(current_user, 'pg_checkpoint', 'member')"
    call = "has_function_privilege('pg_switch_wal()', 'execute')"
    if not connection.exec_driver_sql(f"SELECT {role} AND {call}").scalar():
        yield "(what is erased stays in PostgreSQL's log for a while: run deploy/postgresql/setup.sql)"
    elif connection.exec_driver_sql("SHOW wal_recycle").scalar() != "off":
        yield "(files of PostgreSQL's log are used again with what was erased in them: set wal_recycle = off)"


def shared(config: Settings) -> Iterator[str]:
    """Redis, if there is one: does it answer, and does it write to a disk."""
    if config.redis_url is None:
        return
    try:
        with redis.from_url(
            config.redis_url, socket_timeout=2, socket_connect_timeout=2, decode_responses=True
        ) as connection:
            connection.set("calla:doctor", "1", ex=1)
            with contextlib.suppress(redis.ResponseError):
                told = {**connection.config_get("save"), **connection.config_get("appendonly")}
                if told.get("save") or told.get("appendonly") == "yes":
                    yield '(Redis writes to a disk, and with it what people wrote: save "" and appendonly no)'
    except redis.RedisError as error:
        yield f"REDIS_URL does not work ({type(error).__name__}). Each process goes on by itself."


def model(_: Settings) -> Iterator[str]:
    """The model: there, whole, of the present state."""
    try:
        latest_model()
    except ModelMissingError as problem:
        yield str(problem)


def interpreter_problem(python: Path, root: int = 0) -> Optional[str]:
    """Return a sentence if Calla's Python lies below a folder that only root may enter."""
    for folder_above in python.resolve().parents:
        known = folder_above.stat()
        if known.st_uid == root and not known.st_mode & stat.S_IXOTH:
            return (
                f"Calla's Python lies below {folder_above}, which only root may enter, so no other user can run it: "
                "rm -r .venv; UV_PYTHON_INSTALL_DIR=/opt/calla-python make train"
            )
    return None


def machine(config: Settings) -> Iterator[str]:
    """Python, descriptors and ports."""
    if problem := interpreter_problem(Path(sys.executable)):
        yield f"({problem})"
    shortage = raise_descriptor_limit(DESCRIPTORS)
    if shortage:
        yield f"({shortage})"
    taken: Optional[str] = port_problem(config.host, config.port, "CALLA_PORT")
    if taken:
        yield f"({taken[:-1]}, unless that is Calla herself)"


CHECKS: dict[str, Check] = {
    "contacts": contacts,
    "data folder": folder,
    "database": database,
    "hand-off": handoff,
    "Redis": shared,
    "model": model,
    "machine": machine,
}


def main() -> int:
    """Check everything; returns 0 if nothing is wrong."""
    started = time.monotonic()
    os.umask(0o077)
    try:
        config = read_settings()
    except SettingsError as problem:
        print(f"settings      {problem}")
        return 1
    print("settings      ok")
    wrong = False
    for name, check in CHECKS.items():
        found = list(check(config))
        for problem_text in found or ["ok"]:
            print(f"{name:13} {problem_text}")
        wrong |= any(not text.startswith("(") for text in found)
    print(f"({time.monotonic() - started:.1f} s)")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
