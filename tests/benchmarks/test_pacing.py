"""How many jobs a measurement gets."""

import pytest

from benchmarks.pacing import FEWEST, MOST, Pacing, count_for, most_for, slowed


class Machine:
    """Does so many jobs/s, and remembers what it was asked for."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.counts: list[int] = []

    def measure(self, count: int) -> tuple[float, int]:
        self.counts.append(count)
        return count / self.rate, count


@pytest.mark.parametrize(
    ("expected", "rate", "guess"),
    [
        ([FEWEST], 100, 0),  # a slow one is not tried again
        ([FEWEST, 6_000, 60_000], 20_000, 0),  # in steps
        ([60_000], 20_000, 20_000),  # a good guess
        ([3_000, 60_000], 20_000, 1_000),
        ([FEWEST, 6_000, 120_000, MOST], 10_000_000, 0),
    ],
)
def test_counts_grow_until_it_takes_long_enough(expected: list[int], rate: float, guess: float) -> None:
    machine = Machine(rate)
    assert expected[-1] == Pacing().run("key", 3.0, machine.measure, guess=guess)
    assert expected == machine.counts


def test_what_was_learned_is_used() -> None:
    pacing, machine = Pacing(), Machine(20_000)
    pacing.run("key", 3.0, machine.measure)
    machine.counts.clear()
    pacing.run("key", 3.0, machine.measure)
    assert [60_000] == machine.counts
    assert 20_000 == pytest.approx(pacing.rate("key"))
    assert 0 == pacing.rate("another")


def test_limits() -> None:
    assert 20 == count_for(1, 1.0, 20, 1000)
    assert 1000 == count_for(1e9, 1.0, 20, 1000)
    assert MOST == most_for(0)
    assert most_for(16384) * 16384 < 400_000_000
    assert slowed(1000, 0) == 1000 > slowed(1000, 16384) > 100
