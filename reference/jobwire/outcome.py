"""Outcome and error documents: how a run ended."""

from __future__ import annotations

import enum
from typing import Any

import msgspec
from msgspec import Struct

from .envelope import VERSION
from .errors import Malformed, TooLarge, UnsupportedVersion, ValueRefused
from .values import DECODE_ERRORS, Encoding, check_value, decode_object, encode, encoding_of

MAX_MESSAGE_BYTES = 4096
MAX_STACK_BYTES = 16_384
MAX_TYPE_BYTES = 256
_RESULT_DEPTH = 31


class OutcomeState(enum.Enum):
    """How a run ended. SPEC section 5."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    RETRYING = "retrying"


class Code(enum.StrEnum):
    """What went wrong. SPEC section 5."""

    HANDLER_ERROR = "handler_error"
    TIMEOUT = "timeout"
    LEASE_EXPIRED = "lease_expired"
    UNKNOWN_TYPE = "unknown_type"
    MALFORMED = "malformed"
    INVALID = "invalid"
    UNSUPPORTED_VERSION = "unsupported_version"
    RESULT_UNSERIALIZABLE = "result_unserializable"
    RESULT_TOO_LARGE = "result_too_large"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class ErrorInfo(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a run did not succeed; `code` is a Code, or one of a later version. [OUT-3]"""

    code: str
    message: str
    type: str | None = None
    details: Any = None
    stack: str | None = None


class Outcome(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a run ended; `finished_at` in ms. SPEC section 5."""

    jobwire: str
    id: str
    state: OutcomeState
    attempt: int
    result: Any = None
    error: ErrorInfo | None = None
    worker: str | None = None
    finished_at: int


_DECODERS = {
    Encoding.JSON: msgspec.json.Decoder(Outcome).decode,
    Encoding.MSGPACK: msgspec.msgpack.Decoder(Outcome).decode,
}


def decode_outcome(data: bytes) -> Outcome:
    """Read an outcome in either encoding; raise Malformed or UnsupportedVersion. [OUT-2] [OUT-3]"""
    try:
        outcome = _DECODERS[encoding_of(data)](data)
    except DECODE_ERRORS:
        return _read_slowly(data)
    if outcome.jobwire != VERSION:
        _check_version(outcome.jobwire)
    return outcome


def _read_slowly(data: bytes) -> Outcome:
    """Read what the typed decoder refuses: 1.0 as 1, another version, or the reason why not. [VAL-1] [OUT-3]"""
    value = decode_object(data)
    _check_version(value.get("jobwire"))
    for name in ("attempt", "finished_at"):
        member = value.get(name)
        if isinstance(member, float) and member.is_integer():
            value[name] = int(member)
    try:
        return msgspec.convert(value, Outcome)
    except DECODE_ERRORS as error:
        raise Malformed(f"expected an outcome, got {error} [OUT-2]") from None


def _check_version(version: Any) -> None:
    if isinstance(version, str) and version.split(".")[0] != "1":
        raise UnsupportedVersion(f"outcome: expected major version 1, got {version!r:.80} [OUT-3]")


def write_success(
    job_id: str,
    attempt: int,
    result: Any,
    worker: str,
    finished_at: int,
    encoding: Encoding,
    depth: int = _RESULT_DEPTH,
) -> bytes:
    """Encode a `succeeded` outcome; raise ValueRefused or TooLarge. [RUN-13] [RUN-14]"""
    check_value(result, "result", depth)
    outcome = Outcome(
        jobwire=VERSION,
        id=job_id,
        state=OutcomeState.SUCCEEDED,
        attempt=attempt,
        result=result,
        worker=worker,
        finished_at=finished_at,
    )
    return encode(outcome, encoding, "outcome")


def write_error(
    job_id: str,
    attempt: int,
    state: OutcomeState,
    error: ErrorInfo,
    worker: str | None,
    finished_at: int,
    encoding: Encoding,
) -> bytes:
    """Encode an outcome with an error, dropping `details`, then `stack`, where they do not fit. [OUT-4] [OUT-5]"""
    whole = ErrorInfo(
        code=error.code,
        message=cut(error.message, MAX_MESSAGE_BYTES),
        type=None if error.type is None else cut(error.type, MAX_TYPE_BYTES),
        details=error.details,
        stack=None if error.stack is None else cut(error.stack, MAX_STACK_BYTES),
    )
    for kept in (whole, msgspec.structs.replace(whole, details=None)):
        try:
            check_value(kept.details, "details", _RESULT_DEPTH - 1)
            return encode(_with_error(job_id, attempt, state, kept, worker, finished_at), encoding, "outcome")
        except (ValueRefused, TooLarge):
            continue
    bare = msgspec.structs.replace(whole, details=None, stack=None)
    return encode(_with_error(job_id, attempt, state, bare, worker, finished_at), encoding, "outcome")


def _with_error(
    job_id: str, attempt: int, state: OutcomeState, error: ErrorInfo, worker: str | None, finished_at: int
) -> Outcome:
    return Outcome(
        jobwire=VERSION,
        id=job_id,
        state=state,
        attempt=attempt,
        error=error,
        worker=worker,
        finished_at=finished_at,
    )


def cut(text: str, limit: int) -> str:
    """Return `text` as valid Unicode of at most `limit` bytes of UTF-8, cut on a character. [OUT-4]"""
    data = text.encode("utf-8", "replace")
    return data[:limit].decode("utf-8", "ignore")
