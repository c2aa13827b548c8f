"""streaQ: `silent` is a worker of 16 tasks at a time, the default, whose tasks write no log lines.

Results are kept for ten minutes; worker and producer use uvloop. A result is waited for by `result`, which subscribes.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1]))

import common
from streaq import Worker

KEEP_S = 600
server = Worker(redis_url=common.options()["url"], anyio_kwargs={"use_uvloop": True})


@server.task(name="add", silent=True, ttl=KEEP_S)
async def add(i: int, n: int, _text: str = "") -> int:
    """Run the job that is measured."""
    common.stamp()
    return i + n


@server.task(name="doze", silent=True)
async def doze(seconds: float) -> None:
    """Run the job whose worker is killed."""
    await asyncio.sleep(seconds)
    common.stamp()


def about(_: dict[str, Any]) -> dict[str, Any]:
    """Say what is measured."""
    settings = f"concurrency {server.concurrency}, silent tasks, uvloop, results kept {KEEP_S} s; else defaults"
    return common.about(settings, "streaq", "coredis", "hiredis", "uvloop")


async def one(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue jobs one call after the other."""
    text, answer = common.text_of(options["payload"]), {}
    async with server:
        for i in common.calls(options, answer):
            await add.enqueue(i, 1, *text)
    return answer


async def bulk(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue jobs by `enqueue_many`."""
    text, answer = common.text_of(options["payload"]), {}
    async with server:
        for numbers in common.chunks(options, answer):
            await server.enqueue_many([add.enqueue(i, 1, *text) for i in numbers])
    return answer


async def trip(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue a job and wait for its result, again and again."""
    text, answer = common.text_of(options["payload"]), {}
    async with server:
        for i in common.trips(options, answer):
            task = await add.enqueue(i, 1, *text)
            assert (await task.result(30)).result == i + 1
    return answer


async def load(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue at an even rate."""
    text, sent = common.text_of(options["payload"]), 0
    async with server:
        for due in common.paced(options["rate"], options["seconds"]):
            await server.enqueue_many([add.enqueue(i, 1, *text) for i in range(due)])
            sent += due
    return {"sent": sent}


async def nap(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue one job that sleeps."""
    async with server:
        return {"id": (await doze.enqueue(options["seconds"])).id}


def worker(options: dict[str, Any]) -> None:
    """Become the worker of the command line."""
    common.several(options["processes"], "streaq", "run", "driver:server")


if __name__ == "__main__":
    common.main({"about": about, "one": one, "bulk": bulk, "trip": trip, "load": load, "nap": nap, "worker": worker})
