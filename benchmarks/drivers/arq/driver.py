"""arq: `tuned` runs up to 100 jobs at a time, polls every 10 ms and reads up to 500 job ids a poll, without logs.

The defaults are 10 jobs and a poll every 0.5 s. Results are kept for ten minutes; worker and producer use uvloop. A
result is waited for by `result`, which polls: every millisecond here, as its default is 0.5 s.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1]))

import common
import uvloop
from arq import create_pool
from arq.connections import RedisSettings

KEEP_S = 600
POLL_S = 0.001
LOGS = {"version": 1}
SERVER = RedisSettings.from_dsn(common.options()["url"])
uvloop.install()


async def add(_context: Any, i: int, n: int, _text: str = "") -> int:
    """Run the job that is measured."""
    common.stamp()
    return i + n


async def doze(_context: Any, seconds: float) -> None:
    """Run the job whose worker is killed."""
    await asyncio.sleep(seconds)
    common.stamp()


class Settings:
    """What the worker of the command line reads."""

    functions = (add, doze)
    redis_settings = SERVER
    max_jobs = 100
    poll_delay = 0.01
    queue_read_limit = 500
    keep_result = KEEP_S


def about(_: dict[str, Any]) -> dict[str, Any]:
    """Say what is measured."""
    settings = (
        f"max_jobs {Settings.max_jobs}, poll_delay {Settings.poll_delay} s, queue_read_limit"
        f" {Settings.queue_read_limit}, uvloop, no logs, results kept {KEEP_S} s; waits by polling every {POLL_S} s"
    )
    return common.about(settings, "arq", "redis", "hiredis", "uvloop")


async def one(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue jobs one call after the other."""
    pool, text, answer = await create_pool(SERVER), common.text_of(options["payload"]), {}
    for i in common.calls(options, answer):
        await pool.enqueue_job("add", i, 1, *text)
    await pool.aclose()
    return answer


async def bulk(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue jobs by calls at the same time, as there is no call for many."""
    pool, text = await create_pool(SERVER), common.text_of(options["payload"])
    answer = {"note": "concurrency, not bulk"}
    for numbers in common.chunks(options, answer):
        await asyncio.gather(*(pool.enqueue_job("add", i, 1, *text) for i in numbers))
    await pool.aclose()
    return answer


async def trip(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue a job and wait for its result, again and again."""
    pool, text, answer = await create_pool(SERVER), common.text_of(options["payload"]), {}
    for i in common.trips(options, answer):
        job = await pool.enqueue_job("add", i, 1, *text)
        assert await job.result(timeout=30, poll_delay=POLL_S) == i + 1
    await pool.aclose()
    return answer


async def load(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue at an even rate."""
    pool, text, sent = await create_pool(SERVER), common.text_of(options["payload"]), 0
    for due in common.paced(options["rate"], options["seconds"]):
        await asyncio.gather(*(pool.enqueue_job("add", i, 1, *text) for i in range(due)))
        sent += due
    await pool.aclose()
    return {"sent": sent}


async def nap(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue one job that sleeps."""
    pool = await create_pool(SERVER)
    job = await pool.enqueue_job("doze", options["seconds"])
    await pool.aclose()
    return {"id": job.job_id}


def worker(options: dict[str, Any]) -> None:
    """Become the worker of the command line."""
    common.several(options["processes"], "arq", "driver.Settings", "--custom-log-dict", "driver.LOGS")


if __name__ == "__main__":
    common.main({"about": about, "one": one, "bulk": bulk, "trip": trip, "load": load, "nap": nap, "worker": worker})
