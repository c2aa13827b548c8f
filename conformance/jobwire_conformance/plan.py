"""Choose what a run does: what applies to an implementation, and what was asked for."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from .cases.loader import load_cases
from .codec.cases import worker_cases
from .codec.files import load_vectors
from .manifest import Manifest
from .model import CaseResult, Status
from .sweep import load_sweeps

LEFT_OUT = "left out by a filter"


class Planned(Protocol):
    """A case of any kind: one of steps, a vector of the codec, a scenario of the sweep."""

    @property
    def id(self) -> str:
        """Its identifier."""

    @property
    def says(self) -> str:
        """What it says."""

    @property
    def requirements(self) -> tuple[str, ...]:
        """What it judges."""

    @property
    def role(self) -> str:
        """Whom it judges."""

    @property
    def profile(self) -> str:
        """Which profile it belongs to."""

    @property
    def smoke(self) -> bool:
        """Whether any implementation passes it."""


@dataclass(frozen=True)
class Selection:
    """What was asked for: each that is given narrows the run."""

    cases: tuple[str, ...] = ()
    """Patterns of ids, as of files."""
    requirements: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    only: frozenset[str] | None = None
    """Ids, as those that failed in an earlier report."""
    smoke: bool = False

    def takes(self, case: Planned) -> bool:
        """Tell whether a case was asked for."""
        return (
            (not self.cases or any(fnmatch.fnmatchcase(case.id, pattern) for pattern in self.cases))
            and (not self.requirements or not set(self.requirements).isdisjoint(case.requirements))
            and (not self.roles or case.role in self.roles)
            and (not self.profiles or case.profile in self.profiles)
            and (self.only is None or case.id in self.only)
            and (not self.smoke or case.smoke)
        )

    def record(self) -> dict[str, Any]:
        """Return it as values of JSON; what narrows nothing is empty."""
        return {
            "cases": list(self.cases),
            "requirements": list(self.requirements),
            "roles": list(self.roles),
            "profiles": list(self.profiles),
            "failed_from": len(self.only) if self.only is not None else None,
            "smoke": self.smoke,
        }


@dataclass(frozen=True)
class Plan:
    """The cases that are run, and the verdicts on those that are not."""

    cases: tuple[Planned, ...]
    others: tuple[CaseResult, ...]


def plan(manifest: Manifest, selection: Selection, known: Iterable[Planned] | None = None) -> Plan:
    """Return what a run does with each case that the suite has."""
    cases: list[Planned] = []
    others: list[CaseResult] = []
    for case in everything() if known is None else known:
        why_not = inapplicable(manifest, case)
        if why_not:
            others.append(skipped(case, Status.NOT_APPLICABLE, why_not))
        elif not selection.takes(case):
            others.append(skipped(case, Status.NOT_RUN, LEFT_OUT))
        else:
            cases.append(case)
    return Plan(tuple(cases), tuple(others))


def everything() -> list[Planned]:
    """Return all cases of the suite."""
    return [*load_vectors(), *load_cases(), *worker_cases(), *load_sweeps()]


def inapplicable(manifest: Manifest, case: Planned) -> str:
    """Return why a case says nothing about this implementation; empty if it does."""
    if case.role not in manifest.roles:
        return f"role {case.role} is not claimed"
    if case.profile not in manifest.profiles:
        return f"profile {case.profile} is not claimed"
    without = getattr(case, "without", None)
    return f"profile {without} is claimed" if without in manifest.profiles else ""


def skipped(case: Planned, status: Status, reason: str) -> CaseResult:
    """Return the verdict on a case that is not run."""
    return CaseResult(case.id, case.says, case.requirements, case.role, case.profile, status, reason)
