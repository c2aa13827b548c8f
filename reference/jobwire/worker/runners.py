"""Run the handlers of a batch: plain functions in threads, coroutines on an event loop."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import TYPE_CHECKING

from ..context import running
from .held import Batch, Ending, Held
from .judge import Judge

if TYPE_CHECKING:
    import asyncio

Report = Callable[[Batch], None]


class ThreadRunner:
    """Run plain handlers; each thread takes one batch at a time."""

    def __init__(self, judge: Judge, finished: Report) -> None:
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

    def _work(self) -> None:
        while (batch := self._batches.get()) is not None:
            take, done = batch.todo.popleft, batch.done.append
            while True:
                try:
                    held = take()
                except IndexError:
                    break
                held.began = time.monotonic()
                batch.current = held
                done((held, self._run(held)))
            batch.current = None
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


class LoopRunner:
    """Run `async def` handlers on one event loop in a thread of its own."""

    def __init__(self, judge: Judge, finished: Report) -> None:
        self._judge = judge
        self._finished = finished
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: dict[Batch, asyncio.Task[None]] = {}

    def start(self, batch: Batch) -> None:
        """Run a batch as one task."""
        if self._loop is None:
            import asyncio  # here, as it makes every start of the command line slower

            self._loop = asyncio.new_event_loop()
            threading.Thread(target=self._serve, args=(self._loop,), name="jobwire-loop", daemon=True).start()
        self._loop.call_soon_threadsafe(self._begin, batch)

    def interrupt(self, held: Held) -> None:
        """Cancel the task of a job, if it is running right now."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._interrupt, held)

    def stop(self) -> None:
        """End the loop; what still runs on it is dropped."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.run_forever()
        for task in self._tasks.values():
            task.cancel()
        loop.run_until_complete(asyncio.gather(*self._tasks.values(), return_exceptions=True))
        loop.close()

    def _begin(self, batch: Batch) -> None:
        assert self._loop is not None
        self._tasks[batch] = self._loop.create_task(self._work(batch))

    def _interrupt(self, held: Held) -> None:
        for batch, task in self._tasks.items():
            if batch.current is held:
                task.cancel()

    async def _work(self, batch: Batch) -> None:
        while batch.todo:
            held = None
            with contextlib.suppress(IndexError):
                held = batch.todo.popleft()
            if held is not None:
                held.began = time.monotonic()
                batch.current = held
                batch.done.append((held, await self._run(held, batch)))
                batch.current = None
        del self._tasks[batch]
        self._finished(batch)

    async def _run(self, held: Held, batch: Batch) -> Ending | None:
        if held.lost:
            return None
        if held.cancel_requested:
            return self._judge.cancelled(held)
        running.set(held)
        task = self._tasks[batch]
        try:
            result = await held.job.function(*held.envelope.args, **held.envelope.kwargs)
        except BaseException as error:  # CancelledError and SystemExit too: the loop goes on. [RUN-15]
            while task.cancelling():
                task.uncancel()
            return self._judge.errored(held, error)
        while task.cancelling():
            task.uncancel()
        return self._judge.succeeded(held, result)
