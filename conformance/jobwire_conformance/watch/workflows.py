"""Rules for handing over: section 10."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..documents import encoding_of, same
from .facts import Call, Facts, Findings, Given, Problem, Settled, readable

_PASSED = frozenset({"accepted", "duplicate", "finished", "failed"})


def decided_first(facts: Facts) -> Findings:
    """Look for hand-overs of jobs that were not decided as succeeded before. [FLOW-3] [FLOW-15]"""
    for call in facts.of("pass", "join"):
        for what, claims in _sources(facts, call):
            if not claims:
                wanted = "parent_id of a job that this worker holds"
                yield Problem(wanted, what, call.at, "FLOW-10") if call.script == "pass" else None
                continue
            right = any(_decided(facts, given, call.at) is not None for given in claims)
            sent = any(each.verb == "decide" for given in claims for each in facts.settles_of(given))
            yield None if right else Problem(
                "a decide that was answered done, then the hand-over", f"{call.script} of {what}", call.at,
                "FLOW-3" if sent else "FLOW-15",
            )  # fmt: skip


def _sources(facts: Facts, call: Call) -> Iterator[tuple[str, list[Given]]]:
    """Return the jobs that a hand-over can come from, for each of its items."""
    if call.script == "join":
        group = call.keys[0].partition(b":join:")[2].decode("utf-8", "replace") if call.keys else ""
        index = call.head.get("index", b"").decode("utf-8", "replace")
        yield f"{group} {index}", [given for given in _held(facts, call) if _is_member(given, group, index)]
        return
    for item in call.items:
        job = readable(item["envelope"])
        if job is not None:
            parent = job.value.get("parent_id")
            yield f"parent_id {parent!r}", [given for given in _held(facts, call) if given.id == parent]


def _held(facts: Facts, call: Call) -> list[Given]:
    begin = facts.life_of(call.exchange)[0]
    return [given for given in facts.given if given.by == call.by and begin <= given.at <= call.at]


def _is_member(given: Given, group: str, index: str) -> bool:
    join = given.member("join")
    return isinstance(join, dict) and (join.get("group"), str(join.get("index"))) == (group, index)


def _decided(facts: Facts, given: Given, at: float) -> dict[str, Any] | None:
    """Return the outcome that a job was decided with by an instant."""
    if given.stored is not None and given.stored.value.get("state") == "succeeded":
        stored: dict[str, Any] = given.stored.value
        return stored
    for each in facts.settles_of(given):
        heard = each.call.heard_at
        if each.verb == "decide" and each.answer == "done" and heard is not None and heard <= at:
            return each.outcome
    return None


def closed_last(facts: Facts) -> Findings:
    """Look for jobs of workflows that are closed before they were handed over. [FLOW-3] [FLOW-12]"""
    for settled in facts.settled:
        given = facts.given_of(settled)
        if given is None or settled.verb != "succeed" or not given.sound or not given.goes_on:
            continue
        outcome = _decided(facts, given, settled.call.at)
        yield None if outcome is not None else _closed("decide before succeed", settled, "none", "FLOW-3")
        if outcome is not None and not same(outcome, settled.outcome):
            yield _closed("the decided outcome", settled, "another", "FLOW-12")
        passed = _was_passed(facts, given, settled.call.at)
        yield None if passed else _closed("the hand-over first", settled, "none", "FLOW-12")


def _closed(expected: str, settled: Settled, got: str, requirement: str) -> Problem:
    return Problem(f"{expected} of {settled.id}", got, settled.call.at, requirement)


def _was_passed(facts: Facts, given: Given, at: float) -> bool:
    """Whether the hand-over of a job was answered by an instant."""
    for call in facts.of("pass", "join"):
        heard = call.heard_at
        if call.by != given.by or heard is None or not given.at <= call.at <= heard <= at:
            continue
        for index, (_, claims) in enumerate(_sources(facts, call)):
            joined = call.script == "join" and isinstance(call.reply, list)
            if given in claims and (joined or call.answer(index) in _PASSED):
                return True
    return False


def next_envelopes(facts: Facts) -> Findings:
    """Compare each envelope that is handed over with what step and outcome make of it. [FLOW-5] [FLOW-6] [FLOW-7]"""
    for call in facts.of("pass"):
        for item, (_, claims) in zip(call.items, _sources(facts, call), strict=False):
            job = readable(item["envelope"])
            decided = [given for given in claims if _decided(facts, given, call.at) is not None]
            # An id can stand in several queues; which of them hands over cannot be told then.
            if job is None or len({given.queue for given in decided}) != 1 or not decided[-1].sound:
                continue
            outcome = _decided(facts, decided[-1], call.at) or {}
            yield None
            yield from _compared(facts, call, decided[-1], outcome, job.value, item["envelope"])


def _compared(
    facts: Facts, call: Call, given: Given, outcome: dict[str, Any], job: dict[str, Any], data: bytes
) -> Iterator[Problem | None]:
    join = given.member("join")
    steps = join["then"] if join else given.member("then") or []
    if not steps:
        yield Problem("no hand-over of a job without then and join", f"one of {given.id}", call.at, "FLOW-15")
        return
    wanted = _expected(given, steps, _argument(facts, given, outcome, call.at) if join else [outcome.get("result")])
    for requirement, names in _PARTS.items():
        for name in names or sorted(set(wanted) | set(job)):
            if (names or name not in _KNOWN) and not _same(wanted, job, name):
                wish = f"{name} {_shown(wanted, name)} in {job.get('id')}"
                yield Problem(wish, _shown(job, name), call.at, "FLOW-8" if name == "args" and join else requirement)
    right = encoding_of(data) == encoding_of(given.envelope)
    yield None if right else Problem(f"the encoding of {given.id}", str(encoding_of(data)), call.at, "FLOW-6")


_PARTS: dict[str, tuple[str, ...]] = {
    "FLOW-7": ("args",),
    "FLOW-9": ("then",),
    "FLOW-10": ("parent_id", "root_id"),
    "FLOW-6": (),
}
_KNOWN = frozenset(name for names in _PARTS.values() for name in names)


def _expected(given: Given, steps: list[dict[str, Any]], first: list[Any] | None) -> dict[str, Any]:
    step = {name: value for name, value in steps[0].items() if value is not None}
    job = {name: value for name, value in step.items() if name not in ("pass_result", "args")}
    own = step.get("args", [])
    if step.get("pass_result") is False:
        job["args"] = own
    elif first is not None:
        job["args"] = [*first, *own]
    job |= {"jobwire": given.member("jobwire"), "parent_id": given.id}
    job["root_id"] = given.id if given.member("root_id") is None else given.member("root_id")
    return job | ({"then": steps[1:]} if steps[1:] else {})


def _argument(facts: Facts, given: Given, outcome: dict[str, Any], at: float) -> list[Any] | None:
    """Return the array of the members' outcomes, as `join` gave it; None where that did not arrive or read."""
    for call in reversed(facts.of("join")):
        heard = call.heard_at
        if call.by == given.by and heard is not None and heard <= at and isinstance(call.reply, list):
            mine = any(given in claims for _, claims in _sources(facts, call))
            members = [readable(value) for value in call.reply[3:]]
            if mine and members and None not in members:
                return [[member.value for member in members if member is not None]]
    return None


def _same(wanted: dict[str, Any], got: dict[str, Any], name: str) -> bool:
    if name == "args":
        # Absent and empty mean the same; what is not known is not compared.
        return name not in wanted or same(wanted[name], got.get(name) or [])
    if name not in wanted:
        return got.get(name) is None or (name == "then" and got[name] == [])
    return name in got and same(wanted[name], got[name])


def _shown(job: dict[str, Any], name: str) -> str:
    return repr(job[name])[:400] if name in job else "absent"
