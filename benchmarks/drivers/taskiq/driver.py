"""Taskiq: `stream` is the RedisStreamBroker of taskiq-redis, the one that acknowledges jobs, with its defaults.

Results are in the same server and kept for ten minutes, only errors are logged; worker and producer use uvloop. A
result is waited for by `wait_result`, which polls: every millisecond here, as its default is 0.2 s.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1]))

import common
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

KEEP_S = 600
POLL_S = 0.001
URL = common.options()["url"]
broker = RedisStreamBroker(URL).with_result_backend(RedisAsyncResultBackend(URL, result_ex_time=KEEP_S))


@broker.task(task_name="add")
async def add(i: int, n: int, _text: str = "") -> int:
    """Run the job that is measured."""
    common.stamp()
    return i + n


@broker.task(task_name="doze")
async def doze(seconds: float) -> None:
    """Run the job whose worker is killed."""
    await asyncio.sleep(seconds)
    common.stamp()


def about(_: dict[str, Any]) -> dict[str, Any]:
    """Say what is measured."""
    settings = f"RedisStreamBroker, uvloop, results kept {KEEP_S} s; waits by polling every {POLL_S} s; else defaults"
    return common.about(settings, "taskiq", "taskiq-redis", "redis", "hiredis", "uvloop")


async def one(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue jobs one call after the other."""
    text, answer = common.text_of(options["payload"]), {}
    await broker.startup()
    for i in common.calls(options, answer):
        await add.kiq(i, 1, *text)
    await broker.shutdown()
    return answer


async def bulk(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue jobs by calls at the same time, as there is no call for many."""
    text, answer = common.text_of(options["payload"]), {"note": "concurrency, not bulk"}
    await broker.startup()
    for numbers in common.chunks(options, answer):
        await asyncio.gather(*(add.kiq(i, 1, *text) for i in numbers))
    await broker.shutdown()
    return answer


async def trip(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue a job and wait for its result, again and again."""
    text, answer = common.text_of(options["payload"]), {}
    await broker.startup()
    for i in common.trips(options, answer):
        task = await add.kiq(i, 1, *text)
        assert (await task.wait_result(check_interval=POLL_S, timeout=30)).return_value == i + 1
    await broker.shutdown()
    return answer


async def load(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue at an even rate."""
    text, sent = common.text_of(options["payload"]), 0
    await broker.startup()
    for due in common.paced(options["rate"], options["seconds"]):
        await asyncio.gather(*(add.kiq(i, 1, *text) for i in range(due)))
        sent += due
    await broker.shutdown()
    return {"sent": sent}


async def nap(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue one job that sleeps."""
    await broker.startup()
    task = await doze.kiq(options["seconds"])
    await broker.shutdown()
    return {"id": task.task_id}


def worker(options: dict[str, Any]) -> None:
    """Become the worker of the command line."""
    processes = str(options["processes"])
    common.become("taskiq", "worker", "driver:broker", "--workers", processes, "--log-level", "ERROR")


if __name__ == "__main__":
    common.main({"about": about, "one": one, "bulk": bulk, "trip": trip, "load": load, "nap": nap, "worker": worker})
