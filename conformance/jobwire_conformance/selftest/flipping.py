"""Turn one expectation of a case into one that a right implementation does not meet."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, Final

from ..cases.loader import Case
from ..cases.matching import operator
from ..codec.vectors import Vector
from ..sweep import Sweep

# What no value is, no event has, and nothing takes as long as.
NEVER: Final = {"one_of": ["flipped"]}
NO_EVENT: Final = {"flipped": {"present": True}}
LONG_MS: Final = 10**9
# A flipped `until` is over soon: what it waits for never comes.
BRIEF_MS: Final = 150

_OF_A_JOB: Final = ("document", "progress", "attempt", "state")

Value = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Flip:
    """A case with one expectation turned around: the number of its step, from 1, and what it judges."""

    case: Case
    step: int
    requirement: str


def flips(case: Case) -> Iterator[Flip]:
    """Yield the case once for each of its requirements, with the last expectation turned that judges it."""
    found: dict[str, Flip] = {}
    for number, step in enumerate(case.steps, start=1):
        ((kind, value),) = step.items()
        turned = _turned(kind, value) if isinstance(value, dict) else None
        if turned is not None:
            requirement = value.get("requirement", case.requirements[0])
            steps = (*case.steps[: number - 1], {kind: turned}, *case.steps[number:])
            found[requirement] = Flip(dataclasses.replace(case, steps=steps), number, requirement)
    yield from found.values()


def _turned(kind: str, value: Value) -> Value | None:
    """Return what a step of this kind expects the other way round, None if it expects nothing that can be turned."""
    if kind == "exited":
        return value | {"status": {"not": value.get("status", 0)}}
    if kind == "answer":
        return value | {"is": {"not": value["is"]}}
    if kind == "call" and "answer" in value:
        return value | {"answer": {"not": value["answer"]}}
    if kind not in ("until", "check"):
        return None
    turn = next((turn for name, turn in _TURNS.items() if name in value), None)
    turned = turn(value, kind == "until") if turn else None
    return turned | {"within_ms": BRIEF_MS} if turned and kind == "until" else turned


def _job(value: Value, later: bool) -> Value:
    member = next(name for name in _OF_A_JOB if name in value)
    return value | {member: altered(value[member]) if later else {"not": value[member]}}


def _redis(value: Value, later: bool) -> Value:
    if "equals" in value:
        # What the server writes as text equals a number, and is no number to a pattern.
        return value | {"equals": altered(value["equals"])}
    return value | {"matches": altered(value["matches"]) if later else {"not": value["matches"]}}


def _events(value: Value, later: bool) -> Value:
    counts = {name: value[name] for name in ("count", "min", "max") if name in value}
    kept = {name: member for name, member in value.items() if name not in counts}
    least = counts.get("count", counts.get("min", 0 if "max" in counts else 1))
    if least == 0:
        return kept | ({"min": 1} if counts.get("count") == 0 else {"max": -1})
    if counts.get("count") and not later:
        # Not *at least so many*, either.
        return kept | {"count": least - 1}
    return value | {"events": value["events"] | NO_EVENT}


def _order(value: Value, later: bool) -> Value:
    return value | {"order": value["order"][::-1]}


def _gap(value: Value, later: bool) -> Value:
    return {name: member for name, member in value.items() if name != "max_ms"} | {"min_ms": LONG_MS}


def _envelope(value: Value, later: bool) -> Value:
    return value | {"envelope": "flipped"}


_TURNS: Final[dict[str, Callable[[Value, bool], Value]]] = {
    "job": _job, "events": _events, "order": _order, "gap": _gap, "redis": _redis, "ttl": _gap, "envelope": _envelope,
}  # fmt: skip


def altered(pattern: Any) -> Any:
    """Return the pattern with one literal changed, so that it wants something else and nothing that can come later."""
    name = operator(pattern)
    if name == "not":
        return pattern[name]
    if name in ("absent", "present"):
        return {"present" if name == "absent" else "absent": True}
    if name is not None:
        return NEVER
    if isinstance(pattern, dict) and pattern:
        last = list(pattern)[-1]
        return pattern | {last: altered(pattern[last])}
    if isinstance(pattern, list) and pattern:
        return [*pattern[:-1], altered(pattern[-1])]
    if isinstance(pattern, str):
        return f"{pattern}-flipped"
    return NEVER


def flipped_vector(vector: Vector) -> Vector | None:
    """Return the vector with another answer expected, None if every answer to it is right."""
    if vector.verdict == "survive" or vector.may_refuse:
        return None
    given: dict[str, Any] = {"id": f"{vector.id}-flipped"}
    if vector.verdict == "refuse" and not vector.code:
        given |= {"verdict": "accept"}
    elif vector.verdict in ("reject", "refuse"):
        given |= {"code": f"{vector.code}-flipped"}
    else:
        given |= {"expected": altered(vector.expected)}
    return dataclasses.replace(vector, **given)


def flipped_sweep(sweep: Sweep) -> Sweep:
    """Return the scenario with another end of its last job expected."""
    last = list(sweep.ends)[-1]
    end = dataclasses.replace(sweep.ends[last], starts=NEVER)
    return dataclasses.replace(sweep, ends=sweep.ends | {last: end})
