"""Collect the cases in which implementations work with each other into tables: who with whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..model import Status
from .merge import Run
from .stream import Entry
from .summary import BAD, worst

_HELD = frozenset({Status.PASS, Status.SLOW, Status.WARN})


@dataclass(frozen=True)
class Shape:
    """How cases with these axes are laid out; the parts of a cell are those of `part`, or the topics of the cases."""

    title: str
    row: str
    column: str
    part: str | None


SHAPES = (
    Shape("Who enqueues, who runs", "producer", "worker", "encoding"),
    Shape("Who dies, who goes on", "killed", "finished", None),
    Shape("Chains and groups through the workers of all", "from", "encoding", None),
)


@dataclass(frozen=True)
class Cell:
    """The cases of a row, a column and a part."""

    cases: tuple[tuple[Run, Entry], ...]

    @property
    def status(self) -> Status:
        """The worst of the cases."""
        return worst(case.status for _, case in self.cases) or Status.NOT_RUN

    @property
    def share(self) -> str:
        """How many checks held, of how many."""
        checks = [check for _, case in self.cases for check in case.checks]
        return f"{sum(check.status in _HELD for check in checks)}/{len(checks)}"

    @property
    def first(self) -> tuple[Run, Entry]:
        """The case to look at first."""
        return min(self.cases, key=lambda one: one[1].status not in BAD)


@dataclass(frozen=True)
class Matrix:
    """A table; a cell that is absent was not run."""

    shape: Shape
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    parts: tuple[str, ...]
    cells: Mapping[tuple[str, str, str], Cell]

    def applies(self, row: str, column: str) -> bool:
        """Return whether these can be together at all: nobody goes on in the place of itself."""
        return self.shape.row != "killed" or row != column

    def cell(self, row: str, column: str, part: str) -> Cell:
        """Return a cell, without cases if nothing was run."""
        return self.cells.get((row, column, part), Cell(()))


def matrices(runs: Sequence[Run]) -> list[Matrix]:
    """Return the tables that the cases of these runs make up."""
    found = (_matrix(shape, runs) for shape in SHAPES)
    return [one for one in found if one is not None]


def _matrix(shape: Shape, runs: Sequence[Run]) -> Matrix | None:
    cells: dict[tuple[str, str, str], list[tuple[Run, Entry]]] = {}
    for run in runs:
        for case in run.report.cases:
            if {shape.row, shape.column} <= case.axes.keys():
                part = str(case.axes.get(shape.part, "")) if shape.part else case.id.split("/")[1:2][0]
                place = (str(case.axes[shape.row]), str(case.axes[shape.column]), part)
                cells.setdefault(place, []).append((run, case))
    if not cells:
        return None
    rows, columns, parts = (tuple(dict.fromkeys(place[number] for place in cells)) for number in range(3))
    # In the order of the rows, so that an implementation with itself is on the diagonal.
    columns = tuple(sorted(columns, key=lambda name: rows.index(name) if name in rows else len(rows)))
    return Matrix(shape, rows, columns, parts, {place: Cell(tuple(cases)) for place, cases in cells.items()})
