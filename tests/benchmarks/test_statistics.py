"""Medians, quantiles and rates."""

import pytest

from benchmarks.statistics import Summary, quantile, rate_of, summarise


def test_summary() -> None:
    assert Summary(2, 1, 5, 3) == summarise([5, 1, 2])
    assert 1.0 == summarise([5, 1, 2]).spread
    assert 0.0 == summarise([0.0]).spread


@pytest.mark.parametrize(
    ("expected", "part", "count"),
    [(50, 0.5, 100), (99, 0.99, 100), (10, 0.99, 10), (1, 0.5, 1), (2, 0.5, 3), (1, 0.0, 3)],
)
def test_quantile_is_the_nearest_rank(expected: int, part: float, count: int) -> None:
    assert expected == quantile(range(count, 0, -1), part)


def test_rate_counts_the_gaps() -> None:
    assert 2.0 == rate_of([10.0, 10.1, 11.0])


@pytest.mark.parametrize("times", [[], [1.0], [1.0, 1.0]])
def test_no_rate_without_time(times: list[float]) -> None:
    with pytest.raises(ValueError, match="expected times that differ"):
        rate_of(times)
