"""Make text safe to show: no sign that a terminal or a browser obeys, no bytes that are no text."""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any

# Control signs, separators, and those that change the direction of what follows; lone surrogates cannot be encoded,
# and noncharacters cannot be seen.
_NONE = "".join(chr(plane * 0x10000 + 0xFFFE + last) for plane in range(17) for last in (0, 1))
_UNSAFE = re.compile(
    f"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufeff{_NONE}]"
)
_PLAIN = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def visible(text: object, keep: str = "") -> str:
    """Return text in which what cannot be seen is an escape, but for the signs to keep."""
    return _UNSAFE.sub(lambda sign: sign[0] if sign[0] in keep else _escape(sign[0]), str(text))


def _escape(sign: str) -> str:
    code = ord(sign)
    kind, width = ("x", 2) if code < 0x100 else ("u", 4) if code < 0x10000 else ("U", 8)
    return _PLAIN.get(sign, f"\\{kind}{code:0{width}x}")


def of_bytes(data: bytes) -> str:
    """Return bytes as text: UTF-8 as it is, each other byte as an escape."""
    return visible(data.decode("utf-8", "backslashreplace"))


def raw(value: Any) -> bytes:
    """Return the bytes that a record holds as text, as base64, or as bytes."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, dict) and set(value) == {"base64"}:
        try:
            return base64.b64decode(value["base64"])
        except (binascii.Error, TypeError, ValueError):
            pass
    return str(value).encode("utf-8", "surrogatepass")


def compact(value: Any) -> str:
    """Return a value as JSON on a line."""
    if isinstance(value, str):
        return visible(value)
    return visible(json.dumps(value, ensure_ascii=False, separators=(", ", ": "), default=repr))


def short(text: str, limit: int) -> str:
    """Cut a text in its middle, and say how much is left out."""
    if len(text) <= limit:
        return text
    tail = limit // 4
    left_out = len(text) - (limit - tail) - tail
    return f"{text[: limit - tail]}…{left_out} more…{text[-tail:]}"


def as_ms(at: float) -> str:
    """Return milliseconds since the start of a case, with a sign."""
    return f"{at:+.1f}"
