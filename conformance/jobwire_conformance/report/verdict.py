"""Decide what a run as a whole says: its verdict and its exit code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Any

from ..model import CaseResult, Status


class Exit(IntEnum):
    """How the command ends."""

    CONFORMS = 0
    FAILS = 1
    USAGE = 2
    INCOMPLETE = 3
    SUITE = 4
    ENVIRONMENT = 5


VERDICTS = {
    Exit.CONFORMS: "conforms",
    Exit.FAILS: "does not conform",
    Exit.INCOMPLETE: "no verdict",
    Exit.SUITE: "the suite is at fault",
    Exit.ENVIRONMENT: "could not run",
}


def exit_code(cases: Iterable[CaseResult], filtered: bool) -> Exit:
    """Judge a run by its cases: a failure is one whatever else happened, and nothing checked is no success."""
    statuses, checks = Counter[Status](), 0
    for case in cases:
        statuses[case.status] += 1
        checks += len(case.checks)
    if statuses[Status.FAIL] or statuses[Status.STALE]:
        return Exit.FAILS
    if statuses[Status.ERROR] or not checks:
        return Exit.SUITE
    return Exit.INCOMPLETE if filtered or statuses[Status.NOT_RUN] else Exit.CONFORMS


def is_filtered(header: Mapping[str, Any]) -> bool:
    """Return whether a run was asked for a part of what is claimed only, which can never say that it conforms."""
    return any(header.get("filters", {}).values())


def counts(cases: Iterable[CaseResult]) -> dict[str, int]:
    """Return how many cases have each status; all statuses are there."""
    found = Counter(case.status for case in cases)
    return {status.value: found[status] for status in Status}
