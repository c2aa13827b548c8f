"""Patterns and values."""

from typing import Any

import pytest

from jobwire_conformance.cases.matching import ABSENT, difference, faults, matches

HOLD: list[tuple[Any, Any]] = [
    (None, None),
    (True, True),
    (1, 1.0),
    (0, -0.0),
    (9007199254740993, 9007199254740992),
    ("a", "a"),
    ([], []),
    ([1, {"a": 1}], [1, {"a": 1, "b": 2}]),
    ({}, {"a": 1}),
    ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}, "d": 3}),
    ({"one_of": [1, {"a": 2}]}, {"a": 2, "b": 3}),
    ({"between": [1, 3]}, 3),
    ({"at_least": 2}, 2.5),
    ({"at_most": 2}, -1),
    ({"matches": "^a+$"}, "aa"),
    ({"absent": True}, ABSENT),
    ({"present": True}, None),
    ({"not": 1}, 2),
    ({"not": 1}, ABSENT),
    ({"has": [1, {"a": 1}]}, [{"a": 1, "b": 2}, 3, 1]),
    ({"length": 2}, [1, 2]),
    ({"length": {"at_least": 2}}, "é€"),
    ({"utf8_bytes": 5}, "é€"),
    ({"exactly": {"a": {"at_least": 1}}}, {"a": 2}),
    ({"keys": ["b", "a"]}, {"a": 1, "b": 2}),
    ({"a": {"absent": True}}, {}),
    ({"a": {"not": {"b": 1}}}, {}),
    # Two keys make members of what could be operators.
    ({"length": 1, "has": 2}, {"length": 1, "has": 2}),
]

DIFFER: list[tuple[Any, Any]] = [
    (None, ABSENT),
    (None, False),
    (1, True),
    (True, 1),
    (1, "1"),
    ("a", ABSENT),
    ([1], [1, 2]),
    ([1, 2], [2, 1]),
    ([], {}),
    ({}, []),
    ({"a": 1}, {"a": 2}),
    ({"a": "x"}, {}),
    ({"one_of": [1, 2]}, 3),
    ({"between": [1, 3]}, 4),
    ({"between": [1, 3]}, True),
    ({"at_least": 2}, "3"),
    ({"at_most": 2}, ABSENT),
    ({"matches": "a"}, 1),
    ({"absent": True}, None),
    ({"present": True}, ABSENT),
    ({"not": {"a": 1}}, {"a": 1, "b": 2}),
    ({"has": [1]}, [2]),
    ({"has": [1]}, 1),
    ({"length": 2}, 2),
    ({"utf8_bytes": 2}, "é€"),
    ({"exactly": {"a": 1}}, {"a": 1, "b": 2}),
    ({"exactly": {"a": 1}}, {}),
    ({"keys": ["a"]}, {"a": 1, "b": 2}),
    ({"keys": ["a"]}, ["a"]),
]


@pytest.mark.parametrize(("pattern", "value"), HOLD)
def test_what_matches(pattern: Any, value: Any) -> None:
    assert matches(pattern, value)


@pytest.mark.parametrize(("pattern", "value"), DIFFER)
def test_what_does_not(pattern: Any, value: Any) -> None:
    assert not matches(pattern, value)
    assert difference(pattern, value) is not None


def test_a_difference_tells_where_what_and_what_came() -> None:
    found = difference({"error": {"details": [{"field": "id"}]}}, {"error": {"details": [{"field": "type"}]}})
    assert found is not None
    assert ("error.details.0.field", '"id"', '"type"') == (found.path, found.expected, found.got)
    assert 'error.details.0.field: wanted "id", got "type"' == str(found)


@pytest.mark.parametrize(
    ("message", "pattern"),
    [
        ("between takes two numbers", {"between": [1]}),
        ("a: at_least takes a number", {"a": {"at_least": "1"}}),
        ("matches takes a regular expression", {"matches": "("}),
        ("absent takes true", {"absent": False}),
        ("one_of takes a list", {"one_of": []}),
        ("keys takes a list of names", {"keys": [1]}),
        ("exactly takes a map", {"exactly": 1}),
        ("an operator is a map of one key", {"at_least": 1, "at_most": 2}),
        ("0.not.b: at_most takes a number", [{"not": {"b": {"at_most": None}}}]),
    ],
)
def test_a_wrong_pattern_is_told(message: str, pattern: Any) -> None:
    (found,) = faults(pattern)
    assert message in found


def test_a_right_pattern_has_no_faults() -> None:
    assert [] == [fault for pattern, _ in HOLD[:-1] for fault in faults(pattern)]
