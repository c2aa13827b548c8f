"""Key names and the shapes of calls, against SPEC.md and lua/scripts.json."""

import json
from pathlib import Path

import pytest

from jobwire_conformance import binding

ROOT = Path(__file__).parents[2]


def test_digests_are_those_of_the_release() -> None:
    entries = json.loads((ROOT / "lua" / "scripts.json").read_text())
    assert {entry["name"]: entry["sha1"] for entry in entries} == binding.SHA
    assert set(binding.SHA) == set(binding.SHAPES)


@pytest.mark.parametrize(
    ("expected", "key"),
    [
        (("default", "jobs"), b"ns:{default}:jobs"),
        (("a.b-c_d", "result:x:y"), b"ns:{a.b-c_d}:result:x:y"),
        (("q", "join:g"), b"ns:{q}:join:g"),
        (None, b"jobwire:{default}:jobs"),
        (None, b"ns:{default}:other"),
        (None, b"ns:{}:jobs"),
        (None, b"ns:{a}b}:jobs"),
        (None, b"ns:default:jobs"),
        (None, b"\xff"),
    ],
)
def test_a_key_is_split(expected: tuple[str, str] | None, key: bytes) -> None:
    assert expected == binding.split_key("ns", key)


def test_names_come_in_the_order_of_keys() -> None:
    keys = binding.expected_keys("ns", "q", "settle", ["a", "b"])
    assert ["ns:{q}:jobs", "ns:{q}:record"] == keys[:2]
    assert ["ns:{q}:wake", "ns:{q}:result:a", "ns:{q}:result:b"] == keys[9:]
    assert 10 == len(binding.expected_keys("ns", "q", "extend", ["a"]))
    assert "ns:{q}:join:g" == binding.join_key("ns", "q", "g")


def test_arguments_are_cut_into_items() -> None:
    assert [{"id": b"a"}, {"id": b"b"}] == binding.items([b"a", b"b"], ("id",))
    assert [{"a": b"1", "b": b"2"}] == binding.items([b"1", b"2", b"3"], ("a", "b"))
    assert [] == binding.items([b"1"], ())
