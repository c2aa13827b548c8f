"""Find what the schema of a case cannot say: names that mean nothing, checks that judge nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from ..model import requirements
from .matching import faults as pattern_faults
from .texts import unknown_holes
from .vocabulary import event_faults

# Steps whose failure names a requirement.
JUDGING: Final = ("until", "check", "exited", "answer", "call")
_PATTERNS: Final = ("state", "attempt", "document", "progress", "matches")
_EVENTS: Final = ("events", "after", "before")

Fault = tuple[int | None, str]


def faults_of(case: dict[str, Any]) -> Iterator[Fault]:
    """Yield what is wrong with a case that the schema lets pass: the number of the step and the message."""
    yield from _requirement_faults(case)
    if case.get("without") and case["profile"] != "core":
        yield None, f"without: a case without {case['without']} is one of profile core, got {case['profile']}"
    if case.get("config") and case.get("server") != "own":
        yield None, "config: needs server: own"
    workers = set(case.get("workers", {"A": {}}))
    begun: set[str] = set()
    for number, step in enumerate(case["steps"], start=1):
        for message in _step_faults(step, case, workers, begun):
            yield number, f"step {number}, {next(iter(step))}: {message}"


def _requirement_faults(case: dict[str, Any]) -> Iterator[Fault]:
    wanted = case["requirements"]
    judging = [step[kind] for step in case["steps"] for kind in JUDGING if kind in step]
    judging = [step for step in judging if isinstance(step, dict) and ("op" not in step or "answer" in step)]
    if not judging:
        yield None, f"a case needs at least one of {', '.join(JUDGING)}"
    named = {step.get("requirement", wanted[0]) for step in judging}
    for requirement in wanted:
        if requirement not in requirements():
            yield None, f"requirements: {requirement} is not in SPEC.md"
        elif requirement not in named:
            yield None, f"requirements: no check of the case names {requirement}"
    for requirement in sorted(named - set(wanted)):
        yield None, f"requirement {requirement} of a check is not among those of the case"


def _step_faults(step: dict[str, Any], case: dict[str, Any], workers: set[str], begun: set[str]) -> Iterator[str]:
    ((kind, value),) = step.items()
    yield from (f"unknown {hole}" for hole in unknown_holes(value))
    yield from (f"no worker {name} in workers" for name in sorted(_workers_of(kind, value) - workers))
    if kind in ("until", "check"):
        yield from _observation_faults(kind, value)
    elif kind == "answer":
        yield from pattern_faults(value["is"], "is")
        if value["of"] not in begun:
            yield f"no step before this begins {value['of']}"
    elif kind == "begin":
        begun.add(value["as"])
    elif kind == "server" and case.get("server") != "own":
        yield f"{value} needs server: own"
    elif kind == "fault":
        yield from _fault_faults(value)
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, dict) and "answer" in one:
            yield from pattern_faults(one["answer"], "answer")
        if isinstance(one, dict) and kind == "exited":
            yield from pattern_faults(one.get("status", 0), "status")


def _workers_of(kind: str, value: Any) -> set[str]:
    if kind in ("start", "kill"):
        return set(value) if isinstance(value, list) else {value}
    if kind in ("signal", "exited", "fault"):
        return {value["worker"]} if "worker" in value else set()
    if kind in ("until", "check") and "idle" in value:
        return {value["idle"]}
    return set()


def _observation_faults(kind: str, value: dict[str, Any]) -> Iterator[str]:
    if kind == "check" and "within_ms" in value:
        yield "within_ms belongs to until: a check judges now"
    if kind == "check" and "idle" in value:
        yield "idle belongs to until"
    for name in _PATTERNS:
        if name in value:
            yield from pattern_faults(value[name], name)
    for name in _EVENTS:
        if name in value:
            yield from (f"{name}: {message}" for message in event_faults(value[name]))
    if "distinct" in value:
        named = event_faults(value["events"] | {value["distinct"]: {"present": True}})
        yield from (f"distinct: {message}" for message in named)
    for pattern in [*value.get("order", []), *value.get("gap", {}).values()]:
        yield from event_faults(pattern)
    if kind == "until" and (value.get("count") == 0 or ("max" in value and not value.get("min"))):
        yield "until an event never came is true at once; use check, behind an until of something that came"
    if "count" in value and ("min" in value or "max" in value):
        yield "count stands for min and max at once"
    low, high = value.get("min_ms"), value.get("max_ms")
    if low is not None and high is not None and low > high:
        yield f"min_ms {low} is over max_ms {high}"


def _fault_faults(value: dict[str, Any]) -> Iterator[str]:
    if value["do"] != "delay" and "ms" in value:
        yield f"ms belongs to delay, not to {value['do']}"
    if value["do"] != "error" and "error" in value:
        yield f"error is for do: error, not for {value['do']}"
    if "verb" in value["when"] and value["when"]["call"] != "settle":
        yield f"verb belongs to settle, not to {value['when']['call']}"
