"""SAQ: `c<N>` is a worker that runs N jobs at a time; c10 is its default.

Results are kept for ten minutes, its default; worker and producer use uvloop, logs are off. A result is waited for by
`apply`, which polls: every millisecond here, as its default is 0.5 s. (`Job.refresh(until_complete=30)` subscribes, but
missed the end of a job in a run of 1000.)
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1]))

import common
import uvloop
from saq import Queue

POLL_S = 0.001
CONCURRENCY = int(common.options()["variant"].removeprefix("c"))
uvloop.install()
queue = Queue.from_url(common.options()["url"], name="bench")


async def add(_context: Any, *, i: int, n: int, text: str = "") -> int:
    """Run the job that is measured."""
    common.stamp()
    return i + n


async def doze(_context: Any, *, seconds: float) -> None:
    """Run the job whose worker is killed."""
    await asyncio.sleep(seconds)
    common.stamp()


settings = {"queue": queue, "functions": [add, doze], "concurrency": CONCURRENCY}


def text_of(options: dict[str, Any]) -> dict[str, str]:
    """Return the further argument of a job; SAQ takes arguments by name only."""
    return dict(zip(["text"], common.text_of(options["payload"]), strict=False))


def about(_: dict[str, Any]) -> dict[str, Any]:
    """Say what is measured."""
    settings = f"concurrency {CONCURRENCY}, uvloop, no logs, waits by polling every {POLL_S} s; else defaults"
    return common.about(settings, "saq", "redis", "hiredis", "uvloop")


async def one(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue jobs one call after the other."""
    text, answer = text_of(options), {}
    for i in common.calls(options, answer):
        await queue.enqueue("add", i=i, n=1, **text)
    await queue.disconnect()
    return answer


async def bulk(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue jobs by calls at the same time, as there is no call for many."""
    text, answer = text_of(options), {"note": "concurrency, not bulk"}
    for numbers in common.chunks(options, answer):
        await asyncio.gather(*(queue.enqueue("add", i=i, n=1, **text) for i in numbers))
    await queue.disconnect()
    return answer


async def trip(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue a job and wait for its result, again and again."""
    text, answer = text_of(options), {}
    for i in common.trips(options, answer):
        assert await queue.apply("add", timeout=30, poll_interval=POLL_S, i=i, n=1, **text) == i + 1
    await queue.disconnect()
    return answer


async def load(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue at an even rate."""
    text, sent = text_of(options), 0
    for due in common.paced(options["rate"], options["seconds"]):
        await asyncio.gather(*(queue.enqueue("add", i=i, n=1, **text) for i in range(due)))
        sent += due
    await queue.disconnect()
    return {"sent": sent}


async def nap(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue one job that sleeps."""
    job = await queue.enqueue("doze", seconds=options["seconds"])
    await queue.disconnect()
    return {"id": job.id}


def worker(options: dict[str, Any]) -> None:
    """Become the worker of the command line; of those that its `--workers` starts, a SIGTERM ends only the first."""
    common.several(options["processes"], "saq", "driver.settings", "--quiet")


if __name__ == "__main__":
    common.main({"about": about, "one": one, "bulk": bulk, "trip": trip, "load": load, "nap": nap, "worker": worker})
