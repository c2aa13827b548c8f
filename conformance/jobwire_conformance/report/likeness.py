"""Name a mistake that fails as an implementation does: one of those that the suite is proven to find."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..model import CaseResult, Status
from ..selftest.matrix import Entry, load_matrix


def pairs(cases: Iterable[CaseResult]) -> set[tuple[str, str]]:
    """Return each failed check as its case and its requirement."""
    return {(case.id, check.requirement) for case in cases for check in case.checks if check.status is Status.FAIL}


def looks_like(case: CaseResult, others: Sequence[CaseResult]) -> Entry | None:
    """Return the mutant that fails this case by the same requirements, and of several the one most like the rest."""
    if any(check.what.startswith("start ") and check.status is Status.FAIL for check in case.checks):
        return None  # whatever it is about, nothing of it has run
    here, everywhere = pairs([case]), pairs([case, *others])
    best, most = None, 0.0
    for entry in load_matrix().values():
        theirs = set(entry.failing)
        if not here or {pair for pair in theirs if pair[0] == case.id} != here:
            continue
        alike = len(everywhere & theirs) / len(everywhere | theirs)
        if alike > most:
            best, most = entry, alike
    return best
