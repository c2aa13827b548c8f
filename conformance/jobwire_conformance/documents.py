"""Read documents as strictly as a writer is bound to write them; write them plainly. SPEC.md sections 4 and 5."""

from __future__ import annotations

import base64
import json
import math
from dataclasses import dataclass
from typing import Any

import msgpack  # type: ignore[import-untyped,unused-ignore]

from .rules import Kind, violations

__all__ = ["Document", "Kind", "Unreadable", "complaints", "encoding_of", "read", "same", "violations", "write"]

MAX_BYTES = 1_048_576
MAX_DEPTH = 32
MAX_INTEGER = 9_007_199_254_740_991
MAX_PROGRESS_BYTES = 65_536


class Unreadable(Exception):
    """A document that nobody can read."""


@dataclass(frozen=True)
class Document:
    """A decoded document, and what section 4.3 forbids a writer that its bytes do: `VAL-6: what` each."""

    value: Any
    encoding: str
    problems: tuple[str, ...]


def encoding_of(data: bytes) -> str | None:
    """Tell the encoding by the first byte; None where that is no document. [ENC-1]"""
    if not data:
        return None
    if data[0] == 0x7B:
        return "json"
    return "msgpack" if 0x80 <= data[0] <= 0x8F or data[0] in (0xDE, 0xDF) else None


def read(data: bytes) -> Document:
    """Decode a document leniently, and tell what a writer must not do; raise Unreadable."""
    encoding = encoding_of(data)
    if encoding is None:
        raise Unreadable(f"expected '{{' or a MessagePack map as first byte, got {data[:1]!r} [ENC-1]")
    reader = _Reader()
    try:
        value = reader.json(data) if encoding == "json" else reader.msgpack(data)
        value = reader.clean(value, "", 0)
    except RecursionError:
        raise Unreadable("expected a depth of at most 32, got hundreds [VAL-9]") from None
    if reader.depth > MAX_DEPTH:
        reader.problem("VAL-9", f"expected a depth of at most {MAX_DEPTH}, got {reader.depth}")
    if len(data) > MAX_BYTES:
        reader.problem("VAL-10", f"expected at most {MAX_BYTES} bytes, got {len(data)}")
    return Document(value, encoding, tuple(reader.problems))


def write(value: Any, encoding: str) -> bytes:
    """Encode a value as a JSON text without spaces, or as MessagePack."""
    if encoding == "msgpack":
        packed: bytes = msgpack.packb(value, use_bin_type=True, unicode_errors="surrogatepass")
        return packed
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # What UTF-8 cannot hold stays an escape.
    return text.encode("utf-8", "backslashreplace")


class _Pairs(list[tuple[Any, Any]]):
    """The members of an object as they stood, equal keys among them."""


class _Reader:
    """Collects the problems of one document while it is read."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.depth = 0

    def problem(self, requirement: str, text: str) -> None:
        entry = f"{requirement}: {text}"
        if entry not in self.problems:
            self.problems.append(entry)

    def json(self, data: bytes) -> Any:
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            self.problem("VAL-7", f"expected UTF-8, got {error.reason} at byte {error.start}")
            text = data.decode("utf-8", "replace")
        decoder = json.JSONDecoder(object_pairs_hook=_Pairs, parse_int=_integer, strict=True)
        try:
            value, end = decoder.raw_decode(text)
        except ValueError as error:
            raise Unreadable(f"expected a JSON text, got {error} [ENC-1]") from None
        if text[end:].strip(" \t\r\n"):
            self.problem("VAL-12", f"expected the end after character {end}, got {text[end : end + 20]!r}")
        return value

    def msgpack(self, data: bytes) -> Any:
        # In the buffer of an Unpacker equal keys and bytes after the end can be told; in unpackb() not.
        unpacker = msgpack.Unpacker(
            object_pairs_hook=_Pairs, ext_hook=_Ext, strict_map_key=False, raw=False, timestamp=0,
            unicode_errors="surrogateescape", max_buffer_size=max(len(data), 1),
        )  # fmt: skip
        unpacker.feed(data)
        try:
            value = unpacker.unpack()
        except (ValueError, msgpack.UnpackException, msgpack.exceptions.StackError) as error:
            raise Unreadable(f"expected a MessagePack map, got {str(error) or type(error).__name__} [ENC-1]") from None
        if unpacker.tell() < len(data):
            self.problem("VAL-12", f"expected {unpacker.tell()} bytes, got {len(data)}")
        return value

    def clean(self, value: Any, where: str, depth: int) -> Any:
        """Return plain values of JSON, having looked at each."""
        if isinstance(value, str):
            return self._string(value, where)
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, int | float):
            return self._number(value, where)
        self.depth = max(self.depth, depth + 1)
        if isinstance(value, _Pairs):
            return self._object(value, where, depth + 1)
        if isinstance(value, list | tuple):
            return [self.clean(member, f"{where}.{at}", depth + 1) for at, member in enumerate(value)]
        return self._binary(value, where)

    def _number(self, value: float, where: str) -> float | None:
        if isinstance(value, int):
            return value if abs(value) <= MAX_INTEGER else float(value)
        if not math.isfinite(value):
            self.problem("VAL-5", f"{_at(where)}: expected a finite number, got {value}")
            return None
        return 0 if value == 0 else value

    def _string(self, value: str, where: str) -> str:
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:
            self.problem("VAL-7", f"{_at(where)}: expected valid Unicode, got a surrogate at {error.start}")
            return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
        return value

    def _object(self, pairs: _Pairs, where: str, depth: int) -> dict[str, Any]:
        seen: dict[str, str] = {}
        value: dict[str, Any] = {}
        for key, member in pairs:
            name = self._name(key, where)
            lower = name.lower() if name.isascii() else name.translate(_LOWER)
            if lower in seen:
                self.problem("VAL-6", f"{_at(where)}: expected keys of their own, got {seen[lower]!r} and {name!r}")
            seen[lower] = name
            value[name] = self.clean(member, f"{where}.{name}", depth)
        return value

    def _name(self, key: Any, where: str) -> str:
        if isinstance(key, str):
            return self._string(key, where)
        self.problem("VAL-8", f"{_at(where)}: expected string keys, got {type(key).__name__}")
        return repr(key)

    def _binary(self, value: Any, where: str) -> Any:
        self.problem("VAL-8", f"{_at(where)}: expected no bin, ext or timestamp, got {type(value).__name__}")
        data = value if isinstance(value, bytes) else getattr(value, "data", b"")
        return {"binary": base64.b64encode(data).decode()}


_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


@dataclass(frozen=True)
class _Ext:
    code: int
    data: bytes


def _integer(text: str) -> float:
    return int(text) if len(text) <= 17 else float(text)


def _at(where: str) -> str:
    return where.removeprefix(".") or "the document"


def same(one: Any, other: Any) -> bool:
    """Whether two values mean the same: numbers are the doubles nearest to them. [VAL-2]"""
    if isinstance(one, bool) or isinstance(other, bool) or one is None or other is None:
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return float(one) == float(other)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    return type(one) is type(other) and bool(one == other)


def complaints(document: Document) -> list[tuple[str, str]]:
    """Return the problems of a document as pairs of requirement and message."""
    return [(entry.partition(": ")[0], entry.partition(": ")[2]) for entry in document.problems]
