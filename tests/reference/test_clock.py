"""The server's clock, as counted here."""

import time

import pytest

from jobwire.clock import ServerClock


def test_before_the_first_reply_the_local_clock_counts() -> None:
    clock = ServerClock()
    before = time.time_ns() // 1_000_000
    assert before <= clock.now_ms() <= time.time_ns() // 1_000_000
    assert not clock.known


@pytest.mark.parametrize("now", [0, 5_000, 1_795_383_432_378, 2**53 - 1])
def test_what_passed_is_added_to_the_last_now(now: int) -> None:
    clock = ServerClock()
    began = time.monotonic()
    clock.tell(now)
    counted = clock.now_ms()
    assert now - 1 <= counted <= now + (time.monotonic() - began) * 1000 + 1
    assert clock.known


def test_the_last_reply_counts() -> None:
    clock = ServerClock()
    clock.tell(9_000_000)
    clock.tell(1_000)
    assert clock.now_ms() < 9_000_000


def test_time_never_runs_back_between_replies() -> None:
    clock = ServerClock()
    clock.tell(1_000)
    seen = [clock.now_ms() for _ in range(1000)]
    assert seen == sorted(seen)
