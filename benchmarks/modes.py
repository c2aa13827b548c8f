"""The two ways to run: all of it, or the main figures beside three peers."""

from __future__ import annotations

from dataclasses import dataclass

from .peers import BARE_PUSH, JOBWIRE_JSON


@dataclass(frozen=True, kw_only=True)
class Mode:
    """How much is measured: repeats, payload bytes, figures, and how long each measurement takes."""

    name: str
    repeats: int
    payloads: tuple[int, ...]
    figures: tuple[str, ...]
    enqueue_s: float
    process_s: float
    trip_s: float
    starts: int
    # Figures that are left out for some rows, and those that are measured once, as they never vary.
    without: frozenset[tuple[str, str]] = frozenset()
    once: frozenset[str] = frozenset()
    # A measurement beside which other programs used too much CPU is taken again, so many times.
    again: int = 0

    def seconds(self, wanted_s: float, payload: int) -> float:
        """Return how long to measure at a payload: the plain job is measured best."""
        return wanted_s if payload == 0 else wanted_s / 2


FULL = Mode(
    name="full",
    repeats=3,
    payloads=(0, 1024, 16384),
    figures=("one", "bulk", "memory", "process", "processes", "trip", "load", "scripts", "growth", "start", "crash"),
    enqueue_s=1.0,
    process_s=2.0,
    trip_s=1.5,
    starts=10,
    again=1,
)
QUICK = Mode(
    name="quick",
    repeats=3,
    payloads=(0,),
    figures=("one", "bulk", "memory", "process", "trip", "scripts"),
    enqueue_s=0.4,
    process_s=0.7,
    trip_s=0.4,
    starts=5,
    without=frozenset({(name, JOBWIRE_JSON) for name in ("one", "bulk", "memory", "trip")} | {("process", BARE_PUSH)}),
    once=frozenset({"memory"}),
)
# Foreign CPU use, in cores, from which on a measurement counts as disturbed.
DISTURBED = 0.3
