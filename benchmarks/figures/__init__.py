"""All figures by name: what each measures, for whom, in which order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..context import Context
from ..peers import JOBWIRE, Kind, Row
from . import enqueue, growth, process, scripts, start, trip
from .kinds import Values

EVERYBODY = frozenset(Kind)
QUEUES = frozenset({Kind.OWN, Kind.PEER})
# An example's jobs come from the reference: only what its worker, or its own producer, does is a figure of its own.
WORKERS = QUEUES | {Kind.EXAMPLE}
BULK = QUEUES | {Kind.LIMIT}


@dataclass(frozen=True)
class Figure:
    """One figure: `measure` it for the rows of these kinds, or for Jobwire alone; `sized` by payload or not."""

    name: str
    measure: Callable[[Context, Row, int], Values]
    kinds: frozenset[Kind] = EVERYBODY
    alone: bool = False
    sized: bool = True

    def includes(self, row: Row) -> bool:
        """Whether a row has this figure."""
        return row.name == JOBWIRE if self.alone else row.kind in self.kinds


FIGURES = {
    figure.name: figure
    for figure in (
        Figure("one", enqueue.one),
        Figure("bulk", enqueue.bulk, BULK),
        Figure("memory", enqueue.memory, QUEUES),
        Figure("process", process.process),
        Figure("processes", process.processes, WORKERS),
        Figure("trip", trip.trip, WORKERS),
        Figure("load", trip.load, WORKERS),
        Figure("scripts", scripts.measure, alone=True),
        Figure("growth", growth.measure, alone=True, sized=False),
        Figure("start", start.measure, alone=True, sized=False),
    )
}
CRASH = "crash"
NAMES = (*FIGURES, CRASH)
