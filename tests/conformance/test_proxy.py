"""The proxy between a client and a real server."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import redis as redis_py

from jobwire_conformance import binding
from jobwire_conformance.wire.events import History
from jobwire_conformance.wire.faults import Fault
from jobwire_conformance.wire.proxy import Proxy
from tests.servers import Server

pytestmark = pytest.mark.asyncio
NS = "proxytest"
KEYS = [binding.key(NS, "q", name) for name in binding.NAMES]
LATER_MS = 5000


class Line:
    """A plain connection to the proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, *commands: list[Any]) -> None:
        self.writer.write(b"".join(map(pack, commands)))

    async def read(self, count: int) -> bytes:
        return await asyncio.wait_for(self.reader.readexactly(count), 10)

    async def end(self) -> bytes:
        """Read until the connection ends."""
        try:
            return await asyncio.wait_for(self.reader.read(), 10)
        except ConnectionError:
            return b""

    async def ask(self, *command: Any, reply: bytes) -> None:
        self.send(list(command))
        assert reply == await self.read(len(reply))


def pack(command: list[Any]) -> bytes:
    parts = [part if isinstance(part, bytes) else str(part).encode() for part in command]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


class World:
    def __init__(self, proxy: Proxy, address: tuple[str, int]) -> None:
        self.proxy, self.address, self.history = proxy, address, proxy.history
        self.lines: list[Line] = []
        self.killed = 0
        proxy.on_kill = self.kill

    def kill(self) -> None:
        self.killed += 1

    async def line(self) -> Line:
        line = Line(*await asyncio.open_connection(*self.address))
        self.lines.append(line)
        return line

    def fault(self, do: str, **options: Any) -> Fault:
        when = options.pop("when", {"call": "set"})
        fault = Fault(when, do, **options)
        self.proxy.faults.add(fault)
        return fault

    async def until(self, **members: Any) -> dict[str, Any]:
        async with asyncio.timeout(10):
            while True:
                for event in self.history.events:
                    if all(event.get(name) == value for name, value in members.items()):
                        return event
                await self.history.wait(10)


@pytest_asyncio.fixture
async def world(valkey: Server) -> AsyncIterator[World]:
    with valkey.client() as client:
        client.flushall()
        for source in binding.SCRIPTS.values():
            client.script_load(source)
    proxy = Proxy(("127.0.0.1", valkey.port), "A", History(), NS)
    url = await proxy.start()
    world = World(proxy, ("127.0.0.1", int(url.rpartition(":")[2].removesuffix("/0"))))
    yield world
    for line in world.lines:
        line.writer.close()
    await proxy.close()
    await asyncio.sleep(0)


@pytest.fixture
def client(valkey: Server) -> Any:
    with valkey.client() as client:
        yield client


async def test_bytes_pass_in_both_directions_and_are_kept(world: World) -> None:
    line = await world.line()
    big = b"\x00\r\n" * 700_000
    await line.ask("SET", "k", big, reply=b"+OK\r\n")
    await line.ask("GET", "k", reply=b"$%d\r\n%s\r\n" % (len(big), big))
    first, second = world.history.transcript
    assert [b"SET", b"k", big] == first.command
    assert big in second.reply
    assert (1, 2, "A", 1) == (first.n, second.n, second.by, second.connection)


async def test_a_pipeline_is_answered_in_order(world: World) -> None:
    line = await world.line()
    line.send(["SET", "k", 1], *[["INCR", "k"]] * 3, ["NOPE"], ["GET", "k"])
    assert b"+OK\r\n:2\r\n:3\r\n:4\r\n" == await line.read(17)
    event = await world.until(call="get")
    assert "4" == event["answer"]
    assert (await world.until(call="nope"))["error"].startswith("ERR unknown command")


async def test_half_closing_reaches_the_server_and_the_reply_comes_back(world: World) -> None:
    line = await world.line()
    line.send(["SET", "k", 1], ["GET", "k"])
    line.writer.write_eof()
    assert b"+OK\r\n$1\r\n1\r\n" == await line.end()
    blocked = await world.line()
    blocked.send(["BLPOP", KEYS[9], 30])
    while not world.history.blocked("A"):
        await world.history.wait(10)
    blocked.writer.write_eof()
    assert b"" == await blocked.end()
    assert (await world.until(call="blpop", lost=True))["queues"] == ["q"]


@pytest.mark.parametrize("protocol", [2, 3])
async def test_messages_pass_beside_replies(world: World, client: redis_py.Redis, protocol: int) -> None:
    line = await world.line()
    kind = b">" if protocol == 3 else b"*"
    line.send(["HELLO", protocol], ["SSUBSCRIBE", "{x}a", "{x}b"])
    await line.reader.readuntil(b"ssubscribe\r\n$4\r\n{x}b\r\n:2\r\n")
    client.execute_command("SPUBLISH", "{x}a", "hello")
    await line.reader.readuntil(kind + b"3\r\n$8\r\nsmessage\r\n$4\r\n{x}a\r\n$5\r\nhello\r\n")
    line.send(["PING"], ["SUNSUBSCRIBE"], ["ECHO", "x"])
    await line.reader.readuntil(b":0\r\n$1\r\nx\r\n")
    assert "{x}b" == (await world.until(call="ssubscribe", channel="{x}b"))["channel"]
    assert "x" == (await world.until(call="echo"))["answer"]


