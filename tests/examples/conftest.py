"""A worker of `examples/app.py` for the examples and the recipes, in the way that their docs start it."""

import os
import sys
from collections.abc import Iterator

import pytest

from examples.demo import WORKER, Processes
from tests.servers import ENGINES, Server, running


@pytest.fixture(scope="session", params=ENGINES)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server for this directory alone: its worker would take the jobs of other tests."""
    with running(request.param) as server:
        yield server


@pytest.fixture(scope="session")
def environment(server: Server) -> dict[str, str]:
    return os.environ | {"JOBWIRE_REDIS_URL": server.url, "PYTHONUNBUFFERED": "1"}


@pytest.fixture(scope="session")
def worker(environment: dict[str, str]) -> Iterator[int]:
    """The process id of a worker that claims."""
    with Processes().running([sys.executable, "-m", "jobwire", *WORKER], 3600, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process.pid
