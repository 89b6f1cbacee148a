"""A new model is taken without a restart; no conversation is lost, and a broken model changes nothing."""

from __future__ import annotations

import json
import signal
import sqlite3
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.reporting.project import NEW, OLD, TOPIC, Project, ProjectServer
from tests.running import free_port
from tests.test_run import eventually

FINDING = "my report says BI-RADS 4"


@pytest.fixture(scope="module")
def project(model: None, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("reload"))


def messages(project: Project, person: str) -> list[str]:
    """Return what a person has written, as it is stored, oldest first."""
    with sqlite3.connect(project.data / "calla.db") as database:
        rows = database.execute(
            "SELECT data FROM events WHERE sender_id = ? AND type_name = 'user' ORDER BY id", (person,)
        )
        return [json.loads(data)["text"] for (data,) in rows]


def health(calla: ProjectServer) -> dict[str, Any]:
    """Return what /health says, also on a machine that has much else to do."""
    return dict(eventually(calla.health))


class Crowd:
    """People who go on asking in their conversations while something happens."""

    def __init__(self, calla: ProjectServer) -> None:
        self._calla = calla
        self._stop = threading.Event()
        self.people = [uuid.uuid4().hex for _ in range(2)]
        self.asked = dict.fromkeys(self.people, 0)
        self.wrong: list[str] = []
        self._threads = [threading.Thread(target=self._ask, args=(person,)) for person in self.people]

    def _ask(self, person: str) -> None:
        while not self._stop.is_set():
            first = self._calla.ask(FINDING, person)[0]["text"]
            if "clinic" not in first and "doctor" not in first:
                self.wrong.append(first)
            text = self._calla.answer(person)
            if (OLD in text) == (NEW in text):
                self.wrong.append(text)
            self.asked[person] += 2

    def __enter__(self) -> Crowd:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture(scope="module")
def calla(project: Project) -> Iterator[ProjectServer]:
    with project.server() as running:
        yield running


def test_a_new_text_is_live_without_a_restart_and_nobody_notices(project: Project, calla: ProjectServer) -> None:
    assert OLD in calla.answer("before")
    process = calla.process.pid
    project.train(project.edit())
    with Crowd(calla) as crowd:
        done = project.reload()
    assert done.returncode == 0, done.stderr[-800:]
    assert "Every server answers with" in done.stdout
    assert crowd.wrong == [] and min(crowd.asked.values()) > 2
    assert health(calla)["seconds_to_referral"]["longest"] < 3.0
    assert NEW in calla.answer("before") and NEW in calla.answer()
    assert calla.process.pid == process and health(calla)["handling_failures"] == 0
    for person in crowd.people:
        # Whole, in order, each message once: also that which was being answered at the time.
        assert messages(project, person) == [FINDING, "what is mk-7"] * (crowd.asked[person] // 2)


@pytest.mark.parametrize("fault", ["missing", "cut short", "no referral"])
def test_a_broken_model_changes_nothing(project: Project, calla: ProjectServer, fault: str) -> None:
    before = calla.answer()
    file = project.root / TOPIC
    file.write_text(file.read_text() + f"# {fault}\n")
    target = project.model_file()
    if fault == "cut short":
        target.write_bytes(project.first.read_bytes()[:1_000_000])
    elif fault == "no referral":
        project.train(target, lambda text: text.replace("utter_referral", "utter_nothing"))
    if fault != "cut short":
        done = project.reload()
        assert done.returncode == 2 and "Nothing was changed" in done.stderr
    # A signal without that trial comes no further either.
    number = health(calla)["reloads"]
    calla.process.send_signal(signal.SIGHUP)
    eventually(lambda: health(calla)["reloads"] > number, 600)
    assert health(calla)["reload_failed"] and health(calla)["status"] == "ok"
    assert calla.answer() == before
    assert "clinic" in calla.ask(FINDING)[0]["text"]


def test_code_that_has_changed_needs_a_restart(project: Project, calla: ProjectServer) -> None:
    code = project.root / "calla" / "text.py"
    kept = code.read_text()
    code.write_text(kept + "\n# changed\n")
    try:
        number = health(calla)["reloads"]
        calla.process.send_signal(signal.SIGHUP)
        eventually(lambda: health(calla)["reloads"] > number)
        assert "restart" in health(calla)["reload_failed"]
    finally:
        code.write_text(kept)


def test_killed_in_the_middle_it_comes_back_with_what_served(project: Project) -> None:
    """Killed while an edit is not trained yet: people get the answers that they had."""
    port = free_port()
    with project.server(port) as first:
        served = first.answer("person")
        file = project.root / TOPIC
        file.write_text(file.read_text() + "# not trained yet\n")
        first.process.send_signal(signal.SIGHUP)
        first.kill()
    with project.server(port) as second:
        assert second.answer("person") == served
        assert len([e for e in second.events("person") if e["event"] == "user"]) == 2
        assert "answers with the model that served before" in second.log.read_text()
        # What the killed process left behind is nobody's business any more.
        left = {file.stem for file in (project.data / "servers").glob("*.json")}
        assert str(second.process.pid) in left and str(first.process.pid) not in left
