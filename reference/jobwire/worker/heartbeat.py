"""Extend the leases of the jobs that this worker holds."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable

from .. import scripts
from ..client import response_error
from ..clock import ServerClock
from ..store import Store
from .held import Held

# Progress and cancels travel with the extends, so these come at least once a second. [LEASE-1]
LONGEST_PAUSE_S = 1.0
# Progress that comes faster than this is sent together.
SHORTEST_PAUSE_S = 0.1

log = logging.getLogger("jobwire.worker")


class Heartbeat:
    """Extend leases from a thread of its own, which no handler can keep busy. [LEASE-2]

    The exception is C code that holds the interpreter's lock: what holds it for longer than a lease belongs into a
    process that the handler starts, or needs a longer `lease_ms`.
    """

    def __init__(
        self,
        store: Store,
        clock: ServerClock,
        lease_ms: int,
        held: Callable[[], Iterable[Held]],
        told: Callable[[Held], None],
        disconnected: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._lease_ms = lease_ms
        self._held = held
        self._told = told
        self._disconnected = disconnected
        self._pause_s = min(lease_ms / 3000, LONGEST_PAUSE_S)
        self._poked = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._work, name="jobwire-heartbeat", daemon=True)

    def start(self) -> None:
        """Begin to extend."""
        self._thread.start()

    def stop(self) -> None:
        """Extend no more, and wait until nothing is on its way."""
        self._stopped = True
        self._poked.set()
        self._thread.join()

    def poke(self) -> None:
        """Send progress soon."""
        self._poked.set()

    def run_once(self) -> None:
        """Extend every lease once, and mark the jobs that are lost or to be cancelled. [CANCEL-1] [LEASE-3]"""
        by_queue: dict[str, list[Held]] = {}
        for held in self._held():
            if not held.lost:
                by_queue.setdefault(held.keys.queue, []).append(held)
        refused = None
        for jobs in by_queue.values():
            for first in range(0, len(jobs), scripts.MAX_JOBS):
                refused = self._extend(jobs[first : first + scripts.MAX_JOBS]) or refused
        if refused is not None:
            raise refused

    def _extend(self, jobs: list[Held]) -> Exception | None:
        """Extend jobs of one queue, and return why that was refused, if it was."""
        sent = [(held.id, held.token, held.progress) for held in jobs]
        reply = self._store.run_once([scripts.extend(jobs[0].keys, self._lease_ms, sent)])[0]
        if isinstance(reply, Exception):
            return reply
        self._clock.tell(reply[0])
        for held, (_, _, progress), word in zip(jobs, sent, scripts.words(reply), strict=True):
            if held.progress is progress:
                held.progress = b""
            if word == "lost":
                held.lost = True
                self._told(held)
            elif word == "cancel" and not held.cancel_requested:
                held.cancel_requested = True
                self._told(held)
        return None

    def _work(self) -> None:
        while not self._stopped:
            began = time.monotonic()
            try:
                self.run_once()
            except Exception as error:  # the dispatcher meets the same trouble and deals with it
                log.warning("leases not extended", extra={"error": str(error)})
                if not isinstance(error, response_error()):
                    self._disconnected()
            spent = time.monotonic() - began
            if self._poked.wait(max(self._pause_s - spent, 0)) and not self._stopped:
                self._poked.clear()
                time.sleep(SHORTEST_PAUSE_S)
