"""Celery: `prefork`, its default pool, with as many child processes as the worker shall have.

Results are in the same server and kept for ten minutes, only errors are logged; all else is as Celery sets it. A result
is waited for by `get`, which subscribes to it.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1]))

import common
from celery import Celery, group

KEEP_S = 600
URL = common.options()["url"]
app = Celery("bench", broker=URL, backend=URL)
app.conf.update(result_expires=KEEP_S, broker_connection_retry_on_startup=True)


@app.task(name="add")
def add(i: int, n: int, _text: str = "") -> int:
    """Run the job that is measured."""
    common.stamp()
    return i + n


@app.task(name="doze")
def doze(seconds: float) -> None:
    """Run the job whose worker is killed."""
    time.sleep(seconds)
    common.stamp()


def about(_: dict[str, Any]) -> dict[str, Any]:
    """Say what is measured."""
    settings = f"prefork pool, Redis result backend, results kept {KEEP_S} s; else defaults"
    return common.about(settings, "celery", "kombu", "redis", "hiredis")


def one(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue jobs one call after the other."""
    text, answer = common.text_of(options["payload"]), {}
    for i in common.calls(options, answer):
        add.delay(i, 1, *text)
    return answer


def bulk(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue jobs by a group."""
    text, answer = common.text_of(options["payload"]), {}
    for numbers in common.chunks(options, answer):
        group(add.s(i, 1, *text) for i in numbers).apply_async()
    return answer


def trip(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue a job and wait for its result, again and again."""
    text, answer = common.text_of(options["payload"]), {}
    for i in common.trips(options, answer):
        assert add.delay(i, 1, *text).get(timeout=30) == i + 1
    return answer


def load(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue at an even rate."""
    text, sent = common.text_of(options["payload"]), 0
    for due in common.paced(options["rate"], options["seconds"]):
        for i in range(due):
            add.delay(i, 1, *text)
        sent += due
    return {"sent": sent}


def nap(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue one job that sleeps."""
    return {"id": doze.delay(options["seconds"]).id}


def worker(options: dict[str, Any]) -> None:
    """Become the worker of the command line."""
    pool = ["-P", "prefork", "-c", str(options["processes"])]
    common.become("celery", "--quiet", "-A", "driver", "worker", *pool, "-l", "ERROR")


if __name__ == "__main__":
    common.main({"about": about, "one": one, "bulk": bulk, "trip": trip, "load": load, "nap": nap, "worker": worker})
