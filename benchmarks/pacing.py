"""How many jobs a measurement gets, so that it takes about as long as wanted."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar

FEWEST = 300
MOST = 300_000
# A count is not raised by more than this after one try.
STEP = 20
# A run that took this part of the wanted time is long enough.
ENOUGH = 0.5
# What one measurement may put into the server.
MOST_BYTES = 400_000_000

R = TypeVar("R")


class Pacing:
    """Remember how fast everybody is, from one measurement to the next."""

    def __init__(self) -> None:
        self._rates: dict[Hashable, float] = {}

    def run(
        self,
        key: Hashable,
        wanted_s: float,
        measure: Callable[[int], tuple[float, R]],
        *,
        fewest: int = FEWEST,
        most: int = MOST,
        guess: float = 0.0,
    ) -> R:
        """Call `measure` with growing counts until it takes long enough, and return its last result.

        `measure` returns the seconds that its count took, and its result; `guess` is a rate to begin with.
        """
        rate = self._rates.get(key, guess)
        count = count_for(rate, wanted_s, fewest, most)
        while True:
            seconds, result = measure(count)
            self._rates[key] = count / max(seconds, 1e-6)
            if seconds >= ENOUGH * wanted_s or count >= most:
                return result
            count = min(count * STEP, count_for(self._rates[key], wanted_s, fewest, most))

    def rate(self, key: Hashable) -> float:
        """Return the rate that was seen last, 0 if none was."""
        return self._rates.get(key, 0.0)


def count_for(rate: float, wanted_s: float, fewest: int, most: int) -> int:
    """Return how many jobs take `wanted_s` at this rate, within limits."""
    return max(fewest, min(most, int(rate * wanted_s)))


def most_for(payload: int) -> int:
    """Return how many jobs with such a payload one measurement may have."""
    return max(FEWEST, min(MOST, MOST_BYTES // (payload + 500)))


def slowed(rate: float, payload: int) -> float:
    """Guess the rate at a payload from that without one."""
    return rate / (1 + payload / 3000)
