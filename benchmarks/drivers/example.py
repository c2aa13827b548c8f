"""Jobwire's workers in other languages, those of examples/workers: `python example.py PROGRAM... ROLE OPTIONS`.

PROGRAM is the driver in that language. Its environment tells it what to do: the settings of the example's README, and
BENCH_*. It has the roles `about`, `one` (the example's own producer) and `worker`. The others are played by the driver
of the Python reference, so that nothing but the worker differs.

Variants are the encoding of the envelopes and the concurrency, such as `msgpack-c8`. The default of all examples is 8.
The more room a worker has, the more jobs it claims at a time: 50 costs less than 8, where a slot is no more than a
goroutine or a thread that waits. In TypeScript each has an engine and an event loop of its own: there it stays at 8.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import common

REFERENCE = Path(__file__).parent / "jobwire" / "driver.py"


def about(program: list[str], encoding: str, concurrency: str) -> dict[str, Any]:
    """Say what is measured."""
    settings = f"concurrency {concurrency}, {encoding}; else defaults; bulk, trip and load by the reference's producer"
    client = subprocess.check_output([*program, "about"], text=True).strip()
    return common.about(settings, "jobwire") | {"client": client}


def become(command: list[str], processes: int = 1) -> None:
    """Replace this process by that command, or run it as often as there are to be processes."""
    if processes == 1:
        os.execvp(command[0], command)
    for child in [subprocess.Popen(command) for _ in range(processes)]:
        child.wait()


def main() -> None:
    """Have the right program play the role."""
    *program, role, text = sys.argv[1:]
    options = json.loads(text)
    encoding, _, concurrency = options["variant"].partition("-c")
    os.environ |= {
        "JOBWIRE_REDIS_URL": options["url"],
        "JOBWIRE_CONCURRENCY": concurrency,
        "BENCH_ENCODING": encoding,
        "BENCH_COUNT": str(options.get("count", 0)),
        "BENCH_PAYLOAD": str(options["payload"]),
    }
    if role == "about":
        print(json.dumps(about(program, encoding, concurrency)))
    elif role in ("one", "worker"):
        become([*program, role], options.get("processes", 1))
    else:
        become([sys.executable, str(REFERENCE), role, json.dumps(options | {"variant": encoding})])


if __name__ == "__main__":
    main()
