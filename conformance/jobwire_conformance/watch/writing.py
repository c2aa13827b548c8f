"""Rules for the documents that an implementation writes: sections 4, 5 and 8."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from .. import binding
from ..documents import MAX_PROGRESS_BYTES, Kind, Unreadable, complaints, encoding_of, read, violations
from ..wire.events import text
from .facts import Call, Facts, Findings, Given, Problem, Settled, readable

# What a writer of values has to keep to; the limits of a whole document are others for progress.
_WHOLE = frozenset({"VAL-9", "VAL-10"})
# Keys that a reader may reject. [VAL-11] [VAL-12]
_AVOIDED = frozenset({"__proto__", "constructor", "prototype"})


def outcomes(facts: Facts) -> Findings:
    """Look at each outcome that a worker writes. [OUT-1] [OUT-4] [FIELD-10] [VAL-5] [VAL-6] [VAL-7] [VAL-8] [VAL-9]"""
    for settled in facts.settled:
        given = facts.given_of(settled)
        if settled.verb == "release" or _is_stored(settled, given):
            continue
        yield from _judged(settled.document, "outcome", settled.call.at, settled.id)
        if settled.outcome:
            yield _named(settled, given)


def _is_stored(settled: Settled, given: Given | None) -> bool:
    """Whether an outcome is the one that the job came with, written by whomever."""
    if given is None or not given.document:
        return False
    stored = given.stored.value if given.stored is not None else {}
    return settled.document == given.document or stored.get("state") == settled.outcome.get("state")


def _judged(data: bytes, kind: Kind, at: float, id: str, handed_over: bool = False) -> Iterator[Problem | None]:
    found = _wrong(data, kind, handed_over)
    yield None
    for requirement, message in found:
        yield Problem(f"{kind} of {id} as a writer has to write it", message, at, requirement)


@lru_cache(maxsize=64)
def _wrong(data: bytes, kind: Kind, handed_over: bool) -> tuple[tuple[str, str], ...]:
    """Return what is wrong with a document; one is often sent twice, to decide and to close."""
    try:
        document = read(data)
    except Unreadable as error:
        return (("OUT-1" if kind == "outcome" else "ENC-1", str(error)),)
    return (*complaints(document), *violations(kind, document.value, handed_over=handed_over))


def _named(settled: Settled, given: Given | None) -> Problem | None:
    wanted: dict[str, Any] = {"id": settled.id}
    if given is not None:
        wanted["attempt"] = given.attempt
    got = {name: settled.outcome.get(name) for name in wanted}
    return None if got == wanted else Problem(f"an outcome with {wanted}", str(got), settled.call.at)


def encodings(facts: Facts) -> Findings:
    """Compare the encoding of each outcome with that of its job. [OUT-1]"""
    for settled in facts.settled:
        given = facts.given_of(settled)
        if given is None or settled.verb == "release" or _is_stored(settled, given):
            continue
        allowed, got = _encodings(given), encoding_of(settled.document)
        wanted = f"the outcome of {given.id} in {' or '.join(sorted(allowed))}"
        yield None if got in allowed else Problem(wanted, str(got), settled.call.at)


def _encodings(given: Given) -> set[str]:
    """Return the encodings that an outcome may have: a reader may take what differs among libraries as malformed."""
    own = encoding_of(given.envelope) or "json"
    read_by_all = given.job is not None and not given.job.problems and not _holds_avoided_key(given.job.value)
    return {own} if read_by_all else {own, "json"}


def _holds_avoided_key(value: Any) -> bool:
    """Tell whether there is a key that a reader may reject. [VAL-11] [VAL-12]"""
    if isinstance(value, dict):
        return any(key in _AVOIDED or key.startswith("\0") or _holds_avoided_key(value[key]) for key in value)
    return isinstance(value, list) and any(map(_holds_avoided_key, value))


def progress(facts: Facts) -> Findings:
    """Look at each progress that a worker reports. [OUT-7] [VAL-5] [VAL-7] [VAL-8]"""
    for call in facts.of("extend"):
        for item in call.items:
            if item["progress"]:
                yield from _progress(call, item["progress"], text(item["id"]))


def _progress(call: Call, data: bytes, id: str) -> Iterator[Problem | None]:
    document = readable(data)
    if document is None:
        yield Problem(f"progress of {id} that is an object", repr(data[:80]), call.at)
        return
    size = len(data)
    wanted = f"progress of {id} of at most {MAX_PROGRESS_BYTES} bytes"
    yield None if size <= MAX_PROGRESS_BYTES else Problem(wanted, str(size), call.at)
    for requirement, message in complaints(document):
        if requirement not in _WHOLE:
            yield Problem(f"progress of {id} as a writer has to write it", message, call.at, requirement)


def enqueued(facts: Facts) -> Findings:
    """Look at each envelope that a producer writes. [PROD-2] [FIELD-5] [FIELD-10] [FLOW-1] [FLOW-2] [VAL-5] [VAL-6]"""
    for call in facts.of("enqueue"):
        for item in call.items:
            yield from _judged(item["envelope"], "job", call.at, text(item["id"]))


def arguments(facts: Facts) -> Findings:
    """Compare the arguments of enqueue and pass with the envelope. [PROD-1] [FLOW-11]"""
    for call in facts.of("enqueue", "pass"):
        for item in call.items:
            document = readable(item["envelope"])
            if document is not None:
                yield _argued(call, item, document.value)


def _argued(call: Call, item: dict[str, bytes], job: dict[str, Any]) -> Problem | None:
    retry = job.get("retry")
    most = retry.get("max_attempts") if isinstance(retry, dict) else None
    wanted = {
        "queue": job.get("queue"),
        "id": job.get("id"),
        "run_at": job.get("run_at") or 0,
        "max_attempts": 3 if most is None else most,
        "priority": 4 if job.get("priority") is None else job["priority"],
    }
    got: dict[str, Any] = {"queue": call.queue, "id": text(item["id"])}
    for name in ("run_at", "max_attempts", "priority"):
        value = binding.number(item[name])
        got[name] = text(item[name]) if value is None else value
    requirement = "PROD-1" if call.script == "enqueue" else "FLOW-11"
    return None if got == wanted else Problem(f"{call.script} with {wanted}", str(got), call.at, requirement)


def cancels(facts: Facts) -> Findings:
    """Look at each document of a canceller. [OUT-1] [FIELD-10]"""
    for call in facts.of("cancel"):
        for item in call.items:
            id = text(item["id"])
            yield from _judged(item["document"], "outcome", call.at, id)
            document = readable(item["document"])
            if document is not None:
                got = {name: document.value.get(name) for name in ("id", "state")}
                wanted = {"id": id, "state": "cancelled"}
                yield None if got == wanted else Problem(f"a canceller's outcome with {wanted}", str(got), call.at)


def handed_over(facts: Facts) -> Findings:
    """Look at each envelope that a worker hands over, but for what it took from the step. [FLOW-6]"""
    for call in facts.of("pass"):
        for item in call.items:
            for problem in _judged(item["envelope"], "job", call.at, text(item["id"]), handed_over=True):
                yield problem and _relabelled(problem)


def _relabelled(problem: Problem) -> Problem:
    """What a step may not be was refused with its predecessor, so that the hand-over is to blame."""
    blamed = {"FIELD-5", "FIELD-10", "FLOW-1", "FLOW-2", "VER-1"}
    requirement = "FLOW-6" if problem.requirement in blamed else problem.requirement
    return Problem(problem.expected, problem.got, problem.at, requirement)
