"""The arguments and replies of every script, as plain values. SPEC section 7.2."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import Any, NamedTuple

from .keys import QueueKeys

MAX_JOBS = 1000


class Script(NamedTuple):
    """One script: its name, its bytes, and their SHA-1, by which the server knows it."""

    name: str
    text: bytes
    sha1: str


class Call(NamedTuple):
    """One script call, ready to send."""

    script: str
    keys: tuple[str, ...]
    args: Sequence[str | bytes | int]


class Accept(NamedTuple):
    """What enqueue and pass need of one job; `run_at` 0 means now. [PROD-1]"""

    id: str
    envelope: bytes
    run_at: int
    max_attempts: int
    priority: int


class Claimed(NamedTuple):
    """One job of a claim's reply."""

    id: str
    token: str
    attempt: int
    document: bytes
    envelope: bytes


class ClaimReply:
    """A claim's reply: times in ms; `taken` if its one job was taken over; `count` jobs, read when asked for."""

    __slots__ = ("_reply", "count", "now", "taken", "wait_ms")

    def __init__(self, reply: list[Any]) -> None:
        self.now: int = reply[0]
        self.wait_ms: int = reply[1]
        self.taken = reply[2] == 1
        self.count = len(reply) // 5
        self._reply = reply

    @property
    def jobs(self) -> list[Claimed]:
        """The jobs, each read anew at every call."""
        reply = self._reply
        ids, tokens = map(bytes.decode, reply[3::5]), map(bytes.decode, reply[4::5])
        return list(map(Claimed, ids, tokens, reply[5::5], reply[6::5], reply[7::5]))


class Settle(NamedTuple):
    """What settle needs of one job; `number` is a ttl or delay in ms."""

    id: str
    token: str
    verb: str
    document: bytes
    number: int


class Look(NamedTuple):
    """What look says of one job."""

    state: str
    attempt: int
    document: bytes
    progress: bytes


class JoinReply(NamedTuple):
    """A join's reply; `have` members are stored (-1: too large), `values` is empty until all are."""

    have: int
    size: int
    values: list[bytes]


@cache
def scripts() -> dict[str, Script]:
    """Return all scripts of this release by name. [VER-2]"""
    from importlib.resources import files  # here, as it makes every start of the command line slower

    found = {}
    for entry in sorted(files("jobwire").joinpath("lua").iterdir(), key=lambda entry: entry.name):
        name, _, kind = entry.name.partition(".")
        if kind == "lua":
            text = entry.read_bytes()
            found[name] = Script(name, text, hashlib.sha1(text, usedforsecurity=False).hexdigest())
    return found


def enqueue(keys: QueueKeys, jobs: Sequence[Accept], script: str = "enqueue") -> Call:
    """Call enqueue, or `pass` for a hand-over."""
    return _with_results(script, keys, jobs)


def words(reply: list[Any]) -> list[str]:
    """Read a reply of one word per job: enqueue, extend, settle, requeue."""
    return [word.decode() for word in reply[1:]]


def claim(keys: QueueKeys, nonce: str, lease_ms: int, max_jobs: int, rescue: bool) -> Call:
    """Call claim."""
    return Call("claim", keys.base, (nonce, lease_ms, max_jobs, int(rescue)))


def claimed(reply: list[Any]) -> ClaimReply:
    """Read a claim's reply."""
    return ClaimReply(reply)


def extend(keys: QueueKeys, lease_ms: int, jobs: Sequence[tuple[str, str, bytes]]) -> Call:
    """Call extend; per job id, token and progress (empty: none)."""
    return Call("extend", keys.base, [lease_ms, *[part for job in jobs for part in job]])


def settle(keys: QueueKeys, jobs: Sequence[Settle | tuple[str, str, str, bytes, int]]) -> Call:
    """Call settle; per job what Settle names."""
    return _with_results("settle", keys, jobs)


def _with_results(script: str, keys: QueueKeys, jobs: Sequence[tuple[str | bytes | int, ...]]) -> Call:
    """Call a script with the arguments of each job, of which the first is its id, and its result's key."""
    start = keys.result("")
    return Call(script, (*keys.base, *[start + str(job[0]) for job in jobs]), list(chain.from_iterable(jobs)))


def cancel(keys: QueueKeys, job_id: str, document: bytes, ttl_ms: int) -> Call:
    """Call cancel."""
    return Call("cancel", (*keys.base, keys.result(job_id)), (job_id, document, ttl_ms))


def look(keys: QueueKeys, ids: Sequence[str]) -> Call:
    """Call look."""
    return Call("look", (*keys.base, *map(keys.result, ids)), ids)


def looked(reply: list[Any]) -> list[Look]:
    """Read a look's reply."""
    return [Look(reply[i].decode(), reply[i + 1], reply[i + 2], reply[i + 3]) for i in range(1, len(reply), 4)]


def join(keys: QueueKeys, group: str, index: int, size: int, value: bytes, ttl_ms: int) -> Call:
    """Call join; `keys` are those of the callback's queue."""
    return Call("join", (keys.join(group),), (index, size, value, ttl_ms))


def joined(reply: list[Any]) -> JoinReply:
    """Read a join's reply."""
    return JoinReply(reply[1], reply[2], reply[3:])


def requeue(keys: QueueKeys, ids: Sequence[str]) -> Call:
    """Call requeue."""
    return Call("requeue", keys.base, ids)


def purge(keys: QueueKeys, before_ms: int, limit: int) -> Call:
    """Call purge."""
    return Call("purge", keys.base, (before_ms, limit))


def configure(keys: QueueKeys, field: str, value: str) -> Call:
    """Call configure; an empty value unsets the field."""
    return Call("configure", keys.base, (field, value))