async def test_many_connections_at_once(world: World) -> None:
    lines = [await world.line() for _ in range(20)]
    for number, line in enumerate(lines):
        line.send(["SET", f"k{number}", number], ["GET", f"k{number}"])
    for number, line in enumerate(lines):
        wanted = b"+OK\r\n$%d\r\n%d\r\n" % (len(str(number)), number)
        assert wanted == await line.read(len(wanted))
    assert 20 == world.proxy.accepted


async def test_cut_ends_the_connection_before_the_server_knows(world: World, client: redis_py.Redis) -> None:
    fault = world.fault("cut")
    line = await world.line()
    line.send(["PING"], ["SET", "k", 1], ["SET", "k2", 1])
    assert b"+PONG\r\n" == await line.end()
    await asyncio.wait_for(fault.done.wait(), 10)
    assert not client.exists("k", "k2")
    assert (await world.until(call="set", lost=True))["fault"] == "cut"
    await (await world.line()).ask("SET", "k", 2, reply=b"+OK\r\n")


async def test_a_dropped_reply_is_of_a_call_that_ran(world: World, client: redis_py.Redis) -> None:
    world.fault("drop_reply", when={"call": "set", "nth": 2})
    line = await world.line()
    line.send(["SET", "k", 1], ["SET", "k", 2], ["SET", "k", 3])
    assert b"+OK\r\n" == await line.end()
    assert b"2" == client.get("k")
    event = await world.until(call="set", fault="drop_reply")
    assert event["lost"]
    assert "answer" not in event


async def test_cut_after_passes_the_reply_on(world: World, client: redis_py.Redis) -> None:
    world.fault("cut_after")
    line = await world.line()
    line.send(["SET", "k", 1], ["SET", "k", 2])
    assert b"+OK\r\n" == await line.end()
    assert b"1" == client.get("k")


async def test_an_error_answers_in_the_right_place(world: World, client: redis_py.Redis) -> None:
    world.fault("error", error="READONLY no", times=2)
    line = await world.line()
    line.send(["PING"], ["SET", "k", 1], ["SET", "k", 2], ["SET", "k", 3])
    assert b"+PONG\r\n-READONLY no\r\n-READONLY no\r\n+OK\r\n" == await line.read(7 + 28 + 5)
    assert b"3" == client.get("k")
    assert 2 == sum(event.get("error") == "READONLY no" for event in world.history.events)


async def test_a_delay_holds_one_connection_only(world: World) -> None:
    fault = world.fault("delay", ms=200)
    line, other = await world.line(), await world.line()
    line.send(["SET", "k", 1], ["PING"])
    await other.ask("PING", reply=b"+PONG\r\n")
    assert not fault.done.is_set()
    assert b"+OK\r\n+PONG\r\n" == await line.read(12)
    event = await world.until(call="set")
    assert event["replied_at"] - event["at"] >= 195


@pytest.mark.parametrize(("kind", "stored"), [("kill_before", None), ("kill_after", b"1")])
async def test_a_kill_ends_everything(world: World, client: redis_py.Redis, kind: str, stored: bytes | None) -> None:
    fault = world.fault(kind)
    line, other = await world.line(), await world.line()
    await other.ask("PING", reply=b"+PONG\r\n")
    line.send(["SET", "k", 1], ["SET", "k", 2])
    assert b"" == await line.end()
    assert b"" == await other.end()
    assert (1, True) == (world.killed, fault.done.is_set())
    assert stored == client.get("k")


async def test_a_fault_waits_for_the_wait_in_front_of_it(world: World, client: redis_py.Redis) -> None:
    world.fault("error", when={"call": "claim", "nth": 1}, error="LOADING")
    line = await world.line()
    line.send(["BLPOP", KEYS[9], 10], ["EVALSHA", binding.SHA["claim"], 10, *KEYS, "n" * 24, 15000, 1, 1])
    while not world.history.blocked("A"):
        await world.history.wait(10)
    client.lpush(KEYS[9], "1")
    await line.reader.readuntil(b"-LOADING\r\n")


async def test_a_server_that_is_not_there_ends_the_connection() -> None:
    proxy = Proxy(("127.0.0.1", 1), "A", History(), NS)
    url = await proxy.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2].removesuffix("/0")))
    writer.write(pack(["PING"]))
    assert b"" == await Line(reader, writer).end()
    writer.close()
    await proxy.close()


async def test_what_is_no_resp_ends_the_connection(world: World) -> None:
    line = await world.line()
    line.writer.write(b"*x\r\n")
    assert b"" == await line.end()


async def test_a_fault_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="do: expected one of"):
        Fault({}, "explode")
