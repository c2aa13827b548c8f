"""Say on the terminal what runs, what came out, and how long it still takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from .results import Measurement

Key = tuple[str, str, int]
# The value of each figure that is worth a line.
SHOWN = {
    "one": ("rate", "jobs/s"),
    "bulk": ("rate", "jobs/s"),
    "process": ("rate", "jobs/s"),
    "processes": ("rate", "jobs/s"),
    "memory": ("bytes", "bytes/job"),
    "trip": ("p50_ms", "ms"),
    "load": ("p50_ms", "ms"),
    "scripts": ("all_100_us", "us server CPU/job"),
    "growth": ("rate_waiting_2000000", "jobs/s with 2 million waiting"),
    "start": ("first_ms", "ms to the first job"),
}


class Progress:
    """Learn from what was measured how long the rest will take."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._first = time.monotonic()
        self._began = 0.0
        self._key: Key = ("", "", 0)
        self._took_s: dict[Key, float] = {}

    def begin(self, figure: str, row: str, payload: int) -> None:
        """Start the clock of one measurement."""
        self._key, self._began = (figure, row, payload), time.monotonic()

    def end(self, done: Measurement, repeats: int, rest: Sequence[Key]) -> None:
        """Say what came of it."""
        self._took_s[self._key] = time.monotonic() - self._began
        size = f" {done.payload // 1024} KB" if done.payload else ""
        where = f"repeat {done.repeat + 1}/{repeats}  {done.figure + size:15} {done.row:19}"
        still = clock(remaining_s(self._took_s, rest))
        took = clock(time.monotonic() - self._first)
        self._say(f"{took}  {where} {outcome(done):32} still about {still}")


def remaining_s(took_s: dict[Key, float], rest: Sequence[Key]) -> float:
    """Guess the seconds of the measurements to come: as before, as their figure, or as any."""
    any_s = sum(took_s.values()) / len(took_s)
    by_figure: dict[str, list[float]] = {}
    for (figure, _, _), seconds in took_s.items():
        by_figure.setdefault(figure, []).append(seconds)
    typical_s = {figure: sum(each) / len(each) for figure, each in by_figure.items()}
    return sum(took_s.get(key, typical_s.get(key[0], any_s)) for key in rest)


def outcome(done: Measurement) -> str:
    """Return the line's main part."""
    if done.error:
        return f"FAILED {done.error}"
    if not done.values:
        return f"- ({done.unsupported})"
    name, unit = SHOWN[done.figure]
    value = done.values[name]
    mark = f" (others used {done.foreign:.1f} core)" if done.disturbed else ""
    return f"{value:,.0f} {unit}{mark}" if value >= 100 else f"{value:.2f} {unit}{mark}"


def clock(seconds: float) -> str:
    """Return minutes and seconds."""
    return f"{int(seconds) // 60:02d}:{int(seconds) % 60:02d}"
