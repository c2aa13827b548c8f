"""Run what was asked for against one implementation, and emit a record of each verdict."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
import os
import random
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .about import header
from .cases.loader import Case
from .cases.steps import CRASHED, LATE, NOT_READY, World, run_case
from .codec.engine import run_vectors
from .codec.vectors import Vector
from .elsewhere import Elsewhere
from .greeting import greet
from .manifest import KnownFailing, Manifest
from .model import CaseResult, Status
from .plan import Planned, Selection, everything, plan, skipped
from .processes import CommandMissing, Program
from .report.verdict import VERDICTS, Exit, counts, exit_code, is_filtered
from .server import Server, ServerFailed
from .slots import Slots
from .sweep import Sweep, run_sweep

Emit = Callable[[dict[str, Any]], None]
SETUP_S = 600.0
CRASHES = 3
# If more cases than these were late, it is not for want of processor time.
FEW = 5


class CouldNotRun(Exception):
    """Nothing could be judged; `exit_code` says whose fault that is."""

    def __init__(self, message: str, exit_code: Exit) -> None:
        self.exit_code = exit_code
        super().__init__(message)


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a run is done."""

    concurrency: int | None = None
    """How many cases at a time; by default two a processor, and one."""
    seed: int | None = None
    time_scale: float = 1.0
    without: tuple[str, ...] = ()
    """The rules that are not looked at in every case."""
    redis_url: str | None = None
    """A server for all cases to share; by default one of the suite's own."""
    progress: Callable[[CaseResult, int, int], None] | None = None
    """Gets each verdict, how many there are by now, and how many there will be."""


async def run(manifest: Manifest, selection: Selection, options: Options, emit: Emit) -> int:
    """Run, emit all records, and return the exit code; raise CouldNotRun."""
    known = everything()
    _check_known_failing(manifest, known)
    planned = plan(manifest, selection, known)
    seed = secrets.randbelow(2**32) if options.seed is None else options.seed
    try:
        await set_up(manifest)
        async with _world(manifest, options) as world:
            hello, deaf = await greet(manifest, options.time_scale)
            first = await header(manifest, selection, world.server, hello, seed, options.time_scale)
            emit(first)
            execution = Execution(world, options, emit, planned.cases)
            execution.take(planned.others)
            execution.refuse(deaf)
            await execution.run(random.Random(seed))
    except CommandMissing as error:
        raise CouldNotRun(str(error), Exit.ENVIRONMENT) from error
    except ServerFailed as error:
        raise CouldNotRun(f"no server: {error}", Exit.ENVIRONMENT) from error
    code = exit_code(execution.results, is_filtered(first))
    emit({"kind": "footer", "counts": counts(execution.results), "verdict": VERDICTS[code], "exit_code": int(code)})
    return int(code)


def _check_known_failing(manifest: Manifest, known: Sequence[Planned]) -> None:
    ids = {case.id for case in known}
    unknown = [entry.case for entry in manifest.known_failing if entry.case not in ids]
    if unknown:
        raise CouldNotRun(f"{manifest.path}: known_failing: no case {', '.join(unknown)}", Exit.USAGE)


async def set_up(manifest: Manifest) -> None:
    """Run the setup command of the manifest."""
    if manifest.setup is None:
        return
    output: list[bytes] = []
    program = Program(output.append)
    await program.start(manifest.setup, manifest.folder, manifest.env)
    status = await program.exited(SETUP_S)
    await program.kill()
    if status != 0:
        got = "no end within 600 s" if status is None else f"status {status}"
        tail = b"\n".join(output[-20:]).decode("utf-8", "replace") + program.stderr_tail[-2000:]
        raise CouldNotRun(f"setup {' '.join(manifest.setup)}: wanted status 0, got {got}\n{tail}", Exit.ENVIRONMENT)


@contextlib.asynccontextmanager
async def _world(manifest: Manifest, options: Options) -> AsyncIterator[World]:
    server = Elsewhere(options.redis_url) if options.redis_url else Server()
    folder = Path(tempfile.mkdtemp(prefix="jobwire-conformance-"))
    try:
        await server.start()
        client = server.client()
        try:
            yield World(manifest, server, client, folder, options.time_scale, options.without)
        finally:
            await client.aclose()
    finally:
        await server.close()
        shutil.rmtree(folder, ignore_errors=True)


