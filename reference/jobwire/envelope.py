"""The job envelope: its fields and defaults, how it is read, checked and written."""

from __future__ import annotations

import re
from functools import cache
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from .errors import Invalid, Malformed, UnsupportedVersion
from .values import (
    DECODE_ERRORS,
    MAX_INTEGER,
    Encoding,
    check_read,
    check_value,
    decode_object,
    encode,
    encoding_of,
    is_portable,
    nearest,
)

VERSION = "1.0"
DEFAULT_QUEUE = "default"

_VERSION = re.compile(r"[0-9]+\.[0-9]+")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}")
_QUEUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_MISSING = re.compile(r"required field `(\w+)`")
_NAMESPACE = re.compile(r"[A-Za-z0-9_.-]{1,64}")

T = TypeVar("T", bound=Struct)
Natural = Annotated[int, Meta(ge=0, le=MAX_INTEGER)]
Positive = Annotated[int, Meta(ge=1, le=MAX_INTEGER)]
# As float alone, an integer would be written with a fraction. [VAL-4]
_Factor = Annotated[int, Meta(ge=1, le=1000)] | Annotated[float, Meta(ge=1, le=1000)]
_Part = Annotated[int, Meta(ge=0, le=1)] | Annotated[float, Meta(ge=0, le=1)]


class Retry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Say how often and when a failed run is repeated; the defaults are SPEC section 4.2's."""

    max_attempts: Annotated[int, Meta(ge=1, le=1000)] = 3
    delay_ms: Natural = 1000
    factor: _Factor = 2
    max_delay_ms: Natural = 300_000
    jitter: _Part = 0.1
    no_retry_on: list[str] = []


