"""What every Python driver shares; only the standard library, as each runs in its peer's environment."""

from __future__ import annotations

import inspect
import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path
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


def calls(options: dict[str, Any], answer: dict[str, Any]) -> Iterator[int]:
    """Yield `count` numbers; put the time that the caller spent on them into `answer`."""
    for numbers in chunks(options | {"chunk": 1}, answer):
        yield from numbers


def chunks(options: dict[str, Any], answer: dict[str, Any]) -> Iterator[range]:
    """Yield `count` numbers, `chunk` at a time; put the time that the caller spent on them into `answer`.

    The first number comes alone and untimed, as it makes the connection; the time of the others is scaled to all.
    """
    count, chunk = options["count"], options["chunk"]
    yield range(1)
    began = time.perf_counter()
    for start in range(1, count, chunk):
        yield range(start, min(start + chunk, count))
    answer["seconds"] = (time.perf_counter() - began) * count / (count - 1)


def trips(options: dict[str, Any], answer: dict[str, Any]) -> Iterator[int]:
    """Yield `warmup` + `count` numbers; put the milliseconds that the caller spent on each after warming up."""
    took = []
    for number in range(options["warmup"] + options["count"]):
        began = time.perf_counter_ns()
        yield number
        took.append((time.perf_counter_ns() - began) / 1e6)
    answer["ms"] = took[options["warmup"] :]


def about(settings: str, *packages: str) -> dict[str, Any]:
    """Return the versions of the peer, the first of `packages`, and of its client, the others."""
    peer, *others = packages
    return {
        "version": version(peer),
        "client": " ".join(f"{package} {version(package)}" for package in others),
        "settings": settings,
    }


@cache
def options() -> dict[str, Any]:
    """Return the options of the command line, also in a process that `become` or `several` made."""
    return json.loads(os.environ.get("BENCH_OPTIONS") or sys.argv[2])


def _command(program: str, *arguments: str) -> list[str]:
    """Return the command line of a program that stands beside the running Python, and let it import the driver."""
    os.environ |= {"BENCH_OPTIONS": sys.argv[2], "PYTHONPATH": sys.path[0]}
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # What peers print is no answer.
    return [str(Path(sys.executable).with_name(program)), *arguments]


def become(program: str, *arguments: str) -> None:
    """Replace this process by the peer's own worker program."""
    command = _command(program, *arguments)
    os.execv(command[0], command)


def several(processes: int, program: str, *arguments: str) -> None:
    """Run that many of the peer's worker program, which has no option for it, until a SIGTERM, which they get too."""
    if processes == 1:
        become(program, *arguments)
    started = [subprocess.Popen(_command(program, *arguments)) for _ in range(processes)]
    signal.signal(signal.SIGTERM, lambda *_: [process.terminate() for process in started])
    for process in started:
        process.wait()


def _run(coroutine: Any) -> Any:
    try:  # Where the peer's environment has uvloop, its producer uses it.
        from uvloop import run
    except ImportError:
        from asyncio import run
    return run(coroutine)


def main(roles: dict[str, Callable[[dict[str, Any]], Any]]) -> None:
    """Run the role that the command line names with its options, and print what it returns as a line of JSON."""
    answer = roles[sys.argv[1]](options())
    if inspect.iscoroutine(answer):
        answer = _run(answer)
    if answer is not None:
        print(json.dumps(answer), flush=True)
