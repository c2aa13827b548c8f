"""The mutants: copies of the specimen, each with one mistake in one line."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ..model import PACKAGE

HERE = Path(__file__).parent
SPECIMEN = PACKAGE / "specimen"
NULLS = HERE / "nulls"

_KEYS = {"mutant", "says", "file", "find", "replace", "case", "breaks", "manifest"}


class MutantError(Exception):
    """A mutant cannot be made: the list of them does not fit the specimen."""


@dataclass(frozen=True)
class Mutant:
    """One mistake: the line and what takes its place, the case that finds it, and the requirements that it breaks."""

    id: str
    says: str
    file: str
    find: str
    replace: str
    case: str
    breaks: tuple[str, ...]
    manifest: str = "jobwire.toml"

    def make(self, folder: Path) -> Path:
        """Copy the specimen into a folder, with the mistake, and return the path of its manifest."""
        shutil.copytree(SPECIMEN, folder, ignore=shutil.ignore_patterns("__pycache__", ".*"), dirs_exist_ok=True)
        path = folder / self.file
        text = path.read_text(encoding="utf-8")
        count = text.count(self.find)
        if count != 1:
            raise MutantError(f"mutant {self.id}: wanted {self.find!r} once in {self.file}, got it {count} times")
        path.write_text(text.replace(self.find, self.replace), encoding="utf-8")
        if self.file.endswith(".py"):
            compile(path.read_text(encoding="utf-8"), str(path), "exec")
        return folder / self.manifest


@cache
def load_mutants() -> tuple[Mutant, ...]:
    """Read all mutants."""
    path = HERE / "mutants.yaml"
    mutants = tuple(_mutant(entry) for entry in yaml.safe_load(path.read_text(encoding="utf-8")))
    ids = [mutant.id for mutant in mutants]
    if twice := sorted({name for name in ids if ids.count(name) > 1}):
        raise MutantError(f"mutants: wanted each name once, got {', '.join(twice)} again")
    return mutants


def _mutant(entry: dict[str, Any]) -> Mutant:
    if unknown := set(entry) - _KEYS:
        raise MutantError(f"mutant {entry.get('mutant')}: unknown keys {', '.join(sorted(unknown))}")
    given = {name: value for name, value in entry.items() if name not in ("mutant", "breaks")}
    return Mutant(id=entry["mutant"], breaks=tuple(entry["breaks"]), **given)
