"""Delays: Appendix C, and what holds for every policy."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwire.envelope import Retry
from jobwire.retry import delay_bounds, delay_ms
from tests.reference.documents import LARGEST
from tests.spec.text import section, table

POLICY = ("delay_ms", "factor", "max_delay_ms", "jitter")
LAST_CHANCE = 1 - 2**-53


def appendix_c() -> list[tuple[tuple[int, int], Retry, int]]:
    """Return bounds, policy and attempt of every cell."""
    rows = []
    for row in table(section("Appendix C"), "`jitter`"):
        numbers = {name: float(row[f"`{name}`"]) for name in POLICY}
        policy = Retry(
            delay_ms=int(numbers["delay_ms"]),
            factor=numbers["factor"],
            max_delay_ms=int(row["`max_delay_ms`"]),
            jitter=numbers["jitter"],
        )
        rows += [(bounds(row[str(attempt)]), policy, attempt) for attempt in range(1, 7)]
    return rows


def bounds(cell: str) -> tuple[int, int]:
    low, _, high = cell.partition("–")
    return int(low), int(high or low)


def test_appendix_c_is_there() -> None:
    assert len(appendix_c()) == 54


@pytest.mark.parametrize(("expected", "policy", "attempt"), appendix_c())
def test_appendix_c(expected: tuple[int, int], policy: Retry, attempt: int) -> None:
    assert expected == delay_bounds(policy, attempt)
    assert expected == (delay_ms(policy, attempt, 0.0), delay_ms(policy, attempt, LAST_CHANCE))


LONG = [
    ((270_000, 300_000), Retry(), 1000),
    ((1000, 1000), Retry(factor=1, jitter=0), 1000),
    ((0, LARGEST), Retry(delay_ms=1, factor=1000, max_delay_ms=LARGEST, jitter=1), 1000),
    ((0, 0), Retry(delay_ms=0, max_delay_ms=LARGEST, factor=1000), 1000),
    ((0, 0), Retry(max_delay_ms=0), 1000),
    ((LARGEST, LARGEST), Retry(delay_ms=LARGEST, max_delay_ms=LARGEST, jitter=0), 1),
]


@pytest.mark.parametrize(("expected", "policy", "attempt"), LONG)
def test_late_attempts_and_large_numbers(expected: tuple[int, int], policy: Retry, attempt: int) -> None:
    assert expected == delay_bounds(policy, attempt)


POLICIES = st.builds(
    Retry,
    delay_ms=st.integers(0, LARGEST),
    factor=st.floats(1, 1000),
    max_delay_ms=st.integers(0, LARGEST),
    jitter=st.floats(0, 1),
)
CHANCES = st.floats(0, 1, exclude_max=True)


@given(POLICIES, st.integers(1, 1000), CHANCES)
def test_a_delay_is_an_integer_within_its_bounds(policy: Retry, attempt: int, chance: float) -> None:
    low, high = delay_bounds(policy, attempt)
    assert 0 <= low <= delay_ms(policy, attempt, chance) <= high <= policy.max_delay_ms


@given(POLICIES, st.integers(1, 30))
def test_the_short_cut_is_the_loop_of_the_spec(policy: Retry, attempt: int) -> None:
    delay = min(float(policy.delay_ms), float(policy.max_delay_ms))
    for _ in range(attempt - 1):
        delay = min(delay * policy.factor, float(policy.max_delay_ms))
    assert (int(delay * (1 - policy.jitter)), int(delay)) == delay_bounds(policy, attempt)


def test_chance_chooses_evenly() -> None:
    policy = Retry(delay_ms=9, jitter=1)
    chosen = [delay_ms(policy, 1, part / 1000) for part in range(1000)]
    assert dict.fromkeys(range(10), 100) == {delay: chosen.count(delay) for delay in set(chosen)}


def test_the_rule_that_the_sources_name_is_the_one_of_the_appendix() -> None:
    assert re.search(r"\[RETRY-6\]", delay_bounds.__doc__ or "")
