"""RQ: `simple` is its SimpleWorker, which runs jobs in its own process; `fork` its default Worker, a process a job.

Results are kept for ten minutes and logs are quiet; all else is as RQ sets it. A result is waited for by a blocking
read of `latest_result`.
"""

from __future__ import annotations

import ctypes
import signal
import sys
import time
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1]))

import common
from redis import Redis
from rq import Queue

KEEP_S = 600
PR_SET_PDEATHSIG = 1
WORKERS = {"simple": "rq.worker.SimpleWorker", "fork": "rq.worker.Worker"}


def add(i: int, n: int, _text: str = "") -> int:
    """Run the job that is measured."""
    common.stamp()
    return i + n


def doze(seconds: float) -> None:
    """Run the job whose worker is killed."""
    if sys.platform == "linux":  # The child of `fork` leaves the worker's process group: it has to die with its parent.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    time.sleep(seconds)
    common.stamp()


def open_queue(options: dict[str, Any]) -> Queue:
    """Return the queue; job functions are named, as the worker imports them from this module."""
    return Queue("bench", connection=Redis.from_url(options["url"]))


def about(options: dict[str, Any]) -> dict[str, Any]:
    """Say what is measured."""
    settings = f"{WORKERS[options['variant']].rpartition('.')[2]}, quiet, results kept {KEEP_S} s; else defaults"
    return common.about(settings, "rq", "redis", "hiredis")


def one(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue jobs one call after the other."""
    queue, text, answer = open_queue(options), common.text_of(options["payload"]), {}
    for i in common.calls(options, answer):
        queue.enqueue("driver.add", i, 1, *text, result_ttl=KEEP_S)
    return answer


def bulk(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue jobs by `enqueue_many`."""
    queue, text, answer = open_queue(options), common.text_of(options["payload"]), {}
    for numbers in common.chunks(options, answer):
        queue.enqueue_many([Queue.prepare_data("driver.add", (i, 1, *text), result_ttl=KEEP_S) for i in numbers])
    return answer


def trip(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue a job and wait for its result, again and again."""
    queue, text, answer = open_queue(options), common.text_of(options["payload"]), {}
    for i in common.trips(options, answer):
        result = queue.enqueue("driver.add", i, 1, *text, result_ttl=KEEP_S).latest_result(timeout=30)
        assert result.return_value == i + 1
    return answer


def load(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue at an even rate."""
    queue, text, sent = open_queue(options), common.text_of(options["payload"]), 0
    for due in common.paced(options["rate"], options["seconds"]):
        for i in range(due):
            queue.enqueue("driver.add", i, 1, *text, result_ttl=KEEP_S)
        sent += due
    return {"sent": sent}


def nap(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue one job that sleeps."""
    return {"id": open_queue(options).enqueue("driver.doze", options["seconds"]).id}


def worker(options: dict[str, Any]) -> None:
    """Become the worker of the command line."""
    kind = WORKERS[options["variant"]]
    common.several(options["processes"], "rq", "worker", "-q", "-u", options["url"], "-w", kind, "bench")


if __name__ == "__main__":
    common.main({"about": about, "one": one, "bulk": bulk, "trip": trip, "load": load, "nap": nap, "worker": worker})
