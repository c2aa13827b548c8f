"""Say what SPEC.md calls for: the classes that an envelope can be rejected with, the bad fields, or the job."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from jobwire_conformance.codec.jobs import whole
from jobwire_conformance.documents import Unreadable, read

MOST: Final = 9007199254740991


@dataclass(frozen=True)
class Expected:
    """What a codec can answer: with this class, one of these fields, or this job; or, if it may, with `malformed`."""

    code: str = ""
    fields: frozenset[str] = frozenset()
    job: Any = None
    may_be_malformed: bool = False
    may_be_anything: bool = False


def expected(data: bytes) -> Expected:
    """Return what a codec has to make of these bytes."""
    try:
        document = read(data)
    except Unreadable:
        return Expected("malformed")
    differs = {problem.partition(":")[0] for problem in document.problems} - {"VAL-10"}
    hard = bool(differs) or any(map(is_hard, keys(document.value)))
    # What of such a value was read, cannot be told; of the others [VAL-12] names, it can.
    odd = bool(differs - {"VAL-9", "VAL-12"})
    code, fields = judged(document.value)
    return Expected(code, fields, None if code else whole(document.value), hard, odd)


def keys(value: Any) -> Iterator[str]:
    for member in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from keys(member)
    yield from value if isinstance(value, dict) else ()


def is_hard(key: str) -> bool:
    """Tell a key of [VAL-11]."""
    return key in ("__proto__", "constructor", "prototype") or key.startswith("\0")


def judged(job: dict[str, Any]) -> tuple[str, frozenset[str]]:
    version = job.get("jobwire")
    if not isinstance(version, str) or not re.fullmatch(r"[0-9]+\.[0-9]+", version):
        return "invalid", frozenset({"jobwire"})
    if version.partition(".")[0].lstrip("0") != "1":
        return "unsupported_version", frozenset()
    bad = frozenset(in_work(job, JOB, "", set()))
    return ("invalid", bad) if bad else ("", bad)


Rule = Callable[[Any], bool]


def is_id(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}", value) is not None


def is_queue(value: Any) -> bool:
    return is_id(value) and ":" not in value


def is_a(kind: type) -> Rule:
    return lambda value: isinstance(value, kind)


def number(low: float, high: float) -> Rule:
    return lambda value: isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def integer(low: int, high: int = MOST) -> Rule:
    return lambda value: number(low, high)(value) and float(value).is_integer()


NEEDED: Final[dict[str, Rule]] = {"id": is_id, "type": is_id, "queue": is_queue}
STEP: Final[dict[str, Rule]] = {
    **dict.fromkeys(("kwargs", "headers", "retry", "join"), is_a(dict)),
    **dict.fromkeys(("created_at", "run_at", "expires_at", "result_ttl_ms"), integer(0)),
    "args": is_a(list),
    "timeout_ms": integer(1),
    "priority": integer(0, 9),
    "pass_result": is_a(bool),
}
JOB: Final = {name: rule for name, rule in STEP.items() if name != "pass_result"} | {
    "root_id": is_id,
    "parent_id": is_id,
    "then": is_a(list),
}
RETRY: Final = {
    "max_attempts": integer(1, 1000),
    "delay_ms": integer(0),
    "factor": number(1, 1000),
    "max_delay_ms": integer(0),
    "jitter": number(0, 1),
    "no_retry_on": is_a(list),
}
JOIN_NEEDED: Final = {"group": is_id, "index": integer(0, 999), "size": integer(1, 1000), "then": is_a(list)}
JOIN: Final = {"ttl_ms": integer(1)}


def in_table(value: dict[str, Any], needed: dict[str, Rule], optional: dict[str, Rule], at: str) -> Iterator[str]:
    yield from (at + name for name, good in needed.items() if not good(value.get(name)))
    yield from (at + name for name, good in optional.items() if value.get(name) is not None and not good(value[name]))


def in_work(job: dict[str, Any], table: dict[str, Rule], at: str, seen: set[str]) -> Iterator[str]:
    yield from in_table(job, NEEDED, table, at)
    if is_id(job.get("id")):
        if job["id"] in seen:
            yield f"{at}id"
        seen.add(job["id"])
    if isinstance(retry := job.get("retry"), dict):
        yield from in_table(retry, {}, RETRY, f"{at}retry.")
        names = retry.get("no_retry_on")
        for place, name in enumerate(names if isinstance(names, list) else ()):
            if not isinstance(name, str):
                yield f"{at}retry.no_retry_on.{place}"
    then = job.get("then") if table is JOB else None
    if isinstance(then, list):
        yield from in_steps(then, f"{at}then.", seen)
    if isinstance(join := job.get("join"), dict):
        if then and isinstance(then, list):
            yield f"{at}join"
        yield from in_join(join, f"{at}join.", seen)


def in_join(join: dict[str, Any], at: str, seen: set[str]) -> Iterator[str]:
    yield from in_table(join, JOIN_NEEDED, JOIN, at)
    index, size, then = join.get("index"), join.get("size"), join.get("then")
    if isinstance(index, int | float) and isinstance(size, int | float) and 1 <= size <= index:
        yield f"{at}index"
    if isinstance(then, list):
        if not then:
            yield f"{at}then"
        yield from in_steps(then, f"{at}then.", seen)


def in_steps(steps: list[Any], at: str, seen: set[str]) -> Iterator[str]:
    for place, step in enumerate(steps):
        if not isinstance(step, dict):
            yield f"{at}{place}"
            continue
        here = f"{at}{place}."
        yield from (here + name for name in ("jobwire", "then", "root_id", "parent_id") if name in step)
        yield from in_work(step, STEP, here, seen)
        if step.get("join") is not None and place < len(steps) - 1:
            yield f"{here}join"
