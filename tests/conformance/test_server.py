"""The embedded server, and the scripts called by the suite itself."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import redis.asyncio as redis

from jobwire_conformance.binding import key
from jobwire_conformance.server import Server, rights
from jobwire_conformance.store import Item, Store

pytestmark = pytest.mark.asyncio
JOB = Item("j", b'{"jobwire":"1.0","id":"j","type":"t","queue":"q"}')


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    yield server
    await server.close()


async def test_it_starts_and_ends(server: Server) -> None:
    await server.start()
    assert f"redis://127.0.0.1:{server.port}/0" == server.url
    async with server.client() as client:
        assert "noeviction" == (await client.config_get("maxmemory-policy"))["maxmemory-policy"]
    await server.stop()
    with pytest.raises(redis.ConnectionError):
        async with server.client() as client:
            await client.set("a", "b")


@pytest.mark.parametrize(("kept", "aof"), [(b"b", True), (None, False)])
async def test_a_restart_keeps_the_port_and_what_was_written_down(
    server: Server, kept: bytes | None, aof: bool
) -> None:
    await server.start(aof=aof)
    port = server.port
    async with server.client() as client:
        await client.set("a", "b")
        await server.restart()
        await client.connection_pool.disconnect()
        assert (port, kept) == (server.port, await client.get("a"))


async def test_its_configuration_can_be_given(server: Server) -> None:
    await server.start(config={"maxmemory": "3000000"})
    async with server.client() as client:
        assert "3000000" == (await client.config_get("maxmemory"))["maxmemory"]


async def test_its_user_has_the_rights_of_section_13_only(server: Server) -> None:
    await server.start(acl="ns")
    assert {"+evalsha", "+blpop", "+wait"} <= set(rights())
    plain: Any = redis.Redis(host=server.host, port=server.port)
    async with plain, server.client() as suite:
        store = Store(suite, "ns")
        assert ["accepted"] == await store.enqueue("q", [JOB])
        assert b"1" == (await plain.blpop([key("ns", "q", "wake")], 1))[1]
        for command in (["KEYS", "*"], ["LPUSH", "other", "x"], ["FLUSHALL"], ["CONFIG", "GET", "*"]):
            with pytest.raises(redis.ResponseError, match="permissions"):
                await plain.execute_command(*command)


async def test_the_scripts_do_what_they_do(server: Server) -> None:
    await server.start()
    async with server.client() as client:
        store = Store(client, "ns")
        assert ["accepted", "duplicate"] == await store.enqueue("q", [JOB, JOB])
        claim = await store.claim("q")
        (given,) = claim.jobs
        assert ("j", 1, b"", JOB.envelope) == (given.id, given.attempt, given.document, given.envelope)
        assert "ok" == await store.extend("q", "j", given.token, progress=b"{}")
        (look,) = await store.look("q", ["j"])
        assert ("active", 1, b"", b"{}") == (look.state, look.attempt, look.document, look.progress)
        assert "requested" == await store.cancel("q", "j")
        assert "done" == await store.settle("q", "j", given.token, "fail", b"{}")
        assert ["requeued", "unknown"] == await store.requeue("q", ["j", "k"])
        await store.configure("q", "paused", 1)
        assert (2000, ()) == ((await store.claim("q")).wait_ms, (await store.claim("q")).jobs)
        assert (1, 2, ()) == tuple(vars(await store.join("q", "g", 0, 2, b"a")).values())
        assert (2, 2, (b"a", b"b")) == tuple(vars(await store.join("q", "g", 1, 2, b"b")).values())


async def test_a_namespace_is_cleared_and_no_other(server: Server) -> None:
    await server.start()
    async with server.client() as client:
        for name in ("a", "ab"):
            await Store(client, name).enqueue("q", [JOB])
        await Store(client, "a").clear()
        assert {b"ab:{q}:"} == {found[:7] for found in await Store(client, "").raw("KEYS", "*")}


async def test_replies_come_as_they_are(server: Server) -> None:
    await server.start()
    async with server.client() as client:
        store = Store(client, "ns")
        assert (b"OK", 1, None) == (
            await store.raw("SET", "a", "b"), await store.raw("EXISTS", "a"), await store.raw("GET", "x"),
        )  # fmt: skip
        with pytest.raises(redis.ResponseError):
            await store.raw("LPUSH", "a", "b")
        assert b"b" == await store.raw("GET", "a")
