"""Run jobs: one thread that claims, one that extends leases, one for each job, and this one for signals."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

import claiming
import common
import heartbeat
from common import log
from settling import stack
from state import Worker

SIGNALS = {signal.SIGTERM, signal.SIGINT}


def shut_down(worker: Worker) -> None:
    """Settle what ends within the grace, release the rest, and end. [STOP-3]"""
    with worker.changed:
        worker.stopping.set()
        worker.changed.notify_all()
    for run in list(worker.held):
        run.tell("stop")
    deadline = time.monotonic() + worker.grace_ms / 1000
    while worker.held or worker.claiming:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            break
        if signal.sigtimedwait(SIGNALS, min(left_s, 0.02)) is not None:
            break
    worker.quitting.set()
    # A server that does not answer must not keep the process alive.
    releasing = threading.Thread(target=release_all, args=(worker,), daemon=True)
    releasing.start()
    releasing.join(1.0)
    os._exit(0)


def release_all(worker: Worker) -> None:
    """Release every job that is still held."""
    for run in list(worker.held):
        run.over = True
        arguments = [run.id, run.token, "release", b"", 0]
        worker.link.script("settle", common.keys(run.queue, [run.id]), arguments)


def guarded(target: Callable[[Worker], None], worker: Worker) -> None:
    """Run one of the threads; an error in it ends the process, and not that thread alone."""
    try:
        target(worker)
    except BaseException as error:
        log("fatal", "thread", error=repr(error), stack=stack(error))
        os._exit(70)


def main() -> None:
    """Start the threads and wait for a signal."""
    # Blocked in all threads: the main thread fetches them where it is ready to.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    worker = Worker()
    worker.load()
    threading.Thread(target=guarded, args=(heartbeat.extend_forever, worker), daemon=True).start()
    print("ready", flush=True)
    threading.Thread(target=guarded, args=(claiming.claim_forever, worker), daemon=True).start()
    signal.sigwait(SIGNALS)
    shut_down(worker)


if __name__ == "__main__":
    main()
