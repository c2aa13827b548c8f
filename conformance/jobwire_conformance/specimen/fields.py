"""The fields of envelopes, steps and outcomes, and what each can hold."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from typing import Any

from codec import EXACT, Rejected, read, write

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}", re.ASCII)
QUEUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", re.ASCII)
VERSION = re.compile(r"0*([0-9]+)\.[0-9]+", re.ASCII)
Fits = Callable[[Any], bool]


def _integer(lowest: int, highest: int = EXACT) -> Fits:
    def fits(value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return lowest <= value <= highest and value == int(value)

    return fits


def _between(lowest: float, highest: float) -> Fits:
    def fits(value: Any) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and lowest <= value <= highest

    return fits


def _text(grammar: re.Pattern[str]) -> Fits:
    return lambda value: isinstance(value, str) and grammar.fullmatch(value) is not None


def _is(kind: type) -> Fits:
    return lambda value: isinstance(value, kind)


REQUIRED = ("id", "type", "queue")
STEP: dict[str, Fits] = {
    "id": _text(ID),
    "type": _text(ID),
    "queue": _text(QUEUE),
    "args": _is(list),
    "kwargs": _is(dict),
    "created_at": _integer(0),
    "run_at": _integer(0),
    "expires_at": _integer(0),
    "timeout_ms": _integer(1),
    "priority": _integer(0, 9),
    "retry": _is(dict),
    "result_ttl_ms": _integer(0),
    "headers": _is(dict),
    "join": _is(dict),
    "pass_result": _is(bool),
}
ENVELOPE: dict[str, Fits] = {
    **{name: fits for name, fits in STEP.items() if name != "pass_result"},
    "root_id": _text(ID),
    "parent_id": _text(ID),
    "then": _is(list),
}
RETRY: dict[str, Fits] = {
    "max_attempts": _integer(1, 1000),
    "delay_ms": _integer(0),
    "factor": _between(1, 1000),
    "max_delay_ms": _integer(0),
    "jitter": _between(0, 1),
    "no_retry_on": _is(list),
}
JOIN: dict[str, Fits] = {
    "group": _text(ID),
    "index": _integer(0, 999),
    "size": _integer(1, 1000),
    "then": _is(list),
    "ttl_ms": _integer(1),
}
NOT_IN_A_STEP = ("jobwire", "then", "root_id", "parent_id")
STEP_FIELDS = (*STEP, *NOT_IN_A_STEP)

DEFAULTS: dict[str, Any] = {
    "args": [],
    "kwargs": {},
    "priority": 4,
    "retry": {},
    "result_ttl_ms": 600000,
    "headers": {},
    "then": [],
}
RETRY_DEFAULTS: dict[str, Any] = {
    "max_attempts": 3,
    "delay_ms": 1000,
    "factor": 2,
    "max_delay_ms": 300000,
    "jitter": 0.1,
    "no_retry_on": [],
}


def check_job(job: dict[str, Any]) -> None:
    """Reject an envelope that the tables do not allow."""
    check_version(job)
    _check_members(job, ENVELOPE, REQUIRED, "")
    seen = {job["id"]}
    _check_retry(job, "")
    if job.get("then") and job.get("join") is not None:
        raise Rejected("invalid", "join")
    _check_steps(job.get("then") or [], "then.", seen)
    _check_join(job, "", seen)


def check_version(document: dict[str, Any]) -> None:
    """Reject what is not of major version 1. [FIELD-2]"""
    version = document.get("jobwire")
    match = VERSION.fullmatch(version) if isinstance(version, str) else None
    if match is None:
        raise Rejected("invalid", "jobwire")
    if match[1] != "1":
        raise Rejected("unsupported_version")


def _check_members(value: dict[str, Any], table: dict[str, Fits], required: tuple[str, ...], at: str) -> None:
    for name, fits in table.items():
        member = value.get(name)
        if member is None and name in required:
            raise Rejected("invalid", at + name)
        if member is not None and not fits(member):
            raise Rejected("invalid", at + name)


def _check_retry(job: dict[str, Any], at: str) -> None:
    retry = job.get("retry") or {}
    _check_members(retry, RETRY, (), f"{at}retry.")
    for place, name in enumerate(retry.get("no_retry_on") or []):
        if not isinstance(name, str):
            raise Rejected("invalid", f"{at}retry.no_retry_on.{place}")


def _check_steps(steps: list[Any], at: str, seen: set[str]) -> None:
    for place, step in enumerate(steps):
        if not isinstance(step, dict):
            raise Rejected("invalid", f"{at}{place}")
        here = f"{at}{place}."
        for name in NOT_IN_A_STEP:
            if name in step:
                raise Rejected("invalid", here + name)
        _check_members(step, STEP, REQUIRED, here)
        if step["id"] in seen:
            raise Rejected("invalid", f"{here}id")
        seen.add(step["id"])
        _check_retry(step, here)
        if step.get("join") is not None and place < len(steps) - 1:
            raise Rejected("invalid", f"{here}join")
        _check_join(step, here, seen)


def _check_join(job: dict[str, Any], at: str, seen: set[str]) -> None:
    join = job.get("join")
    if join is None:
        return
    _check_members(join, JOIN, ("group", "index", "size", "then"), f"{at}join.")
    if join["index"] >= join["size"]:
        raise Rejected("invalid", f"{at}join.index")
    if not join["then"]:
        raise Rejected("invalid", f"{at}join.then")
    _check_steps(join["then"], f"{at}join.then.", seen)


def with_defaults(job: dict[str, Any]) -> dict[str, Any]:
    """Return a checked envelope without null and with every default; its steps stay as they are."""
    full = _without_null(job, ENVELOPE)
    for name, default in DEFAULTS.items():
        full.setdefault(name, default)
    full["retry"] = {**RETRY_DEFAULTS, **_without_null(full["retry"], RETRY)}
    return full


def _without_null(value: dict[str, Any], fields: Iterable[str]) -> dict[str, Any]:
    return {name: member for name, member in value.items() if member is not None or name not in fields}


def _to_write(job: dict[str, Any], fields: Iterable[str]) -> dict[str, Any]:
    """Return a checked envelope or step without null in any optional field, at every level. [FIELD-10]"""
    bare = _without_null(job, fields)
    if "retry" in bare:
        bare["retry"] = _without_null(bare["retry"], RETRY)
    if "then" in bare:
        bare["then"] = [_to_write(step, STEP_FIELDS) for step in bare["then"]]
    if "join" in bare:
        bare["join"] = _without_null(bare["join"], JOIN)
        bare["join"]["then"] = [_to_write(step, STEP_FIELDS) for step in bare["join"]["then"]]
    return bare


def read_job(data: bytes) -> dict[str, Any]:
    """Decode and check an envelope."""
    job = read(data)
    check_job(job)
    return job


def write_job(job: Any, encoding: str) -> bytes:
    """Check an envelope and encode it."""
    if not isinstance(job, dict):
        raise Rejected("malformed")
    check_job(job)
    return write(_to_write(job, ENVELOPE), encoding)


TEXTS = {"message": 4096, "type": 256, "stack": 16384}
STATES = ("succeeded", "failed", "cancelled", "expired", "retrying")


def read_outcome(data: bytes) -> dict[str, Any]:
    """Decode an outcome and check what a reader has to know of it."""
    outcome = read(data)
    check_version(outcome)
    if outcome.get("state") not in STATES:
        raise Rejected("invalid", "state")
    return outcome


def check_outcome(outcome: dict[str, Any]) -> None:
    """Reject an outcome that is not as section 5 says."""
    head = {"id": _text(ID), "attempt": _integer(0), "finished_at": _integer(0), "worker": _text(ID)}
    _check_members(outcome, head, ("id", "attempt", "finished_at"), "")
    error = outcome.get("error")
    if error is None and outcome["state"] == "succeeded":
        return
    if not isinstance(error, dict):
        raise Rejected("invalid", "error")
    words = {"code": _is(str), "message": _is(str), "type": _is(str), "stack": _is(str)}
    _check_members(error, words, ("code", "message"), "error.")
    for name, limit in TEXTS.items():
        if len((error.get(name) or "").encode("utf-8")) > limit:
            raise Rejected("invalid", f"error.{name}")


def numbers(job: dict[str, Any]) -> list[int]:
    """Return run_at, max_attempts and priority, as enqueue and pass take them. [PROD-1]"""
    full = with_defaults(job)
    run_at = int(full.get("run_at", 0))
    max_attempts = int(full["retry"]["max_attempts"])
    priority = int(full["priority"])
    return [run_at, max_attempts, priority]


def delay_bounds(retry: dict[str, Any], attempt: int) -> tuple[int, int]:
    """Return the shortest and the longest delay after this attempt, in ms. [RETRY-6]"""
    policy = {**RETRY_DEFAULTS, **_without_null(retry, RETRY)}
    limit = float(policy["max_delay_ms"])
    delay = min(float(policy["delay_ms"]), limit)
    for _ in range(attempt - 1):
        delay = min(delay * policy["factor"], limit)
    return math.floor(delay * (1 - policy["jitter"])), math.floor(delay)
