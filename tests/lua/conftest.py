import pytest
import redis

from tests.lua.binding import Queue


@pytest.fixture
def queue(client: redis.Redis) -> Queue:
    return Queue(client)
