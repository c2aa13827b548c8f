"""A job that this worker holds, and a batch of them for one slot."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from ..envelope import Envelope
from ..keys import QueueKeys
from ..scripts import Claimed
from ..values import Encoding
from ..workflow import Next

if TYPE_CHECKING:
    from ..registry import JobFunction


class Ending(NamedTuple):
    """How a run is to be settled; `number` is a ttl or delay in ms."""

    verb: str
    document: bytes
    number: int


class Held:
    """One claimed job, from its claim until it is settled."""

    __slots__ = (
        "attempt",
        "began",
        "cancel_requested",
        "data",
        "document",
        "encoding",
        "envelope",
        "handing_over",
        "id",
        "job",
        "keys",
        "lost",
        "next",
        "on_progress",
        "progress",
        "resent",
        "settled",
        "taken_over",
        "timed_out",
        "token",
    )

    # Set by admission, which is the first thing that is done with a claimed job.
    envelope: Envelope
    job: JobFunction[object]

    def __init__(self, keys: QueueKeys, claimed: Claimed, taken_over: bool, on_progress: Callable[[], None]) -> None:
        self.keys = keys
        self.id, self.token, self.attempt, self.document, self.data = claimed
        self.taken_over = taken_over
        self.on_progress = on_progress
        self.encoding = Encoding.JSON
        self.began = 0.0
        self.progress = b""
        self.next: Next | None = None
        # Whether an ending has been decided on; what a handler returns later is dropped.
        self.settled = False
        self.cancel_requested = self.timed_out = self.lost = self.resent = self.handing_over = False

    def report(self, progress: bytes) -> None:
        """Leave progress for the next extend."""
        self.progress = progress
        self.on_progress()


class Batch:
    """Jobs that one slot runs one after the other; a runner takes them from the left."""

    __slots__ = ("count", "current", "done", "put_at", "todo")

    def __init__(self, jobs: list[Held], put_at: float) -> None:
        self.todo = deque(jobs)
        self.count = len(jobs)
        self.done: deque[tuple[Held, Ending | None]] = deque()
        self.current: Held | None = None
        self.put_at = put_at
