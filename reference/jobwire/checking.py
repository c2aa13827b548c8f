"""Find everything that is wrong with a document: by its schema, and by what a schema cannot say."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from .envelope import VERSION, check, convert
from .errors import Invalid, Malformed, Rejected, UnsupportedVersion, ValueRefused
from .outcome import MAX_MESSAGE_BYTES, MAX_STACK_BYTES
from .values import MAX_BYTES, check_read, check_value, decode_object

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError

SCHEMAS = ("job", "step", "outcome", "error")
REFUSED = "refused"
"""The class of a document that readers accept and writers may not write. SPEC section 4.3"""

_LONGEST_PROBLEM = 200
_BLANK = {"jobwire": VERSION, "id": "0", "type": "0", "queue": "0"}


class Problem(NamedTuple):
    """What is wrong, and the dotted path of the field; "" for the document."""

    path: str
    problem: str


class Verdict(NamedTuple):
    """All problems of a document and its class; no class if there are none."""

    code: str | None
    problems: list[Problem]


def examine(data: bytes, schema: str) -> Verdict:
    """Return what is wrong with the bytes of a document."""
    try:
        value = decode_object(data)
        check_read(value)
    except Malformed as error:
        return Verdict(error.code, [Problem("", str(error))])
    try:
        _check_version(value, schema)
    except UnsupportedVersion as error:
        return Verdict(error.code, [Problem("jobwire", _text(error, "jobwire"))])
    except Invalid:
        pass  # the schema says so too
    problems = [Problem(_dotted(error.absolute_path), _said(error)) for error in schema_errors(value, schema)]
    problems += [problem for problem in _beyond_schema(value, schema) if not _is_told(problem, problems)]
    if problems:
        return Verdict(Invalid.code, problems)
    refused = list(_unwritable(data, value, schema))
    return Verdict(REFUSED if refused else None, refused)


def _check_version(value: dict[str, Any], schema: str) -> None:
    if schema in ("job", "outcome"):
        convert(_BLANK | {"jobwire": value.get("jobwire")})


def schema_errors(value: Any, schema: str) -> Iterator[ValidationError]:
    """Yield every error that the schema finds, in the order of their paths."""
    found = [leaf for error in _validator(schema).iter_errors(value) for leaf in _leaves(error)]
    yield from sorted(found, key=lambda error: [(isinstance(part, str), part) for part in error.absolute_path])


@cache
def _validator(schema: str) -> Draft202012Validator:
    from importlib.resources import files

    from jsonschema import Draft202012Validator
    from referencing import Registry, Resource

    folder = files("jobwire").joinpath("schemas")
    loaded = {name: msgspec.json.decode(folder.joinpath(f"{name}.json").read_bytes()) for name in SCHEMAS}
    resources = [(each["$id"], Resource.from_contents(each)) for each in loaded.values()]
    return Draft202012Validator(loaded[schema], registry=Registry().with_resources(resources))


def _leaves(error: ValidationError) -> Iterator[ValidationError]:
    """Yield the errors below an `anyOf` of a type and null, which by itself says nothing."""
    branches: dict[Any, list[ValidationError]] = {}
    for below in error.context or ():
        branches.setdefault(below.schema_path[0], []).append(below)
    # A branch that finds the wrong type at its root, such as null's, is not the one that was meant.
    meant = [errors for errors in branches.values() if all(each.path or each.validator != "type" for each in errors)]
    if not meant:
        yield error
    for errors in meant[:1]:
        for each in errors:
            yield from _leaves(each)


def _said(error: ValidationError) -> str:
    if error.validator == "pattern":
        return f"{error.instance!r:.140} does not match {error.validator_value}"
    return error.message if len(error.message) <= _LONGEST_PROBLEM else f"{error.message[:_LONGEST_PROBLEM]}..."


def _beyond_schema(value: dict[str, Any], schema: str) -> Iterator[Problem]:
    """Yield what code finds: equal ids, places of `join`, limits in bytes. [FLOW-1] [FLOW-2] [OUT-4]"""
    try:
        if schema == "job":
            check(convert(value))
        elif schema == "step":
            check(convert(_BLANK | {"id": _other_than(value.get("id")), "then": [value]}))
    except Rejected as error:
        path = error.field or ""
        yield Problem(path.removeprefix("then.0.") if schema == "step" else path, _text(error, path))
    error_member = value.get("error") if schema == "outcome" else value if schema == "error" else None
    if isinstance(error_member, dict):
        for name, limit in (("message", MAX_MESSAGE_BYTES), ("stack", MAX_STACK_BYTES)):
            text = error_member.get(name)
            if isinstance(text, str) and len(text.encode("utf-8", "replace")) > limit:
                path = f"error.{name}" if schema == "outcome" else name
                yield Problem(path, f"expected at most {limit} bytes of UTF-8, got more [OUT-4]")


def _other_than(id: Any) -> str:
    return "1" if id == "0" else "0"


def _is_told(problem: Problem, told: list[Problem]) -> bool:
    """Whether the schema has found this field already, or the object that lacks it."""
    name = problem.path.rpartition(".")[2]
    return any(
        each.path == problem.path or (each.path == problem.path.rpartition(".")[0] and f"'{name}'" in each.problem)
        for each in told
    )


def _unwritable(data: bytes, value: dict[str, Any], schema: str) -> Iterator[Problem]:
    """Yield what a writer must refuse. [VAL-3] to [VAL-10]"""
    try:
        check_value(value, schema)
    except ValueRefused as error:
        yield Problem("", str(error))
    if schema in ("job", "outcome") and len(data) > MAX_BYTES:
        yield Problem("", f"expected at most {MAX_BYTES} bytes, got {len(data)} [VAL-10]")


def _text(error: Rejected, path: str) -> str:
    return str(error).removeprefix(f"{path}: ")


def _dotted(path: Any) -> str:
    return ".".join(str(part) for part in path)
