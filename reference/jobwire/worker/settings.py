"""How a worker runs: one frozen value."""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass, field

from ..envelope import DEFAULT_QUEUE, check_id, check_queue
from ..errors import Refused


def default_name() -> str:
    """Return `<host>-<pid>` in the grammar of an id."""
    host = re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname()).lstrip("_.-")[:100]
    return f"{host or 'worker'}-{os.getpid()}"


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerSettings:
    """Say what a worker claims and how it runs it.

    `queues` are claimed strictly in this order; `concurrency` jobs run at a time, in threads or, for
    `async def`, on an event loop; `lease_ms` and `grace_ms` are [CLAIM-11]'s and [STOP-3]'s; `name` stands in
    outcomes; `stacks` puts stack traces into errors [SEC-2]; `burst` ends the worker once there is nothing to do.
    """

    queues: tuple[str, ...] = (DEFAULT_QUEUE,)
    concurrency: int = 8
    lease_ms: int = 15_000
    grace_ms: int = 25_000
    name: str = field(default_factory=default_name)
    stacks: bool = True
    burst: bool = False

    def __post_init__(self) -> None:
        if not self.queues or len(set(self.queues)) != len(self.queues):
            raise Refused(f"queues: expected at least one, each once, got {list(self.queues)}")
        for queue in self.queues:
            check_queue(queue)
        check_id(self.name, "name")
        for name, low, high in (
            ("concurrency", 1, 1000),
            ("lease_ms", 1000, 86_400_000),
            ("grace_ms", 0, 86_400_000),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise Refused(f"{name}: expected {low} to {high}, got {value}")
