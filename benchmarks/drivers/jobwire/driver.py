"""Jobwire: the command line's worker with one slot, as the jobs are short and a second thread has nothing to wait for.

Variants are the encoding of the envelopes, `msgpack` and `json`; outcomes are kept for ten minutes, the default.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import common  # noqa: E402
import redis  # noqa: E402

import jobwire  # noqa: E402

ENCODING = "BENCH_ENCODING"
app = jobwire.Jobwire(encoding=os.environ.get(ENCODING, "msgpack"))


@app.job("add")
def add(i: int, _one: int, _text: str = "") -> int:
    """Run the job that is measured."""
    common.stamp()
    return i + 1


@app.job("nap")
def nap(seconds: float) -> None:
    """Run the job whose worker is killed."""
    time.sleep(seconds)
    common.stamp()


def producer(options: dict[str, Any]) -> jobwire.Jobwire:
    """Return a client that has made its connection and loaded its scripts."""
    client = jobwire.Jobwire(options["url"], encoding=options["variant"])
    client.enqueue("add", 0, 1, id="first", queue="warm")
    return client


def about(_: dict[str, Any]) -> dict[str, str]:
    """Say what is measured."""
    import importlib.metadata

    version = importlib.metadata.version
    return {
        "version": version("jobwire"),
        "client": f"redis-py {redis.__version__} hiredis {version('hiredis')}",
        "settings": "jobwire worker --concurrency 1",
    }


def one(options: dict[str, Any]) -> dict[str, float]:
    """Enqueue jobs one call after the other."""
    client, text = producer(options), common.text_of(options["payload"])
    began = time.perf_counter()
    for i in range(options["count"]):
        client.enqueue("add", i, 1, *text)
    return {"seconds": time.perf_counter() - began}


def bulk(options: dict[str, Any]) -> dict[str, float]:
    """Enqueue jobs by `enqueue_many`, spread over `queues` if there are several."""
    client, text = producer(options), common.text_of(options["payload"])
    queues, chunk = options.get("queues", ["default"]), options["chunk"]
    began = time.perf_counter()
    for first in range(0, options["count"], chunk):
        last = min(first + chunk, options["count"])
        queue = queues[first // chunk % len(queues)]
        client.enqueue_many(client.step("add", i, 1, *text, queue=queue) for i in range(first, last))
    return {"seconds": time.perf_counter() - began}


def trip(options: dict[str, Any]) -> dict[str, list[float]]:
    """Enqueue a job and wait for its result, again and again."""
    client, text = producer(options), common.text_of(options["payload"])
    times = []
    for i in range(options["warmup"] + options["count"]):
        began = time.perf_counter()
        assert client.enqueue("add", i, 1, *text).result(timeout=30) == i + 1
        times.append((time.perf_counter() - began) * 1000)
    return {"ms": times[options["warmup"] :]}


def load(options: dict[str, Any]) -> dict[str, int]:
    """Enqueue at an even rate."""
    client, text = producer(options), common.text_of(options["payload"])
    sent = 0
    for due in common.paced(options["rate"], options["seconds"]):
        client.enqueue_many(client.step("add", i, 1, *text) for i in range(due))
        sent += due
    return {"sent": sent}


def send_nap(options: dict[str, Any]) -> dict[str, str]:
    """Enqueue one job that sleeps."""
    return {"id": producer(options).enqueue("nap", options["seconds"]).id}


def worker(options: dict[str, Any]) -> None:
    """Become the worker of the command line."""
    os.environ["JOBWIRE_REDIS_URL"] = options["url"]
    os.chdir(HERE)
    command = [sys.executable, "-m", "jobwire", "worker", "driver:app", "--concurrency", "1", "--log-level", "error"]
    command += ["--processes", str(options["processes"]), "--queues", ",".join(options.get("queues", ["default"]))]
    os.execv(sys.executable, command)


if __name__ == "__main__":
    common.main(
        {"about": about, "one": one, "bulk": bulk, "trip": trip, "load": load, "nap": send_nap, "worker": worker}
    )
