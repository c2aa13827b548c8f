"""Jobwire: the worker of the command line, with one job at a time, as these jobs have nothing to wait for.

Variants are the encoding of the envelopes, `msgpack` and `json`. Outcomes are kept for ten minutes, the default. A
result is waited for by `result`, which subscribes.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1]))

import common

import jobwire

app = jobwire.Jobwire(common.options()["url"], encoding=common.options()["variant"])


@app.job("add")
def add(i: int, n: int, _text: str = "") -> int:
    """Run the job that is measured."""
    common.stamp()
    return i + n


@app.job("nap")
def nap(seconds: float) -> None:
    """Run the job whose worker is killed."""
    time.sleep(seconds)
    common.stamp()


def about(_: dict[str, Any]) -> dict[str, Any]:
    """Say what is measured."""
    settings = f"concurrency 1, {app.encoding.value}; else defaults"
    return common.about(settings, "jobwire", "redis", "hiredis")


def one(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue jobs one call after the other."""
    text, answer = common.text_of(options["payload"]), {}
    for i in common.calls(options, answer):
        add.enqueue(i, 1, *text)
    return answer


def bulk(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue jobs by `enqueue_many`."""
    text, answer = common.text_of(options["payload"]), {}
    for numbers in common.chunks(options, answer):
        app.enqueue_many(add.step(i, 1, *text) for i in numbers)
    return answer


def trip(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue a job and wait for its result, again and again."""
    text, answer = common.text_of(options["payload"]), {}
    for i in common.trips(options, answer):
        assert add.enqueue(i, 1, *text).result(timeout=30) == i + 1
    return answer


def load(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue at an even rate."""
    text, sent = common.text_of(options["payload"]), 0
    for due in common.paced(options["rate"], options["seconds"]):
        app.enqueue_many(add.step(i, 1, *text) for i in range(due))
        sent += due
    return {"sent": sent}


def send_nap(options: dict[str, Any]) -> dict[str, Any]:
    """Enqueue one job that sleeps."""
    return {"id": nap.enqueue(options["seconds"]).id}


def worker(options: dict[str, Any]) -> None:
    """Become the worker of the command line."""
    queues = ",".join(options.get("queues", ["default"]))
    settings = ["--concurrency", "1", "--log-level", "error", "--processes", str(options["processes"])]
    common.become("jobwire", "worker", "driver:app", "--queues", queues, *settings)


if __name__ == "__main__":
    common.main(
        {"about": about, "one": one, "bulk": bulk, "trip": trip, "load": load, "nap": send_nap, "worker": worker}
    )