class Join(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Make a job a member of a group. [FLOW-1]"""

    group: str
    index: Natural
    size: Annotated[int, Meta(ge=1, le=1000)]
    then: list[dict[str, Any]]
    ttl_ms: Positive = 2_592_000_000


class _Work(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The fields that an envelope and a step share."""

    id: str
    type: str
    queue: str
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    created_at: Natural | None = None
    run_at: Natural | None = None
    expires_at: Natural | None = None
    timeout_ms: Positive | None = None
    priority: Annotated[int, Meta(ge=0, le=9)] = 4
    retry: Retry | None = None
    result_ttl_ms: Natural = 600_000
    headers: dict[str, Any] = {}
    join: Join | None = None


class Envelope(_Work, frozen=True, kw_only=True, omit_defaults=True):
    """One job as its producer wrote it; instants and durations in ms. SPEC section 4.2."""

    jobwire: str
    root_id: str | None = None
    parent_id: str | None = None
    then: list[dict[str, Any]] = []

    @property
    def policy(self) -> Retry:
        """The retry policy, the default one where the envelope has none."""
        return self.retry or DEFAULT_RETRY


class Step(_Work, frozen=True, kw_only=True, omit_defaults=True):
    """One later job of a workflow, as it stands in `then`. SPEC section 10."""

    pass_result: bool = True


DEFAULT_RETRY = Retry()
_VALUES = ("args", "kwargs", "headers", "then")
_NOT_IN_A_STEP = ("jobwire", "then", "root_id", "parent_id")
_decode_json = msgspec.json.Decoder(Envelope).decode
_decode_msgpack = msgspec.msgpack.Decoder(Envelope).decode


def decode(data: bytes, encoding: Encoding | None = None) -> Envelope:
    """Read an envelope; raise Malformed, UnsupportedVersion or Invalid, in this order. [FIELD-2]

    Shapes and ranges are checked here, grammars and steps by `check`. A caller that has asked for the encoding
    already can pass it.
    """
    if encoding is None:
        encoding = encoding_of(data)
    try:
        envelope = _decode_json(data) if encoding is Encoding.JSON else _decode_msgpack(data)
    except DECODE_ERRORS:
        envelope = _read_slowly(data)
    else:
        if envelope.jobwire != VERSION:
            _check_version(envelope.jobwire)
    return envelope if _is_portable(envelope) else _portable(envelope)


def check(envelope: Envelope) -> Envelope:
    """Return the envelope if all its grammars and steps hold, else raise Invalid. [FIELD-5] [FLOW-1] [FLOW-2]"""
    check_id(envelope.id, "id")
    check_id(envelope.type, "type")
    check_queue(envelope.queue)
    check_used(envelope)
    return envelope


def check_used(envelope: Envelope) -> None:
    """Check the grammars that a worker relies on beside id, queue and type. [FIELD-6]"""
    if envelope.root_id is not None:
        check_id(envelope.root_id, "root_id")
    if envelope.parent_id is not None:
        check_id(envelope.parent_id, "parent_id")
    if envelope.then or envelope.join is not None:
        if envelope.then and envelope.join is not None:
            raise Invalid("join", "expected no join beside then, got both", "FLOW-1")
        seen = {envelope.id}
        try:
            _check_steps(envelope.then, "then", seen)
            _check_join(envelope.join, "join", seen)
        except RecursionError:
            raise Malformed("expected steps of less depth, got too deep ones [VAL-12]") from None


def write(envelope: Envelope, encoding: Encoding) -> bytes:
    """Encode an envelope; raise Invalid, ValueRefused or TooLarge. [PROD-2] [VAL-9] [VAL-10]"""
    check(envelope)
    for name in _VALUES:
        value = getattr(envelope, name)
        if value:
            check_value(value, name, 31)
    if envelope.join is not None:
        check_value(envelope.join.then, "join.then", 30)
    return encode(envelope, encoding, "envelope")


def convert(value: dict[str, Any]) -> Envelope:
    """Make an envelope of plain values, as `decode` does of bytes. [FIELD-5]"""
    version = value.get("jobwire")
    if not isinstance(version, str):
        raise Invalid("jobwire", f"expected a version such as {VERSION!r}, got {version!r}", "FIELD-4")
    _check_version(version)
    return _convert(value, Envelope, "")


def check_id(value: str, field: str) -> str:
    """Return `value` if it has the grammar of an id, else raise Invalid."""
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise Invalid(field, f"expected 1 to 128 of A-Z a-z 0-9 _ . : - after a letter or digit, got {value!r:.140}")
    return value


def check_queue(value: str, field: str = "queue") -> str:
    """Return `value` if it has the grammar of a queue, else raise Invalid."""
    if not isinstance(value, str) or not _QUEUE.fullmatch(value):
        raise Invalid(field, f"expected 1 to 128 of A-Z a-z 0-9 _ . - after a letter or digit, got {value!r:.140}")
    return value


def check_namespace(value: str) -> str:
    """Return `value` if it has the grammar of a namespace, else raise Invalid."""
    if not isinstance(value, str) or not _NAMESPACE.fullmatch(value):
        raise Invalid("namespace", f"expected 1 to 64 of A-Z a-z 0-9 _ . -, got {value!r:.80}")
    return value


def _check_version(version: str) -> None:
    if not _VERSION.fullmatch(version):
        raise Invalid("jobwire", f"expected a version such as {VERSION!r}, got {version[:80]!r}", "FIELD-4")
    if version.split(".")[0].lstrip("0") != "1":
        raise UnsupportedVersion(f"jobwire: expected major version 1, got {version[:80]!r} [FIELD-3]")


def _read_slowly(data: bytes) -> Envelope:
    """Read what the typed decoder refuses: null as absence, 5.0 as 5, or the reason why not. [VAL-1] [FIELD-9]"""
    value = decode_object(data)
    try:
        check_read(value)
        return convert(value)
    except RecursionError:
        raise Malformed("expected a document of less depth, got a too deep one [VAL-12]") from None


def _is_portable(envelope: Envelope) -> bool:
    try:
        return (
            is_portable(envelope.args)
            and (not envelope.kwargs or is_portable(envelope.kwargs))
            and (not envelope.headers or is_portable(envelope.headers))
            and (not envelope.then or is_portable(envelope.then))
            and (envelope.join is None or is_portable(envelope.join.then))
        )
    except RecursionError:
        raise Malformed("expected a document of less depth, got a too deep one [VAL-12]") from None


def _portable(envelope: Envelope) -> Envelope:
    """Put the doubles that they mean in place of the largest integers of a new envelope; raise Malformed. [VAL-2]"""
    try:
        for name in _VALUES:
            if value := getattr(envelope, name):
                msgspec.structs.force_setattr(envelope, name, _nearest(value))
        if envelope.join is not None:
            msgspec.structs.force_setattr(envelope.join, "then", _nearest(envelope.join.then))
    except RecursionError:
        raise Malformed("expected a document of less depth, got a too deep one [VAL-12]") from None
    return envelope


def _nearest(value: Any) -> Any:
    check_read(value)
    return nearest(value)


@cache
def _integers() -> frozenset[str]:
    """Return the names of the members that are integers."""
    from msgspec.inspect import IntType, type_info  # here, as to look into types makes every start slower

    return frozenset(
        field.name
        for shape in (Envelope, Step, Retry, Join)
        for field in type_info(shape).fields  # type: ignore[attr-defined]
        if isinstance(getattr(field.type, "types", (field.type,))[0], IntType)
    )


def tidy(value: dict[str, Any]) -> dict[str, Any]:
    """Return an envelope's or step's members without nulls and with 5 for 5.0. [FIELD-9] [VAL-1] [VAL-4]"""
    kept = {}
    for name, member in value.items():
        if member is None:
            continue
        if isinstance(member, float) and member.is_integer() and name in _integers():
            member = int(member)
        elif name in ("retry", "join") and isinstance(member, dict):
            member = tidy(member)
        kept[name] = member
    return kept


def _convert(value: dict[str, Any], shape: type[T], at: str) -> T:
    try:
        return msgspec.convert(tidy(value), shape)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `$")
        field = re.sub(r"\[(\w+|\.\.\.)\]", r".\1", path.rstrip("`")).lstrip(".")
        missing = _MISSING.search(problem)
        if missing:
            field = f"{field}.{missing[1]}" if field else missing[1]
            raise Invalid(at + field, "expected a value, got none") from None
        came = _member(value, field)
        raise Invalid(at + field, f"{problem[0].lower()}{problem[1:].partition(', got')[0]}, got {came}") from None


def _member(value: Any, path: str) -> str:
    for part in path.split(".") if path else ():
        value = value[int(part)] if isinstance(value, list) else value.get(part)
    return repr(value)[:80]


def _check_steps(steps: list[dict[str, Any]], at: str, seen: set[str]) -> None:
    for number, step in enumerate(steps):
        here = f"{at}.{number}"
        for name in _NOT_IN_A_STEP:
            if name in step:
                raise Invalid(f"{here}.{name}", "expected no such member in a step", "FLOW-1")
        fields = _convert(step, Step, f"{here}.")
        check_id(fields.id, f"{here}.id")
        check_id(fields.type, f"{here}.type")
        check_queue(fields.queue, f"{here}.queue")
        if fields.id in seen:
            raise Invalid(
                f"{here}.id", f"expected an id that no other job of the workflow has, got {fields.id!r}", "FLOW-2"
            )
        seen.add(fields.id)
        if fields.join is not None and number < len(steps) - 1:
            raise Invalid(f"{here}.join", "expected join on the last step only", "FLOW-1")
        _check_join(fields.join, f"{here}.join", seen)


def _check_join(join: Join | None, at: str, seen: set[str]) -> None:
    if join is None:
        return
    check_id(join.group, f"{at}.group")
    if join.index >= join.size:
        raise Invalid(f"{at}.index", f"expected less than size {join.size}, got {join.index}")
    if not join.then:
        raise Invalid(f"{at}.then", "expected at least one step, got none")
    _check_steps(join.then, f"{at}.then", seen)
