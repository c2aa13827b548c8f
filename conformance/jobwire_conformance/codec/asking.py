"""Ask an adapter many things at once, and find out which of them it does not survive."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from ..adapter import Adapter, AdapterError
from ..manifest import Manifest
from .vectors import Vector

IN_FLIGHT: Final = 64
ANSWER_MS: Final = 10_000
# What no parser has to take is not waited for so long.
UNSAYABLE_MS: Final = 3_000
# Who dies so often in a row is not asked any more.
DEATHS: Final = 10
_UNREADABLE: Final = "wanted a JSON object"


@dataclass(frozen=True)
class Reply:
    """What came of a request, and of the good one behind it, if one was sent."""

    answer: dict[str, Any] | None
    behind: dict[str, Any] | None = None
    trouble: str = ""
    asked: bool = True
    ms: float = 0.0
    stderr: str = ""


class Asking:
    """One adapter, started again when it has died."""

    def __init__(self, manifest: Manifest, good: Vector, time_scale: float) -> None:
        self._manifest = manifest
        self._good = good
        self._scale = time_scale
        self._adapter: Adapter | None = None
        self._deaths = 0
        self._replies: dict[str, Reply] = {}

    async def ask(self, vectors: Iterable[Vector]) -> dict[str, Reply]:
        """Return a reply for each vector, by its id."""
        everything = list(vectors)
        try:
            await self._together(deque(vector for vector in everything if not vector.unsayable))
            for vector in everything:
                if vector.unsayable:
                    await self._alone(vector)
        finally:
            await self._stop()
        return self._replies

    async def _together(self, queue: deque[Vector]) -> None:
        """Keep many requests in flight; what was in flight when the adapter died is asked again, one by one."""
        while queue:
            suspects: list[tuple[Vector, str]] = []
            adapter = await self._running()
            if adapter is None:
                await asyncio.gather(*(self._alone(vector) for vector in queue))
                return
            await asyncio.gather(*(self._feed(adapter, queue, suspects) for _ in range(IN_FLIGHT)))
            for vector, _ in suspects:
                await self._alone(vector)
            if suspects and all(not self._replies[vector.id].trouble for vector, _ in suspects):
                first, trouble = suspects[0]
                self._replies[first.id] = Reply(None, trouble=f"{trouble} among {IN_FLIGHT} requests; not when alone")

    async def _feed(self, adapter: Adapter, queue: deque[Vector], suspects: list[tuple[Vector, str]]) -> None:
        while queue and adapter.running:
            vector = queue.popleft()
            try:
                self._replies[vector.id] = await self._exchange(adapter, vector, ANSWER_MS)
                self._deaths = 0
            except AdapterError as error:
                suspects.append((vector, str(error)))
                await adapter.kill()

    async def _exchange(self, adapter: Adapter, vector: Vector, ms: float) -> Reply:
        began = time.monotonic()
        asked = adapter.begin(**vector.request)
        behind = adapter.begin(**self._good.request) if vector.verdict == "survive" else None
        answer = await adapter.answer(asked, ms * self._scale)
        last = await adapter.answer(behind, ms * self._scale) if behind is not None else None
        return Reply(answer, last, ms=(time.monotonic() - began) * 1000)

    async def _alone(self, vector: Vector) -> None:
        if self._deaths >= DEATHS:
            self._replies[vector.id] = Reply(None, trouble=f"the codec died {DEATHS} times in a row", asked=False)
            return
        adapter = await self._running()
        if adapter is None:
            self._replies[vector.id] = Reply(None, trouble="the codec did not answer hello", asked=False)
            return
        try:
            ms = UNSAYABLE_MS if vector.unsayable else ANSWER_MS
            self._replies[vector.id] = await self._exchange(adapter, vector, ms)
            self._deaths = 0
        except AdapterError as error:
            self._replies[vector.id] = await self._unanswered(adapter, vector, str(error))

    async def _unanswered(self, adapter: Adapter, vector: Vector, trouble: str) -> Reply:
        """Return the reply of an adapter that died, was silent, or answered what is no JSON."""
        is_alive = adapter.program.running
        stderr = adapter.stderr_tail
        await self._stop()
        if vector.unsayable and is_alive and (trouble.startswith(_UNREADABLE) or vector.op == "encode"):
            # It may well have read the document, and could not say so; or it could not read the request.
            return await self._after(vector, trouble)
        self._deaths += 1
        return Reply(None, trouble=trouble, stderr=stderr)

    async def _after(self, vector: Vector, trouble: str) -> Reply:
        """Ask for what is good, as nothing else can be told of a request that had no readable answer."""
        adapter = await self._running()
        try:
            behind = await adapter.ask(timeout_ms=ANSWER_MS * self._scale, **self._good.request) if adapter else None
        except AdapterError as error:
            return Reply(None, trouble=f"{trouble}; then {error}")
        return Reply({"failed": trouble}, behind)

    async def _running(self) -> Adapter | None:
        """Return the adapter, started and greeted if need be; None if it cannot be."""
        if self._adapter is not None and self._adapter.running:
            return self._adapter
        await self._stop()
        command = self._manifest.codec
        assert command is not None
        adapter = self._adapter = Adapter()
        try:
            await adapter.start(command, self._manifest.folder, self._manifest.env)
            await adapter.ask("hello", timeout_ms=self._manifest.startup_ms * self._scale)
        except AdapterError:
            self._deaths += 1
            await self._stop()
            return None
        return adapter

    async def _stop(self) -> None:
        adapter, self._adapter = self._adapter, None
        if adapter is not None:
            await adapter.kill()
