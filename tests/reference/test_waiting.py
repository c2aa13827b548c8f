"""Subscriptions: kept from one wait to the next, made anew when they are lost."""

from typing import Any

import pytest
import redis

from jobwire import operations
from tests.lua.binding import Queue
from tests.reference.clients import awaited, end
from tests.servers import until


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let only a message end a pause."""
    monkeypatch.setattr(operations, "LOOK_AGAIN_S", 600.0)


def ears(client: redis.Redis) -> int:
    return len(client.client_list(_type="pubsub"))


def test_one_connection_serves_one_wait_after_the_other(both: Any, client: redis.Redis, queue: Queue) -> None:
    for number in range(5):
        handle = both.enqueue("t")
        with awaited(handle, queue, handle.id) as waiting:
            end(queue, queue.take(), result=number)
            assert number == waiting.result().result
        until(lambda: client.execute_command("PUBSUB", "SHARDCHANNELS") == [])
    both.enqueue("t", id="last")
    assert 1 >= ears(client)


def test_a_lost_subscription_is_made_anew(both: Any, client: redis.Redis, queue: Queue) -> None:
    handle = both.enqueue("t")
    with awaited(handle, queue, handle.id) as waiting:
        (before,) = client.client_list(_type="pubsub")
        client.client_kill_filter(_type="pubsub")
        until(lambda: [each for each in client.client_list(_type="pubsub") if each["id"] != before["id"]])
        end(queue, queue.take(), result=5)
        assert 5 == waiting.result().result
