"""Medians, quantiles and spreads."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import NamedTuple


class Summary(NamedTuple):
    """What repeats of one measurement say together."""

    median: float
    low: float
    high: float
    repeats: int

    @property
    def spread(self) -> float:
        """Half the distance between the extremes, as a part of the median."""
        return (self.high - self.low) / 2 / self.median if self.median else 0.0


def summarise(values: Sequence[float]) -> Summary:
    """Return median and extremes of at least one value."""
    return Summary(statistics.median(values), min(values), max(values), len(values))


def quantile(values: Sequence[float], part: float) -> float:
    """Return the value that `part` of all are not above, the nearest rank."""
    ordered = sorted(values)
    rank = -(-part * len(ordered) // 1)
    return ordered[max(0, min(len(ordered), int(rank)) - 1)]


def rate_of(times_s: Sequence[float]) -> float:
    """Return jobs/s from the first to the last of the times at which jobs began, given in order."""
    if len(times_s) < 2 or times_s[-1] <= times_s[0]:
        raise ValueError(f"expected times that differ, got {len(times_s)} of them")
    return (len(times_s) - 1) / (times_s[-1] - times_s[0])
