"""What operators read of queues: names, sizes, settings and failed jobs. Plain reads and `look` only."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from . import scripts
from .errors import Invalid, Malformed
from .keys import QueueKeys, control_pattern, queue_keys, queue_of
from .scripts import Look
from .store import Store
from .values import decode_object

# The record of a job that was never claimed begins with 0 attempts.
NO_ATTEMPTS = b"0"


class QueueStatus(NamedTuple):
    """The sizes and settings of one queue; instants in ms, None where there is none."""

    queue: str
    ready: int
    scheduled: int
    active: int
    failed: int
    lease_over: int
    """Of the active jobs, those whose worker has gone."""
    paused: bool
    max_active: int | None
    failed_ttl_ms: int | None
    next_due_at: int | None
    oldest_failed_at: int | None


class FailedJob(NamedTuple):
    """One job of `failed` as it lies there, decoded or not; `failed_at` in ms."""

    id: str
    failed_at: int
    attempts: int
    envelope: bytes
    outcome: bytes


class Unreadable(NamedTuple):
    """Bytes that are no document, and why."""

    data: bytes
    problem: str


def names(store: Store, namespace: str) -> list[str]:
    """Return the queues of a namespace that were ever used."""
    found = []
    for key in store.scan(control_pattern(namespace)):
        with contextlib.suppress(Invalid):  # a key of somebody else that matches
            if queue_keys(namespace, queue_of(key))["control"] == key:
                found.append(queue_of(key))
    return found


def now_ms(store: Store, keys: QueueKeys) -> int:
    """Return the server's time."""
    reply: int = store.run([scripts.look(keys, ["-"])])[0][0]
    return reply


def status(store: Store, keys: QueueKeys, now: int) -> QueueStatus:
    """Return sizes and settings of a queue."""
    paused, max_active, failed_ttl_ms = store.read("HMGET", keys["control"], "paused", "max_active", "failed_ttl_ms")
    return QueueStatus(
        queue=keys.queue,
        **{name: store.read("ZCARD", keys[name]) for name in ("ready", "scheduled", "active", "failed")},
        lease_over=store.read("ZCOUNT", keys["active"], "-inf", now),
        paused=paused == b"1",
        max_active=None if max_active is None else int(max_active),
        failed_ttl_ms=None if failed_ttl_ms is None else int(failed_ttl_ms),
        next_due_at=_lowest(store, keys["scheduled"]),
        oldest_failed_at=_lowest(store, keys["failed"]),
    )


def _lowest(store: Store, key: str) -> int | None:
    pairs = _pairs(store.read("ZRANGE", key, 0, 0, "WITHSCORES"))
    return pairs[0][1] if pairs else None


def look(store: Store, keys: QueueKeys, ids: Sequence[str]) -> list[Look]:
    """Return what is known of jobs, documents undecoded."""
    found: list[Look] = []
    for first in range(0, len(ids), scripts.MAX_JOBS):
        found += scripts.looked(store.run([scripts.look(keys, ids[first : first + scripts.MAX_JOBS])])[0])
    return found


def failed(store: Store, keys: QueueKeys, limit: int) -> list[FailedJob]:
    """Return up to `limit` failed jobs, the newest first."""
    pairs = _pairs(store.read("ZRANGE", keys["failed"], 0, limit - 1, "REV", "WITHSCORES"))
    # One at a time: an envelope and an outcome may have a MiB each.
    return [_failed_job(store, keys, job_id, failed_at) for job_id, failed_at in pairs]


def failed_job(store: Store, keys: QueueKeys, job_id: str) -> FailedJob | None:
    """Return one failed job, None if there is none with this id."""
    score = store.read("ZSCORE", keys["failed"], job_id)
    return None if score is None else _failed_job(store, keys, job_id, int(float(score)))


def failed_count(store: Store, keys: QueueKeys, before_ms: int) -> int:
    """Return how many jobs failed at or before an instant."""
    count: int = store.read("ZCOUNT", keys["failed"], "-inf", before_ms)
    return count


def failed_ids(store: Store, keys: QueueKeys, before_ms: int) -> Iterator[list[str]]:
    """Yield the ids of jobs that failed at or before an instant, oldest first, a call's worth at a time.

    The caller takes each part out of `failed` before it asks for the next.
    """
    last: list[str] = []
    while True:
        found = store.read("ZRANGE", keys["failed"], "-inf", before_ms, "BYSCORE", "LIMIT", 0, scripts.MAX_JOBS)
        part = [_text(job_id) for job_id in found]
        if not part or part == last:
            return
        yield part
        last = part


def document(data: bytes) -> dict[str, Any] | Unreadable | None:
    """Decode a stored document; None for no bytes."""
    if not data:
        return None
    try:
        return decode_object(data)
    except Malformed as error:
        return Unreadable(data, str(error))


def _failed_job(store: Store, keys: QueueKeys, job_id: str, failed_at: int) -> FailedJob:
    envelope, record, outcome = (store.read("HGET", keys[name], job_id) for name in ("jobs", "record", "outcomes"))
    attempts = (record or NO_ATTEMPTS).split(b" ")[0]
    return FailedJob(job_id, failed_at, int(attempts) if attempts.isdigit() else 0, envelope or b"", outcome or b"")


def _pairs(reply: Sequence[Any]) -> list[tuple[str, int]]:
    """Read members with scores, which come flat or, by RESP3, in pairs."""
    flat = [part for pair in reply for part in pair] if reply and isinstance(reply[0], list | tuple) else reply
    return [(_text(flat[i]), int(float(flat[i + 1]))) for i in range(0, len(flat), 2)]


def _text(member: bytes) -> str:
    return member.decode("ascii", "backslashreplace")
