"""Change the suite itself: an expectation, a rule, a key. Each change has to be felt."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ..cases.loader import Case, case_files
from ..codec.vectors import Vector
from ..invariants import INVARIANTS
from ..manifest import Manifest
from ..plan import Planned, everything, inapplicable
from ..sweep import Sweep
from .flipping import flipped_sweep, flipped_vector, flips
from .lab import FAILED, Lab
from .misspelling import is_refused, misspellings, raw_cases
from .trying import Trial, try_mutant

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


def standing(trials: Sequence[Trial]) -> dict[str, tuple[Standing, str]]:
    """Return for each rule whether it alone finds a mutant, or a step does so too, or it finds none; and which."""
    found = {invariant.name: (Standing.IDLE, "") for invariant in INVARIANTS}
    for trial in trials:
        rules = {each.rule for each in trial.catching}
        for rule in rules:
            if rule is None or rule not in found:
                continue
            alone = rules == {rule}
            if alone or found[rule][0] is Standing.IDLE:
                found[rule] = (Standing.NEEDED if alone else Standing.BACKED, trial.mutant.id)
    return found


async def unfelt_rules(trials: Sequence[Trial], lab: Lab, say: Say) -> list[str]:
    """Return the rules that no mutant needs, and those without which the mutant that needs them is found."""
    found = standing(trials)
    by_id = {trial.mutant.id: trial.mutant for trial in trials}
    needed = {rule: by_id[mutant] for rule, (kind, mutant) in found.items() if kind is Standing.NEEDED}
    say(f"{len(found)} rules left out, one at a time: {len(needed)} alone find a mutant")
    again = await asyncio.gather(
        *(try_mutant(mutant, lab, alone=True, without=(rule,)) for rule, mutant in needed.items())
    )
    caught = [
        f"{rule}: {trial.mutant.id} is found without it"
        for rule, trial in zip(needed, again, strict=True)
        if trial.catching
    ]
    idle = [f"{rule}: finds no mutant" for rule, (kind, _) in found.items() if kind is Standing.IDLE]
    return caught + idle


def unfelt_keys(folder: Path, say: Say) -> list[str]:
    """Return the keys of cases that can be misspelt without the reader's objection."""
    wrong = list(misspellings(list(raw_cases(case_files()))))
    say(f"{len(wrong)} keys misspelt")
    return [each.where for each in wrong if not is_refused(each.case, folder)]
