"""Derive from the cases of a run what all pages say: what was claimed, and where each requirement stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..model import CaseResult, Check, Requirement, Status, requirements
from ..plan import LEFT_OUT
from .stream import Entry, Report
from .verdict import VERDICTS, Exit, counts, exit_code, is_filtered

ROLES = ("codec", "producer", "worker")
PROFILES = ("core", "cancel", "progress", "workflow")

# What a requirement with several checks is: the first of these that one of them is.
WORST_FIRST = (
    Status.FAIL,
    Status.STALE,
    Status.ERROR,
    Status.NOT_RUN,
    Status.SLOW,
    Status.WARN,
    Status.KNOWN,
    Status.PASS,
    Status.NOT_APPLICABLE,
)
# Of several implementations with each other no more is said: each conforms, or not, by a run of its own.
TOGETHER = {Exit.CONFORMS: "work together", Exit.FAILS: "do not work together"}
BAD = (Status.FAIL, Status.STALE, Status.ERROR)


@dataclass(frozen=True)
class Standing:
    """Where a requirement stands: its status, None if no case looks at it, and the cases behind it."""

    requirement: Requirement
    status: Status | None
    cases: tuple[tuple[Entry, Status], ...]


def claims(header: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return the roles and the profiles that an implementation claims, in their order."""
    about = header.get("implementation", {})
    hold = about.get("profiles") or ()
    return [role for role in ROLES if about.get(role)], [profile for profile in PROFILES if profile in hold]


def left_out(case: CaseResult) -> bool:
    """Return whether nobody asked for a case."""
    return case.status is Status.NOT_RUN and case.reason == LEFT_OUT


def cell(cases: Iterable[CaseResult], role: str, profile: str) -> Counter[Status]:
    """Count the cases of a role and profile by status, but for those that a filter left out."""
    here = (case for case in cases if (case.role, case.profile) == (role, profile))
    return Counter(case.status for case in here if not left_out(case))


def held(found: Counter[Status]) -> tuple[int, int]:
    """Return how many cases held, and of how many that apply; a slow one or one that only warns did hold."""
    good = found[Status.PASS] + found[Status.SLOW] + found[Status.WARN]
    return good, found.total() - found[Status.NOT_APPLICABLE]


def standings(cases: Sequence[Entry]) -> dict[str, Standing]:
    """Return where each requirement of SPEC.md stands, in its order."""
    found: dict[str, list[tuple[Entry, Status]]] = {name: [] for name in requirements()}
    for case in cases:
        for name, status in _by_requirement(case):
            found.setdefault(name, []).append((case, status))
    known = requirements()
    return {
        name: Standing(known.get(name) or _unknown(name), worst(status for _, status in judged), tuple(judged))
        for name, judged in found.items()
    }


def _unknown(name: str) -> Requirement:
    return Requirement(name, "MUST", "not in this SPEC.md", "", "")


def worst(statuses: Iterable[Status]) -> Status | None:
    """Return the status that stands for all of them, None for none."""
    seen = set(statuses)
    return next((status for status in WORST_FIRST if status in seen), None)


def _by_requirement(case: Entry) -> Iterator[tuple[str, Status]]:
    seen: dict[str, list[Status]] = {name: [] for name in case.requirements}
    for check in case.checks:
        seen.setdefault(check.requirement, []).append(status_of(case, check))
    if case.status in BAD and not any(check.status in BAD for check in case.checks):
        # A crash, or an excuse that has run out, is no check's; it counts against what the case is about.
        for name in case.requirements[:1]:
            seen[name].append(case.status)
    for name, statuses in seen.items():
        yield name, worst(statuses) or _unreached(case)


def _unreached(case: Entry) -> Status:
    return case.status if case.status in (Status.NOT_APPLICABLE, Status.KNOWN) else Status.NOT_RUN


def status_of(case: CaseResult, check: Check) -> Status:
    """Return the status of a check as it counts: a failure that was announced is known."""
    return Status.KNOWN if case.status is Status.KNOWN and check.status is Status.FAIL else check.status


def failing(case: CaseResult) -> list[Check]:
    """Return the checks that say why a case did not pass."""
    return [check for check in case.checks if check.status is not Status.PASS]


def verdict(report: Report) -> str:
    """Say in words what a report says as a whole."""
    if not report.complete:
        return "broken off"
    code = judged(report)
    return TOGETHER.get(code, VERDICTS[code]) if is_together(report.header) else VERDICTS[code]


def judged(report: Report) -> Exit:
    """Return the exit code that follows from the records of a report, whatever its footer says."""
    return exit_code(report.cases, is_filtered(report.header))


def rerun(header: Mapping[str, Any], case: str) -> str:
    """Return the command that runs a case alone."""
    if is_together(header):
        return "jobwire-conformance interop MANIFEST..."
    manifest = header.get("implementation", {}).get("path") or "jobwire.toml"
    return f"jobwire-conformance run {manifest} --case {case} --verbose"


def is_together(header: Mapping[str, Any]) -> bool:
    """Return whether a report is of several implementations with each other."""
    return bool(header.get("implementation", {}).get("parties"))


def label(header: Mapping[str, Any]) -> str:
    """Return the name and version of an implementation."""
    about = header.get("implementation", {})
    return " ".join(str(about[name]) for name in ("name", "version") if about.get(name)) or "unnamed"


def as_json(report: Report) -> dict[str, Any]:
    """Return a report in short, without events and transcripts, as values of JSON."""
    roles, profiles = claims(report.header)
    return {
        "implementation": report.header.get("implementation"),
        "corpus": report.header.get("corpus"),
        "spec": report.header.get("spec"),
        "verdict": verdict(report),
        "exit_code": int(judged(report)),
        "problems": list(report.problems),
        "counts": counts(report.cases),
        "claims": [
            {"role": role, "profile": profile, "held": held(found)[0], "of": held(found)[1]}
            for role in roles
            for profile in profiles
            if (found := cell(report.cases, role, profile)).total()
        ],
        "requirements": {
            name: {
                "status": standing.status and standing.status.value,
                "cases": [case.id for case, _ in standing.cases],
            }
            for name, standing in standings(report.cases).items()
        },
        "failures": [_failure(report, case) for case in report.cases if case.status in BAD],
    }


def _failure(report: Report, case: Entry) -> dict[str, Any]:
    return {
        "case": case.id,
        "status": case.status.value,
        "reason": case.reason,
        "checks": [
            {"requirement": one.requirement, "what": one.what, "expected": one.expected, "got": one.got}
            for one in failing(case)
        ],
        "rerun": rerun(report.header, case.id),
    }
