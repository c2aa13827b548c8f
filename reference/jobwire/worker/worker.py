"""The worker: claim, run, settle, in one loop; threads and the event loop only run handlers."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from ..client import connect, is_passing, pauses, translate
from ..clock import ServerClock
from ..errors import Refused
from ..keys import QueueKeys, queue_keys
from ..scripts import Call
from ..store import Store
from .claiming import Claiming
from .crew import Crew
from .exchange import Exchange, Landed
from .heartbeat import Heartbeat
from .held import Batch, Ending, Held
from .inbox import Inbox
from .judge import Judge
from .settings import WorkerSettings
from .settling import Settling
from .slots import Slots
from .waker import Waker

if TYPE_CHECKING:
    from ..registry import Registry

# A signal that another thread receives does not wake the main thread, so that looks from time to time.
LONGEST_SLEEP_S = 0.5

log = logging.getLogger("jobwire.worker")


class _Stop:
    """A request to shut down; the second one is to be quick. [STOP-1] [STOP-4]"""


class Worker:
    """Run the jobs of an application's queues until told to stop.

    `app` is a Jobwire or AsyncJobwire with handlers. Raises Refused for an application that it cannot
    connect for, and from `run` LayoutMismatch or Unavailable.
    """

    def __init__(self, app: Registry[Any], settings: WorkerSettings | None = None) -> None:
        self.settings = settings or WorkerSettings()
        self._app = app
        self._store = _store_of(app)
        self._owns_store = getattr(app, "url", None) is not None
        self._clock = ServerClock()
        self._inbox: Inbox[Batch | _Stop] = Inbox()
        self._landed: deque[Landed] = deque()
        self._held: dict[Held, None] = {}
        settings = self.settings
        self._queues = [queue_keys(app.namespace, queue) for queue in settings.queues]
        judge = Judge(app.jobs, settings.name, self._clock, settings.stacks)
        self._judge = judge
        all_plain = not any(job.is_async for job in app.jobs.values())
        self._slots = Slots(judge, settings.concurrency, self._inbox.put, all_plain)
        self._settling = Settling(judge, self._keys, self._forget)
        self._heartbeat = Heartbeat(
            self._store,
            self._clock,
            settings.lease_ms,
            lambda: list(self._held),
            self._told_by_heartbeat,
            lambda: self._exchange.disconnected(),
        )
        self._waker = Waker(self._store, self._queues)
        self._claiming = Claiming(self._queues, settings.lease_ms)
        self._exchange = Exchange(self._store, self._clock, self._claiming, self._settling, self._heartbeat, self._rest)
        self._stops = 0
        self._stop_by = 0.0
        self._pauses = pauses()
        self._ready = threading.Event()
        self.clean = True
        """After `run`: whether no handler was still running."""

    def run(self, *, signals: bool = True) -> None:
        """Work until a signal or `stop`; with `signals`, SIGTERM and SIGINT stop it. [STOP-1]"""
        with _signals(self.stop) if signals else nullcontext():
            self._connect()
            self._heartbeat.start()
            self._ready.set()
            log.info("worker ready", extra={"worker": self.settings.name, "queues": list(self.settings.queues)})
            try:
                Crew(self._lead, self._slots.run, self._ended_here, self._inbox.put).work(LONGEST_SLEEP_S)
            finally:
                self.clean = not self._slots.running()
                self._heartbeat.stop()
                self._slots.stop()
                self._waker.close()
                self._inbox.close()
                if self._owns_store:
                    self._store.close()
            log.info("worker stopped", extra={"worker": self.settings.name})

    def stop(self) -> None:
        """Shut down in grace; called again, release what still runs at once. [STOP-3] [STOP-4]"""
        self._inbox.put(_Stop())

    def wait_ready(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds until the worker claims."""
        return self._ready.wait(timeout)

    def _lead(self) -> Batch | None:
        """Dispatch until there is a batch to run in this thread; None when all is over."""
        while not self._over():
            batch = self._turn()
            if batch is not None:
                return batch
        return None

    def _ended_here(self, batch: Batch) -> None:
        self._slots.collect(self._settle)
        self._slots.ended(batch)

    # One turn: take in what happened, send what follows from it, sleep if nothing does.

    def _turn(self) -> Batch | None:
        if self._exchange.under_way:
            self._slots.collect(self._settle)
            self._exchange.prepare()
        landed = self._landed.popleft() if self._landed else self._exchange.receive()
        if landed is not None:
            # A signal that came with the reply counts for what it brings, and for the next claim. [STOP-1] [STOP-2]
            self._take_events()
        if not self._slots.idle:
            self._slots.collect(self._settle)
            for held in self._slots.overdue():
                self._settling.add(held, self._judge.timed_out(held))
                self._slots.interrupt(held)
            self._give_back(self._slots.take_back(everything=self._stops > 0))
        if self._stops and time.monotonic() >= self._stop_by:
            self._release_running()
        sent = False
        if not (self._exchange.under_way or self._can_wait(landed)):
            # Sent before the landed jobs are read, so that the server works meanwhile.
            room = 0 if self._stops else self._slots.room(landed.reply.count if landed else 0)
            taken = landed is not None and landed.reply.taken
            sent = self._exchange.send(room, not taken and self._may_rescue(), self._waker.armed or self._stops > 0)
        here = None
        if landed is not None:
            self._pauses = pauses()
            here = self._take_jobs(landed)
        if here is not None or sent or landed or self._over():
            self._take_in(0)
        else:
            self._take_in(self._sleep_s())
        return here

    def _can_wait(self, landed: Landed | None) -> bool:
        """Whether there is nothing to send before the landed jobs are run: nothing to settle or to claim."""
        if landed is None or len(self._queues) > 1 or self._settling.due_s == 0:
            return False
        return landed.reply.wait_ms > 0

    def _may_rescue(self) -> bool:
        """Say whether no job that it took over can still harm this worker. [CLAIM-3]"""
        return not any(held.taken_over and not held.lost and not held.handing_over for held in self._held)

    def _take_jobs(self, landed: Landed) -> Batch | None:
        jobs = []
        for claimed in landed.reply.jobs:
            held = Held(landed.keys, claimed, landed.reply.taken, self._heartbeat.poke)
            self._held[held] = None
            ending = self._judge.admit(held)
            if ending is not None:
                self._settling.add(held, ending)
            elif self._stops:
                self._settling.release(held)
            else:
                jobs.append(held)
        return self._slots.start(jobs) if jobs else None

    def _rest(self) -> None:
        """Back off, and stay open for what runners and signals say meanwhile. [CALL-7]"""
        self._take_in(next(self._pauses))

    def _take_in(self, seconds: float) -> None:
        """Take in events and what ended a wait; sleep up to `seconds` until there is one."""
        waker = self._waker
        ready = self._inbox.wait(seconds, waker.sockets) if seconds > 0 or waker.blocks else []
        self._take_events()
        for woken in waker.take(ready) if waker.blocks else ():
            self._claiming.woken(woken.queue)
            if woken.lost:
                self._exchange.disconnected()
            if woken.reply is not None:
                self._landed.append(self._exchange.landed(self._queues[0], woken.reply))

    def _take_events(self) -> None:
        for event in self._inbox.take():
            self._take_event(event)

    def _take_event(self, event: Batch | _Stop) -> None:
        if isinstance(event, Batch):
            self._ended_here(event)
        else:
            self._stops += 1
            self._waker.call_off()
            grace_s = self.settings.grace_ms / 1000 if self._stops == 1 else 0.0
            self._stop_by = time.monotonic() + grace_s
            log.info("worker stopping", extra={"worker": self.settings.name, "grace_s": grace_s})

    def _sleep_s(self) -> float:
        """Return how long nothing can be due; block on `wake` meanwhile if there is room. [CLAIM-7] [CLAIM-10]"""
        sleeps = [LONGEST_SLEEP_S]
        sleeps += [due for due in (self._slots.next_check_s(), self._settling.due_s) if due is not None]
        if self._stops:
            sleeps.append(max(self._stop_by - time.monotonic(), 0.0))
        elif not (self._slots.full or self._exchange.cut_off or self._waker.armed):
            wait_ms = self._claiming.wait_ms
            if wait_ms == 0:
                return 0
            if not self._waker.open() and self._held:
                # The server may have been away since the last call: nothing else would tell.
                self._exchange.disconnected()
                return 0
            self._waker.arm(wait_ms, self._blocked_claim())
        return min(sleeps)

    def _blocked_claim(self) -> Call | None:
        """Return the claim that follows a blocked wait; of several queues, another could come first. [CLAIM-5]"""
        if len(self._queues) > 1:
            return None
        return self._claiming.call(self._queues[0], self._slots.room(), self._may_rescue())

    def _settle(self, held: Held, ending: Ending | None) -> None:
        if ending is None:
            self._forget(held)
        else:
            self._settling.add(held, ending)

    def _give_back(self, jobs: list[Held]) -> None:
        for held in jobs:
            self._settling.release(held)

    def _release_running(self) -> None:
        self._settling.give_up_hand_overs()
        self._give_back(self._slots.running())

    def _over(self) -> bool:
        if self._exchange.under_way or self._landed:
            return False
        if self._stops:
            if self._waker.blocks:
                # What it may have claimed in its last moment must be released, however late it is.
                return False
            late = time.monotonic() >= self._stop_by
            waits = self._settling.pending and not (late and self._exchange.cut_off)
            return not waits and (not self._held or (late and not self._slots.running()))
        if self.settings.burst:
            return not self._held and not self._settling.pending and self._claiming.drained
        return False

    def _connect(self) -> None:
        while not self._stops:
            try:
                self._store.load()
                return
            except Exception as error:
                if not is_passing(error):
                    raise translate(error) from error
                log.warning("server not reached, tried again", extra={"error": str(error)})
                self._rest()

    def _keys(self, queue: str) -> QueueKeys:
        return queue_keys(self._app.namespace, queue)

    def _forget(self, held: Held) -> None:
        self._held.pop(held, None)

    def _told_by_heartbeat(self, held: Held) -> None:
        if held.lost and not held.settled:
            log.warning("lease lost", extra={"job": held.id, "queue": held.keys.queue, "attempt": held.attempt})
        if not held.settled:
            self._slots.interrupt(held)


def _store_of(app: Registry[Any]) -> Store:
    url = getattr(app, "url", None)
    if url is not None:
        return Store(connect(url))
    client = getattr(app, "_client", None)
    if client is None or "asyncio" in type(client).__module__:
        raise Refused("app: expected one made with a URL or a synchronous client, got an asynchronous client")
    return Store(client)


@contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[None]:
    """Let SIGTERM and SIGINT call `stop`, and put back what was there."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, lambda *_: stop()) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
