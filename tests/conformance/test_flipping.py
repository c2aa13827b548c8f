"""Each expectation of each case can be turned, and then no longer holds."""

from typing import Any

import pytest

from jobwire_conformance.cases.loader import Case, load_cases
from jobwire_conformance.cases.matching import ABSENT, matches
from jobwire_conformance.selftest.flipping import NEVER, altered, flips

PATTERNS: list[tuple[Any, Any]] = [
    (1, 1), ("a", "a"), (None, None), (True, True), ([], []), ({}, {}), ([1, 2], [1, 2]),
    ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}}), ({"one_of": [1, 2]}, 2), ({"absent": True}, ABSENT),
    ({"not": 3}, 4), ({"at_least": 3}, 4), ({"a": {"matches": "x"}}, {"a": "x"}),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "value"), PATTERNS)
def test_what_matched_matches_no_more(pattern: Any, value: Any) -> None:
    assert not matches(altered(pattern), value)


def case(*steps: dict[str, Any], requirements: tuple[str, ...] = ("RUN-1",)) -> Case:
    return Case("a/b/c", "It works.", requirements, "worker", "core", steps=steps)


TURNED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"check": {"job": "j", "state": {"not": "failed"}}}, {"check": {"job": "j", "state": "failed"}}),
    ({"until": {"job": "j", "state": "x-flipped", "within_ms": 150}}, {"until": {"job": "j", "state": "x"}}),
    ({"check": {"events": {"mark": "m"}, "count": 1}}, {"check": {"events": {"mark": "m"}, "count": 2}}),
    ({"check": {"events": {"mark": "m"}, "min": 1}}, {"check": {"events": {"mark": "m"}, "count": 0}}),
    ({"check": {"events": {"mark": "m"}, "max": -1}}, {"check": {"events": {"mark": "m"}, "max": 3}}),
    ({"check": {"order": [{"mark": "b"}, {"mark": "a"}]}}, {"check": {"order": [{"mark": "a"}, {"mark": "b"}]}}),
    ({"check": {"gap": {}, "min_ms": 10**9}}, {"check": {"gap": {}, "min_ms": 1, "max_ms": 5}}),
    ({"check": {"redis": ["A"], "equals": NEVER}}, {"check": {"redis": ["A"], "equals": 0}}),
    ({"check": {"redis": ["A"], "matches": {"not": 0}}}, {"check": {"redis": ["A"], "matches": 0}}),
    ({"exited": {"worker": "A", "status": {"not": 0}}}, {"exited": {"worker": "A"}}),
    ({"answer": {"of": "w", "is": {"not": {"gone": True}}}}, {"answer": {"of": "w", "is": {"gone": True}}}),
]


@pytest.mark.parametrize(("turned", "step"), TURNED)
def test_a_step_is_turned(turned: dict[str, Any], step: dict[str, Any]) -> None:
    [flip] = flips(case(step))
    assert (turned, 1, "RUN-1") == (flip.case.steps[0], flip.step, flip.requirement)


def test_an_event_that_has_to_come_is_none_that_can() -> None:
    [flip] = flips(case({"until": {"events": {"mark": "m"}}}))
    assert {"mark": "m", "flipped": {"present": True}} == flip.case.steps[0]["until"]["events"]


def test_the_last_step_of_each_requirement_is_turned() -> None:
    steps = [{"check": {"job": str(number), "state": "failed"}} for number in range(3)]
    steps[1]["check"]["requirement"] = "RUN-2"
    found = list(flips(case(*steps, requirements=("RUN-1", "RUN-2"))))
    assert [(3, "RUN-1"), (2, "RUN-2")] == [(flip.step, flip.requirement) for flip in found]


def test_every_case_has_one_to_turn() -> None:
    assert [] == [case.id for case in load_cases() if not list(flips(case))]
