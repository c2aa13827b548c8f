"""Where runners and signals leave events for the dispatcher, which waits for them and for sockets at once."""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Iterable, Iterator
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

E = TypeVar("E")


class Inbox(Generic[E]):
    """Events from any thread or signal handler, for one reader."""

    def __init__(self) -> None:
        self._events: SimpleQueue[E] = SimpleQueue()
        self._pipe: tuple[int, int] | None = None
        self._sleeping = False

    def put(self, event: E) -> None:
        """Leave an event, and wake the reader if it sleeps."""
        self._events.put(event)
        if self._sleeping and self._pipe is not None:
            # A full pipe wakes it as well.
            with contextlib.suppress(BlockingIOError):
                os.write(self._pipe[1], b"1")

    def wait(self, seconds: float, sockets: Iterable[int]) -> list[int]:
        """Sleep until there is an event, a socket to read from, or the time is over; return these sockets."""
        if self._pipe is None:
            self._pipe = os.pipe()
            os.set_blocking(self._pipe[1], False)
        reading = self._pipe[0]
        poll = select.poll()
        poll.register(reading, select.POLLIN)
        for socket in sockets:
            poll.register(socket, select.POLLIN)
        self._sleeping = True
        # An event that came before is not announced.
        ready = poll.poll(seconds * 1000 if self._events.empty() else 0)
        self._sleeping = False
        found = [socket for socket, _ in ready]
        if reading in found:
            found.remove(reading)
            os.read(reading, 4096)
        return found

    def take(self) -> Iterator[E]:
        """Take all events that are there, also those that come meanwhile."""
        with contextlib.suppress(Empty):
            while True:
                yield self._events.get_nowait()

    def close(self) -> None:
        """Give up the pipe; what comes now stays unread."""
        pipe, self._pipe = self._pipe, None
        for end in pipe or ():
            os.close(end)
