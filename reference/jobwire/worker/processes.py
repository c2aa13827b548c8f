"""Keep several worker processes running: start, restart, stop."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import NamedTuple

# Pauses before a child that died is started again; one that lived longer than the longest starts afresh.
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 30.0

log = logging.getLogger("jobwire.worker")


class _Ready(NamedTuple):
    child: _Child


class _Ended(NamedTuple):
    child: _Child


class _Signal(NamedTuple):
    number: int


class Lifeline:
    """A child's two pipes: one ends when its parent does, by the other it says that it is ready."""

    def __init__(self, alive_fd: int, ready_fd: int) -> None:
        self._alive_fd = alive_fd
        self._ready_fd = ready_fd
        for fd in (alive_fd, ready_fd):
            os.set_inheritable(fd, False)

    @classmethod
    def of(cls, option: str | None) -> Lifeline | None:
        """Read `FD,FD`."""
        if option is None:
            return None
        alive, _, ready = option.partition(",")
        return cls(int(alive), int(ready))

    def hold(self, stop: Callable[[], None]) -> None:
        """Call `stop` when the parent is gone."""

        def wait() -> None:
            os.read(self._alive_fd, 1)
            log.warning("parent gone")
            stop()

        threading.Thread(target=wait, name="jobwire-lifeline", daemon=True).start()

    def ready(self) -> None:
        """Tell the parent."""
        with contextlib.suppress(OSError):  # it is gone, which `hold` finds
            os.write(self._ready_fd, b"1")


class _Child:
    """One place among the children, with its process, if one runs."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.process: subprocess.Popen[bytes] | None = None
        self.is_ready = False
        self.began = 0.0
        self.pause_s = FIRST_PAUSE_S
        self.start_at: float | None = 0.0


class Supervisor:
    """Run `count` children; `command` makes one of a number and a lifeline, `ready` is told once all are."""

    def __init__(self, count: int, command: Callable[[int, str], list[str]], ready: Callable[[], None]) -> None:
        self._children = [_Child(number) for number in range(1, count + 1)]
        self._command = command
        self._ready = ready
        self._told = False
        self._stopping = False
        self._events: SimpleQueue[_Ready | _Ended | _Signal] = SimpleQueue()
        # Nobody writes to it: its end is the end of this process, however that comes.
        self._alive, self._keep = os.pipe()

    def run(self) -> int:
        """Run until all children have ended: told to, by a signal here, or with nothing to do."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda got, _: self._events.put(_Signal(got)))
        while any(child.process is not None or child.start_at is not None for child in self._children):
            self._start_due()
            with contextlib.suppress(Empty):
                self._take(self._events.get(timeout=self._sleep_s()))
        log.info("all processes stopped")
        return 0

    def _start_due(self) -> None:
        for child in self._children:
            if child.start_at is not None and time.monotonic() >= child.start_at:
                self._start(child)

    def _start(self, child: _Child) -> None:
        ready, told = os.pipe()
        child.began, child.start_at, child.is_ready = time.monotonic(), None, False
        # A session of its own: Ctrl+C is for the parent, which passes it on.
        try:
            child.process = subprocess.Popen(
                self._command(child.number, f"{self._alive},{told}"),
                pass_fds=(self._alive, told),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:  # no memory or process left, for now
            os.close(ready)
            self._restart(child, {"number": child.number, "error": str(error)})
            return
        finally:
            os.close(told)
        log.info("process started", extra={"number": child.number, "pid": child.process.pid})
        watch = threading.Thread(target=self._watch, args=(child, child.process, ready), daemon=True)
        watch.start()

    def _watch(self, child: _Child, process: subprocess.Popen[bytes], ready: int) -> None:
        with os.fdopen(ready, "rb") as pipe:
            if pipe.read(1):
                self._events.put(_Ready(child))
        process.wait()
        self._events.put(_Ended(child))

    def _take(self, event: _Ready | _Ended | _Signal) -> None:
        if isinstance(event, _Ready):
            event.child.is_ready = True
            if not self._told and all(child.is_ready for child in self._children):
                self._told = True
                self._ready()
        elif isinstance(event, _Ended):
            self._take_end(event.child)
        else:
            self._stop()

    def _take_end(self, child: _Child) -> None:
        assert child.process is not None
        code, pid, child.process = child.process.returncode, child.process.pid, None
        fields: dict[str, object] = {"number": child.number, "pid": pid, "code": code}
        if self._stopping or code == 0:
            log.info("process ended", extra=fields)
            return
        self._restart(child, fields)

    def _restart(self, child: _Child, fields: dict[str, object]) -> None:
        if time.monotonic() - child.began > LONGEST_PAUSE_S:
            child.pause_s = FIRST_PAUSE_S
        child.start_at = time.monotonic() + child.pause_s
        log.warning("process died", extra=fields | {"restart_s": child.pause_s})
        child.pause_s = min(child.pause_s * 2, LONGEST_PAUSE_S)

    def _stop(self) -> None:
        """Pass a signal on; the first lets jobs finish, the second does not. [STOP-3] [STOP-4]"""
        self._stopping = True
        for child in self._children:
            child.start_at = None
            if child.process is not None:
                child.process.send_signal(signal.SIGTERM)

    def _sleep_s(self) -> float | None:
        due = [child.start_at for child in self._children if child.start_at is not None]
        return max(0.0, min(due) - time.monotonic()) if due else None
