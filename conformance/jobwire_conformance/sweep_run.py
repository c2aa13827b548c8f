"""Run a scenario and judge it: a check for each death, then the rules that hold in every case."""

from __future__ import annotations

import asyncio
import dataclasses
import time
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from .cases.values import short
from .invariants import Settings, check_history, check_store
from .model import CaseResult, Check, Status, overall
from .processes import CommandMissing
from .sweep_judge import problems
from .sweep_scene import Scene
from .sweep_trial import Trial
from .wire.events import History
from .workers import settings_of

if TYPE_CHECKING:
    from .cases.world import World
    from .sweep import Sweep

_SHOWN: Final = 2_000


async def run_sweep(sweep: Sweep, world: World) -> CaseResult:
    """Run a scenario, and judge it."""
    began = time.monotonic()
    scene = Scene(sweep, world)
    checks: list[Check] = []
    trouble = ""
    try:
        await scene.run()
        checks += [_check(sweep, trial) for trial in scene.trials]
        checks += await _rules(scene)
    except (CommandMissing, asyncio.CancelledError):
        raise
    except Exception:
        trouble = traceback.format_exc()
    finally:
        await scene.close()
    return _result(scene, checks, trouble, (time.monotonic() - began) * 1000)


def _check(sweep: Sweep, trial: Trial) -> Check:
    """Judge what became of the jobs of one worker."""
    what = str(trial.point) if trial.point else "not killed"
    if trial.point and not trial.was_killed:
        what += ", which did not come about"
    requirement = sweep.requirement(trial.point.kind if trial.point else "")
    if trial.failure:
        return Check(
            requirement,
            what,
            Status.FAIL,
            f"a worker that goes on until its jobs have ended [{requirement}]",
            trial.failure,
        )
    wrong = next(problems(trial.wanted, trial.left, trial.now, trial.events(), trial.second), None)
    if wrong is None:
        return Check(requirement, what, Status.PASS)
    requirement = wrong.requirement or requirement
    return Check(requirement, what, Status.FAIL, f"{wrong.expected} [{requirement}]", wrong.got)


async def _rules(scene: Scene) -> list[Check]:
    """Look at what has to be so in every case."""
    world = scene.world
    workers = {name: settings_of(worker.settings) for name, worker in scene.workers.items()}
    settings = Settings(world.time_scale, world.without)
    history = _merged([*(trial.history for trial in scene.trials), *scene.after])
    checks = [_placed(scene, check) for check in check_history(history, workers, scene.namespace, settings)]
    if "keys in the server" not in world.without:
        checks += await check_store(world.client, scene.namespace)
    return checks


def _placed(scene: Scene, check: Check) -> Check:
    """Say of a rule that was broken after which death that was."""
    trial = _accused(scene, [check])
    if trial is None:
        return check
    return dataclasses.replace(check, got=f"{check.got}; worker {trial.name} was {trial.point or 'not killed'}")


def _accused(scene: Scene, checks: Sequence[Check]) -> Trial | None:
    """Return the first trial in which something happened at the instant of a check that failed."""
    instants = {check.at for check in checks if check.status is Status.FAIL and check.at is not None}
    return next((trial for trial in scene.trials if not instants.isdisjoint(trial.instants())), None)


def _merged(histories: Sequence[History]) -> History:
    merged = History()
    for history in histories:
        merged.events += history.events
        merged.transcript += history.transcript
    merged.events.sort(key=lambda event: event["at"])
    merged.transcript.sort(key=lambda exchange: exchange.at)
    return merged


def _result(scene: Scene, checks: Sequence[Check], trouble: str, ms: float) -> CaseResult:
    sweep, status = scene.sweep, Status.ERROR if trouble else overall(list(checks))
    worst = [check for check in checks if check.status is status]
    shown = _shown(scene, checks)
    return CaseResult(
        id=sweep.id,
        says=sweep.says,
        requirements=sweep.requirements,
        role=sweep.role,
        profile=sweep.profile,
        status=status,
        reason=trouble[-4000:] or (worst[0].what if status is not Status.PASS and worst else ""),
        ms=ms,
        checks=tuple(checks),
        events=tuple(short(event, _SHOWN) for event in shown.all_events()) if shown else (),
        transcript=tuple(exchange.record(_SHOWN) for exchange in shown.exchanges()) if shown else (),
        stderr=_stderr(scene, shown),
        steps=tuple(_steps(scene)),
    )


def _shown(scene: Scene, checks: Sequence[Check]) -> Trial | None:
    """Return the trial that a report shows: the first that failed, or the first."""
    pairs = zip(scene.trials, checks, strict=False)
    failed = [trial for trial, check in pairs if check.status is Status.FAIL]
    accused = _accused(scene, checks)
    return next(iter([*failed, *([accused] if accused else []), *scene.trials]), None)


def _stderr(scene: Scene, trial: Trial | None) -> str:
    names = [trial.name, trial.second] if trial else []
    tails = [(name, scene.workers[name].stderr_tail) for name in names if name in scene.workers]
    return "".join(f"--- {name}\n{text}\n" for name, text in tails if text.strip())


def _steps(scene: Scene) -> list[str]:
    jobs: list[Any] = [job["id"] for job in scene.sweep.jobs]
    deaths = [str(trial.point) for trial in scene.trials if trial.point]
    return [f"enqueue {', '.join(jobs)}", "run a worker", *deaths, "run another worker"]
