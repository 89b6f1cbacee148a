"""A project of its own with a running server, whose model can be exchanged without training."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Callable, Optional

from tests.running import ROOT, ServerProcess

PARTS = ("calla", "actions", "artefacts", "data", "config.yml", "domain.yml", "endpoints.yml")
# A text that people see, and what an editor makes of it.
QUESTION = "what is mk-7"
OLD, NEW = "MK-7, or menaquinone-7, is a long form", "MK-7, newly written, is a long form"
TOPIC = "data/topics/supplements/what_is_mk7.yml"


class Project:
    """A copy of what the server reads, so that editing it disturbs nobody.

    Args:
        folder: an empty folder.
    """

    def __init__(self, folder: Path) -> None:
        self.root = folder / "project"
        self.root.mkdir()
        for part in PARTS:
            source, target = ROOT / part, self.root / part
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)
        (self.root / "models").mkdir()
        self.data = folder / "data"
        self.data.mkdir()
        self.first = self.model_file()
        (self.root / "models" / self.first.name).hardlink_to(self._trained())

    def _trained(self) -> Path:
        from calla.model import latest_model

        return latest_model()

    def python(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run Python in the project."""
        known = {**self.server().environment, "CALLA_PORT": "5999", **environment}
        return subprocess.run([sys.executable, *arguments], cwd=self.root, env=known, capture_output=True, text=True)

    def model_file(self) -> Path:
        """Return where the model of the present state is, trained or not."""
        code = "from calla.model import model_file; print(model_file())"
        done = subprocess.run([sys.executable, "-c", code], cwd=self.root, capture_output=True, text=True, check=True)
        return Path(done.stdout.strip().splitlines()[-1])

    def server(self, port: Optional[int] = None, **environment: str) -> ProjectServer:
        """Return a server of this project."""
        return ProjectServer(self, port, **environment)

    def edit(self) -> Path:
        """Edit a text as an editor does; return the file that its model is to have."""
        file = self.root / TOPIC
        file.write_text(file.read_text().replace(OLD, NEW))
        return self.model_file()

    def train(self, target: Path, change: Callable[[str], str] = lambda text: text.replace(OLD, NEW)) -> None:
        """Stand for training: the model that is there, with its texts changed, as after an edit of texts alone."""
        unpacked = target.parent / "unpacked"
        with tarfile.open(self.first) as archive:
            archive.extractall(unpacked)
        for name in ("components/domain_provider/domain.yml", "metadata.json"):
            file = unpacked / name
            file.write_text(change(file.read_text()))
        json.loads((unpacked / "metadata.json").read_text())
        half = target.with_suffix(".half")
        with tarfile.open(half, "w:gz", compresslevel=1) as archive:
            archive.add(unpacked, ".")
        shutil.rmtree(unpacked)
        os.replace(half, target)

    def reload(self) -> subprocess.CompletedProcess[str]:
        """Run what ``make reload`` runs after training."""
        return self.python("-m", "calla.reload")


class ProjectServer(ServerProcess):
    """The real server of a project (see parent class)."""

    def __init__(self, project: Project, port: Optional[int] = None, **environment: str) -> None:
        super().__init__(project.data, port, **environment)
        self.project = project

    def start(self) -> ProjectServer:
        """Start it in its project."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "calla.server"],
                cwd=self.project.root,
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        from tests.running import wait_until_healthy

        try:
            wait_until_healthy(self.process, f"{self.url}/health", self.log)
        except RuntimeError:
            self.kill()
            raise
        return self

    def answer(self, conversation: Optional[str] = None) -> str:
        """Ask for the edited text; return what a person reads."""
        return "\n".join(str(reply.get("text")) for reply in self.ask(QUESTION, conversation))
