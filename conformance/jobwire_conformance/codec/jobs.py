"""Compare what an implementation says of a job with what the job is: its defaults filled in, numbers as doubles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

RETRY: Final[dict[str, Any]] = {
    "max_attempts": 3,
    "delay_ms": 1000,
    "factor": 2,
    "max_delay_ms": 300_000,
    "jitter": 0.1,
    "no_retry_on": [],
}
# None: absent unless it is given.
JOB: Final[dict[str, Any]] = {
    "jobwire": None,
    "id": None,
    "type": None,
    "queue": None,
    "args": [],
    "kwargs": {},
    "created_at": None,
    "run_at": None,
    "expires_at": None,
    "timeout_ms": None,
    "priority": 4,
    "retry": {},
    "result_ttl_ms": 600_000,
    "headers": {},
    "root_id": None,
    "parent_id": None,
    "then": [],
    "join": None,
}
STEP: Final = {name: JOB[name] for name in JOB if name not in ("jobwire", "then", "root_id", "parent_id")} | {
    "pass_result": True
}
JOIN: Final[dict[str, Any]] = {"group": None, "index": None, "size": None, "then": [], "ttl_ms": 2_592_000_000}

INTEGERS: Final = frozenset(
    {"created_at", "run_at", "expires_at", "timeout_ms", "priority", "result_ttl_ms"}
    | {"max_attempts", "delay_ms", "max_delay_ms", "index", "size", "ttl_ms"}
)
Path = str


def whole(job: Mapping[str, Any]) -> dict[str, Any]:
    """Return a job with all defaults, without nulls and without the members that the tables do not have."""
    found: dict[str, Any] = _filled(job, JOB)
    found["retry"] = _filled(found["retry"], RETRY)
    return found | _workflow(found)


def _workflow(found: Mapping[str, Any]) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    if isinstance(found.get("then"), list):
        parts["then"] = [_step(step) for step in found["then"]]
    if isinstance(found.get("join"), dict):
        join = _filled(found["join"], JOIN)
        parts["join"] = join | _workflow(join)
    return parts


def _step(step: Any) -> Any:
    if not isinstance(step, dict):
        return step
    found = _filled(step, STEP)
    found["retry"] = _filled(found["retry"], RETRY)
    return found | _workflow(found)


def _filled(value: Any, table: Mapping[str, Any]) -> Any:
    if not isinstance(value, dict):
        return value
    members = {name: default if value.get(name) is None else value[name] for name, default in table.items()}
    return {name: member for name, member in members.items() if member is not None}


def answered(job: Any) -> Any:
    """Return what an adapter answered, ready to compare: it has to fill in the defaults, but not those of steps."""
    if not isinstance(job, dict):
        return job
    given = {name: job[name] for name in JOB if name in job and (job[name] is not None or JOB[name] is not None)}
    if isinstance(given.get("retry"), dict):
        given["retry"] = {name: value for name, value in given["retry"].items() if name in RETRY}
    return given | _workflow(given)


def differences(expected: Any, got: Any, where: Path = "") -> Iterator[tuple[Path, Any, Any]]:
    """Yield where two values differ, and how; numbers are compared as doubles. A missing member is `...`."""
    if isinstance(expected, dict) and isinstance(got, dict):
        for name in [*expected, *(name for name in got if name not in expected)]:
            yield from differences(expected.get(name, ...), got.get(name, ...), f"{where}.{name}")
    elif isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        for number, (one, other) in enumerate(zip(expected, got, strict=True)):
            yield from differences(one, other, f"{where}.{number}")
    elif not _equal(expected, got):
        yield where.removeprefix(".") or "the job", expected, got


def _equal(expected: Any, got: Any) -> bool:
    if _is_number(expected) and _is_number(got):
        return double(expected) == double(got)
    return type(expected) is type(got) and bool(expected == got)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def double(value: float) -> float:
    """Return the double nearest to a number."""
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
