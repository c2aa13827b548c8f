"""Run a program under test in a process group of its own, which is always ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, cast

from .guard import Guard

_TAIL_BYTES: Final = 16_384
_LAST_WORDS_S: Final = 0.2
_guard = Guard()


class CommandMissing(Exception):
    """A command of the manifest could not be started at all."""


class Program(asyncio.SubprocessProtocol):
    """A process and its group; each line of its output goes to `on_line`, its status to `on_exit`."""

    def __init__(self, on_line: Callable[[bytes], None], on_exit: Callable[[int], None] | None = None) -> None:
        self._on_line = on_line
        self._on_exit = on_exit
        self._transport: asyncio.SubprocessTransport | None = None
        self._line = bytearray()
        self._stderr = bytearray()
        self._ended = asyncio.Event()
        self._drained = asyncio.Event()
        self.status: int | None = None

    async def start(self, command: Sequence[str], folder: Path, env: Mapping[str, str], *, talks: bool = False) -> None:
        """Start it; `talks` says that it reads standard input."""
        loop = asyncio.get_running_loop()
        try:
            transport, _ = await loop.subprocess_exec(
                lambda: self, *command, cwd=folder, env={**os.environ, **env}, start_new_session=True,
                stdin=asyncio.subprocess.PIPE if talks else asyncio.subprocess.DEVNULL,
            )  # fmt: skip
        except OSError as error:
            raise CommandMissing(f"{' '.join(command)}: {error.strerror or error}") from error
        self._transport = transport

    @property
    def stderr_tail(self) -> str:
        """The end of what it wrote to standard error."""
        return self._stderr.decode("utf-8", "replace")

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._transport is not None and self.status is None

    def write(self, data: bytes) -> None:
        """Write to its standard input."""
        pipe = self._transport.get_pipe_transport(0) if self._transport else None
        if pipe is not None and not pipe.is_closing():
            cast(asyncio.WriteTransport, pipe).write(data)

    def end_input(self) -> None:
        """Close its standard input."""
        pipe = self._transport.get_pipe_transport(0) if self._transport else None
        if pipe is not None:
            pipe.close()

    def signal(self, number: int) -> None:
        """Send a signal to its group."""
        if self._transport is not None and self.running:
            # Wrappers such as `npm run` would keep the real program alive if only they were told.
            _signal_group(self._transport.get_pid(), number)

    def kill_now(self) -> None:
        """End the group at once, without waiting for it."""
        self.signal(signal.SIGKILL)

    async def exited(self, within_s: float | None) -> int | None:
        """Wait until it has ended; return its status, or None if it has not."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), within_s)
            # Its last words can be read after its end; somebody outside its group could keep the pipe open.
            await asyncio.wait_for(self._drained.wait(), _LAST_WORDS_S)
        return self.status

    async def kill(self) -> None:
        """End the group at once."""
        if self._transport is not None:
            self.signal(signal.SIGKILL)
            await self._ended.wait()
            await self.exited(_LAST_WORDS_S)
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the group, so that it is ended whatever happens."""
        self._transport = cast(asyncio.SubprocessTransport, transport)
        _guard.add(self._transport.get_pid())

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Pass on whole lines; keep the end of standard error."""
        if fd == 2:
            self._stderr += data
            del self._stderr[:-_TAIL_BYTES]
            return
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._on_line(bytes(self._line) + line)
            self._line.clear()
        self._line += rest

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that there is nothing more to read."""
        self._drained.set()

    def process_exited(self) -> None:
        """Note the status, and end what is left of the group."""
        assert self._transport is not None
        pid, status = self._transport.get_pid(), self._transport.get_returncode()
        _signal_group(pid, signal.SIGKILL)
        _guard.remove(pid)
        self.status = -1 if status is None else status
        self._ended.set()
        if self._on_exit is not None:
            self._on_exit(self.status)


def _signal_group(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
