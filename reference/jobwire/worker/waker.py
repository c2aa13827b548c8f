"""Block on the wake lists of idle queues. [CLAIM-7]"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import NamedTuple

from ..keys import QueueKeys, queue_of
from ..store import Store, is_cluster

# A script never says to wait longer than 2000 ms.
LONGEST_WAIT_S = 2.5


class Woken(NamedTuple):
    """A blocked wait has ended; `queue` is the one whose token was taken, if one was."""

    queue: str | None
    blocker: _Blocker


class _Blocker:
    """One thread that blocks on some lists whenever it is told to.

    `blocked` belongs to the dispatcher: it is true from its order until it has taken in the Woken, so that it never
    gives a second order in between.
    """

    def __init__(self, store: Store, names: list[str], woken: Callable[[Woken], None]) -> None:
        self.blocked = False
        self._store = store
        self._names = names
        self._woken = woken
        self._orders: SimpleQueue[int | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="jobwire-wake", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def arm(self, wait_ms: int | None) -> None:
        self.blocked = True
        self._orders.put(wait_ms)

    def join(self) -> None:
        self._thread.join(LONGEST_WAIT_S)

    def _work(self) -> None:
        while (wait_ms := self._orders.get()) is not None:
            queue = None
            try:
                taken = self._store.client.execute_command("BLPOP", *self._names, f"{wait_ms / 1000:.3f}")
                queue = queue_of(taken[0].decode()) if taken else None
            except Exception:  # the dispatcher claims after every wait and meets the same trouble
                queue = None
            self._woken(Woken(queue, self))


class Waker:
    """One thread that blocks for all queues, or in a Cluster one for each. [CLAIM-8]"""

    def __init__(self, store: Store, queues: Sequence[QueueKeys], woken: Callable[[Woken], None]) -> None:
        names = [keys["wake"] for keys in queues]
        lists = [[name] for name in names] if is_cluster(store.client) else [names]
        self._blockers = [_Blocker(store, each, woken) for each in lists]

    @property
    def armed(self) -> bool:
        """Whether every list is blocked on already."""
        return all(blocker.blocked for blocker in self._blockers)

    def start(self) -> None:
        """Begin to serve."""
        for blocker in self._blockers:
            blocker.start()

    def arm(self, wait_ms: int) -> None:
        """Block for up to `wait_ms` on what is not blocked on, and report each end."""
        for blocker in self._blockers:
            if not blocker.blocked:
                blocker.arm(wait_ms)

    def stop(self) -> None:
        """Serve no more; a wait that still blocks ends by itself or with its connection."""
        for blocker in self._blockers:
            blocker.arm(None)

    def join(self) -> None:
        """Wait until nothing blocks any more."""
        for blocker in self._blockers:
            blocker.join()
