"""Retry with backoff: `Retry(max_attempts=3, delay_ms=200, factor=2, jitter=0)`.

Prints:
    attempt 2 came ... s after attempt 1
    attempt 3 came ... s after attempt 2
    the job succeeded at attempt 3
"""

from app import unreliable

outcome = unreliable.enqueue().outcome(timeout=10)

first, second = outcome.result
assert first >= 0.2, "retried too soon"
assert second >= 0.4, "retried too soon"
print(f"attempt 2 came {first:.2f} s after attempt 1")
print(f"attempt 3 came {second:.2f} s after attempt 2")
print(f"the job {outcome.state.value} at attempt {outcome.attempt}")
