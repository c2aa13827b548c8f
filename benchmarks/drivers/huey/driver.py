"""Huey: `notify` is RedisHuey with notify_result, by which a result is waited for without polling.

One thread, the default, which ends its job at a SIGTERM. Results stay until they are read, as they have no expiry in
this storage.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1]))

import common
from huey import RedisHuey

THREADS = 1
huey = RedisHuey("bench", url=common.options()["url"], notify_result=True)


@huey.task(name="add")
def add(i: int, n: int, _text: str = "") -> int:
    """Run the job that is measured."""
    common.stamp()
    return i + n


@huey.task(name="doze")
def doze(seconds: float) -> None:
    """Run the job whose worker is killed."""
    time.sleep(seconds)
    common.stamp()


def about(_: dict[str, Any]) -> dict[str, Any]:
    """Say what is measured."""
    settings = f"RedisHuey, notify_result, threads {THREADS}, quiet, results kept until read; else defaults"
    return common.about(settings, "huey", "redis", "hiredis")


def one(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue jobs one call after the other."""
    text, answer = common.text_of(options["payload"]), {}
    for i in common.calls(options, answer):
        add(i, 1, *text)
    return answer


def bulk(_: dict[str, Any]) -> dict[str, Any]:
    """Say that there is no call for it."""
    return {"unsupported": "each task is enqueued by a call of its own"}


def trip(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue a job and wait for its result, again and again."""
    text, answer = common.text_of(options["payload"]), {}
    for i in common.trips(options, answer):
        assert add(i, 1, *text).get(blocking=True, timeout=30) == i + 1
    return answer


def load(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue at an even rate."""
    text, sent = common.text_of(options["payload"]), 0
    for due in common.paced(options["rate"], options["seconds"]):
        for i in range(due):
            add(i, 1, *text)
        sent += due
    return {"sent": sent}


def nap(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue one job that sleeps."""
    return {"id": doze(options["seconds"]).id}


def worker(options: dict[str, Any]) -> None:
    """Become the consumer of the command line."""
    command = ["huey_consumer", "driver.huey", "-w", str(THREADS), "-q", "-g", "TERM"]
    common.several(options["processes"], *command)


ROLES = {"about": about, "one": one, "bulk": bulk, "trip": trip, "load": load, "nap": nap, "worker": worker}

if __name__ == "__main__":
    import driver  # Huey names a task after its module, which has to be the one that the consumer imports.

    common.main(driver.ROLES)
