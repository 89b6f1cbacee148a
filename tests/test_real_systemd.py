"""The units of deploy/systemd under a real systemd, as user calla, installed as docs/operating.md says."""

from __future__ import annotations

import asyncio
import signal
import urllib.request
from collections.abc import Iterator

import pytest

from evaluation.services import Nginx, PostgreSQL, Redis, free_port
from tests.real_systemd import RealSystemd
from tests.running import SECRET
from tests.several.house import FINDING, HOST, Person, http
from tests.test_run import eventually

pytestmark = pytest.mark.drill
PORTS = [free_port() for _ in range(2)]
PROCESSES = [f"calla@{port}" for port in PORTS]
EVERYTHING = ["calla-actions", *PROCESSES]
# Seconds until a process that hangs is restarted and ready: WatchdogSec, an abort, a start.
HANGING = 150


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQL]:
    with PostgreSQL() as running:
        yield running


@pytest.fixture(scope="module")
def machine(model: None, postgresql: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealSystemd]:
    with Redis() as redis:
        settings = {
            "CALLA_ENVIRONMENT": "production",
            "CALLA_SECRET": SECRET,
            "DATABASE_URL": postgresql.url,
            "REDIS_URL": redis.url,
            "CALLA_PROXIES": "1",
            # In the file a value with spaces stands in quotes, for systemd as for the shell.
            "CALLA_CRISIS_LINE": "a line for tests",
            "CALLA_PUBLIC_ADDRESS": f"https://{HOST}",
            "CALLA_DATA_FOLDER": "/var/lib/calla",
            "CALLA_ACTION_PORT": str(free_port()),
        }
        with RealSystemd(tmp_path_factory.mktemp("machine"), **settings) as running:
            running.says("systemctl", "enable", "--now", *EVERYTHING)
            yield running


