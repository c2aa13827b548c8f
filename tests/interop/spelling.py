"""Write values as JSON or MessagePack, now and then in other notations than the usual; and do damage to bytes."""

from __future__ import annotations

import json
import struct
from random import Random
from typing import Any, Final

from .values import Pairs, Spelt


def spell(chance: Random, value: Any, encoding: str) -> bytes:
    """Return the bytes of a value."""
    odd = chance.random() < 0.3
    return to_json(chance, value, odd) if encoding == "json" else to_msgpack(chance, value, odd)


def members(value: Any) -> tuple[tuple[Any, Any], ...] | None:
    return value.members if isinstance(value, Pairs) else tuple(value.items()) if isinstance(value, dict) else None


def to_json(chance: Random, value: Any, odd: bool) -> bytes:
    space = chance.choice((b"", b" ", b"\t\r\n")) if odd else b""
    if isinstance(value, Spelt):
        return value.json
    if (pairs := members(value)) is not None:
        parts = [to_json(chance, name, odd) + space + b":" + to_json(chance, member, odd) for name, member in pairs]
        return b"{" + space + (b"," + space).join(parts) + space + b"}"
    if isinstance(value, list):
        return b"[" + space + (space + b",").join(to_json(chance, member, odd) for member in value) + b"]"
    if isinstance(value, str) and odd and len(value) < 500 and chance.random() < 0.3:
        units = value.encode("utf-16-be")
        return b'"' + b"".join(b"\\u" + units[at : at + 2].hex().encode() for at in range(0, len(units), 2)) + b'"'
    if odd and type(value) is int:
        return chance.choice((f"{value}", f"{value}.0", f"{value}e0", f"{value}.00E+00", f"{value * 10}e-1")).encode()
    return json.dumps(value, ensure_ascii=odd and chance.random() < 0.5).encode()


def to_msgpack(chance: Random, value: Any, odd: bool) -> bytes:
    if isinstance(value, Spelt):
        return value.msgpack
    if (pairs := members(value)) is not None:
        head = length(chance, len(pairs), 0x80, 16, {2: 0xDE, 4: 0xDF}, odd)
        return head + b"".join(to_msgpack(chance, part, odd) for pair in pairs for part in pair)
    if isinstance(value, list):
        head = length(chance, len(value), 0x90, 16, {2: 0xDC, 4: 0xDD}, odd)
        return head + b"".join(to_msgpack(chance, member, odd) for member in value)
    if isinstance(value, str):
        data = value.encode()
        return length(chance, len(data), 0xA0, 32, {1: 0xD9, 2: 0xDA, 4: 0xDB}, odd) + data
    if isinstance(value, bool) or value is None:
        return {None: b"\xc0", False: b"\xc2", True: b"\xc3"}[value]
    return number(chance, value, odd)


def length(chance: Random, size: int, fixed: int, below: int, heads: dict[int, int], odd: bool) -> bytes:
    fits = [bytes([fixed | size])] if size < below else []
    fits += [bytes([head]) + size.to_bytes(width, "big") for width, head in heads.items() if size < 256**width]
    return chance.choice(fits) if odd else fits[0]


_WIDTHS: Final = {"B": 0xCC, "H": 0xCD, "I": 0xCE, "Q": 0xCF, "b": 0xD0, "h": 0xD1, "i": 0xD2, "q": 0xD3}


def number(chance: Random, value: Any, odd: bool) -> bytes:
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value)
    fits = [bytes([value & 0xFF])] if -32 <= value < 128 else []
    for code, head in _WIDTHS.items():
        size = 8 * struct.calcsize(code)
        low, high = (0, 2**size) if code.isupper() else (-(2 ** (size - 1)), 2 ** (size - 1))
        if low <= value < high:
            fits.append(bytes([head]) + struct.pack(f">{code}", value))
    fits += [b"\xcb" + struct.pack(">d", value)] if abs(value) <= 2**53 else []
    fits += [b"\xca" + struct.pack(">f", value)] if abs(value) <= 2**24 else []
    return chance.choice(fits) if odd else fits[0]


_BEFORE: Final = (b" ", b"\n", b"\xef\xbb\xbf", b"\0", b"[", b"\xc0", b"//\n")
_BEHIND: Final = (b" ", b"\n", b"\t\r", b"\0", b"}", b"{}", b",", b"1", b"\xc0", b"//", b"\x0c", b"\xff")


def damaged(chance: Random, data: bytes) -> bytes:
    """Return the bytes with something before, behind or among them, or cut, or in an encoding of two bytes."""
    at, some = chance.randrange(len(data)), bytes([chance.randrange(256)])
    return chance.choice(
        (
            chance.choice(_BEFORE) + data,
            data + chance.choice(_BEHIND),
            data[:at],
            data[:at] + some + data[at + 1 :],
            data[:at] + some + data[at:],
            data[:at] + data[at + 1 :],
            data.decode("utf-8", "replace").encode(chance.choice(("utf-16-le", "utf-16-be", "utf-32-le"))),
        )
    )
