"""What two implementations have to get right together, and the verdict on it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..adapter import Adapter, AdapterError
from ..cases.matching import matches
from ..documents import same
from ..model import CaseResult, Check, Status, overall

WAIT_MS = 20_000
VALUES = [
    None, True, False, 0, -1, 85, 9007199254740991, -9007199254740991, 1.5, 1e300, -0.25, "", "é 漢 🐍", 'quote " \\ /',
    [], {}, [[], [None]], {"a": {"b": [1, {"c": None}]}, "": 0}, "\u0000\u001f", list(range(40)),
]  # fmt: skip


@dataclass(frozen=True)
class Item:
    """One thing to do together: jobs to enqueue, whose outcome is waited for, and what that has to hold."""

    name: str
    requirement: str
    jobs: Sequence[Mapping[str, Any]]
    waits_for: Sequence[Mapping[str, str]]
    wanted: Mapping[str, Any]
    pattern: Mapping[str, Any] | None = None


def items(queue: str, mark: str) -> list[Item]:
    """Return what is asked of a pair, with ids that end in the mark."""

    def job(name: str, type: str, **members: Any) -> dict[str, Any]:
        return {"id": f"{name}-{mark}", "type": f"conformance.{type}", "queue": queue, **members}

    def one(name: str, requirement: str, wanted: Mapping[str, Any], type: str, **members: Any) -> Item:
        made = job(name, type, **members)
        return Item(name, requirement, [made], [{"queue": queue, "id": made["id"]}], wanted)

    succeeded = {"state": "succeeded"}
    then = [job("step", "echo", args=["own"]), job("last", "context")]
    chain = job("chain", "add", args=[20, 22], then=then)
    failing = {"kwargs": {"message": "nö", "type": "Nö", "final": True}}
    return [
        one("values", "RUN-9", {**succeeded, "result": {"args": VALUES, "kwargs": {"k": VALUES}}}, "echo",
            args=VALUES, kwargs={"k": VALUES}),
        one("retried", "RETRY-5", {**succeeded, "attempt": 2, "result": 2}, "flaky", args=[1], retry={"delay_ms": 0}),
        one("failed", "RETRY-3", {"state": "failed", "attempt": 1}, "fail", **failing),
        one("big", "RUN-11", {**succeeded, "result": "x" * 200_000}, "big", args=[200_000]),
        one("nothing", "RUN-13", {"state": "failed"}, "unserializable", args=["nan"]),
        Item("chain", "FLOW-7", [chain],
             [{"queue": queue, "id": id} for id in (chain["id"], then[0]["id"], then[1]["id"])],
             {**succeeded, "result": {"id": then[1]["id"], "attempt": 1, "run": 1}}),
    ]  # fmt: skip


async def do(item: Item, producer: Adapter, encoding: str, time_scale: float) -> Check:
    """Enqueue the jobs of an item and judge what comes of them."""
    what = f"{item.name}: {', '.join(str(job['type']) for job in item.jobs)}"
    try:
        for job in item.jobs:
            answer = await producer.ask("enqueue", WAIT_MS * time_scale, job=job, format=encoding)
            if answer.get("status") != "accepted":
                return _failed(item, what, {"status": "accepted"}, answer)
        limit = WAIT_MS * time_scale
        begun = producer.begin("wait", jobs=list(item.waits_for), timeout_ms=int(limit))
        answer = await producer.answer(begun, limit + 5000)
    except AdapterError as error:
        return _failed(item, what, item.wanted, str(error))
    outcome = answer.get("outcome") or {}
    held = item.pattern is None or matches(item.pattern, outcome)
    if held and all(same(value, outcome.get(name)) for name, value in item.wanted.items()):
        return Check(item.requirement, what, Status.PASS)
    return _failed(item, what, item.pattern or item.wanted, outcome or answer)


def _failed(item: Item, what: str, expected: Any, got: Any) -> Check:
    return Check(item.requirement, what, Status.FAIL, _short(expected), _short(got))


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 600 else f"{text[:600]}… ({len(text)} characters)"


def verdict(id: str, says: str, checks: Sequence[Check], axes: Mapping[str, str], ms: float) -> dict[str, Any]:
    """Return the record of a case."""
    bad = [check for check in checks if check.status is Status.FAIL]
    reason = f"{bad[0].what}: wanted {bad[0].expected}, got {bad[0].got}" if bad else ""
    requirements = tuple(dict.fromkeys(check.requirement for check in checks))
    status = overall(list(checks))
    result = CaseResult(id, says, requirements, "worker", "core", status, reason, ms, tuple(checks))
    return {"kind": "case", **result.record(), "axes": dict(axes)}


def not_run(id: str, says: str, axes: Mapping[str, str], reason: str) -> dict[str, Any]:
    """Return the record of a case whose implementation is not there."""
    result = CaseResult(id, says, (), "worker", "core", Status.NOT_RUN, reason)
    return {"kind": "case", **result.record(), "axes": dict(axes)}


async def timed(checks: Callable[[], Awaitable[list[Check]]]) -> tuple[list[Check], float]:
    """Return the checks and how many ms they took."""
    began = time.monotonic()
    return await checks(), (time.monotonic() - began) * 1000


async def pair(queue: str, mark: str, producer: Adapter, encoding: str, time_scale: float) -> list[Check]:
    """Have a producer enqueue all items in the queue of a worker, and judge them."""
    return list(await asyncio.gather(*(do(item, producer, encoding, time_scale) for item in items(queue, mark))))
