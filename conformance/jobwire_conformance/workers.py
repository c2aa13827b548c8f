"""Run a worker under test behind a proxy, and read what its handlers log."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from pathlib import Path
from typing import Any

from .cases.loader import WorkerSettings
from .manifest import Manifest
from .processes import Program
from .wire.events import History, now_ms
from .wire.faults import Fault
from .wire.proxy import Proxy


class WorkerFailed(Exception):
    """A worker did not come up."""


class WorkerLate(WorkerFailed):
    """A worker was not ready in time, and has not ended."""


class HandlerLog:
    """The file to which the handlers of a worker write."""

    def __init__(self, path: Path, worker: str, history: History) -> None:
        self.path = path
        self.problems: list[str] = []
        self._worker = worker
        self._history = history
        self._offset = 0
        self._since = now_ms()

    def poll(self) -> None:
        """Put the lines that are new into the history."""
        try:
            if self.path.stat().st_size <= self._offset:
                return
            with self.path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            entry = json.loads(line)
            kind, at = entry.pop("event"), entry["at"]
        except (ValueError, KeyError, AttributeError, TypeError):
            self._refuse("a JSON object with event and at", line)
            return
        if kind not in ("start", "end"):
            self._refuse("event start or end", line)
        elif not isinstance(at, int | float) or not self._since - 1000 <= at <= now_ms() + 1000:
            # Another clock or another unit would put the events in a wrong order.
            self._refuse(f"at in ms of the machine, about {now_ms():.0f}", line)
        else:
            self._history.add({"log": kind, **entry, "worker": self._worker, "at": float(at)})

    def _refuse(self, wanted: str, line: bytes) -> None:
        self.problems.append(f"log of the handlers: wanted {wanted}, got {line[:200]!r}")


class Worker:
    """One worker of a case; started again after an exit it is a new process with the same name and log."""

    def __init__(
        self, name: str, manifest: Manifest, settings: WorkerSettings, folder: Path,
        upstream: tuple[str, int], history: History, namespace: str, time_scale: float = 1.0,
    ) -> None:  # fmt: skip
        self.name = name
        self.settings = settings
        self.log = HandlerLog(folder / f"{name}.log", name, history)
        self.proxy = Proxy(upstream, name, history, namespace)
        self._manifest = manifest
        self._upstream = upstream
        self._history = history
        self._namespace = namespace
        self._startup_s = manifest.startup_ms * time_scale / 1000
        self._program: Program | None = None
        self._ready = asyncio.Event()
        self._faults: list[Fault] = []
        self._stderr: list[str] = []

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self._program is not None and self._program.running

    @property
    def stderr_tail(self) -> str:
        """The end of what its processes wrote to standard error."""
        last = [self._program.stderr_tail] if self._program else []
        return "".join([*self._stderr, *last])[-16_384:]

    def plan(self, fault: Fault) -> None:
        """Let the proxy do something: to the process that runs, or else to the next one."""
        if self._program is None or self.running:
            self.proxy.faults.add(fault)
        else:
            self._faults.append(fault)

    async def start(self) -> None:
        """Start a process and wait until it is ready."""
        command = self._manifest.worker
        if command is None:
            raise WorkerFailed("the manifest has no worker")
        if self.running:
            raise WorkerFailed(f"worker {self.name} runs already")
        await self._renew()
        self.proxy.on_kill = self._send_kill
        url = await self.proxy.start()
        self._ready.clear()
        self._program = Program(self._said, self._exited)
        self._history.add({"process": "started", "worker": self.name})
        await self._program.start(command, self._manifest.folder, self._env(url))
        await self._await_ready(self._program)
        self._history.add({"process": "ready", "worker": self.name})

    async def kill(self) -> None:
        """End its group at once."""
        self._send_kill()
        if self._program is not None:
            await self._program.kill()

    def signal(self, name: str) -> None:
        """Send TERM, INT, STOP or CONT to its group."""
        if self.running and self._program is not None:
            self._history.add({"process": "signalled", "worker": self.name, "signal": name})
            self._program.signal(getattr(signal, f"SIG{name}"))

    async def exited(self, within_ms: float) -> int | None:
        """Wait until its process has ended; return the status, or None if it has not."""
        if self._program is None:
            return None
        return await self._program.exited(within_ms / 1000)

    async def close(self) -> None:
        """End its process and its proxy, and read the log to its end."""
        if self._program is not None:
            await self._program.kill()
        await self.proxy.close()
        self.log.poll()

    async def _renew(self) -> None:
        """Put a new proxy in the place of that of a process that has ended."""
        if self._program is None:
            return
        self._stderr.append(self._program.stderr_tail)
        await self._program.kill()
        await self.proxy.close()
        self.proxy = Proxy(self._upstream, self.name, self._history, self._namespace)
        for fault in self._faults:
            self.proxy.faults.add(fault)
        self._faults.clear()

    def _env(self, url: str) -> dict[str, str]:
        return {
            **self._manifest.env,
            "JOBWIRE_REDIS_URL": url,
            "JOBWIRE_NAMESPACE": self._namespace,
            "JOBWIRE_QUEUES": ",".join(self.settings.queues),
            "JOBWIRE_CONCURRENCY": str(self.settings.concurrency),
            "JOBWIRE_LEASE_MS": str(self.settings.lease_ms),
            "JOBWIRE_GRACE_MS": str(self.settings.grace_ms),
            "JOBWIRE_WORKER": self.name,
            "JOBWIRE_CONFORMANCE_LOG": str(self.log.path),
        }

    async def _await_ready(self, program: Program) -> None:
        ready = asyncio.ensure_future(self._ready.wait())
        ended = asyncio.ensure_future(program.exited(None))
        done, pending = await asyncio.wait({ready, ended}, timeout=self._startup_s, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if ready not in done:
            wanted = f"worker {self.name}: wanted the line ready"
            if ended in done:
                raise WorkerFailed(f"{wanted}, got status {program.status}")
            raise WorkerLate(f"{wanted}, got nothing within {self._startup_s * 1000:.0f} ms")

    def _said(self, line: bytes) -> None:
        if line.strip() == b"ready":
            self._ready.set()

    def _exited(self, status: int) -> None:
        self.log.poll()
        self._history.add({"process": "exited", "worker": self.name, "status": status})

    def _send_kill(self) -> None:
        if self.running and self._program is not None:
            self._history.add({"process": "signalled", "worker": self.name, "signal": "KILL"})
            self._program.signal(signal.SIGKILL)


def settings_of(worker: WorkerSettings) -> dict[str, Any]:
    """Return the settings as values of JSON."""
    return {
        "queues": list(worker.queues),
        "concurrency": worker.concurrency,
        "lease_ms": worker.lease_ms,
        "grace_ms": worker.grace_ms,
    }
