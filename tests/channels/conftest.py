"""One real server for the channel tests that need understanding and answers."""

from __future__ import annotations

from typing import Iterator

import pytest
from web_server import RealServer


@pytest.fixture(scope="session")
def real_server(model: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    """The real server, behind one (imagined) proxy, so that a test can be many visitors."""
    with RealServer(tmp_path_factory.mktemp("data"), CALLA_PROXIES="1", CALLA_ENVIRONMENT="production") as server:
        yield server
