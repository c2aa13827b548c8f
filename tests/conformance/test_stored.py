"""The rules for what lies in the server, against a real one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import redis.asyncio as redis

from jobwire_conformance import binding
from jobwire_conformance.invariants import check_store
from jobwire_conformance.model import Status
from tests.conformance.stories import NS, envelope, outcome
from tests.servers import Server

pytestmark = pytest.mark.asyncio
NONCE = "n" * 24


def key(name: str) -> str:
    return binding.key(NS, "default", name)


@pytest_asyncio.fixture
async def store(valkey: Server) -> AsyncIterator[redis.Redis]:
    client = redis.Redis(port=valkey.port)
    await client.flushall()
    for id in ("waits", "runs", "fails", "ends"):
        await call(client, "enqueue", [id], id, envelope(id), 0, 3, 4)
    await call(client, "enqueue", ["later"], "later", envelope("later"), 2**52, 3, 4)
    await call(client, "claim", [], NONCE, 15000, 3, 1)
    token = f"1.{NONCE}"
    await call(client, "settle", ["fails"], "fails", token, "fail", str(outcome("fails", "failed")), 0)
    await call(client, "settle", ["runs"], "runs", token, "succeed", str(outcome("runs")), 60000)
    yield client
    await client.flushall()
    await client.aclose()


async def call(client: redis.Redis, script: str, ids: list[str], *arguments: Any) -> None:
    keys = binding.expected_keys(NS, "default", script, ids)
    await client.eval(binding.SCRIPTS[script].decode(), len(keys), *keys, *arguments)


async def problems(client: redis.Redis) -> list[str]:
    return [f"{check.expected} / {check.got}" for check in await check_store(client, NS) if check.status != Status.PASS]


async def test_what_the_scripts_leave_is_right(store: redis.Redis) -> None:
    assert [Status.PASS] == [check.status for check in await check_store(store, NS)]
    assert [] == await check_store(store, "nothing")


@pytest.mark.parametrize(
    ("expected", "command"),
    [
        ("the keys of section 7.1 only", ["SET", f"{NS}:other", "x"]),
        ("the keys of section 7.1 only", ["SET", key("extra"), "x"]),
        ("wake of type list", ["SET", key("wake"), "x"]),
        ("a TTL on result:x", ["SET", key("result:x"), "x"]),
        ("no TTL on jobs", ["PEXPIRE", key("jobs"), 60000]),
        ("an id in jobs and in exactly one set", ["HDEL", key("jobs"), "waits"]),
        ("an id in jobs and in exactly one set", ["ZREM", key("scheduled"), "later"]),
        ("an id in jobs and in exactly one set", ["ZADD", key("ready"), 1, "later"]),
        ("ids of outcomes in jobs", ["HSET", key("outcomes"), "gone", "{}"]),
        ("ids of progress in jobs", ["HSET", key("progress"), "gone", "{}"]),
        ("a record as in section 7.1", ["HSET", key("record"), "waits", "1 2 3"]),
        ("no nonce in that of another", ["HSET", key("record"), "later", f"0 3 4 1 - {NONCE} -"]),
        ("a nonce in the record of an active job", ["HSET", key("record"), "fails", "0 3 4 1 - - -"]),
        ("a record for each active id", ["HDEL", key("record"), "fails"]),
        ("at most one token in wake", ["RPUSH", key("wake"), "1", "1"]),
        ("layout 1", ["HSET", key("control"), "layout", "2"]),
    ],
)
async def test_what_is_wrong_is_told(store: redis.Redis, expected: str, command: list[Any]) -> None:
    await call(store, "claim", [], "m" * 24, 15000, 1, 1)
    await store.delete(key("wake"))
    if "fails" in command:
        await store.zadd(key("active"), {"fails": 1})
        await store.zrem(key("failed"), "fails")
    await store.execute_command(*command)  # type: ignore[no-untyped-call]
    assert any(problem.startswith(expected) for problem in await problems(store))
