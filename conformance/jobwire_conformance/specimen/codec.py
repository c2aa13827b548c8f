"""Read and write envelopes and outcomes, in JSON and in MessagePack."""

from __future__ import annotations

import json
import math
from typing import Any

import msgpack  # type: ignore[import-untyped,unused-ignore]

EXACT = 9007199254740991
MOST_BYTES = 1048576
DEEPEST = 32


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


def fit(text: str, limit: int) -> str:
    """Return the text as valid Unicode, cut on a character to so many bytes. [OUT-4]"""
    valid = text.encode("utf-8", "replace")
    return valid[:limit].decode("utf-8", "ignore")


# Writing: from a value to bytes.


def write(value: dict[str, Any], encoding: str) -> bytes:
    """Encode a value, and refuse what section 4.3 forbids."""
    check_value(value, "", DEEPEST)
    value = _plain(value)
    if encoding == "msgpack":
        data: bytes = msgpack.packb(value)
    else:
        data = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    if len(data) > MOST_BYTES:
        raise TooLarge("", f"{len(data)} bytes, at most {MOST_BYTES}")
    return data


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


def _plain(value: Any) -> Any:
    """Return the value with floats of integral value as integers: an integer field could hold one. [VAL-4]"""
    if isinstance(value, float) and value.is_integer() and abs(value) <= EXACT:
        return int(value)
    if isinstance(value, list):
        return [_plain(member) for member in value]
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    return value


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
