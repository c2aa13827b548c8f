"""Change the suite itself: an expectation, a rule, a key. Each change has to be felt."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

import yaml

from ..cases.loader import Case, case_files
from ..codec.vectors import Vector
from ..invariants import INVARIANTS
from ..manifest import Manifest, load
from ..plan import Planned, everything, inapplicable
from ..sweep import Sweep
from .flipping import flipped_sweep, flipped_vector, flips
from .lab import FAILED, Lab
from .matrix import HERE
from .misspelling import is_refused, misspellings, raw_cases
from .mutants import Mutant
from .trying import Trial

# The rule that looks at the server, not at the history.
STORED: Final = "keys in the server"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Numbered:
    """A changed case, under an id of its own, and the requirement that has to fail; none: any."""

    case: Planned
    requirement: str | None


def turned(manifest: Manifest) -> Iterator[Numbered]:
    """Yield each case that applies with an expectation turned, once for each requirement that it judges."""
    for case in everything():
        if inapplicable(manifest, case):
            continue
        if isinstance(case, Case):
            for flip in flips(case):
                changed = dataclasses.replace(flip.case, id=f"{case.id}, step {flip.step}")
                yield Numbered(changed, flip.requirement)
        elif isinstance(case, Vector) and (vector := flipped_vector(case)):
            yield Numbered(vector, None)
        elif isinstance(case, Sweep):
            yield Numbered(flipped_sweep(case), None)


async def unfelt_turns(manifest: Manifest, lab: Lab, say: Say) -> list[str]:
    """Return the turned expectations that a right implementation meets all the same."""
    changed = list(turned(manifest))
    say(f"{len(changed)} expectations turned around")
    results = await lab.results(manifest, [each.case for each in changed])
    failed = {
        (result.id, name) for result in results for check in result.checks if check.status in FAILED
        for name in (check.requirement, None)
    }  # fmt: skip
    return [each.case.id for each in changed if (each.case.id, each.requirement) not in failed]


class Standing(StrEnum):
    """What a rule that holds in every case is there for."""

    NEEDED = "needed"
    BACKED = "backed"
    IDLE = "idle"


class Place(NamedTuple):
    """Where a rule was broken: with nothing else, beside a step, or nowhere."""

    standing: Standing
    mutant: Mutant | None = None
    case: str = ""


def places(trials: Sequence[Trial]) -> dict[str, Place]:
    """Return for each rule whether there is a case that a mutant fails by it alone, or by a step too, or none."""
    found = dict.fromkeys([*(invariant.name for invariant in INVARIANTS), STORED], Place(Standing.IDLE))
    for trial in trials:
        for case, rules in _broken(trial).items():
            for rule in rules & found.keys():
                if rules == {rule}:
                    found[rule] = Place(Standing.NEEDED, trial.mutant, case)
                elif found[rule].standing is Standing.IDLE:
                    found[rule] = Place(Standing.BACKED, trial.mutant, case)
    return found


def _broken(trial: Trial) -> dict[str, set[str]]:
    """Return by case the rules that a mutant breaks in it; "" stands for a step."""
    found: dict[str, set[str]] = defaultdict(set)
    for each in trial.failing:
        found[each.case].add(each.rule or "")
    return found


def unbroken() -> dict[str, str]:
    """Return the rules that no mutant can break, each with the reason."""
    listed: dict[str, str] = yaml.safe_load((HERE / "unbroken.yaml").read_text(encoding="utf-8"))
    return listed


async def unfelt_rules(trials: Sequence[Trial], lab: Lab, say: Say) -> list[str]:
    """Return the rules that find nothing, and those that can be left out where they alone found something."""
    found = places(trials)
    needed = {rule: place for rule, place in found.items() if place.standing is Standing.NEEDED}
    say(f"{len(found)} rules, {len(needed)} left out where they alone find a mutant")
    passes = await asyncio.gather(*(_passes_without(rule, place, lab) for rule, place in needed.items()))
    still = [
        f"{rule}: {place.mutant.id if place.mutant else ''} fails {place.case} without it"
        for (rule, place), passed in zip(needed.items(), passes, strict=True)
        if not passed
    ]
    idle = {rule for rule, place in found.items() if place.standing is Standing.IDLE}
    return [
        *still,
        *(f"{rule}: finds no mutant" for rule in sorted(idle - unbroken().keys())),
        *(f"{rule}: finds a mutant, so it has no place in unbroken.yaml" for rule in sorted(unbroken().keys() - idle)),
    ]


async def _passes_without(rule: str, place: Place, lab: Lab) -> bool:
    assert place.mutant is not None
    manifest = load(place.mutant.make(lab.folder()))
    cases = [case for case in everything() if case.id == place.case]
    results = await lab.results(manifest, cases, without=(rule,))
    return not any(check.status in FAILED for result in results for check in result.checks)


def unfelt_keys(folder: Path, say: Say) -> list[str]:
    """Return the keys of cases that can be misspelt without the reader's objection."""
    wrong = list(misspellings(list(raw_cases(case_files()))))
    say(f"{len(wrong)} keys misspelt")
    return [each.where for each in wrong if not is_refused(each.case, folder)]
