"""One real server for the channel tests that need understanding and answers."""

from __future__ import annotations

import subprocess
import sys
from typing import Iterator

import pytest
from web_server import RealServer

from calla.settings import ROOT


@pytest.fixture(scope="session")
def real_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    """The real server, behind one (imagined) proxy, so that a test can be many visitors."""
    subprocess.run([sys.executable, "-m", "calla.train"], cwd=ROOT, check=True, capture_output=True)
    server = RealServer(tmp_path_factory.mktemp("data"), CALLA_PROXIES="1", CALLA_ENVIRONMENT="production").start()
    yield server
    server.stop()
