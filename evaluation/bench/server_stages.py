"""Ask the server with the stopwatches, and read what it says."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from evaluation.bench.processes import Calla, free_port


class MeasuredCalla(Calla):
    """Calla's server with a stopwatch around each stage (``evaluation.bench.stages``)."""

    name = "measured"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.file = folder / "stages.json"
        self.action_port = free_port()
        self._environment = {**super().environment(), "CALLA_ACTION_PORT": str(self.action_port)}

    def command(self) -> list[str]:
        """Return the command that starts it (see parent class)."""
        return [sys.executable, "-m", "evaluation.bench.stages", str(self.file)]

    def environment(self) -> dict[str, str]:
        """Return its environment, which is the action server's too."""
        return self._environment


class ActionServer(Calla):
    """The action server of a measured server.

    Args:
        measured: whose it is.
    """

    name = "actions"
    module = "calla.action_server"

    def __init__(self, measured: MeasuredCalla) -> None:
        super().__init__(measured.folder)
        self._environment = measured.environment()

    def environment(self) -> dict[str, str]:
        """Return its environment (see parent class)."""
        return self._environment

    def launch(self) -> None:
        """Start it without waiting for it."""
        self.process = self.popen()


def measure_stages(folder: Path, texts: Sequence[str], tick: Callable[[int], object]) -> dict[str, Any]:
    """Ask every message once; return calls and milliseconds of each stage, over all messages."""
    measured = MeasuredCalla(folder)
    actions = ActionServer(measured)
    measured.file.unlink(missing_ok=True)
    actions.launch()
    try:
        measured.start()
        for text in texts:
            measured.ask(text, uuid.uuid4().hex)
            tick(1)
    finally:
        measured.stop()
        actions.stop()
    return {"messages": len(texts), "stages": json.loads(measured.file.read_text())}
