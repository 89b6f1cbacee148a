"""``make report``: what people asked and did not get, as one page (``var/report.html``)."""

from __future__ import annotations

from calla.settings import Settings, SettingsError, read_settings, silence_dependencies

silence_dependencies()

import argparse
import os
import sys
from datetime import date

import sqlalchemy as sa

from calla.content.files import ROOT, Entry, read
from calla.database import engine_for
from calla.model import MODELS
from calla.reporting import figures
from calla.reporting.clusters import Map
from calla.reporting.page import page
from calla.understanding.encoder import load_encoder

DAYS = 30


def report(config: Settings, days: int) -> str:
    """Return the report of the last days."""
    counted = figures.read(_read_only(config.database), days)
    entries = all_entries()
    clusters = Map(load_encoder(), entries, MODELS).clusters(counted.questions) if counted.questions else []
    return page(counted, clusters, entries, days=days, kept=config.log_unanswered, today=date.today())


def all_entries() -> list[Entry]:
    """Return the topics, details and referrals as they stand in their files."""
    paths = [*sorted((ROOT / "data" / "topics").rglob("*.yml")), ROOT / "data" / "safety" / "referrals.yml"]
    return [entry for path in paths for entry in read(path)[0]]


def _read_only(url: str) -> sa.engine.Engine:
    """Return an engine for a database that refuses to be written to."""
    engine = engine_for(url)
    command = "PRAGMA query_only=ON" if url.startswith("sqlite") else "SET default_transaction_read_only = on"

    @sa.event.listens_for(engine, "connect")
    def _refuse(connection: sa.engine.interfaces.DBAPIConnection, _: object) -> None:
        cursor = connection.cursor()
        cursor.execute(command)
        cursor.close()

    return engine


def main(arguments: list[str]) -> int:
    """Write the report; 2 if it cannot be made."""
    parser = argparse.ArgumentParser(prog="make report", description=__doc__)
    parser.add_argument("--days", type=int, default=DAYS, help="how many days back (default: %(default)s)")
    parser.add_argument("--stdout", action="store_true", help="print the page instead of writing it")
    chosen = parser.parse_args(arguments)
    if chosen.stdout:
        # For the server: whoever asks something comes first.
        os.nice(10)
    try:
        config = read_settings()
        made = report(config, chosen.days)
    except (SettingsError, sa.exc.SQLAlchemyError) as problem:
        print(problem if isinstance(problem, SettingsError) else type(problem).__name__, file=sys.stderr)
        return 2
    if chosen.stdout:
        sys.stdout.write(made)
        return 0
    file = config.data_folder / "report.html"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_text(made, encoding="utf-8")
    print(f"The report: {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
