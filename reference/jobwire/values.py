"""The value model: what JSON and MessagePack can both carry, and the two encodings."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable
from typing import Any

import msgspec

from .errors import Malformed, TooLarge, ValueRefused

MAX_BYTES = 1_048_576
MAX_DEPTH = 32
MAX_INTEGER = 9_007_199_254_740_991
MAX_PROGRESS_BYTES = 65_536


class Encoding(enum.Enum):
    """The two encodings of a document. [ENC-2]"""

    JSON = "json"
    MSGPACK = "msgpack"


_encode_json = msgspec.json.Encoder().encode
_encode_msgpack = msgspec.msgpack.Encoder().encode
_DECODERS = {Encoding.JSON: msgspec.json.Decoder().decode, Encoding.MSGPACK: msgspec.msgpack.Decoder().decode}

_STRINGS = {str}

# What the decoders raise on hostile bytes: deep nesting, bad UTF-8, huge declared lengths.
DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, MemoryError, OverflowError, ValueError)

_ENCODING_OF_FIRST_BYTE = {0x7B: Encoding.JSON, 0xDE: Encoding.MSGPACK, 0xDF: Encoding.MSGPACK} | dict.fromkeys(
    range(0x80, 0x90), Encoding.MSGPACK
)
_ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def encoding_of(data: bytes) -> Encoding:
    """Tell the encoding of a document by its first byte; raise Malformed on any other. [ENC-1] [OUT-2]"""
    encoding = _ENCODING_OF_FIRST_BYTE.get(data[0]) if data else None
    if encoding is None:
        came = f"0x{data[0]:02x}" if data else "no bytes"
        raise Malformed(f"first byte: expected '{{' or a MessagePack map, got {came} [ENC-1]")
    return encoding


def decode_object(data: bytes) -> dict[str, Any]:
    """Decode a document to plain values; raise Malformed if it is not one. [ENC-1]"""
    encoding = encoding_of(data)
    try:
        value = _DECODERS[encoding](data)
    except DECODE_ERRORS as error:
        raise Malformed(f"expected one {encoding.value} object, got {error} [ENC-1]") from None
    if not isinstance(value, dict):
        raise Malformed(f"expected an object, got {type(value).__name__} [ENC-1]")
    return value


def encode(value: Any, encoding: Encoding, what: str, limit: int = MAX_BYTES) -> bytes:
    """Encode a checked value; raise ValueRefused or TooLarge, naming `what`. [VAL-7] [VAL-10]"""
    try:
        data = _encode_json(value) if encoding is Encoding.JSON else _encode_msgpack(value)
    except (UnicodeEncodeError, OverflowError, TypeError, RecursionError) as error:
        raise ValueRefused(f"{what}: {error} [VAL-7]") from None
    if len(data) > limit:
        raise TooLarge(f"{what}: expected at most {limit} bytes, got {len(data)} [VAL-10]")
    return data


def is_flat(values: Iterable[Any]) -> bool:
    """Whether all of these are strings, booleans, null or exact integers, so that `check_value` would find nothing."""
    for value in values:
        kind = type(value)
        if kind is int:
            if not -MAX_INTEGER <= value <= MAX_INTEGER:
                return False
        elif not (kind is str or value is None or kind is bool):
            return False
    return True


def check_value(value: Any, what: str, depth: int = MAX_DEPTH) -> None:
    """Raise ValueRefused unless `value` fits the value model within `depth` levels. [VAL-3] [VAL-5] [VAL-9]"""
    kind = type(value)
    if value is None or kind is bool or kind is str:
        return
    if isinstance(value, bool):
        return
    if isinstance(value, int):
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise ValueRefused(
                f"{what}: expected an integer within ±{MAX_INTEGER}, got one of {value.bit_length()} bits [VAL-3]"
            )
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueRefused(f"{what}: expected a finite number, got {value} [VAL-5]")
    elif isinstance(value, list | tuple):
        _check_members(value, what, depth)
    elif isinstance(value, dict):
        _check_keys(value, what)
        _check_members(value.values(), what, depth)
    elif not isinstance(value, str):
        raise ValueRefused(
            f"{what}: expected null, a boolean, number, string, array or object, got {kind.__name__} [VAL-8]"
        )


def _check_members(members: Iterable[Any], what: str, depth: int) -> None:
    if depth == 0:
        raise ValueRefused(f"{what}: expected depth up to the limit of {MAX_DEPTH}, got more [VAL-9]")
    for member in members:
        check_value(member, what, depth - 1)


def _check_keys(value: dict[Any, Any], what: str) -> None:
    for key in value:
        if not isinstance(key, str):
            raise ValueRefused(f"{what}: expected string keys, got {type(key).__name__} [VAL-8]")
    if len({key.translate(_ASCII_LOWER) for key in value}) != len(value):
        raise ValueRefused(f"{what}: expected keys that differ in more than case, got {sorted(value)} [VAL-6]")


def is_portable(value: Any) -> bool:
    """Whether a decoded value is one of section 4.3 as it is, no integer beyond the exact ones among it."""
    kind = type(value)
    if kind is int:
        return bool(-MAX_INTEGER <= value <= MAX_INTEGER)
    if kind is list:
        return is_flat(value) or all(map(is_portable, value))
    if kind is dict:
        return set(map(type, value)) <= _STRINGS and all(map(is_portable, value.values()))
    if kind is float:
        return math.isfinite(value)
    return kind is str or value is None or kind is bool


def nearest(value: Any) -> Any:
    """Return `value` with each integer beyond the exact ones as the double that it means; raise Malformed. [VAL-2]"""
    if isinstance(value, int) and not -MAX_INTEGER <= value <= MAX_INTEGER:
        try:
            return float(value)
        except OverflowError:
            raise Malformed("expected a number that a double can hold, got a larger one [VAL-12]") from None
    if isinstance(value, list):
        return [nearest(member) for member in value]
    if isinstance(value, dict):
        return {key: nearest(member) for key, member in value.items()}
    return value


def check_read(value: Any) -> None:
    """Raise Malformed for what only some libraries can read, and this one could not write again. [VAL-12]"""
    if isinstance(value, list):
        for member in value:
            check_read(member)
    elif isinstance(value, dict):
        for key, member in value.items():
            if not isinstance(key, str):
                raise Malformed(f"expected string keys, got {type(key).__name__} [VAL-12]")
            check_read(member)
    elif isinstance(value, int | float):
        if not math.isfinite(nearest(value)):
            raise Malformed(f"expected a finite number, got {value} [VAL-12]")
    elif value is not None and not isinstance(value, str):
        raise Malformed(f"expected values of section 4.3, got {type(value).__name__} [VAL-12]")
