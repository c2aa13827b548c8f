"""Servers and clients that every test may ask for.

`server` and `client` run a test on both engines; `valkey` and `redis` name one of them.
`clean` fails a test that leaves a key with neither a TTL nor an owner: a directory makes it automatic by
`pytestmark = pytest.mark.usefixtures("clean")`, and one test opts out by `@pytest.mark.leaves_keys`.
"""

import signal
from collections.abc import Iterator

import pytest
import redis as redis_py

from tests.servers import ENGINES, Server, assert_clean, running


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # What a script starts with & ignores it, and so would all that the tests start.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "leaves_keys: the test does not drain its queues")


@pytest.fixture(scope="session")
def valkey() -> Iterator[Server]:
    with running("valkey") as server:
        yield server


@pytest.fixture(scope="session", name="redis")
def redis_server() -> Iterator[Server]:
    with running("redis") as server:
        yield server


@pytest.fixture(scope="session", params=ENGINES)
def server(request: pytest.FixtureRequest) -> Server:
    return request.getfixturevalue(request.param)


@pytest.fixture
def client(server: Server) -> Iterator[redis_py.Redis]:
    with server.client() as client:
        client.flushall()
        yield client


@pytest.fixture
def valkey_url(valkey: Server) -> str:
    with valkey.client() as client:
        client.flushall()
    return valkey.url


@pytest.fixture
def server_url(server: Server) -> str:
    with server.client() as client:
        client.flushall()
    return server.url


@pytest.fixture
def clean(request: pytest.FixtureRequest, client: redis_py.Redis) -> Iterator[None]:
    yield
    if request.node.get_closest_marker("leaves_keys") is None:
        assert_clean(client)
