"""Put the vectors to a worker: as envelopes of jobs, many in one case, with a good job behind them."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Final

from ..cases.loader import Case, WorkerSettings
from ..documents import MAX_BYTES, MAX_INTEGER
from .files import load_vectors
from .inputs import addressed
from .vectors import ENCODINGS, Vector

TYPE: Final = "conformance.echo"
QUEUE: Final = "default"
WITHIN_MS: Final = 30_000
# What a worker has to look at. [FIELD-6]
USED: Final = frozenset(
    {"jobwire", "args", "kwargs", "expires_at", "timeout_ms", "result_ttl_ms", "retry", "root_id", "parent_id"}
    | {"then", "join"}
)
# Two levels are added by the result and the outcome. [RUN-13]
DEEPEST: Final = 29

# A job is not over, nor its outcome gone, in less.
LONG_MS: Final = 60_000

Step = dict[str, Any]


@cache
def worker_cases() -> tuple[Case, ...]:
    """Return the cases of a worker that are made of vectors."""
    return (_survivors(), *_by_topic("rejects", _is_rejected, _rejects), *_by_topic("reads", _is_echoed, _reads))


def survive_inputs() -> list[tuple[str, bytes]]:
    """Return what any program has to survive, each with the id of the job that it is, for a worker's queue."""
    vectors = [vector for vector in load_vectors() if vector.verdict == "survive" and len(vector.data) <= MAX_BYTES]
    return [(_name(vector), addressed(vector.data, _name(vector), TYPE, QUEUE)) for vector in vectors]


def _name(vector: Vector) -> str:
    return vector.id.rpartition("/")[2]


def _survivors() -> Case:
    inputs = survive_inputs()
    ended = {"state": {"one_of": ["finished", "failed"]}, "within_ms": WITHIN_MS, "requirement": "VAL-13"}
    steps = [_raw(job_id, data) for job_id, data in inputs]
    steps += [*_good("good"), {"until": {"job": "good", **_echoed({}), "requirement": "VAL-13"}}]
    steps += [{"until": {"job": job_id, **ended}} for job_id, _ in inputs]
    return _case(
        "worker/survive/vectors",
        "A worker runs or fails each document about which libraries differ, and goes on.",
        ("VAL-13", "RUN-15"),
        "core",
        [*steps, *_still_there("RUN-15")],
    )


def _raw(job_id: str, data: bytes) -> Step:
    return {"raw": {"id": job_id, "base64": base64.b64encode(data).decode()}}


def _good(job_id: str) -> list[Step]:
    return [{"enqueue": {"id": job_id, "type": TYPE}}, {"start": "A"}]


def _echoed(job: dict[str, Any]) -> dict[str, Any]:
    result = {"args": job.get("args", []), "kwargs": job.get("kwargs", {})}
    document = {"state": "succeeded", "result": {"exactly": result}}
    return {"state": "finished", "document": document, "within_ms": WITHIN_MS}


def _still_there(requirement: str) -> list[Step]:
    """See that the same process runs another job."""
    return [
        {"enqueue": {"id": "last", "type": TYPE}},
        {"until": {"job": "last", **_echoed({}), "requirement": requirement}},
        {"check": {"events": {"process": "exited"}, "count": 0, "requirement": requirement}},
    ]


def _case(case_id: str, says: str, requirements: tuple[str, ...], profile: str, steps: Iterable[Step]) -> Case:
    return Case(
        case_id, says, requirements, "worker", profile,
        workers={"A": WorkerSettings(concurrency=4)}, steps=tuple(steps), source="codec/cases.py",
    )  # fmt: skip


def _by_topic(kind: str, takes: Callable[[Vector], bool], make: Callable[[str, list[Vector]], Case]) -> Iterable[Case]:
    topics: dict[str, list[Vector]] = defaultdict(list)
    for vector in load_vectors():
        if takes(vector) and _is_addressed(vector):
            topics[vector.id.split("/")[1]].append(vector)
    return [make(f"worker/{kind}/{topic}", vectors) for topic, vectors in topics.items()]


def _is_addressed(vector: Vector) -> bool:
    """Tell whether the input can be made that of a job of its own id, queue and type."""
    found = addressed(vector.data, "x", TYPE, QUEUE)
    # In a step the id of the base is another job's.
    return found != vector.data and b'"id":"a"' not in found and b"\xa2id\xa1a" not in found


def _is_chosen(vector: Vector) -> bool:
    """Tell whether a worker gets the input: of what stands in both encodings, it gets one."""
    name = vector.id.removesuffix(f"-{vector.encoding}")
    return name == vector.id or len(name) % 2 == ENCODINGS.index(vector.encoding)


def _is_rejected(vector: Vector) -> bool:
    used = {field.split(".")[0] for field in vector.fields} <= USED
    return vector.verdict == "reject" and used and _is_chosen(vector)


def _rejects(case_id: str, vectors: list[Vector]) -> Case:
    steps: list[Step] = [_raw(_name(vector), addressed(vector.data, _name(vector), TYPE, QUEUE)) for vector in vectors]
    steps += [*_good("good"), {"until": {"job": "good", **_echoed({}), "requirement": "RUN-5"}}]
    steps += [{"until": {"job": _name(vector), **_failed(vector)}} for vector in vectors]
    steps += [{"check": {"events": {"log": "start", "id": _name(vector)}, "count": 0, "requirement": "RUN-5"}}
              for vector in vectors]  # fmt: skip
    found = {step["until"]["requirement"] for step in steps if "until" in step} | {"RUN-5"}
    return _case(case_id, "A worker fails what a reader rejects, with its class.", tuple(sorted(found)),
                 vectors[0].profile, steps)  # fmt: skip


def _failed(vector: Vector) -> dict[str, Any]:
    error: dict[str, Any] = {"code": vector.code}
    if vector.fields:
        error["details"] = {"field": vector.fields[0] if len(vector.fields) == 1 else {"one_of": [*vector.fields]}}
    requirement = "FIELD-6" if vector.fields else "RUN-5"
    document = {"state": "failed", "attempt": 1, "error": error}
    return {"state": "failed", "document": document, "within_ms": WITHIN_MS, "requirement": requirement}


def _is_echoed(vector: Vector) -> bool:
    """Tell whether a worker has to run the job and can give its arguments back."""
    if vector.verdict != "accept" or not _is_chosen(vector) or vector.profile != "core":
        return False
    job = vector.expected
    if "expires_at" in job or job["result_ttl_ms"] < LONG_MS or job.get("timeout_ms", LONG_MS) < LONG_MS:
        return False
    return _can_return([job["args"], job["kwargs"]], DEEPEST + 1)


def _can_return(value: Any, depth: int) -> bool:
    if isinstance(value, dict | list):
        members = value.values() if isinstance(value, dict) else value
        return depth > 0 and all(_can_return(member, depth - 1) for member in members)
    # What is beyond the exact integers, some languages must refuse to write. [VAL-3]
    return not isinstance(value, int | float) or abs(value) <= MAX_INTEGER


def _reads(case_id: str, vectors: list[Vector]) -> Case:
    steps: list[Step] = [_raw(_name(vector), addressed(vector.data, _name(vector), TYPE, QUEUE)) for vector in vectors]
    steps += [{"start": "A"}]
    steps += [{"until": {"job": _name(vector), **_echoed(vector.expected), "requirement": "RUN-9"}}
              for vector in vectors]  # fmt: skip
    says = "A worker gives the handler the arguments of whatever a reader accepts."
    return _case(case_id, says, ("RUN-9",), "core", steps)
