"""What every figure is given to measure with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import programs
from .environments import Program
from .modes import Mode
from .pacing import Pacing
from .peers import Row
from .processes import Watch
from .server import Server


class Context:
    """One run: its server, its mode, a program for each driver, and what is known about speeds."""

    def __init__(self, server: Server, mode: Mode, environments: dict[str, Program], folder: Path) -> None:
        self.server = server
        self.mode = mode
        self.pacing = Pacing()
        self.folder = folder
        # Whoever has spoken to this server before.
        self.warmed: set[str] = set()
        self._watches: list[Watch] = []
        self._programs = environments

    def program(self, row: Row) -> Program:
        """Return the program of a row's driver."""
        return self._programs[row.driver]

    def options(self, row: Row, payload: int, **more: Any) -> dict[str, Any]:
        """Return the options that every role gets, and more."""
        return {"url": self.server.url, "variant": row.variant, "payload": payload, **more}

    def ask(self, row: Row, payload: int, role: str, **more: Any) -> dict[str, Any]:
        """Run a role of a row's driver to its end."""
        return programs.ask(self.program(row), role, self.options(row, payload, **more))

    def fill(self, row: Row, payload: int, count: int, **more: Any) -> None:
        """Enqueue so many jobs on an empty server, the fastest way the peer has."""
        self.server.flush()
        try:
            self.ask(row, payload, "bulk", count=count, chunk=row.chunk, **more)
        except programs.Unsupported:
            self.ask(row, payload, "one", count=count)

    def working(
        self, row: Row, payload: int, processes: int = 1, **more: Any
    ) -> contextlib.AbstractContextManager[programs.Worker]:
        """Run a worker of a row's driver meanwhile."""
        return programs.working(self.program(row), self.options(row, payload, processes=processes, **more), self.folder)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Note how much CPU other programs use meanwhile."""
        with Watch() as watch:
            yield
        self._watches.append(watch)

    def foreign(self) -> float:
        """Return how many cores other programs used while watched, and begin anew."""
        watches, self._watches = self._watches, []
        seconds = sum(watch.seconds for watch in watches)
        return max(0.0, sum(watch.foreign_s for watch in watches) / seconds) if seconds else 0.0
