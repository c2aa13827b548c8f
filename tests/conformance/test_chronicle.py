"""What happened when: counts of events, their order, the time between them."""

from typing import Any

import pytest

from jobwire_conformance.cases.chronicle import of_events, of_gap, of_order

EVENTS: list[dict[str, Any]] = [
    {"mark": "a", "at": 10.0},
    {"log": "start", "id": "j", "attempt": 1, "at": 20.0},
    {"log": "end", "id": "j", "attempt": 1, "at": 50.0},
    {"mark": "b", "at": 60.0},
    {"log": "start", "id": "j", "attempt": 2, "at": 70.0},
    {"log": "start", "id": "k", "attempt": 1, "at": 80.0},
]
START = {"log": "start"}


@pytest.mark.parametrize(
    ("holds", "wanted"),
    [
        (True, {"events": START}),
        (True, {"events": START, "count": 3}),
        (False, {"events": START, "count": 2}),
        (True, {"events": START, "min": 2, "max": 3}),
        (False, {"events": START, "max": 2}),
        (True, {"events": {"log": "x"}, "count": 0}),
        (True, {"events": START, "after": {"mark": "b"}, "count": 2}),
        (True, {"events": START, "before": {"mark": "b"}, "count": 1}),
        (True, {"events": START, "after": {"log": "end"}, "before": {"id": "k"}, "count": 1}),
        # An event that never came is no place to look behind.
        (False, {"events": {"log": "x"}, "after": {"mark": "c"}, "count": 0}),
        (False, {"events": {"log": "x"}, "before": {"mark": "c"}, "count": 0}),
        (True, {"events": {**START, "id": "j"}, "distinct": "attempt"}),
        (False, {"events": START, "distinct": "attempt"}),
    ],
)
def test_events_are_counted(holds: bool, wanted: dict[str, Any]) -> None:
    assert holds is of_events(EVENTS, wanted).holds


def test_events_that_nearly_match_show_in_what_they_differ() -> None:
    settle = {"call": "settle", "id": "j", "number": 2000, "verb": "retry", "at": 20.0}
    finding = of_events([settle], {"events": {"call": "settle", "id": "j", "number": 1000}})
    assert "0: there are call settle (id 'j', verb 'retry', number 2000)" == finding.got.replace('"', "'")


@pytest.mark.parametrize(
    ("holds", "patterns"),
    [
        (True, [{"mark": "a"}, {"log": "end"}, {"id": "k"}]),
        (False, [{"log": "end"}, START]),
        (False, [{"mark": "a"}, {"mark": "a"}]),
        (False, [{"mark": "a"}, {"mark": "c"}]),
    ],
)
def test_events_have_an_order(holds: bool, patterns: list[dict[str, Any]]) -> None:
    assert holds is of_order(EVENTS, patterns).holds


@pytest.mark.parametrize(
    ("holds", "slow", "limits"),
    [
        (True, False, {"min_ms": 20, "max_ms": 20}),
        (False, False, {"min_ms": 21}),
        (False, True, {"max_ms": 19}),
    ],
)
def test_gaps_have_limits(holds: bool, slow: bool, limits: dict[str, int]) -> None:
    # From the first end to the first start after it.
    found = of_gap(EVENTS, {"gap": {"from": {"log": "end"}, "to": START}, **limits}, 1.0)
    assert (holds, slow) == (found.holds, found.slow)
    assert of_gap(EVENTS, {"gap": {"from": {"log": "end"}, "to": START}, "max_ms": 19}, 2.0).holds
