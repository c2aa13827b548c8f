"""Run the workers of a scenario: one that lives, one for each death, and those that come after them."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .binding import key
from .cases.texts import fill
from .documents import Unreadable, read, write
from .store import Item, Store
from .sweep_judge import End, Found
from .sweep_points import Point, points
from .sweep_trial import Trial, placed
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


class Scene:
    """One scenario in a namespace of its own."""

    def __init__(self, sweep: Sweep, world: World) -> None:
        self.sweep = sweep
        self.world = world
        self.namespace = world.namespace()
        self.store = Store(world.client, self.namespace)
        self.folder: Path = world.folder / self.namespace
        self.trials: list[Trial] = []
        self.after: list[History] = []
        self.workers: dict[str, Worker] = {}
        self.slots = asyncio.Semaphore(AT_A_TIME)

    async def run(self) -> None:
        """Run a worker that lives, then one for each point, then those that bring all jobs to their end."""
        first = self._trial(0, None)
        self.trials.append(first)
        await self._live(first)
        await self._leave(first)
        if first.failure:
            return
        ran = [event["at"] for event in first.history.events if "log" in event]
        found = points(first.history.transcript, self.namespace, first.last_settled(), first.mark, ran)
        self.trials += [self._trial(number, point) for number, point in enumerate(found, start=1)]
        await asyncio.gather(*map(self._live, self.trials[1:]))
        await asyncio.gather(*map(self._leave, self.trials[1:]))
        parts = [self.trials[at : at + TRIALS_A_WORKER] for at in range(0, len(self.trials), TRIALS_A_WORKER)]
        await asyncio.gather(*(self._finish(part, f"B-{number}") for number, part in enumerate(parts)))

    async def close(self) -> None:
        """Delete the keys and files of the scenario."""
        await self.store.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _trial(self, number: int, point: Point | None) -> Trial:
        mark = f"-{number}"
        folder = self.folder / str(number)
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
                if not trial.was_killed:
                    trial.failure = str(error)
            finally:
                await worker.close()

    def _worker(self, name: str, queues: Sequence[str], folder: Path, history: History) -> Worker:
        world = self.world
        settings = dataclasses.replace(self.sweep.worker, queues=tuple(queues))
        self.workers[name] = Worker(
            name, world.manifest, settings, folder, world.server.address, history, self.namespace, world.time_scale
        )
        return self.workers[name]

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
                stopped = trial.did and self._does("stop") and status == 0
                if status is not None and not trial.was_killed and not stopped:
                    trial.failure = f"worker {worker.name} ended with status {status}"
                return
        states = ", ".join(f"{id} {found.state}" for id, found in trial.now.items())
        trial.failure = f"after {PATIENCE_S * self.world.time_scale:.0f} s {states}"

    def _does(self, what: str) -> bool:
        return self.sweep.during is not None and self.sweep.during["do"] == what

    async def _meddle(self, trial: Trial, worker: Worker) -> None:
        during = self.sweep.during
        if not during or trial.did:
            return
        id = f"{during['started']}{trial.mark}"
        if any(event.get("log") == "start" and event["id"] == id for event in trial.history.events):
            trial.did = True
            if self._does("stop"):
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
        if self.sweep.during and self._does("cancel") and not trial.did:
            id = f"{self.sweep.during['started']}{trial.mark}"
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
        self.after.append(history)
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
                for trial in waiting:
                    trial.failure = f"worker {worker.name} ended with status {status}"
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
