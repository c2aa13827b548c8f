"""Run cases against many implementations, with one server and one set of slots for all of them."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Collection, Sequence
from pathlib import Path
from typing import Final

import redis.asyncio as redis

from ..cases.loader import Case
from ..cases.steps import run_case
from ..cases.world import World
from ..codec.engine import run_vectors
from ..codec.vectors import Vector
from ..manifest import Manifest
from ..model import CaseResult, Status
from ..plan import Planned
from ..server import Server
from ..slots import Slots
from ..sweep import Sweep, run_sweep

# Most cases wait most of the time.
CASES_A_PROCESSOR: Final = 4
FAILED: Final = (Status.FAIL, Status.WARN)


class Lab:
    """A server, a folder, and so many slots for cases."""

    def __init__(self, server: Server, client: redis.Redis, folder: Path, slots: int) -> None:
        self._server = server
        self._client = client
        self._folder = folder
        self._slots = Slots(slots)
        self._numbers = itertools.count(1)

    def folder(self) -> Path:
        """Return a folder that nobody has used."""
        folder = self._folder / str(next(self._numbers))
        folder.mkdir()
        return folder

    def wider(self, factor: int) -> Lab:
        """Return this with so many times the slots, for cases that do nothing but wait."""
        other = copy.copy(self)
        other._slots = Slots(factor * self._slots.count)
        return other

    async def results(
        self, manifest: Manifest, cases: Sequence[Planned], *, time_scale: float = 1.0, without: Collection[str] = ()
    ) -> list[CaseResult]:
        """Run cases of all kinds against one implementation."""
        world = World(manifest, self._server, self._client, self.folder(), time_scale, without)
        vectors = [case for case in cases if isinstance(case, Vector)]
        parts = [self._one(case, world) for case in cases if isinstance(case, Case | Sweep)]
        try:
            found = await asyncio.gather(self._vectors(vectors, world), *parts)
        finally:
            shutil.rmtree(world.folder, ignore_errors=True)
        return list(itertools.chain.from_iterable(found))

    async def _vectors(self, vectors: list[Vector], world: World) -> list[CaseResult]:
        if not vectors:
            return []
        async with self._slots.taken(1):
            return await run_vectors(world.manifest, vectors, time_scale=world.time_scale)

    async def _one(self, case: Case | Sweep, world: World) -> list[CaseResult]:
        # A sweep runs many workers at a time by itself.
        needs = 4 if isinstance(case, Sweep) else 2 if case.server == "own" or case.acl else 1
        async with self._slots.taken(needs):
            return [await (run_sweep(case, world) if isinstance(case, Sweep) else run_case(case, world))]


@contextlib.asynccontextmanager
async def laboratory(slots: int | None = None) -> AsyncIterator[Lab]:
    """Start the server, and clear everything away in the end."""
    server, folder = Server(), Path(tempfile.mkdtemp(prefix="jobwire-self-test-"))
    try:
        await server.start()
        async with contextlib.aclosing(server.client()) as client:
            yield Lab(server, client, folder, slots or CASES_A_PROCESSOR * (os.cpu_count() or 1))
    finally:
        await server.close()
        shutil.rmtree(folder, ignore_errors=True)
