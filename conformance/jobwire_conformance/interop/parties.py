"""The implementations that take part, and their processes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..adapter import Adapter, AdapterError
from ..cases.loader import WorkerSettings
from ..manifest import Manifest, ManifestError, load
from ..processes import CommandMissing
from ..run import CouldNotRun, set_up
from ..server import Server
from ..wire.events import History
from ..wire.faults import Fault
from ..wire.proxy import Proxy
from ..workers import Worker, WorkerFailed

NEEDED = ("producer", "worker")
LEASE_MS = 15_000


@dataclass
class Party:
    """One implementation; `missing` says why it cannot take part."""

    name: str
    manifest: Manifest | None
    missing: str = ""


async def gather(paths: Sequence[Path]) -> list[Party]:
    """Read the manifests and run their setup; what is not there is no error here, but makes cells that are not run."""
    parties = [_party(path) for path in paths]
    names = [party.name for party in parties]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ManifestError(f"expected a name for each implementation, got {', '.join(sorted(twice))} twice")
    for party in parties:
        if party.manifest is not None and not party.missing:
            party.missing = await _setup_failure(party.manifest)
    return parties


def _party(path: Path) -> Party:
    manifest = load(path)
    lacks = [role for role in NEEDED if manifest.command(role) is None]
    return Party(manifest.name, manifest, f"it has no {lacks[0]}" if lacks else "")


async def _setup_failure(manifest: Manifest) -> str:
    try:
        await set_up(manifest)
    except (CouldNotRun, CommandMissing) as error:
        return str(error)
    return ""


class Company:
    """The processes of all parties, on one server in one namespace."""

    def __init__(self, server: Server, namespace: str, folder: Path, time_scale: float) -> None:
        self.history = History()
        self.folder = folder
        self._server = server
        self._namespace = namespace
        self._time_scale = time_scale
        self._workers: list[Worker] = []
        self._open = contextlib.AsyncExitStack()

    async def worker(
        self, party: Party, name: str, queues: Sequence[str], concurrency: int = 4, faults: Sequence[Fault] = ()
    ) -> Worker:
        """Start a worker; raise WorkerFailed or CommandMissing."""
        assert party.manifest is not None
        settings = WorkerSettings(queues=tuple(queues), concurrency=concurrency, lease_ms=LEASE_MS, grace_ms=1000)
        worker = Worker(
            name, party.manifest, settings, self.folder, self._server.address, self.history, self._namespace,
            self._time_scale,
        )  # fmt: skip
        self._open.push_async_callback(worker.close)
        self._workers.append(worker)
        for fault in faults:
            worker.plan(fault)
        await worker.start()
        return worker

    async def look_again(self) -> None:
        """Wait a moment, and read what the handlers have logged."""
        await asyncio.sleep(0.02)
        for worker in self._workers:
            worker.log.poll()

    async def producer(self, party: Party) -> Adapter:
        """Start the adapter of a producer; raise AdapterError or CommandMissing."""
        assert party.manifest is not None
        assert party.manifest.producer is not None
        proxy = Proxy(self._server.address, f"producer {party.name}", self.history, self._namespace)
        url = await proxy.start()
        self._open.push_async_callback(proxy.close)
        adapter = Adapter()
        env = {**party.manifest.env, "JOBWIRE_REDIS_URL": url, "JOBWIRE_NAMESPACE": self._namespace}
        await adapter.start(party.manifest.producer, party.manifest.folder, env)
        self._open.push_async_callback(adapter.close)
        await adapter.ask("hello", party.manifest.startup_ms * self._time_scale)
        return adapter

    async def close(self) -> None:
        """End all of them."""
        await self._open.aclose()


async def started(parties: Sequence[Party], start: Any) -> dict[str, Any]:
    """Start something for each party that can take part; one that fails is missing from then on."""
    able = [party for party in parties if not party.missing]
    outcomes = await asyncio.gather(*(start(party) for party in able), return_exceptions=True)
    found = {}
    for party, outcome in zip(able, outcomes, strict=True):
        if isinstance(outcome, WorkerFailed | AdapterError | CommandMissing):
            party.missing = str(outcome)
        elif isinstance(outcome, BaseException):
            raise outcome
        else:
            found[party.name] = outcome
    return found
