"""Block on the wake lists of idle queues, and claim in the same breath. [CLAIM-7]"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..client import SOCKET_TIMEOUT_S, client_errors, is_cluster
from ..keys import QueueKeys, queue_of
from ..lines import Line
from ..scripts import Call
from ..store import Store

# How long a wait that was called off may take to say whether it claimed something just before.
LAST_WORD_S = 1.0


class Woken(NamedTuple):
    """A blocked wait has ended: the queue whose token was taken, if one was, and the claim's reply, if one followed.

    Both can be missing because the connection is lost.
    """

    queue: str | None = None
    reply: list[Any] | None = None
    lost: bool = False


class _Blocker:
    """One connection that blocks on some lists whenever it is told to."""

    def __init__(self, store: Store, names: list[str]) -> None:
        self._store = store
        self._names = names
        self._line: Line | None = None
        # When the wait is over, and when its end is no longer waited for.
        self._ends_at = self._until = 0.0
        self.blocked = False

    def open(self) -> bool:
        try:
            if self._line is None:
                self._line = self._store.line_to(self._names[0])
            return self._line.open()
        except client_errors():
            return False

    def arm(self, wait_ms: int, claim: Call | None) -> None:
        self.blocked = True
        self._ends_at = time.monotonic() + wait_ms / 1000
        self._until = self._ends_at + SOCKET_TIMEOUT_S
        try:
            if self._line is None:
                self._line = self._store.line_to(self._names[0])
            self._line.block(self._names, wait_ms, claim)
        except client_errors():
            # The dispatcher claims after every wait and meets the same trouble.
            self._until = 0.0

    @property
    def socket(self) -> int | None:
        return self._line.socket if self._line is not None and self.blocked else None

    @property
    def overdue(self) -> bool:
        return self.blocked and time.monotonic() >= self._until

    def take(self) -> Woken:
        """Read what ended the wait; a connection on which that takes too long is lost."""
        self.blocked = False
        try:
            if self._line is not None and self._line.owes and time.monotonic() < self._until:
                taken, *claimed = self._line.receive()
                queue = queue_of(taken[0].decode()) if isinstance(taken, list) else None
                return Woken(queue, claimed[0] if claimed and isinstance(claimed[0], list) else None)
        except client_errors():
            pass
        self.close()
        return Woken(lost=True)

    def call_off(self) -> None:
        if self.blocked and self._line is not None:
            ends_at = time.monotonic() if self._line.half_close() else self._ends_at
            self._until = min(self._until, ends_at + LAST_WORD_S)

    def close(self) -> None:
        if self._line is not None:
            self._line.close()
        self._line = None


class Waker:
    """One connection that blocks for all queues, or in a Cluster one for each. [CLAIM-8]"""

    def __init__(self, store: Store, queues: Sequence[QueueKeys]) -> None:
        names = [keys["wake"] for keys in queues]
        lists = [[name] for name in names] if is_cluster(store.client) else [names]
        self._blockers = [_Blocker(store, each) for each in lists]

    @property
    def armed(self) -> bool:
        """Whether every list is blocked on already."""
        return all(blocker.blocked for blocker in self._blockers)

    @property
    def blocks(self) -> bool:
        """Whether any wait has not ended."""
        return any(blocker.blocked for blocker in self._blockers)

    @property
    def sockets(self) -> list[int]:
        """The sockets on which an end of a wait would be told."""
        return [socket for blocker in self._blockers if (socket := blocker.socket) is not None]

    def open(self) -> bool:
        """Connect where that is needed; return whether it was not. [CLAIM-12]"""
        opened = [blocker.open() for blocker in self._blockers if not blocker.blocked]
        return all(opened)

    def arm(self, wait_ms: int, claim: Call | None) -> None:
        """Block for up to `wait_ms` on what is not blocked on; the server runs the claim as soon as a wait ends."""
        for blocker in self._blockers:
            if not blocker.blocked:
                blocker.arm(wait_ms, claim)

    def take(self, ready: Sequence[int]) -> list[Woken]:
        """Return how the waits on these sockets, and those that took too long, ended."""
        return [blocker.take() for blocker in self._blockers if blocker.overdue or blocker.socket in ready]

    def call_off(self) -> None:
        """End the waits soon; what one has claimed by then is still told."""
        for blocker in self._blockers:
            blocker.call_off()

    def close(self) -> None:
        """Close the connections."""
        for blocker in self._blockers:
            blocker.close()
