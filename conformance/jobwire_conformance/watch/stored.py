"""Rules for what lies in the server: section 7.1."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import redis.asyncio as redis

from .. import binding
from .facts import Problem

_RECORD = re.compile(
    rb"\A[0-9]+ [0-9]{1,4} [0-9] [0-9]{1,15} (?:-|c|s|cs) (?P<nonce>-|[A-Za-z0-9_-]{16,64}) (?:-|[0-9]{1,16})\Z"
)
_TYPES = dict.fromkeys(("jobs", "record", "outcomes", "progress", "control"), b"hash")
_TYPES |= dict.fromkeys(("ready", "scheduled", "active", "failed"), b"zset") | {"wake": b"list"}
SETS = ("ready", "scheduled", "active", "failed")


async def findings(client: redis.Redis, namespace: str) -> AsyncIterator[Problem | None]:
    """Look at all keys of a namespace, those of a queue as they are at one instant."""
    queues: set[str] = set()
    async for key in client.scan_iter(match=f"{namespace}:*", count=1000):
        found = binding.split_key(namespace, key)
        if found is None:
            yield Problem("the keys of section 7.1 only", repr(key[:200]), requirement="KEY-1")
            continue
        queues.add(found[0])
        yield await _key(client, key, found[1])
    for queue in sorted(queues):
        for problem in _queue(queue, await _snapshot(client, namespace, queue)):
            yield problem


async def _key(client: redis.Redis, key: bytes, name: str) -> Problem | None:
    type_: Any = await client.type(key)
    ttl = await client.pttl(key)
    if type_ == b"none":
        return None
    short_lived = name.startswith(("result:", "join:"))
    wanted = _TYPES.get(name) or (b"string" if name.startswith("result:") else b"hash")
    if type_ != wanted:
        return Problem(f"{name} of type {wanted.decode()}", _text(type_))
    if (ttl > 0) != short_lived and ttl != -2:
        return Problem(f"{'a' if short_lived else 'no'} TTL on {name}", f"{ttl} ms")
    return None


async def _snapshot(client: redis.Redis, namespace: str, queue: str) -> dict[str, Any]:
    keys = {name: binding.key(namespace, queue, name) for name in binding.NAMES}
    async with client.pipeline(transaction=True) as pipe:
        for name in ("jobs", "outcomes", "progress"):
            pipe.hkeys(keys[name])
        for name in ("record", "control"):
            pipe.hgetall(keys[name])
        for name in SETS:
            pipe.zrange(keys[name], 0, -1)
        pipe.lrange(keys["wake"], 0, -1)
        names = ("jobs", "outcomes", "progress", "record", "control", *SETS, "wake")
        return dict(zip(names, await pipe.execute(raise_on_error=False), strict=True))


def _queue(queue: str, found: dict[str, Any]) -> Iterator[Problem | None]:
    if any(isinstance(value, Exception) for value in found.values()):
        return  # a key of a wrong type, which was told
    sets: dict[str, set[bytes]] = {name: set(found[name]) for name in SETS}
    jobs, records = set(found["jobs"]), found["record"]
    members = [id for name in SETS for id in sets[name]]
    yield None
    for id in sorted(set(members) | jobs):
        states = [name for name in SETS if id in sets[name]]
        if len(states) != 1 or id not in jobs:
            where = f"{', '.join(states) or 'no set'}{'' if id in jobs else ' without an envelope'}"
            yield _problem("an id in jobs and in exactly one set", queue, f"{_text(id)} in {where}")
    for name in ("record", "outcomes", "progress"):
        for id in sorted(set(found[name]) - jobs):
            yield _problem(f"ids of {name} in jobs", queue, _text(id))
    for id, record in sorted(records.items()):
        yield _record(queue, id, record, id in sets["active"])
    for id in sorted(sets["active"] - set(records)):
        yield _problem("a record for each active id", queue, f"none for {_text(id)}")
    if found["wake"] not in ([], [b"1"]):
        yield _problem("at most one token in wake, 1", queue, str(found["wake"][:5]))
    if found["control"].get(b"layout", b"1") != b"1":
        yield _problem("layout 1", queue, _text(found["control"][b"layout"]))


def _record(queue: str, id: bytes, record: bytes, active: bool) -> Problem | None:
    match = _RECORD.match(record)
    if match is None:
        return _problem("a record as in section 7.1", queue, f"{_text(record)} for {_text(id)}")
    if (match["nonce"] != b"-") != active:
        wanted = "a nonce in the record of an active job" if active else "no nonce in that of another"
        return _problem(wanted, queue, f"{_text(record)} for {_text(id)}")
    return None


def _problem(expected: str, queue: str, got: str) -> Problem:
    return Problem(expected, f"{got} (queue {queue})")


def _text(data: bytes) -> str:
    return data[:200].decode("utf-8", "backslashreplace")
