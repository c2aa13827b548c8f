"""Docket: `tuned` is a worker of 20 tasks at a time that looks for more every 2 ms, instead of 10 and 100 ms.

The command line takes no interval under a second, so the worker is run by the Python API. Results are kept for 15
minutes, the default; worker and producer use uvloop. A result is waited for by `get_result`, which subscribes.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1]))

import common
from docket import Docket, Worker

CONCURRENCY = 20
INTERVAL_MS = 2


async def add(i: int, n: int, _text: str = "") -> int:
    """Run the job that is measured."""
    common.stamp()
    return i + n


async def doze(seconds: float) -> None:
    """Run the job whose worker is killed."""
    await asyncio.sleep(seconds)
    common.stamp()


tasks = [add, doze]


def open_docket(options: dict[str, Any]) -> Docket:
    """Return the docket that producer and worker share."""
    return Docket(name="bench", url=options["url"])


def about(_: dict[str, Any]) -> dict[str, Any]:
    """Say what is measured."""
    settings = f"concurrency {CONCURRENCY}, minimum_check_interval {INTERVAL_MS} ms, uvloop; else defaults"
    return common.about(settings, "pydocket", "redis", "hiredis", "uvloop")


async def one(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue jobs one call after the other."""
    text, answer = common.text_of(options["payload"]), {}
    async with open_docket(options) as docket:
        for i in common.calls(options, answer):
            await docket.add(add)(i, 1, *text)
    return answer


async def bulk(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue jobs by `add_many`."""
    text, answer = common.text_of(options["payload"]), {}
    async with open_docket(options) as docket:
        for numbers in common.chunks(options, answer):
            await docket.add_many([docket.call(add)(i, 1, *text) for i in numbers])
    return answer


async def trip(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue a job and wait for its result, again and again."""
    text, answer = common.text_of(options["payload"]), {}
    async with open_docket(options) as docket:
        for i in common.trips(options, answer):
            execution = await docket.add(add)(i, 1, *text)
            assert await execution.get_result(timeout=timedelta(seconds=30)) == i + 1
    return answer


async def load(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue at an even rate."""
    text, sent = common.text_of(options["payload"]), 0
    async with open_docket(options) as docket:
        for due in common.paced(options["rate"], options["seconds"]):
            await docket.add_many([docket.call(add)(i, 1, *text) for i in range(due)])
            sent += due
    return {"sent": sent}


async def nap(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue one job that sleeps."""
    async with open_docket(options) as docket:
        return {"id": (await docket.add(doze)(options["seconds"])).key}


async def work(options: dict[str, Any]) -> None:
    """Run one worker until a SIGTERM."""
    logging.basicConfig(level=logging.ERROR)
    await Worker.run(
        docket_name="bench",
        url=options["url"],
        concurrency=CONCURRENCY,
        minimum_check_interval=timedelta(milliseconds=INTERVAL_MS),
        tasks=["driver:tasks"],
    )


def worker(options: dict[str, Any]) -> None:
    """Become a worker."""
    common.several(options["processes"], "python", __file__, "work")


ROLES = {"about": about, "one": one, "bulk": bulk, "trip": trip, "load": load, "nap": nap, "worker": worker}

if __name__ == "__main__":
    common.main(ROLES | {"work": work})
