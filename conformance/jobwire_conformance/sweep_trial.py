"""What is known of one worker that is killed: its jobs, what it left, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from .sweep_judge import End, Found, expected
from .sweep_points import Point
from .wire.events import Exchange, History
from .wire.faults import Fault


@dataclass
class Trial:
    """One worker, its queues and jobs, and the point at which it dies; none: it lives."""

    mark: str
    point: Point | None
    jobs: list[dict[str, Any]]
    ends: dict[str, End]
    folder: Path
    history: History = field(default_factory=History)
    ended_at: float | None = None
    did: bool = False
    fault: Fault | None = None
    left: dict[str, Found] = field(default_factory=dict)
    now: dict[str, Found] = field(default_factory=dict)
    failure: str = ""
    second: str = ""
    after: History = field(default_factory=History)

    @cached_property
    def wanted(self) -> dict[str, End]:
        """How the jobs have to end after what its worker left."""
        return expected(self.ends, self.left, [job["id"] for job in self.jobs])

    @property
    def was_killed(self) -> bool:
        """Whether its worker came to the point and died there."""
        return self.fault is not None and self.fault.done.is_set()

    def last_settled(self) -> float:
        """Return when it settled for the last time: what a worker does after that is for the next jobs."""
        settled = [event["at"] for event in self.history.events if event.get("call") == "settle"]
        return max(settled, default=self.ended_at or 0)

    def has(self, ends: Mapping[str, End]) -> bool:
        """Whether all jobs have ended so."""
        return all(self.now[id].state == end.state for id, end in ends.items())

    def events(self) -> list[dict[str, Any]]:
        """Return what both workers said and did about its jobs."""
        return [event for event in (*self.history.events, *self.after.events) if event.get("id") in self.ends]

    def all_events(self) -> list[dict[str, Any]]:
        """Return all that its worker said and did, and what the one after it did about its jobs."""
        return [*self.history.events, *(event for event in self.after.events if event.get("id") in self.ends)]

    def exchanges(self) -> list[Exchange]:
        """Return all commands of its worker, and those of the one after it."""
        return [*self.history.transcript, *self.after.transcript]

    def instants(self) -> set[float]:
        """Return when its worker sent something or did something."""
        sent = {exchange.at for exchange in self.history.transcript}
        return sent | {event["at"] for event in self.history.events}

    @property
    def name(self) -> str:
        """The name of its worker."""
        return f"A{self.mark}"


def placed(value: Any, mark: str) -> Any:
    """Return jobs with ids, queues and groups of their own."""
    if isinstance(value, dict):
        own = ("id", "queue", "group")
        return {
            name: f"{member}{mark}" if name in own and isinstance(member, str) else placed(member, mark)
            for name, member in value.items()
        }
    return [placed(member, mark) for member in value] if isinstance(value, list) else value
