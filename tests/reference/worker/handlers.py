"""Handlers for the tests of the worker, and a program that runs them: `python -m tests.reference.worker.handlers`.

Every handler that is told a key counts its runs under it, in a database that no Jobwire key lives in.
"""

import asyncio
import json
import os
import signal
import sys
import threading
import time
from typing import Any

import redis

from jobwire import Failure, Jobwire, Worker, WorkerSettings, current_job

app = Jobwire(namespace=os.environ.get("JOBWIRE_NAMESPACE", "jobwire"))


def notes() -> redis.Redis:
    """Return a client of the database where handlers leave what they saw."""
    return redis.Redis.from_url(os.environ["JOBWIRE_REDIS_URL"], db=1)


@app.job("add")
def add(*numbers: int) -> int:
    return sum(numbers)


@app.job("add.async")
async def add_async(*numbers: int) -> int:
    await asyncio.sleep(0)
    return sum(numbers)


@app.job("total")
def total(outcomes: list[dict[str, Any]], extra: int = 0) -> int:
    return sum(outcome["result"] for outcome in outcomes) + extra


@app.job("flaky")
def flaky(failures: int, value: int) -> int:
    """Fail in the first `failures` attempts that end."""
    key = f"flaky:{current_job().id}"
    if notes().incr(key) <= failures:
        raise ValueError("not yet")
    return value


@app.job("fail")
def fail(message: str = "no", kind: str | None = None, retry: bool = True) -> None:
    raise Failure(message, type=kind, retry=retry)


@app.job("note")
def note(key: str, value: Any = None) -> Any:
    """Count a run under a key."""
    notes().rpush(key, json.dumps([current_job().id, current_job().attempt, current_job().run]))
    return value


@app.job("kill")
def kill(key: str) -> None:
    """End the worker that runs it."""
    notes().rpush(key, current_job().id)
    os.kill(os.getpid(), signal.SIGKILL)


@app.job("sleep")
def sleep(key: str, seconds: float) -> str:
    """Say that it runs, then sleep."""
    notes().rpush(key, current_job().id)
    time.sleep(seconds)
    return "slept"


@app.job("busy")
def busy(key: str, seconds: float) -> int:
    """Say that it runs, then keep the processor busy."""
    notes().rpush(key, current_job().id)
    until, turns = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        turns += 1
    return turns


@app.job("until_cancelled")
def until_cancelled(key: str, succeed: bool = False) -> str:
    """Report progress and run until told to stop."""
    notes().rpush(key, current_job().id)
    current_job().progress(percent=50)
    while not current_job().cancelled:
        time.sleep(0.005)
    if succeed:
        return "done all the same"
    raise RuntimeError(f"stopped by a {current_job().told}")


@app.job("until_cancelled.async")
async def until_cancelled_async(key: str) -> None:
    notes().rpush(key, current_job().id)
    await asyncio.sleep(60)


if __name__ == "__main__":
    options = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
    if "queues" in options:
        options["queues"] = tuple(options["queues"])
    worker = Worker(app, WorkerSettings(**options))

    def announce() -> None:
        if worker.wait_ready(60):
            notes().set(f"ready:{os.getpid()}", 1)

    threading.Thread(target=announce, daemon=True).start()
    worker.run()
    os._exit(0)
