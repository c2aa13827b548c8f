"""Set up what a running case needs, keep what it finds out, and clear everything away."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import redis.asyncio as redis

from ..adapter import Adapter
from ..model import Check, Status, requirements
from ..server import Server
from ..store import Store
from ..wire.events import History
from ..wire.proxy import Proxy
from ..workers import Worker
from .loader import Case
from .texts import fill, needs_now
from .world import World

DEFAULT_QUEUE = "default"
PRODUCER = "producer"


class StepFailed(Exception):
    """A step did not go as the case says; what follows has nothing to stand on."""


class Scene:
    """One case while it runs: its server, namespace, folder, programs, history and checks."""

    def __init__(self, case: Case, world: World) -> None:
        self.case = case
        self.world = world
        self.namespace = world.namespace()
        self.folder: Path = world.folder / self.namespace
        self.history = History()
        self.checks: list[Check] = []
        # Whether something did not come in time that more time could have brought.
        self.late = False
        # Whether a program did not come up, or ended while it was asked.
        self.crashed = False
        self.tokens: dict[tuple[str, str], str] = {}
        self.sent: dict[tuple[str, str], bytes] = {}
        self.begun: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self.producer: Adapter | None = None
        self.producer_proxy: Proxy | None = None
        self.producer_url = ""
        self.workers: dict[str, Worker] = {}
        self.server = world.server
        self._client: redis.Redis = world.client
        self.store = Store(world.client, self.namespace)

    @property
    def requirement(self) -> str:
        """The requirement that a check without one of its own judges."""
        return self.case.requirements[0]

    async def open(self) -> None:
        """Make the folder and the workers, and start the case's own server if it needs one."""
        self.folder.mkdir(parents=True)
        if self.case.server == "own" or self.case.acl:
            server = Server()
            persists = any(step.get("server") in ("restart", "stop", "start") for step in self.case.steps)
            acl = self.namespace if self.case.acl else None
            await server.start(aof=persists, config=self.case.config, acl=acl)
            self.server = server
            self._client = server.client()
            self.store = Store(self._client, self.namespace)
        for name, settings in self.case.workers.items():
            self.workers[name] = Worker(
                name, self.world.manifest, settings, self.folder, self.server.address, self.history, self.namespace,
                self.world.time_scale,
            )  # fmt: skip

    async def stop_programs(self) -> None:
        """End all programs of the case, and read the logs to their end."""
        await asyncio.gather(*(worker.close() for worker in self.workers.values()))
        if self.producer is not None:
            await self.producer.kill()
        if self.producer_proxy is not None:
            await self.producer_proxy.close()

    async def close(self) -> None:
        """End what still runs, and delete the keys and files of the case."""
        await self.stop_programs()
        if self.server is self.world.server:
            await self.store.clear()
        else:
            with contextlib.suppress(redis.RedisError):
                await self._client.aclose()
            await self.server.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def poll_logs(self) -> None:
        """Read what handlers have written since the last time."""
        for worker in self.workers.values():
            worker.log.poll()

    async def filled(self, value: Any) -> Any:
        """Return a step with its holes filled."""
        now = await self.store.now() if needs_now(value) else 0
        return fill(value, self.folder, now)

    def worker(self, name: str) -> Worker:
        """Return a worker of the case."""
        return self.workers[name]

    def passed(self, what: str, requirement: str | None = None, expected: str = "") -> None:
        """Note that something is as it has to be."""
        self.checks.append(Check(requirement or self.requirement, what, Status.PASS, expected))

    def failed(
        self, what: str, expected: str, got: str, *, requirement: str | None = None,
        at: float | None = None, status: Status = Status.FAIL,
    ) -> None:  # fmt: skip
        """Note that something is not as it has to be."""
        requirement = requirement or self.requirement
        self.checks.append(Check(requirement, what, status, f"{expected} [{requirement}]", got, at))

    def fail(self, what: str, expected: str, got: str, requirement: str | None = None) -> StepFailed:
        """Note a failure that ends the case; raise what it returns."""
        self.failed(what, expected, got, requirement=requirement)
        return StepFailed(what)

    def miss(self, what: str, expected: str, got: str, requirement: str | None = None, at: float | None = None) -> None:
        """Note that a judgement went wrong; it ends the case unless it only speaks of what should be."""
        status = self.fault_of(requirement)
        self.failed(what, expected, got, requirement=requirement, at=at, status=status)
        if status is Status.FAIL:
            raise StepFailed(what)

    def fault_of(self, requirement: str | None) -> Status:
        """Return what it is not to meet a requirement: a warning, or a failure."""
        level = requirements()[requirement or self.requirement].level
        return Status.WARN if level.startswith("SHOULD") else Status.FAIL

    def stderr(self, limit: int = 16_384) -> str:
        """Return what the programs wrote to standard error, each under its name."""
        return "".join(f"--- {name}\n{text[-limit:]}\n" for name, text in self._tails() if text.strip())

    def _tails(self) -> Iterator[tuple[str, str]]:
        for name, worker in self.workers.items():
            yield name, worker.stderr_tail
        if self.producer is not None:
            yield PRODUCER, self.producer.stderr_tail
