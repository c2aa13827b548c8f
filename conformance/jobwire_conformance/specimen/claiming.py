"""Claim jobs while there are free slots, and block while there are no jobs."""

from __future__ import annotations

import os
import threading
import time

import common
import heartbeat
import running
from common import Gone, ServerError, log
from state import Run, Worker

MOST_JOBS = 1000
HELD_BACK_MS = 100


def claim_forever(worker: Worker) -> None:
    """Claim while there are free slots, and block while there are no jobs."""
    while not worker.stopping.is_set():
        claim_all(worker)
        if worker.free() == 0:
            if not worker.owed:
                wait_for_slot(worker)
            continue
        wait_ms = min(worker.waits_ms.values(), default=2000)
        if not can_rescue(worker):
            # Nothing wakes it when what it took over has ended, and there can be more of that kind.
            wait_ms = min(wait_ms, HELD_BACK_MS)
        if wait_ms > 0:
            block(worker, wait_ms)


def claim_all(worker: Worker) -> None:
    """Claim from each queue, in order. [CLAIM-5]"""
    for queue in list(worker.queues):
        free = worker.free()
        if free == 0 and queue not in worker.owed:
            worker.waits_ms[queue] = 0
            continue
        claim(worker, queue, min(free, MOST_JOBS))


def claim(worker: Worker, queue: str, max_jobs: int) -> None:
    """Claim from one queue, and start what it gives."""
    worker.waits_ms[queue] = 0
    if worker.link.breaks != worker.breaks_seen and not heartbeat.extend_after_break(worker):
        return
    if not begin_claim(worker):
        return
    try:
        runs = take(worker, queue, max_jobs)
    except Gone:
        worker.back_off()
        return
    except ServerError as error:
        claim_failed(worker, queue, error)
        return
    finally:
        worker.claiming = False
    worker.owed.discard(queue)
    for run in runs:
        threading.Thread(target=running.work, args=(worker, run), daemon=True).start()


def begin_claim(worker: Worker) -> bool:
    """Tell whether to claim; from then on the worker does not end before the reply is here. [STOP-1]"""
    with worker.changed:
        worker.claiming = not worker.stopping.is_set()
        return worker.claiming


def take(worker: Worker, queue: str, max_jobs: int) -> list[Run]:
    """Call the script claim and hold what it gives."""
    # From os.urandom: two workers with one random seed would share their tokens. [CLAIM-1]
    nonce = os.urandom(16).hex()
    with worker.link.lock:
        rescue = 1 if can_rescue(worker) else 0
        reply = worker.link.evalsha("claim", common.keys(queue, []), [nonce, worker.lease_ms, max_jobs, rescue])
        worker.clock = (reply[0], time.monotonic())
        worker.waits_ms[queue] = reply[1]
        runs = [Run(queue, reply[at : at + 5], reply[2] == 1) for at in range(3, len(reply), 5)]
        worker.held.extend(runs)
    with worker.changed:
        worker.slots_taken += len(runs)
    return runs


def can_rescue(worker: Worker) -> bool:
    """Tell whether no job that was taken over is held, but to be handed over. [CLAIM-3]"""
    return not any(run.taken_over and not run.handing_over for run in worker.held)


def claim_failed(worker: Worker, queue: str, error: ServerError) -> None:
    """Do what an error of a claim calls for."""
    if error.code == "NOSCRIPT":
        worker.load()
        return
    if error.code == "JOBWIRE_LAYOUT":
        log("error", "queue has another layout", queue=queue, error=error)
        worker.queues.remove(queue)
        worker.owed.discard(queue)
        del worker.waits_ms[queue]
        return
    log("error", "claim", queue=queue, error=error)
    worker.back_off()


def wait_for_slot(worker: Worker) -> None:
    """Wait until a slot is free, or until the worker stops."""
    with worker.changed:
        worker.changed.wait_for(lambda: worker.free() > 0 or worker.stopping.is_set())


def block(worker: Worker, wait_ms: int) -> None:
    """Wait for a token on the wake lists, at most for so long. [CLAIM-7]"""
    names = [common.key(queue, "wake") for queue in worker.queues]
    if not names:
        worker.stopping.wait()
        return
    try:
        reply = worker.idle_link.call("BLPOP", *names, f"{wait_ms / 1000:.3f}", reply_s=wait_ms / 1000 + common.REPLY_S)
    except Gone:
        # It counts for the other connection too: both went to the same server. [CLAIM-12]
        worker.link.breaks += 1
        worker.back_off()
        return
    except ServerError as error:
        log("error", "blpop", error=error)
        worker.back_off()
        return
    if reply is not None:
        worker.owed.add(worker.queues[names.index(reply[0].decode())])
