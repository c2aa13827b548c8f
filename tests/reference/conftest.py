from collections.abc import Iterator
from typing import Any

import pytest
import redis as redis_py

from tests.lua.binding import Queue
from tests.reference.clients import FACES, driven
from tests.servers import Server


@pytest.fixture(params=FACES)
def face(request: pytest.FixtureRequest) -> str:
    """Name the kind of client: a test that asks for it runs with both."""
    return request.param


@pytest.fixture
def both(face: str, server: Server, client: redis_py.Redis) -> Iterator[Any]:
    """Return a client of either kind, on either engine, with nothing on the server."""
    with driven(face, server.url) as app:
        yield app


@pytest.fixture
def queue(client: redis_py.Redis) -> Queue:
    """Return the queue `default` as the scripts see it."""
    return Queue(client, "default")
