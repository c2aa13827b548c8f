"""Read the cases from their files, and refuse a file that holds anything unknown."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft202012Validator, ValidationError

from ..corpus import is_checked
from .meaning import faults_of
from .reading import Located, Unreadable, read_yaml

FOLDER: Final = Path(__file__).parent
DATA: Final = FOLDER / "data"
# Scenarios of the sweep have a form of their own.
ELSEWHERE: Final = frozenset({"sweep"})


class CaseFileError(Exception):
    """Files of cases are not as case.schema.json and the language of steps say."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True)
class WorkerSettings:
    """What a worker of a case is started with."""

    queues: tuple[str, ...] = ("default",)
    concurrency: int = 1
    lease_ms: int = 15_000
    grace_ms: int = 5_000


@dataclass(frozen=True)
class Case:
    """One case: what it says, what it judges, and its steps, each a map of one key."""

    id: str
    says: str
    requirements: tuple[str, ...]
    role: str
    profile: str
    without: str | None = None
    smoke: bool = False
    server: str = "shared"
    config: dict[str, str] = field(default_factory=dict)
    acl: bool = False
    workers: dict[str, WorkerSettings] = field(default_factory=dict)
    steps: tuple[dict[str, Any], ...] = ()
    source: str = ""
    source_line: int = 0


@cache
def load_cases() -> tuple[Case, ...]:
    """Read all cases of the suite, in the order of their files."""
    return tuple(read_files(case_files(), checked=is_checked()))


def case_files() -> list[Path]:
    """Return the files of cases that the suite has."""
    files = sorted(DATA.rglob("*.yaml"))
    return [path for path in files if path.relative_to(DATA).parts[0] not in ELSEWHERE]


def read_files(paths: Iterable[Path], *, checked: bool = False) -> list[Case]:
    """Read files of cases; refuse all of them with all that is wrong, unless they are known to be right."""
    cases: list[Case] = []
    problems: list[str] = []
    seen: dict[str, str] = {}
    for path in paths:
        found, wrong = _read_file(path, checked)
        problems += wrong
        for case in found:
            if case.id in seen:
                problems.append(f"{case.source}:{case.source_line}: case {case.id} is also at {seen[case.id]}")
            seen[case.id] = f"{case.source}:{case.source_line}"
        cases += found
    if problems:
        raise CaseFileError(problems)
    return cases


def _read_file(path: Path, checked: bool) -> tuple[list[Case], list[str]]:
    name = str(path.relative_to(DATA)) if path.is_relative_to(DATA) else str(path)
    try:
        raw = read_yaml(path)
    except Unreadable as error:
        return [], [f"{name}:{error}"]
    if not isinstance(raw, Located) or not raw.items:
        return [], [f"{name}:1: wanted a list of cases"]
    cases: list[Case] = []
    problems: list[str] = []
    for value, line, step_lines in raw.items:
        wrong = [] if checked else list(_faults(value))
        problems += [f"{name}:{_line(step, line, step_lines)}: {_who(value)}{message}" for step, message in wrong]
        if not wrong:
            cases.append(_case(value, name, line))
    return cases, problems


def _faults(value: Any) -> Iterable[tuple[int | None, str]]:
    """Yield the number of the step, from 1, and the message."""
    errors = sorted(_validator().iter_errors(value), key=lambda error: list(map(str, error.absolute_path)))
    if errors:
        yield from (_explain(error) for error in errors)
    else:
        yield from faults_of(value)


def _explain(error: ValidationError) -> tuple[int | None, str]:
    path = list(error.absolute_path)
    step = int(path[1]) + 1 if len(path) > 1 and path[0] == "steps" else None
    where = ".".join(str(part) for part in (path[2:] if step else path))
    message = error.message
    if error.validator in ("oneOf", "anyOf", "minProperties", "maxProperties") and isinstance(error.schema, dict):
        wanted = error.schema.get("description")
        message = f"wanted {wanted}, got {json.dumps(error.instance, ensure_ascii=False)[:200]}" if wanted else message
    prefix = f"step {step}, " if step else ""
    return step, f"{prefix}{where or ('its key' if step else 'case')}: {message[:600]}"


def _line(step: int | None, line: int, step_lines: list[int]) -> int:
    return step_lines[step - 1] if step and step <= len(step_lines) else line


def _who(value: Any) -> str:
    return f"case {value['case']}: " if isinstance(value, dict) and isinstance(value.get("case"), str) else ""


def _case(value: dict[str, Any], source: str, line: int) -> Case:
    workers = value.get("workers", {"A": {}})
    return Case(
        id=value["case"],
        says=value["says"],
        requirements=tuple(value["requirements"]),
        role=value["role"],
        profile=value["profile"],
        without=value.get("without"),
        smoke=value.get("smoke", False),
        server=value.get("server", "shared"),
        config={name: str(setting) for name, setting in value.get("config", {}).items()},
        acl=value.get("acl", False),
        workers={name: _settings(settings) for name, settings in workers.items()},
        steps=tuple(value["steps"]),
        source=source,
        source_line=line,
    )


def _settings(value: dict[str, Any]) -> WorkerSettings:
    given = dict(value)
    if "queues" in given:
        given["queues"] = tuple(given["queues"])
    return WorkerSettings(**given)


@cache
def _validator() -> Draft202012Validator:
    schema = json.loads((FOLDER / "case.schema.json").read_text(encoding="utf-8"))
    return Draft202012Validator(_inlined(schema["$defs"]["case"], schema["$defs"]))


def _inlined(schema: Any, parts: dict[str, Any]) -> Any:
    """Return a schema with its parts in place: to look up each reference costs a run half a second."""
    if isinstance(schema, list):
        return [_inlined(member, parts) for member in schema]
    if not isinstance(schema, dict):
        return schema
    rest = {name: _inlined(member, parts) for name, member in schema.items() if name != "$ref"}
    if "$ref" not in schema:
        return True if set(schema) == {"description"} else rest
    part = _inlined(parts[schema["$ref"].removeprefix("#/$defs/")], parts)
    return {**rest, "allOf": [part, *rest.get("allOf", [])]} if rest else part


def main(arguments: list[str]) -> int:
    """Print what is wrong with the files, or how many cases they hold."""
    paths = [Path(argument).resolve() for argument in arguments] or case_files()
    try:
        cases = read_files(paths)
    except CaseFileError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{len(cases)} cases in {len(paths)} files")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
