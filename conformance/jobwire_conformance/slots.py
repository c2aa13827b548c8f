"""Share the machine among cases, some of which need more of it than others."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator


class Slots:
    """So many slots; who came first is served first, so that nobody who needs many waits for ever."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._free = count
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @contextlib.asynccontextmanager
    async def taken(self, wanted: int) -> AsyncIterator[None]:
        """Hold slots; one who wants more than there are gets all."""
        wanted = min(wanted, self.count)
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((wanted, turn))
        self._serve()
        try:
            await turn
        except asyncio.CancelledError:
            self._leave(wanted, turn)
            raise
        try:
            yield
        finally:
            self._free += wanted
            self._serve()

    def _serve(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._free:
            wanted, turn = self._waiting.popleft()
            self._free -= wanted
            turn.set_result(None)

    def _leave(self, wanted: int, turn: asyncio.Future[None]) -> None:
        if (wanted, turn) in self._waiting:
            self._waiting.remove((wanted, turn))
        else:
            self._free += wanted
        self._serve()
