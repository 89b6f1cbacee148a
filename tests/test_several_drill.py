"""The comparison of one server process with two: what is counted, and shares of processor time."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from evaluation import several, shares
from evaluation.several import Figures
from evaluation.shares import Share, SharesError


@pytest.fixture
def mount(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(shares, "MOUNT", tmp_path)
    return tmp_path


def written(folder: Path) -> dict[str, str]:
    (group,) = folder.glob("calla-*")
    return {file.name: file.read_text() for file in group.iterdir()}


def test_a_share_is_at_most_and_at_least_in_the_old_and_the_new_groups(mount: Path) -> None:
    (mount / "cpu").mkdir()
    Share(0.4).take(17)
    old = {"cpu.cfs_period_us": "50000", "cpu.cfs_quota_us": "20000", "cpu.shares": "262144", "cgroup.procs": "17"}
    assert written(mount / "cpu") == old
    (mount / "cgroup.controllers").touch()
    Share(0.5).take(18)
    assert written(mount) == {"cpu.max": "25000 50000", "cpu.weight": "10000", "cgroup.procs": "18"}


def test_where_groups_cannot_be_written_that_is_said(mount: Path) -> None:
    with pytest.raises(SharesError, match="No such file"):
        Share(0.4)


@pytest.mark.parametrize(
    ("cores", "share", "asked"),
    [(2, None, [0.0, 0.4]), (4, None, [0.0]), (2, 0.0, [0.0]), (8, 0.3, [0.3])],
)
@pytest.mark.parametrize(("rates", "status"), [((10, 9, 18), 0), ((10, 9, 16), 1), ((5, 10, 16), 1)])
def test_two_must_carry_1_7_times_the_better_figure_of_one(
    cores: int,
    share: float | None,
    asked: list[float],
    rates: tuple[int, int, int],
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given: list[tuple[int, float]] = []
    outcomes = iter(rates * len(asked))

    def installed(number: int, part: float) -> nullcontext[None]:
        given.append((number, part))
        return nullcontext()

    async def crowd(*_: object) -> Figures:
        return Figures(answered=next(outcomes) * 10, seconds=[0.5], memory=[[500]])

    monkeypatch.setattr(several, "installed", installed)
    monkeypatch.setattr(several, "crowd", crowd)
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    assert several.compare_as_this_machine_allows(0, 10.0, share) == status
    assert given == [(number, part) for part in asked for number in (1, 1, 2)]
    said = capsys.readouterr().out
    assert said.count("Two carry") == len(asked) and f"Two carry {rates[2] / 10:.2f} times" in said


def test_shares_that_cannot_be_given_are_no_success(
    mount: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*_: object) -> nullcontext[None]:
        raise SharesError("control groups cannot be written here")

    monkeypatch.setattr(several, "installed", refused)
    assert several.compare_as_this_machine_allows(0, 10.0, 0.4) == 1
    assert "Shares cannot be given" in capsys.readouterr().out