def ready(port: int) -> bool:
    """Say whether a process answers."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=5) as answer:
        return bool(answer.status == 200)


async def referred(port: int) -> None:
    """Ask with a finding; the referral is the first thing that is read."""
    async with http() as client:
        person = await Person(client).begin(f"http://127.0.0.1:{port}")
        assert (await person.insist(f"http://127.0.0.1:{port}", FINDING))[0].startswith("utter_referral")


def status(machine: RealSystemd, process: int) -> dict[str, str]:
    """Return what the kernel says of a process of that system."""
    lines = machine.says("cat", f"/proc/{process}/status").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_they_run_as_calla_closed_in_and_answer(machine: RealSystemd) -> None:
    assert machine.says("systemctl", "is-active", *EVERYTHING).split() == ["active"] * 3
    user = machine.says("id", "--user", "calla")
    for unit in EVERYTHING:
        process = machine.main_process(unit)
        facts = status(machine, process)
        assert facts["Uid"].split() == [user] * 4 and facts["Umask"] == "0077", unit
        assert facts["NoNewPrivs"] == "1" and int(facts["CapBnd"], 16) == 0, unit
        # As the process itself sees its machine.
        inside = ["nsenter", "--target", str(process), "--mount", f"--setuid={user}"]
        for place in ("/opt/calla/x", "/etc/x", "/usr/x", "/var/lib/x", "/root/x", "/home/x"):
            assert machine.does(*inside, "touch", place).returncode != 0, place
        assert machine.does(*inside, "cat", "/etc/calla/env").returncode != 0
        assert machine.does(*inside, "touch", "/var/lib/calla/x").returncode == 0
    for port in PORTS:
        asyncio.run(referred(port))
    for line in machine.says("find", "/var/lib/calla", "-printf", "%u %m %p\n").splitlines():
        owner, mode, name = line.split(" ", 2)
        assert owner == "calla" and (int(mode, 8) & 0o077 == 0 or name.endswith("/x")), line


def test_what_is_killed_or_hangs_is_started_again(machine: RealSystemd) -> None:
    before = {unit: machine.main_process(unit) for unit in EVERYTHING}
    machine.says("kill", f"-{signal.SIGKILL.name[3:]}", str(before[PROCESSES[0]]))
    machine.says("kill", "-STOP", str(before[PROCESSES[1]]))
    machine.says("kill", "-STOP", str(before["calla-actions"]))
    # People are answered meanwhile, by whichever is there, with the action server hanging too.
    eventually(lambda: ready(PORTS[0]), HANGING)
    asyncio.run(referred(PORTS[0]))
    for unit in EVERYTHING:
        eventually(lambda unit=unit: machine.main_process(unit) not in (0, before[unit]), HANGING)
    eventually(lambda: ready(PORTS[1]), HANGING)
    asyncio.run(referred(PORTS[1]))


async def nobody_notices(machine: RealSystemd, nginx: Nginx, postgresql: PostgreSQL, *command: str) -> str:
    """Run a command while people write through nginx; return what it prints. Nothing is lost, doubled or misordered."""
    over = asyncio.Event()

    async def talk(person: Person) -> list[str]:
        texts: list[str] = []
        while not over.is_set() or len(texts) < 4:
            texts.append(f"{FINDING if len(texts) % 2 else 'what is mk-7'} ({len(texts)})")
            names = await person.insist(nginx.url, texts[-1])
            assert names[0].startswith("utter_referral") == (len(texts) % 2 == 0) and len(set(names)) == len(names)
            # The limit of a conversation is a message every three seconds.
            await asyncio.sleep(3)
        return texts

    async with http() as client:
        people = [await Person(client).begin(nginx.url) for _ in range(3)]
        talks = [asyncio.ensure_future(talk(person)) for person in people]
        said = await asyncio.get_running_loop().run_in_executor(None, machine.says, *command)
        over.set()
        for person, texts in zip(people, await asyncio.gather(*talks), strict=True):
            query = (
                f"SELECT data::json->>'text' FROM events WHERE sender_id = '{person.sender}' AND type_name = 'user' "
            )
            stored = postgresql.sql("-c", f"{query} ORDER BY id", database="calla").splitlines()
            assert stored == texts
    return said


def test_new_content_is_taken_by_signal_and_a_new_checkout_one_by_one(
    machine: RealSystemd, postgresql: PostgreSQL
) -> None:
    before = {unit: machine.main_process(unit) for unit in EVERYTHING}
    machine.says("systemctl", "reload", *PROCESSES)
    assert {unit: machine.main_process(unit) for unit in EVERYTHING} == before
    with Nginx({5005: PORTS[0], 5006: PORTS[1]}) as nginx:
        change = ("/opt/calla/deploy/change.sh", "/opt/calla-2", *map(str, PORTS))
        said = asyncio.run(nobody_notices(machine, nginx, postgresql, *change))
    assert "All processes run from /opt/calla-2" in said
    for unit in EVERYTHING:
        process = machine.main_process(unit)
        assert process != before[unit]
        assert machine.says("readlink", f"/proc/{process}/cwd") == "/opt/calla-2", unit
    for port in PORTS:
        asyncio.run(referred(port))


def test_the_doctor_finds_the_installation_in_order(machine: RealSystemd) -> None:
    """As the guide has it called: with the settings of the file, as Calla's user."""
    command = "set -a; . /etc/calla/env; set +a; cd /opt/calla && runuser -u calla -- .venv/bin/python -m calla.doctor"
    said = machine.does("bash", "-c", command).stdout
    found = dict(line.split(maxsplit=1) for line in said.splitlines() if line and not line.startswith((" ", "(")))
    # Contacts are the operator's to set; the one that is set is not named as missing.
    assert "CALLA_CRISIS_LINE" not in found.pop("contacts")
    assert {"settings", "data", "database", "Redis", "model"} <= found.keys()
    assert {value.removeprefix("folder").strip() for value in found.values()} == {"ok"}, said


def test_a_backup_is_taken_and_restored_as_the_guide_says(machine: RealSystemd, postgresql: PostgreSQL) -> None:
    """As root with the settings of the file; what was erased after it goes again when the units start."""
    settings = "set -a; . /etc/calla/env; set +a; cd /opt/calla; "
    url = f"http://127.0.0.1:{PORTS[0]}"

    async def somebody() -> Person:
        async with http() as client:
            person = await Person(client).begin(url)
            await person.insist(url, FINDING)
            return person

    def rows(person: Person) -> int:
        query = f"SELECT count(*) FROM events WHERE sender_id = '{person.sender}'"
        return int(postgresql.sql("-c", query, database="calla"))

    async def erase(person: Person) -> None:
        async with http() as client:
            person.client = client
            assert (await person.post(url, "erase", {}))[1]["message"]["name"] == "utter_erased"

    gone, stays = asyncio.run(somebody()), asyncio.run(somebody())
    eventually(lambda: rows(gone) and rows(stays))
    backup = machine.says("bash", "-c", f"{settings} deploy/backup.sh /var/lib/backups")
    asyncio.run(erase(gone))
    assert rows(gone) == 0
    machine.says("systemctl", "stop", *EVERYTHING)
    assert "1 of them came back" in machine.says("bash", "-c", f"{settings} deploy/restore.sh {backup}")
    assert rows(gone) and rows(stays)
    machine.says("systemctl", "start", *EVERYTHING)
    eventually(lambda: rows(gone) == 0)
    assert rows(stays)
    asyncio.run(referred(PORTS[1]))
