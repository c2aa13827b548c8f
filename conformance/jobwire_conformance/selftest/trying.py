"""Try mutants and nulls: run the cases that are there for them, and see what fails, and by which checks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ..cases.loader import Case
from ..manifest import Manifest, load
from ..model import CaseResult, Status
from ..plan import Planned, everything, inapplicable
from ..sweep import Sweep
from .lab import FAILED, Lab
from .matrix import Entry
from .mutants import Mutant, MutantError

ALWAYS: Final = "always: "


@dataclass(frozen=True)
class Failing:
    """A check that failed: in which case, for which requirement, and the rule that it is if it is no step's."""

    case: str
    requirement: str
    rule: str | None


@dataclass(frozen=True)
class Trial:
    """A mutant and what failed."""

    mutant: Mutant
    failing: tuple[Failing, ...]
    troubles: tuple[str, ...]

    @property
    def entry(self) -> Entry:
        """Return what the matrix keeps of it."""
        pairs = tuple(sorted({(each.case, each.requirement) for each in self.failing}))
        return Entry(self.mutant.id, self.mutant.says, self.mutant.case, self.mutant.breaks, pairs)

    @property
    def catching(self) -> list[Failing]:
        """The checks that find it: of its case, for what it breaks."""
        mutant = self.mutant
        return [each for each in self.failing if each.case == mutant.case and each.requirement in mutant.breaks]


async def try_mutant(mutant: Mutant, lab: Lab, *, alone: bool = False, without: Collection[str] = ()) -> Trial:
    """Make a mutant, and run its case and, unless alone, those beside it."""
    manifest = load(mutant.make(lab.folder()))
    cases = list(_cases_for(mutant, manifest, alone))
    results = await lab.results(manifest, cases, without=without)
    return Trial(mutant, tuple(_failing(results)), tuple(_troubles(results)))


def _cases_for(mutant: Mutant, manifest: Manifest, alone: bool) -> Iterator[Planned]:
    known = {case.id: case for case in everything()}
    expected = known.get(mutant.case)
    if expected is None:
        raise MutantError(f"mutant {mutant.id}: wanted the id of a case, got {mutant.case}")
    if why_not := inapplicable(manifest, expected):
        raise MutantError(f"mutant {mutant.id}: {mutant.case} is not for {mutant.manifest}: {why_not}")
    yield expected
    if alone or isinstance(expected, Sweep):
        return
    for case in known.values():
        if case.id != expected.id and _is_beside(case, expected, mutant) and not inapplicable(manifest, case):
            yield case


def _is_beside(case: Planned, expected: Planned, mutant: Mutant) -> bool:
    """Tell whether a case is of the same topic; of the vectors, which are many, only those of the same rule."""
    same = case.role == expected.role and case.id.rpartition("/")[0] == expected.id.rpartition("/")[0]
    return same and (isinstance(case, Case) or not set(mutant.breaks).isdisjoint(case.requirements))


def _failing(results: Sequence[CaseResult]) -> Iterator[Failing]:
    for result in results:
        for check in result.checks:
            if check.status in FAILED:
                rule = check.what.removeprefix(ALWAYS) if check.what.startswith(ALWAYS) else None
                yield Failing(result.id, check.requirement, rule)


def _troubles(results: Sequence[CaseResult]) -> Iterator[str]:
    yield from (f"{result.id}: {result.reason}" for result in results if result.status is Status.ERROR)
