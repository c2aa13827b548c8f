"""Messages that no well-meaning producer writes: each ends failed with its class, and the worker lives on."""

import json
from typing import Any

import msgpack
import pytest

from jobwire import State, scripts
from jobwire.keys import queue_keys
from tests.reference.worker.conftest import Bench
from tests.servers import until

GOOD: dict[str, Any] = {"jobwire": "1.0", "id": "bad", "type": "add", "queue": "default", "args": [1]}


def but(**fields: Any) -> bytes:
    """Return a good envelope with other fields; one that is None is left out."""
    return json.dumps({name: value for name, value in (GOOD | fields).items() if value is not None}).encode()


STEP = {"id": "s", "type": "add", "queue": "default"}
# What broke workers of other systems, in the shape of our envelope, and the rest of its kind.
MESSAGES: dict[str, tuple[str, bytes]] = {
    "not JSON": ("malformed", b"not json"),
    "an array": ("malformed", b"[1,2]"),
    "a number": ("malformed", b"5"),
    "one byte": ("malformed", b"{"),
    "cut off": ("malformed", but()[:-5]),
    "white space first": ("malformed", b" " + but()),
    "byte order mark": ("malformed", b"\xef\xbb\xbf" + but()),
    "base64": ("malformed", b"eyJqb2J3aXJlIjoiMS4wIn0="),
    "pickle": ("malformed", b"\x80\x04\x95\x10\x00"),
    "zlib": ("malformed", b"x\x9cK\xcc\x00\x00"),
    "MessagePack cut off": ("malformed", msgpack.packb(GOOD)[:-1]),
    "MessagePack array": ("malformed", msgpack.packb([1])),
    "MessagePack lies about its length": ("malformed", b"\xdf\xff\xff\xff\xff"),
    "MessagePack deep": ("malformed", b"\x81\xa1a" + b"\x91" * 100_000),
    "JSON deep": ("malformed", b'{"a":' + b"[" * 100_000),
    "no version": ("invalid", but(jobwire=None)),
    "version is a number": ("invalid", but(jobwire=1.0)),
    "version with a newline": ("invalid", but(jobwire="1.0\n")),
    "next version": ("unsupported_version", but(jobwire="2.0")),
    "next version and nothing else": ("unsupported_version", b'{"jobwire":"2.0"}'),
    "no id": ("invalid", but(id=None)),
    "id is a number": ("invalid", but(id=5)),
    "another id": ("invalid", but(id="other")),
    "another queue": ("invalid", but(queue="other")),
    "no type": ("invalid", but(type=None)),
    "type that imports": ("invalid", but(type="os system")),
    "args null": ("succeeded", but(args=None)[:-1] + b',"args":null}'),
    "args a number": ("invalid", but(args=5)),
    "args an object": ("invalid", but(args={"x": 1})),
    "kwargs an array": ("invalid", but(kwargs=[])),
    "wrong kwargs": ("handler_error", but(kwargs={"nothing": 1}, retry={"max_attempts": 1})),
    "expires_at a string": ("invalid", but(expires_at="2026-11-22T16:11:53Z")),
    "expires_at empty": ("invalid", but(expires_at="")),
    "timeout a list": ("invalid", but(timeout_ms=[None])),
    "timeout 1.5": ("invalid", but(timeout_ms=1.5)),
    "timeout a string": ("invalid", but(timeout_ms="1.5")),
    "timeout 0": ("invalid", but(timeout_ms=0)),
    "ttl below 0": ("invalid", but(result_ttl_ms=-1)),
    "ttl true": ("invalid", but(result_ttl_ms=True)),
    "retry a list": ("invalid", but(retry=[])),
    "factor below 1": ("invalid", but(retry={"factor": 0.5})),
    "then a step": ("invalid", but(then=STEP)),
    "then an empty step": ("invalid", but(then=[{}])),
    "then and join": ("invalid", but(then=[STEP], join={"group": "g", "index": 0, "size": 1, "then": [STEP]})),
    "own id in then": ("invalid", but(then=[STEP | {"id": "bad"}])),
    "join without steps": ("invalid", but(join={"group": "g", "index": 0, "size": 1, "then": []})),
    "join index too high": ("invalid", but(join={"group": "g", "index": 1, "size": 1, "then": [STEP]})),
    "parent with a space": ("invalid", but(parent_id="a b")),
    "null in options": ("succeeded", but()[:-1] + b',"timeout_ms":null,"then":null,"join":null,"retry":null}'),
    "integers written as floats": ("succeeded", but()[:-1] + b',"timeout_ms":5e3,"result_ttl_ms":60000.0}'),
}  # fmt: skip

