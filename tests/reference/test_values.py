"""The value model and the two encodings."""

import math
from typing import Any

import pytest

from jobwire.errors import Malformed, TooLarge, ValueRefused
from jobwire.values import (
    Encoding,
    check_read,
    check_value,
    decode_object,
    encode,
    encoding_of,
    is_flat,
    is_portable,
    nearest,
)
from tests.reference.documents import LARGEST, nested, pack, unpack

BOTH = pytest.mark.parametrize("encoding", Encoding)


def told(byte: int) -> Encoding | None:
    try:
        return encoding_of(bytes([byte]))
    except Malformed as error:
        return None if f"got 0x{byte:02x} [ENC-1]" in str(error) else Encoding.JSON


def test_the_first_byte_tells_the_encoding() -> None:
    expected: dict[int, Encoding | None] = dict.fromkeys(range(256))
    expected |= {0x7B: Encoding.JSON} | dict.fromkeys([*range(0x80, 0x90), 0xDE, 0xDF], Encoding.MSGPACK)
    assert expected == {byte: told(byte) for byte in range(256)}


def test_no_bytes_have_no_encoding() -> None:
    with pytest.raises(Malformed, match=r"expected '\{' or a MessagePack map, got no bytes \[ENC-1\]"):
        encoding_of(b"")


VALUES = [None, True, 0, -1, LARGEST, -LARGEST, 0.5, -1e300, "", "é\U0001f600\0", [], [[1], "x"], {}, {"a": {"": None}}]


@BOTH
@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_survives(encoding: Encoding, value: Any) -> None:
    document = {"v": value}
    check_value(document, "document")
    data = encode(document, encoding, "document")
    assert document == decode_object(data) == unpack(data, encoding) == decode_object(pack(document, encoding))


@BOTH
def test_integers_have_neither_fraction_nor_exponent(encoding: Encoding) -> None:
    data = encode({"a": LARGEST, "b": 10**15}, encoding, "document")
    assert [int, int] == [type(member) for member in unpack(data, encoding).values()]


@BOTH
@pytest.mark.parametrize(("expected", "value"), [([1, 2], (1, 2)), ([[], {}], ((), {}))])
def test_tuples_are_written_as_arrays(encoding: Encoding, expected: Any, value: Any) -> None:
    check_value({"v": value}, "document")
    assert expected == decode_object(encode({"v": value}, encoding, "document"))["v"]


REFUSED = [
    ("VAL-3", LARGEST + 1),
    ("VAL-3", -LARGEST - 1),
    ("VAL-3", 10**400),
    ("VAL-5", math.nan),
    ("VAL-5", math.inf),
    ("VAL-5", [{"a": -math.inf}]),
    ("VAL-6", {"a": 1, "A": 2}),
    ("VAL-8", {1: 1}),
    ("VAL-8", {None: 1}),
    ("VAL-8", {("a",): 1}),
    ("VAL-8", b"x"),
    ("VAL-8", {1, 2}),
    ("VAL-8", 1j),
    ("VAL-8", ...),
    ("VAL-9", nested(33)),
    ("VAL-9", {"a": nested(32)}),
]


@pytest.mark.parametrize(("rule", "value"), REFUSED, ids=lambda value: f"{value!r:.40}")
def test_a_writer_refuses(rule: str, value: Any) -> None:
    with pytest.raises(ValueRefused, match=rf"^here: .*\[{rule}\]$"):
        check_value(value, "here")


@pytest.mark.parametrize("value", [nested(32), {"a": nested(31)}, {"ß": 1, "SS": 2}, {"é": 1, "É": 2}], ids=repr)
def test_a_writer_takes_what_is_just_allowed(value: Any) -> None:
    check_value(value, "here")


def test_a_value_inside_itself_is_too_deep() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(ValueRefused, match="VAL-9"):
        check_value(value, "here")


@BOTH
@pytest.mark.parametrize("text", ["\ud800", "a\udfff", "\udc00\ud800"])
def test_lone_surrogates_are_refused(encoding: Encoding, text: str) -> None:
    for value in ({"a": text}, {text: 1}):
        with pytest.raises(ValueRefused, match=r"VAL-7"):
            encode(value, encoding, "here")


@BOTH
def test_too_many_bytes_are_refused(encoding: Encoding) -> None:
    size = len(encode({"a": "x"}, encoding, "progress"))
    assert size == len(encode({"a": "x"}, encoding, "progress", size))
    with pytest.raises(TooLarge, match=rf"^progress: expected at most {size - 1} bytes, got {size} \[VAL-10\]$"):
        encode({"a": "x"}, encoding, "progress", size - 1)


@pytest.mark.parametrize(
    "value", [{"a": b"x"}, {"a": [{5: 1}]}, {"a": {b"k": 1}}, [{"a": ()}], [math.nan], {"a": [-math.inf]}], ids=repr
)
def test_what_cannot_be_written_again_is_not_read(value: Any) -> None:
    assert not is_portable(value)
    with pytest.raises(Malformed, match="VAL-12"):
        check_read(value)


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_every_value_is_read(value: Any) -> None:
    assert check_read(value) is None


@pytest.mark.parametrize(
    ("expected", "value"),
    [
        (LARGEST, LARGEST),
        (2.0**53, 2**53),
        (-(2.0**53), -(2**53) - 1),
        (1e20, 10**20),
        ([1, {"a": 1e20}], [1, {"a": 10**20}]),
        ("10", "10"),
        (True, True),
    ],
)
def test_the_nearest_double(expected: Any, value: Any) -> None:
    assert (expected, type(expected)) == (nearest(value), type(nearest(value)))


def test_a_number_that_no_double_can_hold_is_malformed() -> None:
    with pytest.raises(Malformed, match="VAL-12"):
        nearest([10**400])


@pytest.mark.parametrize("value", [2**53, -(2**53), 2**64 - 1, -(2**63)])
@pytest.mark.parametrize("place", [lambda v: v, lambda v: [0, v], lambda v: {"a": [{"b": v}]}, lambda v: [[v], "x"]])
def test_no_large_integer_is_missed(value: int, place: Any) -> None:
    assert not is_portable(place(value))
    assert not is_flat([1, value])


@pytest.mark.parametrize("value", [2**53 - 1, -(2**53) + 1, True, None, "x" * 17, 1e300, [0, [1]], {"a": {"b": [2]}}])
def test_what_is_portable(value: Any) -> None:
    assert is_portable(value)


@pytest.mark.parametrize(
    ("expected", "value"), [(True, [1, "a", None, False]), (True, []), (False, [1.5]), (False, [[]])]
)
def test_what_is_flat(expected: bool, value: list[Any]) -> None:
    assert is_flat(value) is expected
