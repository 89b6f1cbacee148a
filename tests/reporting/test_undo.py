"""An edit that went live by mistake is undone without training and without a restart."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.reporting.project import NEW, OLD, Project


def done(process: subprocess.CompletedProcess[str]) -> str:
    """Return what a command printed that succeeded."""
    assert process.returncode == 0, process.stderr[-2000:]
    return process.stdout


def test_rollback_and_reload_undo_an_edit_that_is_live(model: None, tmp_path: Path) -> None:
    """``make rollback``, then ``make reload`` with what it does first."""
    project = Project(tmp_path)
    with project.server() as calla:
        done(project.python("-m", "calla.train"))
        project.train(project.edit())
        done(project.reload())
        assert NEW in calla.answer()
        assert "make reload" in done(project.python("-m", "calla.train", "--rollback"))
        assert "in use" in done(project.python("-m", "calla.train"))
        done(project.reload())
        assert OLD in calla.answer()
