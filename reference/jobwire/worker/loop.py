"""Run `async def` handlers on an event loop; only imported where there are any, as asyncio is slow to import."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable

from ..context import running
from .held import Batch, Ending, Held
from .judge import Judge


class LoopRunner:
    """Run `async def` handlers on one event loop in a thread of its own."""

    def __init__(self, judge: Judge, finished: Callable[[Batch], None]) -> None:
        self._judge = judge
        self._finished = finished
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: dict[Batch, asyncio.Task[None]] = {}

    def start(self, batch: Batch) -> None:
        """Run a batch as one task."""
        if self._loop is None:
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
        loop.run_until_complete(self._drop())
        loop.close()

    async def _drop(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

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
