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


class Waker:
    """One thread that blocks for all queues, or in a Cluster one for each. [CLAIM-8]"""

    def __init__(self, store: Store, queues: Sequence[QueueKeys], woken: Callable[[Woken], None]) -> None:
        self._store = store
        self._woken = woken
        single = [[keys["wake"] for keys in queues]]
        self._lists = [[keys["wake"]] for keys in queues] if is_cluster(store.client) else single
        self._orders: list[SimpleQueue[int | None]] = [SimpleQueue() for _ in self._lists]
        self._threads: list[threading.Thread] = []
        self._blocked = 0
        self._lock = threading.Lock()

    @property
    def armed(self) -> bool:
        """Whether it blocks already."""
        return self._blocked > 0

    def start(self) -> None:
        """Begin to serve."""
        for names, orders in zip(self._lists, self._orders, strict=True):
            thread = threading.Thread(target=self._work, args=(names, orders), name="jobwire-wake", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Serve no more; a wait that still blocks ends by itself or with its connection."""
        for orders in self._orders:
            orders.put(None)

    def join(self) -> None:
        """Wait until nothing blocks any more."""
        for thread in self._threads:
            thread.join(LONGEST_WAIT_S)

    def arm(self, wait_ms: int) -> None:
        """Block for up to `wait_ms` and report once."""
        with self._lock:
            self._blocked += len(self._orders)
        for orders in self._orders:
            orders.put(wait_ms)

    def _work(self, names: list[str], orders: SimpleQueue[int | None]) -> None:
        while (wait_ms := orders.get()) is not None:
            queue = None
            try:
                taken = self._store.client.execute_command("BLPOP", *names, f"{wait_ms / 1000:.3f}")
                queue = queue_of(taken[0].decode()) if taken else None
            except Exception:  # the dispatcher claims after every wait and meets the same trouble
                queue = None
            with self._lock:
                self._blocked -= 1
            self._woken(Woken(queue))
