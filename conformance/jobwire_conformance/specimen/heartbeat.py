"""Extend the leases of the jobs that this worker holds."""

from __future__ import annotations

from typing import Any

import common
from common import Gone, ServerError, log
from state import Run, Worker

MOST_JOBS = 1000


def extend_forever(worker: Worker) -> None:
    """Extend the leases, well before a third of their time is over. [LEASE-1]"""
    wait_s = worker.lease_ms / 4000
    while not worker.quitting.wait(wait_s):
        wait_s = worker.lease_ms / 4000
        if not extend_all(worker):
            wait_s = 0.1


def extend_after_break(worker: Worker) -> bool:
    """Extend before the first claim of a new connection. [CLAIM-12]"""
    breaks = worker.link.breaks
    if not extend_all(worker):
        worker.back_off()
        return False
    worker.breaks_seen = breaks
    return True


def extend_all(worker: Worker) -> bool:
    """Extend every lease; tell whether the server answered."""
    try:
        with worker.link.lock:
            for queue in {run.queue for run in worker.held}:
                runs = [run for run in worker.held if run.queue == queue]
                for at in range(0, len(runs), MOST_JOBS):
                    extend(worker, queue, runs[at : at + MOST_JOBS])
    except (Gone, ServerError) as error:
        log("error", "extend", error=error)
        return False
    return True


def extend(worker: Worker, queue: str, runs: list[Run]) -> None:
    """Extend the leases of jobs of one queue, and hear what became of them."""
    arguments: list[Any] = [worker.lease_ms]
    sent = [run.progress for run in runs]
    for run, progress in zip(runs, sent, strict=True):
        arguments += [run.id, run.token, progress]
    reply = worker.link.script("extend", common.keys(queue, []), arguments)
    for run, progress, answer in zip(runs, sent, reply[1:], strict=True):
        if run.progress is progress:
            run.progress = b""
        hear(worker, run, answer)


def hear(worker: Worker, run: Run, answer: bytes) -> None:
    """Take in what an extension was answered for one job."""
    if answer == b"cancel":
        run.cancel_requested = True
        if "cancel" in worker.profiles:
            run.tell("cancel")
    # While a settlement is under way its own answer counts: this can be the work of its first sending.
    if answer == b"lost" and not run.settling:
        run.lost = True
        worker.forget(run)
        run.tell("lost")
        log("warning", "lease lost", queue=run.queue, id=run.id)
