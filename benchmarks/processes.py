"""Trees of processes: what CPU they used, and how they end."""

from __future__ import annotations

import contextlib
import os
import time
from types import TracebackType

import psutil


def tree_of(pid: int) -> list[psutil.Process]:
    """Return a process and all its descendants that are alive."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def tree_cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process tree, those of children that ended included."""
    total = 0.0
    for process in tree_of(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            total += sum(process.cpu_times()[:4])
    return total


def kill_tree(pid: int) -> None:
    """End a process and all its descendants at once; some workers start sessions of their own."""
    for process in tree_of(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def _busy_s() -> float:
    times = psutil.cpu_times()
    # What the host of a virtual machine took away is as lost as what a program took.
    return float(times.user + times.system + getattr(times, "nice", 0.0) + getattr(times, "steal", 0.0))


class Watch:
    """Measure how much CPU other programs used meanwhile: `foreign_s` of `seconds`."""

    foreign_s = 0.0
    seconds = 0.0

    def __enter__(self) -> Watch:
        self._began, self._busy, self._own = time.monotonic(), _busy_s(), tree_cpu_s(os.getpid())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.seconds = time.monotonic() - self._began
        self.foreign_s = (_busy_s() - self._busy) - (tree_cpu_s(os.getpid()) - self._own)
