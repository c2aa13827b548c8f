"""Which queues to claim from, with what, and how long to idle. SPEC section 9.1"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import scripts
from ..clock import ServerClock
from ..ids import new_nonce
from ..keys import QueueKeys
from ..scripts import Call
from .held import Held


class Claiming:
    """Remember the last wait_ms of every queue and the tokens that were taken."""

    def __init__(self, queues: Sequence[QueueKeys], lease_ms: int, clock: ServerClock) -> None:
        self._queues = list(queues)
        self._lease_ms = lease_ms
        self._clock = clock
        # 0: to be claimed from before anything else.
        self._wait_ms = dict.fromkeys((keys.queue for keys in queues), 0)
        self._owed: set[str] = set()
        self._empty: set[str] = set()

    @property
    def wait_ms(self) -> int:
        """How long to block on `wake`; 0 means to claim again at once. [CLAIM-6] [CLAIM-7]"""
        return min(self._wait_ms.values())

    @property
    def drained(self) -> bool:
        """Whether the last claim of every queue gave nothing and nothing was about to come."""
        return len(self._empty) == len(self._queues)

    def asks(self, room: int, armed: bool) -> list[QueueKeys]:
        """Return the queues to claim from now, in order. [CLAIM-5] [CLAIM-9]"""
        if room > 0 and not armed and self.wait_ms == 0:
            return list(self._queues)
        return [keys for keys in self._queues if keys.queue in self._owed]

    def owed(self, keys: QueueKeys) -> bool:
        """Whether a token of this queue was taken and no claim followed yet. [CLAIM-9]"""
        return keys.queue in self._owed

    def woken(self, queue: str | None) -> None:
        """Take in the end of a blocked wait, with the queue of its token."""
        self._wait_ms = dict.fromkeys(self._wait_ms, 0)
        if queue is not None:
            self._owed.add(queue)

    def call(self, keys: QueueKeys, room: int, rescue: bool) -> Call:
        """Return a claim of up to `room` jobs. [CLAIM-1] [CLAIM-3]"""
        return scripts.claim(keys, new_nonce(), self._lease_ms, min(room, scripts.MAX_JOBS), rescue)

    def take(self, keys: QueueKeys, reply: Any, on_progress: Callable[[], None]) -> list[Held]:
        """Take in a claim's reply, and return its jobs."""
        if isinstance(reply, Exception):
            return []
        claimed = scripts.claimed(reply)
        self._clock.tell(claimed.now)
        self._owed.discard(keys.queue)
        self._wait_ms[keys.queue] = claimed.wait_ms
        if claimed.jobs or claimed.wait_ms == 0:
            self._empty.discard(keys.queue)
        else:
            self._empty.add(keys.queue)
        return [Held(keys, job, claimed.taken, on_progress) for job in claimed.jobs]
