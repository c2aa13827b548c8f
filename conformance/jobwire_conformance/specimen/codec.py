"""Read and write envelopes and outcomes, in JSON and in MessagePack."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable
from typing import Any

import msgpack

EXACT = 9007199254740991
MOST_BYTES = 1048576
DEEPEST = 32

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}", re.ASCII)
QUEUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", re.ASCII)
VERSION = re.compile(r"([0-9]+)\.[0-9]+", re.ASCII)


class Rejected(Exception):
    """A document that this reader does not take: its class and, if that is invalid, the field."""

    def __init__(self, code: str, field: str | None = None) -> None:
        super().__init__(f"{code}: {field}" if field else code)
        self.code = code
        self.field = field


class Unwritable(Exception):
    """A value that this writer refuses, and where it stands."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field = field


class TooLarge(Unwritable):
    """A document of too many bytes."""


# Reading: from bytes to a value.


def encoding_of(data: bytes) -> str:
    """Tell the encoding by the first byte. [ENC-1]"""
    first = data[:1]
    if first == b"{":
        return "json"
    if b"\x80" <= first <= b"\x8f" or first in (b"\xde", b"\xdf"):
        return "msgpack"
    raise Rejected("malformed")


def read(data: bytes) -> dict[str, Any]:
    """Decode a document into a value of section 4.3."""
    decode = _from_json if encoding_of(data) == "json" else _from_msgpack
    try:
        value = _clean(decode(data), DEEPEST)
    except (ValueError, RecursionError, msgpack.UnpackException) as error:
        raise Rejected("malformed") from error
    if not isinstance(value, dict):
        raise Rejected("malformed")
    return value


def _from_json(data: bytes) -> Any:
    text = data.decode("utf-8")
    return json.loads(text, parse_int=_number, parse_float=_number, parse_constant=_refuse, object_pairs_hook=_object)


def _from_msgpack(data: bytes) -> Any:
    return msgpack.unpackb(data, strict_map_key=False, object_pairs_hook=_object)


def _number(text: str) -> float:
    # A document of one huge number costs time: no double has so many digits.
    if len(text) <= 17 and text.lstrip("-").isdigit():
        return int(text)
    return float(text)


def _refuse(word: str) -> float:
    raise ValueError(f"{word} is no number")


def _object(pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    value = {}
    for name, member in pairs:
        if not isinstance(name, str):
            raise ValueError("a key that is no string")
        if name in value:
            raise ValueError("a key that stands twice")
        value[name] = member
    return value


def _clean(value: Any, levels: int) -> Any:
    """Return the value with every number as the double that it means, integers as int where they are exact."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        value.encode("utf-8")
        return value
    if isinstance(value, int | float):
        return _double(float(value))
    if levels == 0:
        raise ValueError("too deep")
    if isinstance(value, list):
        return [_clean(member, levels - 1) for member in value]
    if isinstance(value, dict):
        return {_clean(name, 0): _clean(member, levels - 1) for name, member in value.items()}
    raise ValueError("bin or ext")


def _double(value: float) -> int | float:
    if not math.isfinite(value):
        raise ValueError("no double holds it")
    if value.is_integer() and abs(value) <= EXACT:
        return int(value)
    return value


# The fields: what each can hold.

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
            if step.get(name) is not None:
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


# Outcomes.

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
    fields = {"id": _text(ID), "attempt": _integer(0), "finished_at": _integer(0), "worker": _text(ID)}
    _check_members(outcome, fields, ("id", "attempt", "finished_at"), "")
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


def fit(text: str, limit: int) -> str:
    """Return the text as valid Unicode, cut on a character to so many bytes. [OUT-4]"""
    valid = text.encode("utf-8", "replace")
    return valid[:limit].decode("utf-8", "ignore")


# Writing: from a value to bytes.


def write(value: dict[str, Any], encoding: str) -> bytes:
    """Encode a value, and refuse what section 4.3 forbids."""
    check_value(value, "", DEEPEST)
    if encoding == "msgpack":
        data: bytes = msgpack.packb(value)
    else:
        data = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8")
    if len(data) > MOST_BYTES:
        raise TooLarge("", f"{len(data)} bytes, at most {MOST_BYTES}")
    return data


def write_job(job: Any, encoding: str) -> bytes:
    """Check an envelope and encode it."""
    if not isinstance(job, dict):
        raise Rejected("malformed")
    check_job(job)
    return write(_to_write(job, ENVELOPE), encoding)


def check_value(value: Any, at: str, levels: int) -> None:
    """Refuse what a document cannot hold."""
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, str):
        _check_text(value, at)
    elif isinstance(value, int):
        if abs(value) > EXACT:
            raise Unwritable(at, "an integer that is not exact")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise Unwritable(at, "a number that is not finite")
    elif levels == 0:
        raise Unwritable(at, "too deep")
    elif isinstance(value, list):
        for place, member in enumerate(value):
            check_value(member, _path(at, place), levels - 1)
    elif isinstance(value, dict):
        _check_keys(value, at)
        for name, member in value.items():
            check_value(member, _path(at, name), levels - 1)
    else:
        raise Unwritable(at, f"a {type(value).__name__}")


def _check_text(text: str, at: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise Unwritable(at, "not valid Unicode") from None


def _check_keys(value: dict[Any, Any], at: str) -> None:
    seen = set()
    for name in value:
        if not isinstance(name, str):
            raise Unwritable(at, "a key that is no string")
        _check_text(name, at)
        # Of bytes, lower() knows ASCII letters only. [VAL-6]
        seen.add(name.encode("utf-8").lower())
    if len(seen) < len(value):
        raise Unwritable(at, "keys that differ only in case")


def _path(at: str, name: object) -> str:
    return f"{at}.{name}" if at else f"{name}"


def depth(value: Any) -> int:
    """Return the depth of a value, as section 4.3 counts it."""
    if isinstance(value, dict):
        return 1 + max((depth(member) for member in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((depth(member) for member in value), default=0)
    return 0


# What follows from an envelope.


def numbers(job: dict[str, Any]) -> list[int]:
    """Return run_at, max_attempts and priority, as enqueue and pass take them. [PROD-1]"""
    full = with_defaults(job)
    run_at = int(full.get("run_at", 0))
    max_attempts = int(full["retry"]["max_attempts"])
    priority = int(full["priority"])
    return [run_at, max_attempts, priority]


def delay_bounds(retry: dict[str, Any], attempt: int) -> tuple[int, int]:
    """Return the shortest and the longest delay after this attempt, in ms. [RETRY-6]"""
    policy = {**RETRY_DEFAULTS, **retry}
    limit = float(policy["max_delay_ms"])
    delay = min(float(policy["delay_ms"]), limit)
    for _ in range(attempt - 1):
        delay = min(delay * policy["factor"], limit)
    return math.floor(delay * (1 - policy["jitter"])), math.floor(delay)
