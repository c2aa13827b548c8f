"""The slots of a worker: which batches run, how large the next may be, which jobs are taken back."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from .held import Batch, Ending, Held
from .judge import Judge
from .threads import ThreadRunner

# A batch holds as many jobs as should end within this time, as measured on those before. [CLAIM-2]
BATCH_S = 0.004
# Above 128, at which the server stops to search the leases as a list.
LARGEST_BATCH = 150
# A slot that is busy for longer gives back what it did not start, for any worker to take.
STUCK_S = 0.010
# And a batch that as a whole takes longer than this does, too. [CLAIM-2]
LATE_S = 0.050
# Jobs shorter than this are worth fetching one batch ahead.
SHORT_S = 0.000_5
# How many batches of short jobs that mostly wait are run by threads before the dispatcher tries one again.
PROBE_EVERY = 16

if TYPE_CHECKING:
    from .loop import LoopRunner

Settler = Callable[[Held, Ending | None], None]


class Slots:
    """Run batches in at most `concurrency` slots; the dispatcher is the only caller."""

    def __init__(self, judge: Judge, concurrency: int, finished: Callable[[Batch], None], all_plain: bool) -> None:
        self._judge = judge
        self._concurrency = concurrency
        self._threads = ThreadRunner(judge, finished)
        self._loop: LoopRunner | None = None
        self._finished = finished
        self._all_plain = all_plain
        # Each with what it runs on; None is the dispatcher itself.
        self._batches: dict[Batch, ThreadRunner | LoopRunner | None] = {}
        self._job_s = BATCH_S
        self._busy = concurrency == 1
        self._until_probe = 0
        self._batch_size = 1

    @property
    def idle(self) -> bool:
        """Whether nothing runs."""
        return not self._batches

    def room(self, landed: int = 0) -> int:
        """Return how many jobs may be claimed now, with `landed` claimed already and not started."""
        short = self._all_plain and self._job_s < SHORT_S
        # The dispatcher runs one batch after the other.
        slots = 1 if short and self._busy else self._concurrency
        # The batch size can have changed a little since the claim.
        taken = len(self._batches) + -(-landed // (self._batch_size * 3 // 2))
        free = max(0, slots + short - taken)
        # One large batch a round trip: the next is claimed while it runs.
        return min(free * self._batch_size, max(free, LARGEST_BATCH))

    @property
    def full(self) -> bool:
        """Whether every slot is taken."""
        return len(self._batches) >= self._concurrency

    def start(self, jobs: list[Held]) -> Batch | None:
        """Run jobs, as evenly as the batch size allows; return a batch that the caller is to run itself."""
        if not any(held.job.is_async for held in jobs) and self._here():
            # Side by side they would only wait for each other.
            size = len(jobs) if self._busy else self._batch_size
            here = Batch(jobs[:size], time.monotonic())
            self._batches[here] = None
            self._start(jobs[size:], False)
            return here
        for is_async in (False, True):
            self._start([held for held in jobs if held.job.is_async is is_async], is_async)
        return None

    def _start(self, jobs: list[Held], is_async: bool) -> None:
        for first in range(0, len(jobs), self._batch_size):
            batch = Batch(jobs[first : first + self._batch_size], time.monotonic())
            if is_async:
                self._start_async(batch)
            else:
                self._batches[batch] = self._threads
                self._threads.start(batch, self._concurrency)

    def run(self, batch: Batch) -> None:
        """Run a batch that `start` has returned."""
        if self._concurrency == 1:
            self._threads.run(batch)
            return
        began_s, began_cpu_s = time.monotonic(), time.thread_time()
        self._threads.run(batch)
        self._busy = time.thread_time() - began_cpu_s > (time.monotonic() - began_s) / 4

    def _here(self) -> bool:
        """Whether the dispatcher is to run the next batch: of jobs so short that a change of threads costs more.

        Short jobs that mostly wait are better run side by side; which they are shows when one batch runs here.
        """
        if self._job_s >= SHORT_S or None in self._batches.values():
            return False
        self._until_probe -= 1
        if not self._busy and self._until_probe >= 0:
            return False
        self._until_probe = PROBE_EVERY
        return True

    def _start_async(self, batch: Batch) -> None:
        if self._loop is None:
            from .loop import LoopRunner

            self._loop = LoopRunner(self._judge, self._finished)
        self._batches[batch] = self._loop
        self._loop.start(batch)

    def collect(self, settle: Settler) -> None:
        """Hand on the endings of all jobs that ended and are not settled; of a lost one there is none."""
        for batch in self._batches:
            while batch.done:
                held, ending = batch.done.popleft()
                if not held.settled:
                    settle(held, ending)

    def ended(self, batch: Batch) -> None:
        """Free the slot of a batch, and learn from it how large the next may be."""
        runner = self._batches.pop(batch)
        if runner is self._threads:
            self._threads.ended()
        if batch.count:
            each_s = (time.monotonic() - batch.put_at) / batch.count
            self._job_s += (each_s - self._job_s) * (0.5 if each_s > self._job_s else 0.2)
            wanted = int(BATCH_S / max(self._job_s, 1e-9))
            self._batch_size = max(1, min(wanted, self._batch_size * 2, LARGEST_BATCH))

    def take_back(self, everything: bool = False) -> list[Held]:
        """Return jobs that wait behind one that takes long, or all that did not start."""
        now = time.monotonic()
        taken: list[Held] = []
        for batch in self._batches:
            since = batch.current.began if batch.current is not None else batch.put_at
            if everything or (batch.todo and (now - since > STUCK_S or now - batch.put_at > LATE_S)):
                self._batch_size = 1
                try:
                    while True:
                        taken.append(batch.todo.popleft())
                        batch.count -= 1
                except IndexError:
                    pass
        return taken

    def overdue(self) -> list[Held]:
        """Return the jobs that are over their timeout_ms, each marked as such. [RETRY-7]"""
        now = time.monotonic()
        late = []
        for held in self._running_with_limit():
            if now >= held.began + (held.envelope.timeout_ms or 0) / 1000:
                held.timed_out = True
                late.append(held)
        return late

    def next_check_s(self) -> float | None:
        """Return in how many seconds a time-out or a stuck batch can be due, None if none can."""
        now = time.monotonic()
        due = [held.began + (held.envelope.timeout_ms or 0) / 1000 for held in self._running_with_limit()]
        for batch in self._batches:
            if batch.todo:
                due.append(now + STUCK_S)
                limits = [held.envelope.timeout_ms for held in tuple(batch.todo) if held.envelope.timeout_ms]
                due += [now + min(limits) / 1000] if limits else []
            elif batch.current is None and batch.count and not batch.done:
                # Taken by its runner, and not begun in this very moment.
                due.append(now + STUCK_S)
        return max(0.0, min(due) - now) if due else None

    def running(self) -> list[Held]:
        """Return the jobs whose handlers run and that are not settled."""
        return [held for batch in self._batches if (held := batch.current) is not None and not held.settled]

    def interrupt(self, held: Held) -> None:
        """Stop an asynchronous handler; a plain one can only be told. [RETRY-9]"""
        if self._loop is not None and held.job.is_async:
            self._loop.interrupt(held)

    def stop(self) -> None:
        """Let the threads end that have nothing to run."""
        self._threads.stop()
        if self._loop is not None:
            self._loop.stop()

    def _running_with_limit(self) -> list[Held]:
        return [held for held in self.running() if held.envelope.timeout_ms and not held.timed_out]
