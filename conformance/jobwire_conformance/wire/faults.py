"""What a proxy does to commands that a case chose."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..cases.matching import matches

KINDS = frozenset({"drop_reply", "cut", "cut_after", "delay", "error", "kill_before", "kill_after"})
# Those that take effect once the server has answered.
AFTER = frozenset({"drop_reply", "cut_after", "kill_after"})


@dataclass(eq=False)
class Fault:
    """One fault: from the `nth` command that fits `when`, for so many `times`.

    `cut` ends the connection before the command reaches the server, `cut_after` once the reply was passed on, and
    `drop_reply` in its place. `delay` holds the command, and those behind it on its connection, for `ms`. `error`
    answers for the server. `kill_before` and `kill_after` end the process before the command is forwarded, or when
    its reply has come and was not passed on. `nth` can stand in `when` too.
    """

    when: Mapping[str, Any]
    do: str
    ms: float = 0
    error: str = "ERR a fault of the suite"
    nth: int = 1
    times: int = 1
    done: asyncio.Event = field(default_factory=asyncio.Event)
    seen: int = 0

    def __post_init__(self) -> None:
        if self.do not in KINDS:
            raise ValueError(f"do: expected one of {', '.join(sorted(KINDS))}, got {self.do!r}")
        when = dict(self.when)
        self.nth = when.pop("nth", self.nth)
        self.when = when

    def takes(self, events: list[dict[str, Any]]) -> bool:
        """Count a command that fits; return whether this fault meets it."""
        if not any(matches(self.when, event) for event in events):
            return False
        self.seen += 1
        return self.nth <= self.seen < self.nth + self.times

    def met(self) -> None:
        """Note that it took effect."""
        if self.seen >= self.nth + self.times - 1:
            self.done.set()


class FaultPlan:
    """The faults that wait for their commands."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def __bool__(self) -> bool:
        return bool(self._faults)

    def add(self, fault: Fault) -> None:
        """Wait for the commands of a fault from now on."""
        self._faults.append(fault)

    def clear(self) -> None:
        """Forget all faults."""
        self._faults.clear()

    def take(self, events: list[dict[str, Any]]) -> Fault | None:
        """Return the fault that meets a command; each fault counts it."""
        met = [fault for fault in self._faults if fault.takes(events)]
        self._faults = [fault for fault in self._faults if fault.seen < fault.nth + fault.times - 1]
        return met[0] if met else None
