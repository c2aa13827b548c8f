"""The values that are put into envelopes: good, at their limits, and odd."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any, Final

MOST: Final = 9007199254740991


@dataclass(frozen=True)
class Spelt:
    """A value as it stands in each encoding."""

    json: bytes
    msgpack: bytes


@dataclass(frozen=True)
class Pairs:
    """An object in which a key can stand twice."""

    members: tuple[tuple[str, Any], ...]


def raw(words: str) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(word) for word in words.split())


# fmt: off
IDS: Final = ("b", "A.b_c:d-e", "0", "x" * 128)
BAD_IDS: Final = (
    "", " a", "a ", "a\n", "\na", "a\r\n", "_a", ".a", ":a", "-a", "a/b", "a{b}", "a\0", "x" * 129, "é", "aé", "日本",
    "٣", "a٣", "ａ", "a１", "a\u0301", "a\u200b", "\ufeffa", "a\u212a", "a\u017f", "a\u2028",
)
VERSIONS: Final[tuple[Any, ...]] = (
    "1.0", "1.00", "1.1", "1.99999999999999999999", "01.0", "001.0", "0.9", "00.1", "2.0", "10.0", "11.0", "1.", ".0",
    "1", "", "1.0\n", "\n1.0", " 1.0", "1.0 ", "１.0", "1.٠", "1.0.0", "1,0", "v1.0", "1.0-beta", "+1.0", "-1.0",
    "1e0.0", "4294967297.0", "18446744073709551617.0", "1" * 400 + ".0", "1." + "0" * 400, "1.0\0", "²1.0", "1.²",
    1, 1.0, True, ["1.0"], {"1": 0}, None, {},
)
NUMBERS: Final = (
    0, 1, -1, 127, 128, 255, 256, -32, -33, -128, -129, 65535, 65536, 2**31, 2**32 - 1, 2**32, -(2**31), -(2**31) - 1,
    999, 1000, 1001, MOST, MOST + 1, MOST + 2, -MOST, -MOST - 1, -MOST - 2, 2**63 - 1, 2**63, 2**64 - 1, -(2**63),
    0.0, -0.0, 1.0, 1.5, 0.1, 1e15, 1e16, 1e21, 1e22, 1e300, -1e300, 5e-324, 2.2250738585072014e-308,
    4503599627370497.5, 1.7976931348623157e308, 1.0000000000000002, 0.9999999999999999, float(MOST), float(MOST + 1),
)
# Go's library misreads an integer part of over 800 digits that an exponent makes small again.
JSON_NUMBERS: Final = (
    "1.0", "1e0", "1E0", "1E+0", "1e-0", "10e-1", "0.1e1", "-0", "-0.0", "-0e0", "0e99999", "0E-99999", "1E2", "1e3",
    "0.9999999999999999999999", "1.00000000000000000000001", "1000.00000000000000000001", "9007199254740991.0",
    "9007199254740991.4", "9007199254740991.5", "9007199254740992", "9007199254740993", "9.007199254740991e15",
    "18446744073709551616", "-9223372036854775809", "100000000000000000000000000000", "1e23", "8.5e22", "1e308",
    "1.79769313486231570e+308", "1.7976931348623158e308", "1e-400", "-1e-400", "4.9e-324", "2.2250738585072011e-308",
    "2.4703282292062327e-324", "2.4703282292062328e-324", "1e-99999999999", "1e+1", "1e01", "1E000001", "0.1e+00001",
    "1" + "0" * 300, "-1" + "0" * 300, "0." + "0" * 400 + "1", "1" + "0" * 400 + "e-400", "0." + "0" * 400 + "1e401",
    "0." + "3" * 700, "1." + "0" * 6000, "1" * 309, "9007199254740992.9999999999", "9007199254740993.0000000001",
)
MSGPACK_NUMBERS: Final = raw(
    "cc01 cd0001 ce00000001 cf0000000000000001 d001 d10001 d200000001 d30000000000000001 ca3f800000 cb3ff0000000000000 "
    "ca00000000 ca80000000 cb8000000000000000 ca40a00000 ca3fc00000 ca3dcccccd ca447a0000 cb433fffffffffffff "
    "cb4340000000000000 cf001fffffffffffff cf0020000000000000 cf0020000000000001 cfffffffffffffffff cf8000000000000000 "
    "d3001fffffffffffff d30020000000000000 d38000000000000000 d3ffe0000000000001 d3ffe0000000000000 d0ff d1ffff "
    "d2ffffffff d3ffffffffffffffff ccff cdffff ceffffffff d07f d17fff d27fffffff d37fffffffffffffff ff e0 7f 00 "
    "ca5a0e1bca ca7f7fffff ca00000001 cb7fefffffffffffff cb0000000000000001 cc00 cd0000 ce00000000 cf0000000000000000 "
    "d000 d300000000 cc09 cc0a d009 d00a cd03e8 cd03e9 cb408f400000000000 cb408f400000000001 cb3fefffffffffffff"
)
# Numbers that no double holds, and what is none of JSON.
NO_JSON: Final = (
    "1e309", "1e400", "-1e400", "1e99999999999999999999", "1" * 310, "1" + "0" * 400, "-1" + "0" * 5000,
    "NaN", "Infinity", "-Infinity", "01", "-01", "00", "+1", ".5", "1.", "1.e1", "1e", "0x10", "1_000", "--1", "-",
    "1e+", "1,", "٣", "1f", "1L", "tru", "True", "nul", "undefined", "'a'", "[1,]", '{"a":1,}', "[1 2]", "{a:1}", "[,]",
    "[//\n1]", "[/**/1]", '"\n"', '"\t"', '"\\x41"', '"\\u12"', '"\\u00zz"', "\"\\'\"", '"\\0"', '"a', '"\\U0041"',
    "[1],", "{1:2}", '{"a" 1}', '{"a":}', "\x0c1", "\u00a01", "\u2028", "1\0", "", " ", "[1]]", "[[1]", "{}}",
)
# NaN, infinities, bin, ext, timestamps, invalid UTF-8, keys that are no strings or stand twice, and what is cut.
NO_MSGPACK: Final = raw(
    "c1 ca7f800000 caff800000 ca7fc00000 cb7ff0000000000000 cbfff0000000000000 cb7ff8000000000000 c400 c40161 c5000161 "
    "c60000000161 d40061 d5006161 d6ff00000000 d7ff0000000000000000 c70c0000000000000000000000000000 c7000061 c8000161 "
    "a1ff a2c3 a2c328 a3eda080 a2c080 a4f4908080 81c001 810101 8191a161 81c2c3 81c4016101 81a1ff01 819001 818001 "
    "82a16101a16102 82a16101a14102 d9 da00 db000000 dc dd00 de df00 cc cd00 ca00 81a1 91 a1 ddffffffff dfffffffff "
    "dbffffffff c6ffffffff c9ffffffff00 dcffff deffff"
)
KEYS: Final = (
    "a", "b", "c", "", "é", "日本", "😀", "a b", "\n", "1", "0", "-1", "1.5", "null", "toString", "length", "valueOf",
    "hasOwnProperty", "__class__", "id", "queue", "k" * 32, "k" * 300, "\u2028", "\ufeff", "\u212a", "\u017f", "\uffff",
    "$ref", "@type", "a.b", "\x7f", "\x1f", '"', "\\",
)
# What readers can take as malformed. [VAL-11]
HARD_KEYS: Final = ("__proto__", "constructor", "prototype", "\0", "\0a")
TEXTS: Final = (
    "", "x", "\0", "a\0b", "é", "日本", "😀", "\uffff", "\ufeff", "\u2028\u2029", "\x7f", "\x01\x1f", '"\\/\b\f\n\r\t',
    "x" * 31, "x" * 32, "x" * 255, "x" * 256, "é" * 16, "e\u0301", "\U0010ffff", "null", "1", "true", "\ud7ff\ue000",
)
ODD: Final[tuple[Any, ...]] = (
    None, True, False, 0, 1, -1, 1.5, "", "a", [], {}, [[]], [None], ["a"], [1], [{}], {"a": 1}, {"": None},
)
# fmt: on

_FROM_0: Final[tuple[float, ...]] = (0, 1, MOST, -1, MOST + 1, 0.5, 1e300, 2**64 - 1, -(2**63))
_FROM_1: Final[tuple[float, ...]] = (1, 2, MOST, 0, -1, MOST + 1, 0.5, 1.5, 1e300, 5e-324)
# For each field, values on both sides of its limits.
LIMITS: Final[dict[str, tuple[Any, ...]]] = {
    "jobwire": VERSIONS,
    **dict.fromkeys(("id", "type", "queue", "root_id", "parent_id", "group"), (*IDS, *BAD_IDS)),
    **dict.fromkeys(("created_at", "run_at", "expires_at", "result_ttl_ms", "delay_ms", "max_delay_ms"), _FROM_0),
    **dict.fromkeys(("timeout_ms", "ttl_ms"), _FROM_1),
    "priority": (0, 4, 9, -1, 10, 4.5, 8.999999999999998, 1e300),
    "max_attempts": (1, 3, 1000, 0, 1001, 1.5, -1),
    "factor": (1, 1.0, 1.5, 1000, 1000.0, 0, 0.9999999999999999, 1000.0000000000001, 1001, -1, 1e300),
    "jitter": (0, 0.1, 0.5, 1, 1.0, 5e-324, -5e-324, 1.0000000000000002, 2, -1),
    "no_retry_on": ([], ["a"], ["", "é\n"], [1], ["a", None], ["a", True], [["a"]], [{}], "a", {}),
    "index": (0, -1, 1, 2, 999, 1000, 0.5),
    "size": (1000, 0, 1, 1001, -1, 1.5),
    "args": ([], {}, "", 0),
    **dict.fromkeys(("kwargs", "headers", "retry"), ({}, [], "", 0, True)),
    "pass_result": (True, False, 0, 1, "true", [], {}),
    "then": ([], {}, "", [1], [None], [[]], [{}], ["b"]),
    "join": (None, [], {}, "", 0, True),
}


def spelt_number(chance: Random) -> Spelt:
    """Return a number in some notation, and another in some width."""
    digits = [str(chance.randrange(10 ** chance.randint(1, 24))) for _ in range(2)]
    made = f"{digits[0]}.{digits[1]}e{chance.randint(-330, 280)}"
    return Spelt(chance.choice((made, *JSON_NUMBERS)).encode(), chance.choice(MSGPACK_NUMBERS))


def no_value(chance: Random) -> Spelt:
    """Return what most readers reject."""
    return Spelt(chance.choice(NO_JSON).encode(), chance.choice(NO_MSGPACK))


# fmt: off
_ESCAPES: Final = (
    rb"\ud800", rb"\udc00", rb"\ud83d\ude00", rb"\ude00\ud83d", rb"\uD83D\u0041", rb"\u0000", rb"\/", rb"\u007F", b"a",
    "é".encode(), b"\xff", b"\xc3", b"\xc3\x28", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\xf0\x9f\x98",
)
# fmt: on
_STRINGS: Final = raw("a1ff a2c3a4 d902c3a4 a4f09f9880 a100 a3eda080 d903efbfbf")


def spelt_text(chance: Random) -> Spelt:
    """Return a string of escapes, valid or not, of JSON and one of MessagePack."""
    text = b"".join(chance.choice(_ESCAPES) for _ in range(chance.randint(1, 3)))
    return Spelt(b'"' + text + b'"', chance.choice(_STRINGS))


_LEVELS: Final = ((b"[", b"]", b"\x91"), (b'{"a":', b"}", b"\x81\xa1a"))


def deep_value(chance: Random) -> Spelt:
    """Return arrays and objects in one another."""
    levels = [chance.choice(_LEVELS) for _ in range(chance.choice((1, 5, 28, 29, 30, 31, 32, 33, 60, 130, 250)))]
    heads, tails, packed = zip(*levels, strict=True)
    return Spelt(b"".join(heads) + b"1" + b"".join(reversed(tails)), b"".join(packed) + b"\x01")


def long_value(chance: Random) -> Any:
    """Return a value at a border of MessagePack's forms."""
    size = chance.choice((15, 16, 31, 32, 255, 256, 65535, 65536, 70_000))
    return chance.choice(
        ("x" * size, {"k" * size: 1}, [0] * (size % 2000), {f"k{key}": key for key in range(size % 600)})
    )


def any_value(chance: Random, depth: int = 3) -> Any:
    """Return a value that every reader reads."""
    kind = chance.random()
    if depth and kind < 0.2:
        return [any_value(chance, depth - 1) for _ in range(chance.choice((0, 1, 2, 3, 17)))]
    if depth and kind < 0.4:
        return {chance.choice(KEYS): any_value(chance, depth - 1) for _ in range(chance.randint(0, 3))}
    return chance.choice((None, True, False, *NUMBERS, *TEXTS))
