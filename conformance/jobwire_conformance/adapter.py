"""Talk to an adapter: one JSON object a line, answers in any order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .processes import Program


class AdapterError(Exception):
    """The adapter gave no answer that can be used: it ended, was silent, or wrote something else."""


class Adapter:
    """The process of a codec or a producer."""

    def __init__(self) -> None:
        self._program = Program(self._take, self._ended)
        self._open: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._abandoned: set[int] = set()
        self._ref = 0
        self._trouble = ""

    async def start(self, command: Sequence[str], cwd: Path, env: Mapping[str, str]) -> None:
        """Start it; the first answer says that it is ready."""
        await self._program.start(command, cwd, env, talks=True)

    @property
    def stderr_tail(self) -> str:
        """The end of what it wrote to standard error."""
        return self._program.stderr_tail

    @property
    def running(self) -> bool:
        """Whether it can be asked."""
        return self._program.running and not self._trouble

    @property
    def program(self) -> Program:
        """The process."""
        return self._program

    async def ask(self, op: str, timeout_ms: float = 10_000, **request: Any) -> dict[str, Any]:
        """Send a request and return the answer to it."""
        return await self.answer(self.begin(op, **request), timeout_ms)

    def begin(self, op: str, **request: Any) -> asyncio.Future[dict[str, Any]]:
        """Send a request; the answer is waited for elsewhere."""
        self._ref += 1
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        # Nobody may wait for it any more when the process ends.
        answer.add_done_callback(lambda done: done.cancelled() or done.exception())
        if not self.running:
            answer.set_exception(AdapterError(self._trouble or f"the adapter has ended, status {self._program.status}"))
            return answer
        self._open[self._ref] = answer
        line = json.dumps({"op": op, "ref": self._ref, **request}, separators=(",", ":"), allow_nan=False)
        self._program.write(line.encode("utf-8", "surrogatepass") + b"\n")
        return answer

    async def answer(self, begun: asyncio.Future[dict[str, Any]], timeout_ms: float) -> dict[str, Any]:
        """Wait for the answer to a request that was begun."""
        try:
            return await asyncio.wait_for(asyncio.shield(begun), timeout_ms / 1000)
        except TimeoutError:
            for ref, pending in list(self._open.items()):
                if pending is begun:
                    self._abandoned.add(ref)
                    del self._open[ref]
            raise AdapterError(f"wanted an answer within {timeout_ms:.0f} ms, got none") from None

    async def close(self) -> int | None:
        """Close its input, give it a moment to end, and end it; return the status if it ended by itself."""
        self._program.end_input()
        status = await self._program.exited(1.0) if self._program.running else self._program.status
        await self._program.kill()
        return status

    async def kill(self) -> None:
        """End it at once."""
        await self._program.kill()

    def _take(self, line: bytes) -> None:
        try:
            value = json.loads(line)
            ref = value.pop("ref")
            waiting = self._open.pop(ref, None)
        except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
            self._fail(f"wanted a JSON object with the ref of a request, got {line[:200]!r}")
            return
        if waiting is None and ref not in self._abandoned:
            self._fail(f"wanted the ref of a request that has no answer yet, got {line[:200]!r}")
        elif waiting is not None and not waiting.done():
            waiting.set_result(value)

    def _ended(self, status: int) -> None:
        self._fail(f"the adapter ended with status {status}")

    def _fail(self, trouble: str) -> None:
        self._trouble = self._trouble or trouble
        for waiting in self._open.values():
            if not waiting.done():
                waiting.set_exception(AdapterError(self._trouble))
        self._open.clear()