# SPEC leaves it to the reader whether it takes these; it must only outlive them. [VAL-12] [VAL-13]
SURVIVE: dict[str, bytes] = {
    "equal keys": but()[:-1] + b',"args":[2],"args":[3]}',
    "lone surrogate": but()[:-1] + b',"headers":{"a":"\\ud800"}}',
    "bad UTF-8": but()[:-1] + b',"headers":{"a":"\xff"}}',
    "NaN": but()[:-1] + b',"headers":{"a":NaN}}',
    "infinity": but()[:-1] + b',"args":[Infinity]}',
    "1e400": but()[:-1] + b',"args":[1e400]}',
    "an integer of 5000 digits": but()[:-1] + b',"args":[' + b"9" * 5000 + b"]}",
    "bytes behind": but() + b" x",
    "a comment": b'{/**/' + but()[1:],
    "depth 40": but()[:-1] + b',"headers":{"a":' + b"[" * 40 + b"]" * 40 + b"}}",
    "bin": msgpack.packb(GOOD | {"headers": {"a": b"x"}}, use_bin_type=True),
    "bin id": msgpack.packb(GOOD | {"id": b"bad"}, use_bin_type=True),
    "ext": msgpack.packb(GOOD | {"headers": {"a": msgpack.ExtType(5, b"x")}}),
    "timestamp": msgpack.packb(GOOD | {"args": [msgpack.Timestamp(1)]}),
    "integer keys": msgpack.packb(GOOD | {"kwargs": {1: 2}}),
    "array keys": but()[:0] + b"\x81\x91\x01\x02",
    "MessagePack bytes behind": msgpack.packb(GOOD) + b"\x00",
}  # fmt: skip


def _put(bench: Bench, envelope: bytes) -> None:
    job = scripts.Accept("bad", envelope, 0, 3, 4)
    bench.app.store.run([scripts.enqueue(queue_keys("jobwire", "default"), [job])])


@pytest.mark.parametrize("name", MESSAGES)
def test_each_ends_with_the_right_class(bench: Bench, name: str) -> None:
    wanted, envelope = MESSAGES[name]
    _put(bench, envelope)
    with bench.worker(concurrency=1):
        outcome = bench.app.handle("bad").outcome(10)
        assert wanted == (outcome.error.code if outcome.error else outcome.state.value)
        assert 8 == bench.app.enqueue("add", 4, 4).result(10)
    if wanted != "succeeded":
        assert envelope == bench.client.hget("jobwire:{default}:jobs", "bad")
        assert bench.set_size("failed") == 1


@pytest.mark.parametrize("name", SURVIVE)
def test_the_worker_survives_what_readers_treat_differently(bench: Bench, name: str) -> None:
    _put(bench, SURVIVE[name])
    with bench.worker(concurrency=1):
        view = until(lambda: (v := bench.app.handle("bad").look()) and v.outcome and v, within_ms=10_000)
        assert view.state in (State.FAILED, State.SUCCEEDED, State.SCHEDULED)
        assert 8 == bench.app.enqueue("add", 4, 4).result(10)


def test_a_batch_of_them_fails_no_neighbour(bench: Bench) -> None:
    bad = [*MESSAGES.values()]
    keys = queue_keys("jobwire", "default")
    jobs = [scripts.Accept(f"bad-{number}", envelope, 0, 3, 4) for number, (_, envelope) in enumerate(bad)]
    bench.app.store.run([scripts.enqueue(keys, jobs)])
    good = bench.app.enqueue_many(bench.app.step("add", number) for number in range(100))
    with bench.worker(concurrency=2):
        assert list(range(100)) == [handle.result(20) for handle in good]
        until(lambda: bench.set_size("failed") + bench.set_size("scheduled") == len(bad), within_ms=10_000)
