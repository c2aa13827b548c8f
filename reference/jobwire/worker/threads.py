"""Run plain handlers in threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

from ..context import running
from .held import Batch, Ending, Held
from .judge import Judge


class ThreadRunner:
    """Run plain handlers; each thread takes one batch at a time."""

    def __init__(self, judge: Judge, finished: Callable[[Batch], None]) -> None:
        self._judge = judge
        self._finished = finished
        self._batches: SimpleQueue[Batch | None] = SimpleQueue()
        self._threads = 0
        self._outstanding = 0

    def start(self, batch: Batch, threads: int) -> None:
        """Give a batch to the next free thread, of which there are at most `threads`."""
        self._outstanding += 1
        self._batches.put(batch)
        if self._threads < min(self._outstanding, threads):
            self._threads += 1
            threading.Thread(target=self._work, name=f"jobwire-run-{self._threads}", daemon=True).start()

    def ended(self) -> None:
        """Count a batch that was reported."""
        self._outstanding -= 1

    def stop(self) -> None:
        """Let every idle thread end."""
        for _ in range(self._threads):
            self._batches.put(None)

    def run(self, batch: Batch) -> None:
        """Run the jobs of a batch here, from the left, until none is left."""
        take, done, run, clock = batch.todo.popleft, batch.done.append, self._run, time.monotonic
        while True:
            try:
                held = take()
            except IndexError:
                break
            held.began = clock()
            batch.current = held
            done((held, run(held)))
        batch.current = None

    def _work(self) -> None:
        while (batch := self._batches.get()) is not None:
            self.run(batch)
            self._finished(batch)

    def _run(self, held: Held) -> Ending | None:
        if held.lost:
            return None
        if held.cancel_requested:
            return self._judge.cancelled(held)
        running.set(held)
        try:
            result = held.job.function(*held.envelope.args, **held.envelope.kwargs)
        except BaseException as error:  # SystemExit too: a handler must not end the worker. [RUN-15]
            return self._judge.errored(held, error)
        return self._judge.succeeded(held, result)
