"""Run a scenario: one worker that lives, one death at each of its commands, and one worker after them all."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .binding import key
from .cases.texts import fill
from .documents import Unreadable, read, write
from .model import CaseResult, Check, Status, overall
from .store import Item, Store
from .sweep_judge import End, Found, expected, problems
from .sweep_points import Point, points
from .wire.events import History, now_ms
from .wire.faults import Fault
from .workers import Worker, WorkerFailed

if TYPE_CHECKING:
    from .cases.world import World
    from .sweep import Sweep

# How long a worker can take for what is a matter of ms.
PATIENCE_S: Final = 15.0
LOOK_AGAIN_MS: Final = 50
# More processes than processors, since a process that starts also waits.
AT_A_TIME: Final = (os.cpu_count() or 1) + 2
# A worker claims from each of its queues in turn, so one of many queues is slow.
TRIALS_A_WORKER: Final = 8


@dataclass
class Trial:
    """One worker, its queues and jobs, and the point at which it dies; none: it lives."""

    mark: str
    point: Point | None
    jobs: list[dict[str, Any]]
    ends: dict[str, End]
    folder: Path
    history: History = field(default_factory=History)
    ended_at: float | None = None
    did: bool = False
    fault: Fault | None = None
    left: dict[str, Found] = field(default_factory=dict)
    now: dict[str, Found] = field(default_factory=dict)
    failure: str = ""
    second: str = ""
    after: History = field(default_factory=History)

    @cached_property
    def wanted(self) -> dict[str, End]:
        """How the jobs have to end after what its worker left."""
        return expected(self.ends, self.left, [job["id"] for job in self.jobs])

    def last_settled(self) -> float:
        """Return when it settled for the last time: what a worker does after that is for the next jobs."""
        settled = [event["at"] for event in self.history.events if event.get("call") == "settle"]
        return max(settled, default=self.ended_at or 0)

    def has(self, ends: Mapping[str, End]) -> bool:
        """Whether all jobs have ended so."""
        return all(self.now[id].state == end.state for id, end in ends.items())

    def events(self) -> list[dict[str, Any]]:
        """Return what both workers said and did about its jobs."""
        return [event for event in (*self.history.events, *self.after.events) if event.get("id") in self.ends]

    @property
    def name(self) -> str:
        """The name of its worker."""
        return f"A{self.mark}"


def placed(value: Any, mark: str) -> Any:
    """Return jobs with ids, queues and groups of their own."""
    if isinstance(value, dict):
        own = ("id", "queue", "group")
        return {
            name: f"{member}{mark}" if name in own and isinstance(member, str) else placed(member, mark)
            for name, member in value.items()
        }
    return [placed(member, mark) for member in value] if isinstance(value, list) else value


async def run_sweep(sweep: Sweep, world: World) -> CaseResult:
    """Run a scenario and judge each death."""
    began = time.monotonic()
    scene = Scene(sweep, world)
    checks = await scene.run()
    return CaseResult(
        id=sweep.id,
        says=sweep.says,
        requirements=sweep.requirements,
        role=sweep.role,
        profile=sweep.profile,
        status=overall(checks),
        ms=(time.monotonic() - began) * 1000,
        checks=tuple(checks),
    )


class Scene:
    """One scenario in a namespace of its own."""

    def __init__(self, sweep: Sweep, world: World) -> None:
        self.sweep = sweep
        self.world = world
        self.namespace = world.namespace()
        self.store = Store(world.client, self.namespace)
        self.slots = asyncio.Semaphore(AT_A_TIME)

    async def run(self) -> list[Check]:
        """Run a worker that lives, then one for each point, then the one after them."""
        first = self._trial(0, None)
        await self._live(first)
        await self._look(first)
        if first.ended_at is None:
            first.left = first.now
            return [self._check(first)]
        found = points(first.history.transcript, self.namespace, first.last_settled(), first.mark)
        trials = [first, *(self._trial(number, point) for number, point in enumerate(found, start=1))]
        await asyncio.gather(*map(self._live, trials[1:]))
        await asyncio.gather(*map(self._leave, trials))
        parts = [trials[at : at + TRIALS_A_WORKER] for at in range(0, len(trials), TRIALS_A_WORKER)]
        await asyncio.gather(*(self._finish(part, f"B-{number}") for number, part in enumerate(parts)))
        return [self._check(trial) for trial in trials]

    def _trial(self, number: int, point: Point | None) -> Trial:
        mark = f"-{number}"
        folder = self.world.folder / self.namespace / str(number)
        folder.mkdir(parents=True)
        ends = {
            f"{id}{mark}": End(f"{end.queue}{mark}", end.state, placed(end.document, mark), end.starts)
            for id, end in self.sweep.ends.items()
        }
        jobs = [placed({"jobwire": "1.0", "queue": "default", **job}, mark) for job in self.sweep.jobs]
        return Trial(mark, point, jobs, ends, folder)

    async def _live(self, trial: Trial) -> None:
        """Let a worker run the jobs of a trial until it dies, or they have ended."""
        async with self.slots:
            await self._enqueue(trial)
            queues = [f"{queue}{trial.mark}" for queue in self.sweep.worker.queues]
            worker = self._worker(trial.name, queues, trial.folder, trial.history)
            if trial.point:
                when = {name: f"{value}{trial.mark}" if name == "queue" else value for name, value in trial.point.when}
                trial.fault = Fault(when, trial.point.do, nth=trial.point.nth)
                worker.plan(trial.fault)
            try:
                await worker.start()
                await self._attend(trial, worker)
            except WorkerFailed as error:
                # A death at its first command can come before the suite has read that it is ready.
                if trial.fault is None or not trial.fault.done.is_set():
                    trial.failure = str(error)
            finally:
                await worker.close()

    def _worker(self, name: str, queues: Sequence[str], folder: Path, history: History) -> Worker:
        world = self.world
        settings = dataclasses.replace(self.sweep.worker, queues=tuple(queues))
        return Worker(
            name, world.manifest, settings, folder, world.server.address, history, self.namespace, world.time_scale
        )

    async def _attend(self, trial: Trial, worker: Worker) -> None:
        """Do what the suite does meanwhile; return once the worker is dead or has nothing left to do."""
        deadline = time.monotonic() + PATIENCE_S * self.world.time_scale
        while time.monotonic() < deadline:
            status = await worker.exited(LOOK_AGAIN_MS)
            worker.log.poll()
            await self._meddle(trial, worker)
            await self._look(trial)
            if status is not None or trial.has(trial.ends):
                trial.ended_at = now_ms()
                return

    async def _meddle(self, trial: Trial, worker: Worker) -> None:
        during = self.sweep.during
        if not during or trial.did:
            return
        id = f"{during['started']}{trial.mark}"
        if any(event.get("log") == "start" and event["id"] == id for event in trial.history.events):
            trial.did = True
            if during["do"] == "stop":
                worker.signal("TERM")
            else:
                await self.store.cancel(trial.ends[id].queue, id)

    async def _enqueue(self, trial: Trial) -> None:
        now = await self.store.now()
        for job in fill(trial.jobs, trial.folder, now):
            encoding = job.pop("encoding", "json")
            retry = job.get("retry", {}).get("max_attempts", 3)
            item = Item(job["id"], write(job, encoding), max_attempts=retry)
            await self.store.enqueue(job["queue"], [item])
        if self.sweep.orphaned:
            for queue in {job["queue"] for job in trial.jobs}:
                await self.store.claim(queue)
            await self._lapse(trial)

    async def _leave(self, trial: Trial) -> None:
        """See what a death has left, and end the leases."""
        during = self.sweep.during
        if during and during["do"] == "cancel" and not trial.did:
            id = f"{during['started']}{trial.mark}"
            await self.store.cancel(trial.ends[id].queue, id)
        await self._look(trial)
        trial.left = trial.now
        await self._lapse(trial)
        if self.sweep.opens:
            (trial.folder / self.sweep.opens).touch()

    async def _lapse(self, trial: Trial) -> None:
        for id, end in trial.ends.items():
            for name in ("active", "scheduled"):
                await self.store.client.zadd(key(self.namespace, end.queue, name), {id: 1}, xx=True)

    async def _finish(self, trials: Sequence[Trial], second: str) -> None:
        """Let one worker bring the jobs of some trials to their end."""
        queues = [f"{queue}{trial.mark}" for trial in trials for queue in self.sweep.worker.queues]
        history = History()
        worker = self._worker(second, queues, trials[0].folder, history)
        for trial in trials:
            trial.second, trial.after = second, history
        async with self.slots:
            try:
                await worker.start()
                await self._await_ends(trials, worker)
            except WorkerFailed as error:
                for trial in trials:
                    trial.failure = trial.failure or str(error)
            finally:
                await worker.close()

    async def _await_ends(self, trials: Sequence[Trial], worker: Worker) -> None:
        deadline = time.monotonic() + PATIENCE_S * self.world.time_scale
        waiting = list(trials)
        while waiting and time.monotonic() < deadline:
            status = await worker.exited(LOOK_AGAIN_MS)
            for trial in waiting:
                await self._look(trial)
            waiting = [trial for trial in waiting if not trial.has(trial.wanted)]
            if status is not None:
                return

    async def _look(self, trial: Trial) -> None:
        """See what is known of the jobs of a trial."""
        trial.now = {id: await self._found(end.queue, id) for id, end in trial.ends.items()}

    async def _found(self, queue: str, id: str) -> Found:
        (look,) = await self.store.look(queue, [id])
        record = await self.store.client.hget(key(self.namespace, queue, "record"), id)
        parts = (record or b"0 3 4 0 - - -").decode("ascii", "replace").split(" ")
        try:
            document = read(look.document).value if look.document else None
        except Unreadable:
            document = {"undecodable": repr(look.document[:200])}
        most, flags = (int(parts[1]), parts[4]) if len(parts) == 7 else (0, "-")
        return Found(look.state, look.attempt, most, flags, document)

    def _check(self, trial: Trial) -> Check:
        what = str(trial.point) if trial.point else "not killed"
        requirement = self.sweep.requirement(trial.point.kind if trial.point else "")
        if trial.failure:
            return Check(requirement, what, Status.FAIL, "a worker that starts", trial.failure)
        wrong = next(problems(trial.wanted, trial.left, trial.now, trial.events(), trial.second), None)
        if wrong is None:
            return Check(requirement, what, Status.PASS)
        return Check(wrong.requirement or requirement, what, Status.FAIL, wrong.expected, wrong.got)
