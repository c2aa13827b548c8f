"""What the threads of a worker share: its settings, its link, and the runs that it holds."""

from __future__ import annotations

import json
import os
import random
import threading
import time
from typing import Any

import codec
import common
from common import Gone, ServerError, log

SCRIPTS = ("claim", "extend", "settle", "pass", "join")


class Abandoned(Exception):
    """The job is no longer this worker's, or the worker is about to end."""


class Run:
    """One claimed job, from the claim to its settlement."""

    def __init__(self, queue: str, parts: list[Any], taken_over: bool) -> None:
        id_, token, attempt, document, envelope = parts
        self.queue = queue
        self.id: str = id_.decode()
        self.token: str = token.decode()
        self.number = int(self.token.partition(".")[0])
        self.attempt: int = attempt
        self.document: bytes = document
        self.envelope: bytes = envelope
        self.taken_over = taken_over
        self.job: dict[str, Any] = {}
        self.encoding = "json"
        self.rejected: codec.Rejected | None = None
        self.progress = b""
        self.told: str | None = None
        self.cancel_requested = False
        self.lost = False
        self.over = False
        self.settling = False
        self.handing_over = False
        self.interrupted = threading.Event()
        self.cancelled = threading.Event()

    def tell(self, what: str) -> None:
        """Make known to the handler what became of its run."""
        if self.told is None:
            self.told = what
        if what == "cancel":
            self.cancelled.set()
        if what in ("cancel", "timeout"):
            self.interrupted.set()


class Worker:
    """The state of a worker process."""

    def __init__(self) -> None:
        self.queues = os.environ["JOBWIRE_QUEUES"].split(",")
        self.concurrency = int(os.environ["JOBWIRE_CONCURRENCY"])
        self.lease_ms = int(os.environ.get("JOBWIRE_LEASE_MS", "15000"))
        self.grace_ms = int(os.environ.get("JOBWIRE_GRACE_MS", "25000"))
        self.name = os.environ["JOBWIRE_WORKER"]
        self.journal = os.open(os.environ["JOBWIRE_CONFORMANCE_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self.profiles = common.profiles()
        self.link = common.Link()
        self.idle_link = common.Link()
        self.breaks_seen = 0
        # Runs that hold a lease. Changed under the lock of the link, together with the call that changes them.
        self.held: list[Run] = []
        self.slots_taken = 0
        self.changed = threading.Condition()
        self.waits_ms = dict.fromkeys(self.queues, 0)
        # Queues whose token this worker took, and that it has not claimed from since. [CLAIM-9]
        self.owed: set[str] = set()
        self.claiming = False
        self.stopping = threading.Event()
        self.quitting = threading.Event()
        self.clock = (0, 0.0)

    def free(self) -> int:
        """Return how many slots are free."""
        return self.concurrency - self.slots_taken

    def back_off(self) -> None:
        """Wait a little before a call is sent again. [CALL-7]"""
        self.quitting.wait(random.uniform(0.05, 0.15))

    def load(self) -> None:
        """Load the scripts, however long the server takes to answer."""
        while not self.quitting.is_set():
            try:
                self.link.load(SCRIPTS)
                return
            except (Gone, ServerError) as error:
                log("error", "load", error=error)
                self.back_off()

    def now(self) -> float:
        """Return this worker's time: that of the last claim, and what has passed since."""
        server_ms, at = self.clock
        return server_ms + (time.monotonic() - at) * 1000

    def write_journal(self, event: str, run: Run, **more: Any) -> None:
        """Append one line to the log of the handlers."""
        line = {"event": event, "id": run.id, "type": run.job["type"], "attempt": run.attempt, "run": run.number}
        line |= {"worker": self.name, "at": time.time() * 1000, **more}
        os.write(self.journal, json.dumps(line).encode() + b"\n")

    def forget(self, run: Run) -> None:
        """Hold a run no longer."""
        if run in self.held:
            self.held.remove(run)

    def check_held(self, run: Run) -> None:
        """Stop here if the run is no longer this worker's."""
        if run.lost:
            raise Abandoned("the lease is lost")
        if self.quitting.is_set():
            raise Abandoned("the worker ends")
