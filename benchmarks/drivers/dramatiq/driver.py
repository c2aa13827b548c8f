"""Dramatiq: `threads8` is a worker of eight threads a process, its default, with the results middleware.

Results are in the same server and kept for ten minutes, its default; all else is as Dramatiq sets it, without logs. A
result is waited for by `get_result(block=True)`.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1]))

import common
import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

KEEP_MS = 600_000
THREADS = 8
URL = common.options()["url"]
broker = RedisBroker(url=URL)
broker.add_middleware(Results(backend=RedisBackend(url=URL)))
dramatiq.set_broker(broker)


@dramatiq.actor(actor_name="add", store_results=True, result_ttl=KEEP_MS)
def add(i: int, n: int, _text: str = "") -> int:
    """Run the job that is measured."""
    common.stamp()
    return i + n


@dramatiq.actor(actor_name="doze")
def doze(seconds: float) -> None:
    """Run the job whose worker is killed."""
    time.sleep(seconds)
    common.stamp()


def about(_: dict[str, Any]) -> dict[str, Any]:
    """Say what is measured."""
    settings = f"{THREADS} threads a process, Redis result backend, results kept {KEEP_MS // 1000} s; else defaults"
    return common.about(settings, "dramatiq", "redis", "hiredis")


def one(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue jobs one call after the other."""
    text, answer = common.text_of(options["payload"]), {}
    for i in common.calls(options, answer):
        add.send(i, 1, *text)
    return answer


def bulk(_: dict[str, Any]) -> dict[str, Any]:
    """Say that there is no call for it."""
    return {"unsupported": "a group sends its messages one call after the other"}


def trip(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue a job and wait for its result, again and again."""
    text, answer = common.text_of(options["payload"]), {}
    for i in common.trips(options, answer):
        assert add.send(i, 1, *text).get_result(block=True, timeout=30_000) == i + 1
    return answer


def load(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue at an even rate."""
    text, sent = common.text_of(options["payload"]), 0
    for due in common.paced(options["rate"], options["seconds"]):
        for i in range(due):
            add.send(i, 1, *text)
        sent += due
    return {"sent": sent}


def nap(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue one job that sleeps."""
    return {"id": doze.send(options["seconds"]).message_id}


def worker(options: dict[str, Any]) -> None:
    """Become the worker of the command line."""
    processes = str(options["processes"])
    common.become("dramatiq", "driver:broker", "-p", processes, "-t", str(THREADS), "--skip-logging")


if __name__ == "__main__":
    common.main({"about": about, "one": one, "bulk": bulk, "trip": trip, "load": load, "nap": nap, "worker": worker})
