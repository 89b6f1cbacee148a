"""The real server and the loaded bot, for all tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.running import ROOT, SECRET, ServerProcess, free_port, wait_until_healthy


@pytest.fixture(scope="session")
def model() -> None:
    """A model of the present state, trained if there is none."""
    done = subprocess.run([sys.executable, "-m", "calla.train"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="session")
def action_server() -> Iterator[str]:
    """The real action server; gives its address."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "calla.action_server"],
        cwd=ROOT,
        env={**os.environ, "CALLA_ACTION_PORT": str(port), "CALLA_SECRET": SECRET},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_until_healthy(process, f"http://127.0.0.1:{port}/health")
    yield f"http://127.0.0.1:{port}/webhook"
    process.terminate()
    process.wait(20)


@pytest.fixture(scope="session")
def server(model: None, action_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The whole bot: server and action server."""
    with ServerProcess(
        tmp_path_factory.mktemp("server"),
        CALLA_ACTION_URL=action_server,
        CALLA_BREAST_CLINIC_CONTACT="Breast Clinic at Elm Street",
    ) as running:
        yield running


@pytest.fixture(scope="session")
def bot(model: None) -> Any:
    """The trained model in this process."""
    from evaluation.bot import LoadedBot

    return LoadedBot()