class Execution:
    """One run while it goes on."""

    def __init__(self, world: World, options: Options, emit: Emit, cases: Sequence[Planned]) -> None:
        self.results: list[CaseResult] = []
        self._world = world
        self._emit = emit
        self._progress = options.progress
        self._total = len(cases)
        self._cases = list(cases)
        self._done = 0
        self._slots = Slots(options.concurrency or 1 + 2 * (os.cpu_count() or 1))
        self._again: list[tuple[Case, CaseResult]] = []
        self._crashes: dict[str, int] = {}
        self._came_up: set[str] = set()
        self._known = {entry.case: entry for entry in world.manifest.known_failing}

    def take(self, results: Sequence[CaseResult]) -> None:
        """Emit verdicts that need no run."""
        for result in results:
            self.results.append(result)
            self._emit({"kind": "case", **result.record()})

    def refuse(self, deaf: dict[str, CaseResult]) -> None:
        """Give up the roles whose adapters do not answer as they have to."""
        self.take(list(deaf.values()))
        for case in [case for case in self._cases if case.role in deaf]:
            self._finish(skipped(case, Status.NOT_RUN, deaf[case.role].reason))
        self._cases = [case for case in self._cases if case.role not in deaf]

    async def run(self, chance: random.Random) -> None:
        """Run the cases side by side, then one by one what needs the machine for itself."""
        cases = [case for case in self._cases if isinstance(case, Case)]
        vectors = [case for case in self._cases if isinstance(case, Vector)]
        sweeps = [case for case in self._cases if isinstance(case, Sweep)]
        for part in (cases, vectors, sweeps):
            # A shuffle of a list depends on the seed and its length alone.
            chance.shuffle(part)
        jobs = [asyncio.ensure_future(self._case(case)) for case in cases]
        if vectors:
            jobs.insert(0, asyncio.ensure_future(self._vectors(vectors)))
        await _all(jobs)
        for sweep in sweeps:
            # It runs many workers at a time by itself.
            await self._sweep(sweep)
        await self._run_again()

    async def _case(self, case: Case) -> None:
        # A server of its own takes as much again.
        async with self._slots.taken(2 if case.server == "own" or case.acl else 1):
            if self._crashes.get(case.role, 0) >= CRASHES:
                self._finish(
                    skipped(case, Status.NOT_RUN, f"the {case.role} crashed or did not come up {CRASHES} times")
                )
                return
            result = await run_case(case, self._world)
        if result.status is Status.PASS:
            self._came_up.add(case.role)
        # One that has come up before is only late.
        elif result.reason.startswith((CRASHED, *([] if case.role in self._came_up else [NOT_READY]))):
            self._crashes[case.role] = self._crashes.get(case.role, 0) + 1
        if result.status is Status.SLOW or result.reason.startswith(LATE):
            self._again.append((case, result))
        else:
            self._finish(result)

    async def _vectors(self, vectors: list[Vector]) -> None:
        async with self._slots.taken(1):
            results = await run_vectors(self._world.manifest, vectors, time_scale=self._world.time_scale)
        for result in results:
            self._finish(result)

    async def _sweep(self, sweep: Sweep) -> None:
        if self._crashes.get(sweep.role, 0) >= CRASHES:
            self._finish(skipped(sweep, Status.NOT_RUN, f"the {sweep.role} crashed or did not come up {CRASHES} times"))
            return
        self._finish(await run_sweep(sweep, self._world))

    async def _run_again(self) -> None:
        """Run alone what missed nothing but limits of time."""
        late = sum(result.status is not Status.SLOW for _, result in self._again)
        for case, result in self._again:
            if result.status is Status.SLOW or late <= max(FEW, self._total // 20):
                result = await run_case(case, self._world)
            self._finish(result)

    def _finish(self, result: CaseResult) -> None:
        entry = self._known.get(result.id)
        if entry is not None:
            result = excused(result, entry, datetime.datetime.now(datetime.UTC).date())
        self._done += 1
        self.take([result])
        if self._progress is not None:
            self._progress(result, self._done, self._total)


def excused(result: CaseResult, entry: KnownFailing, today: datetime.date) -> CaseResult:
    """Return the verdict on a case that is known to fail."""
    if result.status in (Status.PASS, Status.WARN, Status.SLOW):
        reason = f"listed as known to fail ({entry.reason}), and it passed: take it off the list"
        return dataclasses.replace(result, status=Status.STALE, reason=reason)
    if result.status is not Status.FAIL:
        return result
    if today > entry.until:
        reason = f"known to fail until {entry.until}, which is over: {result.reason}"
        return dataclasses.replace(result, reason=reason)
    return dataclasses.replace(result, status=Status.KNOWN, reason=f"{entry.reason} (until {entry.until})")


async def _all(tasks: Sequence[asyncio.Future[None]]) -> None:
    """Wait for all tasks; when one fails, end the others before that is told."""
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
