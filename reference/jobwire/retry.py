"""How long a failed job waits before its next attempt."""

from __future__ import annotations

import math

from .envelope import Retry


def delay_bounds(policy: Retry, attempt: int) -> tuple[int, int]:
    """Return the least and greatest delay in ms after the `attempt`-th failed attempt. [RETRY-6]"""
    limit = float(policy.max_delay_ms)
    delay = min(float(policy.delay_ms), limit)
    for _ in range(attempt - 1):
        grown = min(delay * policy.factor, limit)
        if grown == delay:
            break
        delay = grown
    return math.floor(delay * (1 - policy.jitter)), math.floor(delay)


def delay_ms(policy: Retry, attempt: int, chance: float) -> int:
    """Return the delay in ms after the `attempt`-th failed attempt; `chance` in [0, 1). [RETRY-6]"""
    low, high = delay_bounds(policy, attempt)
    return low + math.floor((high - low + 1) * chance)
