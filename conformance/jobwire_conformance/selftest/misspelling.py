"""Misspell the keys of cases: a reader that skips what it does not know would check less than a case says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ..cases.loader import CaseFileError, read_files
from ..cases.reading import Located, read_yaml

# An envelope can have members of any name, and so can the maps in these.
_OPEN = {"enqueue": ("id",), "call": ("op",), "begin": ("op", "as")}
_MAPS_OF_NAMES = ("config", "workers")


class Misspelt(NamedTuple):
    """A case with one key misspelt, and where."""

    where: str
    case: dict[str, Any]


def raw_cases(paths: list[Path]) -> Iterator[dict[str, Any]]:
    """Yield the cases as they stand in the files."""
    for path in paths:
        raw = read_yaml(path)
        if isinstance(raw, Located):
            yield from (value for value, _, _ in raw.items)


def misspellings(cases: list[dict[str, Any]]) -> Iterator[Misspelt]:
    """Yield one case for each key of cases, and for each key of each kind of step."""
    seen: set[str] = set()
    for case in cases:
        for where, wrong in _of_case(case):
            if where not in seen:
                seen.add(where)
                yield Misspelt(where, wrong)


def _of_case(case: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for key in case:
        yield key, _with_typo(case, key)
    for number, step in enumerate(case["steps"]):
        ((kind, value),) = step.items()
        for where, wrong in _of_step(kind, value):
            steps = [*case["steps"][:number], wrong, *case["steps"][number + 1 :]]
            yield where, case | {"steps": steps}


def _of_step(kind: str, value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    yield f"step {kind}", {f"{kind}x": value}
    if isinstance(value, dict):
        shape = next((name for name in ("job", "events", "order", "gap", "redis", "ttl") if name in value), "")
        for key in _OPEN.get(kind, value):
            if key in value:
                yield f"step {kind} {shape}, {key}".replace(" ,", ","), {kind: _with_typo(value, key)}


def _with_typo(value: dict[str, Any], key: str) -> dict[str, Any]:
    return {f"{name}x" if name == key else name: member for name, member in value.items()}


def is_refused(case: dict[str, Any], folder: Path) -> bool:
    """Tell whether the reader refuses a file with this case."""
    path = folder / "misspelt.yaml"
    path.write_text(json.dumps([case]), encoding="utf-8")
    try:
        read_files([path])
    except CaseFileError:
        return True
    return False
