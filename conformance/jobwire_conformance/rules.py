"""What a written document has to be beyond section 4.3: the schemas, and what they cannot say."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, Literal

import jsonschema
import referencing
from referencing.jsonschema import DRAFT202012

from .model import PACKAGE

Kind = Literal["job", "outcome", "step"]


def violations(kind: Kind, value: Any, *, handed_over: bool = False) -> list[tuple[str, str]]:
    """Return the requirement and a message for all that a written document has wrong.

    A job that was handed over has the members of a step as its producer wrote them, nested nulls too. [FLOW-6]
    """
    errors = [leaf for error in _validator(kind).iter_errors(value) for leaf in _leaves(error)]
    found = [(_label(kind, error), _message(error)) for error in errors]
    if not isinstance(value, dict):
        return found
    found += [
        ("FIELD-10", f"{path}: expected it to be left out, got null") for path in _nulls(kind, value, handed_over)
    ]
    if kind == "outcome":
        return found + _outcome(value)
    return found + _workflow(value)


@cache
def _validator(kind: Kind) -> jsonschema.Draft202012Validator:
    schemas = [
        json.loads((PACKAGE / "schemas" / f"{name}.json").read_bytes()) for name in ("job", "step", "outcome", "error")
    ]
    registry: Any = referencing.Registry().with_resources(
        (schema["$id"], DRAFT202012.create_resource(schema)) for schema in schemas
    )
    return jsonschema.Draft202012Validator({"$ref": f"urn:jobwire:1.0:{kind}"}, registry=registry)


def _leaves(error: jsonschema.ValidationError) -> list[jsonschema.ValidationError]:
    """Return what is wrong inside; of `anyOf` the first branch says it, the other is null."""
    if error.validator != "anyOf":
        return [error]
    inner = [each for each in error.context or [] if each.schema_path and each.schema_path[0] == 0]
    return [leaf for each in inner for leaf in _leaves(each)] or [error]


def _message(error: jsonschema.ValidationError) -> str:
    wanted = {"type": "type", "required": "members", "enum": "one of", "pattern": "pattern"}.get(
        str(error.validator), str(error.validator)
    )
    shown = json.dumps(error.instance)
    return f"{_path(error)}: expected {wanted} {json.dumps(error.validator_value)[:200]}, got {shown[:200]}"


def _path(error: jsonschema.ValidationError) -> str:
    return ".".join(str(part) for part in error.absolute_path) or "the document"


_LIMITED_BY = {"message": "OUT-4", "type": "OUT-4", "stack": "OUT-4"}


def _label(kind: Kind, error: jsonschema.ValidationError) -> str:
    path = list(error.absolute_path)
    if path == ["jobwire"] or (not path and error.message.startswith("'jobwire' is a required")):
        return "VER-1"
    if kind == "outcome":
        return _LIMITED_BY.get(str(path[-1]), "OUT-1") if path[:1] == ["error"] and len(path) == 2 else "OUT-1"
    if error.validator == "not" and not path:
        return "FLOW-1"
    if path[:1] == ["then"] or path[:1] == ["join"]:
        return "FLOW-2"
    return "FIELD-5"


_OPTIONAL = [
    "args",
    "kwargs",
    "created_at",
    "run_at",
    "expires_at",
    "timeout_ms",
    "priority",
    "retry",
    "result_ttl_ms",
    "headers",
    "root_id",
    "parent_id",
    "then",
    "join",
    "pass_result",
]
_OPTIONAL_RETRY = ["max_attempts", "delay_ms", "factor", "max_delay_ms", "jitter", "no_retry_on"]


def _nulls(kind: Kind, value: dict[str, Any], handed_over: bool) -> list[str]:
    if kind == "outcome":
        error = value.get("error")
        return _null_in(value, ["result", "error", "worker"], "") + _null_in(
            error, ["type", "details", "stack"], "error."
        )
    found = _null_in(value, _OPTIONAL, "")
    if handed_over:
        return found
    for where, step in [("", value), *_steps(value)]:
        if where:
            found += _null_in(step, [*_OPTIONAL, "jobwire"], where)
        found += _null_in(step.get("retry"), _OPTIONAL_RETRY, f"{where}retry.")
        found += _null_in(step.get("join"), ["ttl_ms"], f"{where}join.")
    return found


def _null_in(value: Any, names: list[str], where: str) -> list[str]:
    if not isinstance(value, dict):
        return []
    return [where + name for name in names if name in value and value[name] is None]


def _steps(value: dict[str, Any], where: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Return all steps that an envelope or a step carries, each with the path in front of its members."""
    found: list[tuple[str, dict[str, Any]]] = []
    join = value.get("join")
    lists = [("then", value.get("then")), ("join.then", join.get("then") if isinstance(join, dict) else None)]
    for name, steps in lists:
        for at, step in enumerate(steps if isinstance(steps, list) else []):
            if isinstance(step, dict):
                found += [(f"{where}{name}.{at}.", step), *_steps(step, f"{where}{name}.{at}.")]
    return found


def _workflow(value: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what FLOW-1 and FLOW-2 say beyond the schemas."""
    found: list[tuple[str, str]] = []
    seen: set[Any] = set()
    for where, step in [("", value), *_steps(value)]:
        id = step.get("id")
        if isinstance(id, str):
            if id in seen:
                found.append(("FLOW-2", f"{where}id: expected an id of its own, got {id!r} again"))
            seen.add(id)
        found += _join(where, step)
    for where, step in _steps(value):
        if isinstance(step.get("join"), dict) and _has_next(value, where):
            found.append(("FLOW-1", f"{where}join: expected it on the last step of its list only"))
    return found


def _join(where: str, step: dict[str, Any]) -> list[tuple[str, str]]:
    join = step.get("join")
    if not isinstance(join, dict):
        return []
    index, size = join.get("index"), join.get("size")
    if isinstance(index, int | float) and isinstance(size, int | float) and index >= size:
        return [("FLOW-2", f"{where}join.index: expected less than size {size}, got {index}")]
    return []


def _has_next(value: dict[str, Any], where: str) -> bool:
    head, _, at = where.rstrip(".").rpartition(".")
    return any(path == f"{head}.{int(at) + 1}." for path, _ in _steps(value))


# The codes of section 5; a writer of this version has no other.
CODES = frozenset(
    [
        "handler_error",
        "timeout",
        "lease_expired",
        "unknown_type",
        "malformed",
        "invalid",
        "unsupported_version",
        "result_unserializable",
        "result_too_large",
        "expired",
        "cancelled",
    ]
)


def _outcome(value: dict[str, Any]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    if value.get("jobwire") != "1.0":
        found.append(("VER-1", f"jobwire: expected '1.0', got {value.get('jobwire')!r}"))
    for name in ("attempt", "finished_at"):
        if isinstance(value.get(name), float):
            found.append(("VAL-4", f"{name}: expected an integer without fraction or exponent, got {value[name]!r}"))
    error = value.get("error")
    if not isinstance(error, dict):
        return found
    for name, limit in (("message", 4096), ("type", 256), ("stack", 16384)):
        size = len(error[name].encode()) if isinstance(error.get(name), str) else 0
        if size > limit:
            found.append(("OUT-4", f"error.{name}: expected at most {limit} bytes of UTF-8, got {size}"))
    if isinstance(error.get("code"), str) and error["code"] not in CODES:
        found.append(("OUT-1", f"error.code: expected a code of section 5, got {error['code']!r}"))
    if error.get("type") is not None and error.get("code") != "handler_error":
        found.append(("RETRY-1", f"error.type: expected it with code handler_error only, got {error.get('code')!r}"))
    return found
