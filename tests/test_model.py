"""A damaged model is named, and the one before can be used."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest

from calla import train
from calla.doctor import interpreter_problem, not_the_owners
from calla.model import (
    INGREDIENTS,
    ModelMissingError,
    chosen_model,
    companions,
    is_whole,
    keep_companions,
    latest_model,
    model_file,
    older_models,
    roll_back,
)
from tests.running import NOBODY, ROOT


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with what a fingerprint needs, its model and an older one."""
    (tmp_path / "models").mkdir()
    for name in INGREDIENTS:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix:
            path.write_text("content")
    (tmp_path / "data" / "safety").mkdir(parents=True)
    (tmp_path / "data" / "safety" / "emergency.yml").write_text("the rules of then")
    (tmp_path / "artefacts" / "weights.json").write_text("the weights of then")
    for age, model in enumerate((model_file(tmp_path), tmp_path / "models" / "calla-older.tar.gz")):
        model.write_bytes(gzip.compress(os.urandom(100_000)))
        os.utime(model, (1_000_000 - age, 1_000_000 - age))
    for model in (tmp_path / "models").glob("calla-*.tar.gz"):
        keep_companions(model, tmp_path)
    return tmp_path


def cut_short(model: Path) -> None:
    model.write_bytes(model.read_bytes()[:50_000])


def test_a_model_that_is_cut_short_is_named(project: Path) -> None:
    model = latest_model(project)
    cut_short(model)
    assert not is_whole(model)
    with pytest.raises(ModelMissingError, match=rf"{model.name}.*make rollback"):
        latest_model(project)


def test_going_back_and_forth(project: Path) -> None:
    present, (older,) = latest_model(project), older_models(project)
    cut_short(present)
    assert roll_back(project) == older
    assert latest_model(project) == chosen_model(project) == older
    assert roll_back(project) is None
    assert chosen_model(project) is None


@pytest.mark.parametrize("name", ["artefacts/weights.json", "data/safety/emergency.yml", "data/safety/new.yml"])
def test_a_model_is_used_only_with_the_rules_and_weights_of_its_time(project: Path, name: str) -> None:
    """A rule of today may name a referral whose text an older model does not have."""
    older = older_models(project)[0]
    then = (project / name).read_bytes() if (project / name).is_file() else None
    (project / name).write_text("of today")
    with pytest.raises(ModelMissingError, match=r"referrals could be lost.*tar -xzf models/calla-\w+\.live"):
        roll_back(project)
    assert chosen_model(project) is None
    if then is None:
        (project / name).unlink()
    else:
        (project / name).write_bytes(then)
    assert roll_back(project) == older
    # Changed after going back: the server does not start with both.
    (project / name).write_text("of today")
    with pytest.raises(ModelMissingError, match="calla-older"):
        latest_model(project)


def test_a_model_whose_companions_nobody_kept_is_not_gone_back_to(project: Path) -> None:
    older = older_models(project)[0]
    companions(older).unlink()
    with pytest.raises(ModelMissingError, match="Start the checkout in which it was trained"):
        roll_back(project)


def test_there_is_nothing_to_go_back_to_if_the_older_one_is_damaged_too(project: Path) -> None:
    cut_short(older_models(project)[0])
    with pytest.raises(ModelMissingError):
        roll_back(project)


def test_the_doctor_names_what_is_wrong_in_two_seconds(model: None, tmp_path: Path) -> None:
    (tmp_path / "calla.db").write_bytes(b"this is no database " * 500)
    environment = {**os.environ, "CALLA_DATA_FOLDER": str(tmp_path), "CALLA_EMERGENCY_NUMBER": "112"}
    done = subprocess.run(
        [sys.executable, "-m", "calla.doctor"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    lines = {line.split(" ", 1)[0]: line for line in done.stdout.splitlines()}
    assert "does not work" in lines["database"] and "CALLA_CRISIS_LINE" in lines["contacts"]
    assert "CALLA_EMERGENCY_NUMBER" not in done.stdout
    assert lines["model"].endswith("ok")
    assert float(done.stdout.rsplit("(", 1)[1].split(" ")[0]) < 2.0
    assert not done.stderr


def test_the_doctor_names_files_of_the_data_folder_that_are_not_its_owners(tmp_path: Path) -> None:
    (tmp_path / "secret").touch()
    # Root's, whoever runs this test.
    (tmp_path / "erasures").symlink_to("/etc/passwd")
    (tmp_path / "report.html").symlink_to("/etc/passwd")
    if os.geteuid() == 0:
        for place in (tmp_path, tmp_path / "secret"):
            os.chown(place, NOBODY, -1)
    assert not_the_owners(tmp_path) == ["erasures"]


def test_the_doctor_sees_a_python_that_only_root_can_run(tmp_path: Path) -> None:
    python = tmp_path / "home" / "python" / "bin" / "python3.10"
    python.parent.mkdir(parents=True)
    python.touch()
    link = tmp_path / "python"
    link.symlink_to(python)
    (tmp_path / "home").chmod(0o700)
    # pytest's own folders are closed too.
    assert str(tmp_path / "home") + "," in str(interpreter_problem(link, root=os.getuid()))
    assert interpreter_problem(link, root=NOBODY) is None


def test_training_writes_no_escapes_into_a_file_when_all_is_up_to_date(model: None) -> None:
    done = subprocess.run(["make", "train"], cwd=ROOT, capture_output=True, timeout=120)
    assert done.returncode == 0
    assert b"up to date" in done.stdout
    assert b"\x1b" not in done.stdout + done.stderr and not done.stderr


@pytest.mark.parametrize(
    ("before", "said"), [(20, "about 1 minute,"), (53, "about 1 minute,"), (178, "about 3 minutes,")]
)
def test_training_says_how_long_it_may_take(
    before: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The time of the training before is no promise: others may want the machine this time."""
    (tmp_path / "training.seconds").write_text(str(before))
    monkeypatch.setattr(train, "SECONDS", tmp_path / "training.seconds")
    with train._progress():
        pass
    shown = capfd.readouterr().err
    assert said in shown and "longer if the machine is busy" in shown
