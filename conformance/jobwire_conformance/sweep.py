"""Kill a worker at each of its commands, and see that another one brings its jobs to their right end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft202012Validator

from .cases.loader import DATA, FOLDER, CaseFileError, WorkerSettings
from .cases.matching import faults
from .cases.reading import Unreadable, read_yaml
from .cases.texts import unknown_holes
from .corpus import is_checked
from .model import requirements
from .sweep_judge import End
from .sweep_run import run_sweep

__all__ = ["Sweep", "load_sweeps", "run_sweep"]

# What the judge says of its own accord, whichever command the worker died at.
ALWAYS: Final = frozenset({"RUN-1", "RUN-10", "FLOW-3", "FLOW-5", "FLOW-12", "LEASE-3"})


@dataclass(frozen=True)
class Sweep:
    """One scenario: the jobs, what the suite does meanwhile, how each job ends."""

    id: str
    says: str
    requirements: tuple[str, ...]
    profile: str
    worker: WorkerSettings
    jobs: tuple[dict[str, Any], ...]
    ends: dict[str, End]
    judges: dict[str, str]
    orphaned: bool = False
    during: dict[str, str] | None = None
    opens: str | None = None
    source: str = ""
    source_line: int = 0
    role: str = "worker"
    without: str | None = None
    smoke: bool = False

    def requirement(self, kind: str) -> str:
        """Return the requirement that speaks of a death at a command."""
        return self.judges.get(kind, self.requirements[0])


@cache
def load_sweeps() -> tuple[Sweep, ...]:
    """Read all scenarios."""
    sweeps: list[Sweep] = []
    problems: list[str] = []
    for path in sorted((DATA / "sweep").glob("*.yaml")):
        name = str(path.relative_to(DATA))
        try:
            located = read_yaml(path)
        except Unreadable as error:
            problems.append(f"{name}:{error}")
            continue
        for value, line, _ in located.items if located else []:
            wrong = [] if is_checked() else list(_faults(value))
            problems += [f"{name}:{line}: {message}" for message in wrong]
            if not wrong:
                sweeps.append(_sweep(value, name, line))
    ids = [sweep.id for sweep in sweeps]
    problems += [f"{id} stands twice" for id in sorted({id for id in ids if ids.count(id) > 1})]
    if problems:
        raise CaseFileError(problems)
    return tuple(sweeps)


def _faults(value: Any) -> Iterator[str]:
    errors = list(_validator().iter_errors(value))
    yield from (f"{'.'.join(map(str, error.absolute_path)) or 'scenario'}: {error.message[:300]}" for error in errors)
    if errors:
        return
    yield from (f"unknown {hole}" for hole in unknown_holes([value["jobs"], value["ends"]]))
    for id, end in value["ends"].items():
        for name in ("document", "starts"):
            yield from (f"ends.{id}.{name}: {fault}" for fault in faults(end[name]))
    named = set(value["judges"].values())
    for requirement in sorted(named - set(value["requirements"])):
        yield f"judges: {requirement} is not among the requirements"
    for requirement in value["requirements"]:
        if requirement not in requirements():
            yield f"requirements: {requirement} is not in SPEC.md"
        elif requirement not in named | ALWAYS:
            yield f"requirements: no judge names {requirement}"


def _sweep(value: dict[str, Any], source: str, line: int) -> Sweep:
    settings = dict(value.get("worker", {}))
    settings["queues"] = tuple(settings.get("queues", ["default"]))
    ends = {
        id: End(end.get("queue", "default"), end["state"], end["document"], end["starts"])
        for id, end in value["ends"].items()
    }
    return Sweep(
        id=value["case"],
        says=value["says"],
        requirements=tuple(value["requirements"]),
        profile=value["profile"],
        worker=WorkerSettings(**settings),
        jobs=tuple(value["jobs"]),
        ends=ends,
        judges=value["judges"],
        orphaned=value.get("orphaned", False),
        during=value.get("during"),
        opens=value.get("opens"),
        source=source,
        source_line=line,
    )


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads((Path(FOLDER) / "sweep.schema.json").read_text(encoding="utf-8")))
