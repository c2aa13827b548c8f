"""What every Python driver shares; only the standard library, as each runs in its peer's environment."""

from __future__ import annotations

import json
import os
import struct
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any


@cache
def _stamps() -> int | None:
    path = os.environ.get("BENCH_STAMPS")
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644) if path else None


def stamp() -> None:
    """Append the time, 8 bytes of wall-clock ns, to the file that BENCH_STAMPS names, if it names one."""
    file = _stamps()
    if file is not None:
        os.write(file, struct.pack("<Q", time.time_ns()))


def text_of(payload: int) -> tuple[str, ...]:
    """Return the further argument of a job with `payload` bytes: none for 0."""
    return ("x" * payload,) if payload else ()


def paced(rate: float, seconds: float) -> Iterator[int]:
    """Yield how many jobs are due now, every 10 ms, at `rate` jobs/s until `seconds` are over."""
    began, sent = time.monotonic(), 0
    while (passed := time.monotonic() - began) < seconds:
        due = int(passed * rate) - sent
        if due > 0:
            yield due
            sent += due
        time.sleep(0.01)


def main(roles: dict[str, Callable[[dict[str, Any]], Any]]) -> None:
    """Run the role that the command line names with its options, and print what it returns as a line of JSON."""
    name, options = sys.argv[1], json.loads(sys.argv[2])
    answer = roles[name](options)
    if answer is not None:
        print(json.dumps(answer), flush=True)
