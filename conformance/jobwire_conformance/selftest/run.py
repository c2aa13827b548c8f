"""Prove that the suite finds what it is there to find: against nothing, against one mistake at a time, and changed."""

from __future__ import annotations

import asyncio
import fnmatch
import itertools
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ..manifest import Manifest, load
from ..model import PACKAGE, CaseResult, Status
from ..plan import Planned, everything, inapplicable
from ..report.verdict import Exit
from .lab import Lab, laboratory
from .matrix import Verdict, save_matrix
from .mutants import NULLS, SPECIMEN, Mutant, MutantError, load_mutants
from .suite_mutation import unfelt_keys, unfelt_rules, unfelt_turns
from .trying import Trial, try_mutant

# What nobody sends will not come later.
SCALE_OF_NULLS: Final = 0.2
# What fails waits most of the time for what will not come.
WIDER: Final = 3
# Mutants at a time, each with some cases: enough to keep all slots busy.
MUTANTS_AT_A_TIME: Final = 18

Say = Callable[[str], None]


@dataclass
class Findings:
    """All that a self-test has found."""

    trials: list[Trial] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """What the suite did not find, or found where there is nothing."""
    broken: list[str] = field(default_factory=list)
    """What says that the suite itself does not work."""

    @property
    def exit_code(self) -> Exit:
        """Whose fault it is."""
        return Exit.SUITE if self.broken else Exit.FAILS if self.faults else Exit.CONFORMS

    def record(self) -> dict[str, Any]:
        """Return it as values of JSON."""
        return {
            "exit_code": int(self.exit_code),
            "broken": self.broken,
            "faults": self.faults,
            "mutants": {each.mutant.id: each.entry.record() | {"verdict": each.entry.verdict} for each in self.trials},
        }


def self_test(*, jobs: int | None = None, report: Path | None = None, only: str | None = None) -> int:
    """Run it, say what comes of it, and return the exit code; `only` is a pattern of mutants' names."""
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {line}", flush=True)

    chosen = [mutant for mutant in load_mutants() if only is None or fnmatch.fnmatchcase(mutant.id, only)]
    if not chosen:
        raise MutantError(f"wanted the name of a mutant, got {only}")
    findings = asyncio.run(_prove(chosen, jobs, only is None, say))
    if report is not None:
        report.write_text(json.dumps(findings.record(), indent=1) + "\n", encoding="utf-8")
    if only is None and not findings.broken and (PACKAGE / "SPEC.md").is_symlink():
        save_matrix(trial.entry for trial in findings.trials)
    for line in [*_table(findings.trials), *findings.broken, *findings.faults]:
        print(line)
    return int(findings.exit_code)


async def _prove(mutants: Sequence[Mutant], slots: int | None, whole: bool, say: Say) -> Findings:
    findings = Findings()
    async with laboratory(slots) as lab:
        if whole:
            findings.broken += await specimen_fails(lab, say)
            if findings.broken:
                return findings
            findings.faults += await nulls_pass(lab.wider(WIDER), say)
        findings.trials += await try_mutants(mutants, lab.wider(WIDER), say)
        findings.faults += [_told(trial) for trial in findings.trials if trial.entry.verdict is not Verdict.CAUGHT]
        findings.broken += [trouble for trial in findings.trials for trouble in trial.troubles]
        if whole:
            manifest = load(SPECIMEN)
            findings.faults += [f"not felt: {each}" for each in await unfelt_turns(manifest, lab.wider(WIDER), say)]
            findings.faults += [f"not felt: {each}" for each in await unfelt_rules(findings.trials, lab, say)]
            findings.faults += [f"not felt: {each}" for each in unfelt_keys(lab.folder(), say)]
    return findings


async def specimen_fails(lab: Lab, say: Say) -> list[str]:
    """Return what the specimen does not pass, with all profiles and with the smallest."""
    found: list[str] = []
    for path in sorted(SPECIMEN.glob("*.toml")):
        manifest = load(path)
        results = await lab.results(manifest, _applicable(manifest))
        say(f"{path.name}: {_counted(results)}")
        for failed in [each for each in results if each.status is not Status.PASS]:
            # Side by side with the others it can have missed a limit of time.
            [again] = await lab.results(manifest, [case for case in everything() if case.id == failed.id])
            say(f"{path.name}: {again.id} again: {again.status}")
            if again.status is not Status.PASS:
                found.append(f"{path.name}: {again.id}: {again.status}: {again.reason}")
    return found


async def nulls_pass(lab: Lab, say: Say) -> list[str]:
    """Return what implementations pass that do nothing of what they should."""

    async def one(path: Path) -> list[str]:
        manifest = load(path)
        results = await lab.results(manifest, _applicable(manifest), time_scale=SCALE_OF_NULLS)
        say(f"nulls/{path.name}: {_counted(results)}")
        passed = [each for each in results if each.status in (Status.PASS, Status.WARN)]
        return [f"nulls/{path.name} passes {each.id}" for each in passed] + [
            f"nulls/{path.name}: {each.id}: {each.reason}" for each in results if each.status is Status.ERROR
        ]

    return list(itertools.chain.from_iterable(await asyncio.gather(*map(one, sorted(NULLS.glob("*.toml"))))))


def _applicable(manifest: Manifest) -> list[Planned]:
    return [case for case in everything() if not inapplicable(manifest, case)]


def _counted(results: Sequence[CaseResult]) -> str:
    return ", ".join(f"{count} {status}" for status, count in Counter(each.status for each in results).most_common())


async def try_mutants(mutants: Sequence[Mutant], lab: Lab, say: Say) -> list[Trial]:
    """Try all mutants, some at a time."""
    at_a_time, done = asyncio.Semaphore(MUTANTS_AT_A_TIME), 0

    async def one(mutant: Mutant) -> Trial:
        nonlocal done
        async with at_a_time:
            trial = await try_mutant(mutant, lab)
        done += 1
        say(f"{done}/{len(mutants)} {mutant.id}: {trial.entry.verdict}")
        return trial

    return list(await asyncio.gather(*map(one, mutants)))


def _told(trial: Trial) -> str:
    mutant, entry = trial.mutant, trial.entry
    got = ", ".join(f"{case} [{name}]" for case, name in entry.failing[:5]) or "nothing fails"
    return (
        f"{mutant.id} {entry.verdict}: {mutant.says} Wanted {mutant.case} to fail by {', '.join(mutant.breaks)}; {got}"
    )


def _table(trials: Sequence[Trial]) -> list[str]:
    width = max(len(trial.mutant.case) for trial in trials) if trials else 0
    lines = [
        f"{trial.mutant.id:<6} {trial.entry.verdict:<12} {trial.mutant.case:<{width}}  {trial.mutant.says}"
        for trial in trials
    ]
    caught = sum(trial.entry.verdict is Verdict.CAUGHT for trial in trials)
    return [*lines, f"{caught} of {len(trials)} mutants caught"]


if __name__ == "__main__":
    sys.exit(self_test(only=sys.argv[1] if len(sys.argv) > 1 else None))
