"""Which queue to claim from next, with what, and how long to idle. SPEC section 9.1."""

from __future__ import annotations

from collections.abc import Sequence

from .. import scripts
from ..ids import new_nonce
from ..keys import QueueKeys
from ..scripts import Call, ClaimReply


class Claiming:
    """Go through the queues in order, one claim a round trip; remember what each said last."""

    def __init__(self, queues: Sequence[QueueKeys], lease_ms: int) -> None:
        self._queues = list(queues)
        self._lease_ms = lease_ms
        # Where this pass through the queues is; a new one starts at the first. [CLAIM-5]
        self._position = 0
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

    def next(self, room: int, armed: bool) -> QueueKeys | None:
        """Return the queue to claim from now, if any. [CLAIM-5] [CLAIM-9]"""
        if self._owed and room <= 0:
            return next(keys for keys in self._queues if keys.queue in self._owed)
        if self._position == len(self._queues) or room <= 0:
            self._position = 0
        if room <= 0 or (self._position == 0 and not self._owed and (armed or self.wait_ms > 0)):
            return None
        self._position += 1
        return self._queues[self._position - 1]

    def woken(self, queue: str | None) -> None:
        """Take in the end of a blocked wait, with the queue of its token."""
        self._wait_ms = dict.fromkeys(self._wait_ms, 0)
        if queue is not None:
            self._owed.add(queue)

    def call(self, keys: QueueKeys, room: int, rescue: bool) -> Call:
        """Return a claim of up to `room` jobs. [CLAIM-1] [CLAIM-3]"""
        return scripts.claim(keys, new_nonce(), self._lease_ms, min(max(room, 0), scripts.MAX_JOBS), rescue)

    def told(self, keys: QueueKeys, claimed: ClaimReply) -> None:
        """Take in what a claim said beside its jobs."""
        self._owed.discard(keys.queue)
        self._wait_ms[keys.queue] = claimed.wait_ms
        if claimed.count or claimed.wait_ms == 0:
            self._empty.discard(keys.queue)
        else:
            self._empty.add(keys.queue)
