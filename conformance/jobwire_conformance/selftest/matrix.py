"""Which check of which case finds which mutant: matrix.json, written by the self-test."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
MATRIX = HERE / "matrix.json"


class Verdict(StrEnum):
    """What became of a mutant."""

    CAUGHT = "caught"
    SURVIVED = "survived"
    WRONG_REASON = "wrong reason"


@dataclass(frozen=True)
class Entry:
    """One mutant: what it breaks, the case that is to find it, and the pairs of case and requirement that failed."""

    mutant: str
    says: str
    case: str
    breaks: tuple[str, ...]
    failing: tuple[tuple[str, str], ...]

    @property
    def verdict(self) -> Verdict:
        """Whether the expected case failed by a check of what the mutant breaks."""
        named = {requirement for case, requirement in self.failing if case == self.case}
        if named & set(self.breaks):
            return Verdict.CAUGHT
        return Verdict.WRONG_REASON if self.failing else Verdict.SURVIVED

    def record(self) -> dict[str, Any]:
        """Return it as values of JSON."""
        return {"says": self.says, "case": self.case, "breaks": self.breaks, "failing": self.failing}


@cache
def load_matrix() -> dict[str, Entry]:
    """Read what the last whole self-test found, by mutant; nothing if there is none."""
    if not MATRIX.exists():
        return {}
    records: dict[str, dict[str, Any]] = json.loads(MATRIX.read_text(encoding="utf-8"))
    return {mutant: _entry(mutant, record) for mutant, record in records.items()}


def _entry(mutant: str, record: dict[str, Any]) -> Entry:
    failing = tuple((case, requirement) for case, requirement in record["failing"])
    return Entry(mutant, record["says"], record["case"], tuple(record["breaks"]), failing)


def save_matrix(entries: Iterable[Entry], path: Path = MATRIX) -> None:
    """Write what a self-test found, a mutant a line."""
    lines = (f"  {json.dumps(each.mutant)}: {json.dumps(each.record(), ensure_ascii=False)}" for each in entries)
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    load_matrix.cache_clear()


def looks_like(failing: Iterable[tuple[str, str]]) -> Entry | None:
    """Return the mutant whose failures are most like these pairs of case and requirement, None if none is alike."""
    found = set(failing)
    best, score = None, 0.0
    for entry in load_matrix().values():
        theirs = set(entry.failing)
        alike = len(found & theirs) / max(len(found | theirs), 1)
        if alike > score:
            best, score = entry, alike
    return best
