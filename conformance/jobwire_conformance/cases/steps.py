"""Run a case: its steps, then the rules that hold in every case."""

from __future__ import annotations

import asyncio
import time
import traceback
from typing import Any, Final

import redis.asyncio as redis

from ..invariants import Settings, check_history, check_store
from ..model import CaseResult, Status, overall
from ..processes import CommandMissing
from ..workers import settings_of
from .actions import ACTIONS
from .loader import Case
from .observations import is_of_history, observe
from .processes import PROCESSES
from .scene import Scene, StepFailed
from .values import one_line, short
from .world import World

__all__ = ["CRASHED", "LATE", "NOT_READY", "World", "run_case"]

# The reason of a case that more time could have let pass.
LATE: Final = "not in time"
NOT_READY: Final = f"{LATE}: start"
# The reason of a case whose program did not come up, or ended while it was asked.
CRASHED: Final = "crashed"
_WITHIN_MS: Final = 10_000
_FIRST_POLL_S: Final = 0.005
_LAST_POLL_S: Final = 0.025
# How long an event can be on its way from a proxy to the history.
_ON_ITS_WAY_S: Final = 0.15
_SHOWN: Final = 2_000


async def run_case(case: Case, world: World) -> CaseResult:
    """Run one case, and judge it."""
    began = time.monotonic()
    scene = Scene(case, world)
    trouble = ""
    try:
        await scene.open()
        await _run_steps(scene)
        await scene.stop_programs()
        await _check_rules(scene)
    except (CommandMissing, asyncio.CancelledError):
        raise
    except Exception:
        trouble = traceback.format_exc()
    finally:
        await scene.close()
    return _result(scene, trouble, (time.monotonic() - began) * 1000)


async def _run_steps(scene: Scene) -> None:
    try:
        for step in scene.case.steps:
            ((kind, value),) = step.items()
            await _perform(scene, kind, await scene.filled(value))
    except StepFailed:
        # It was noted; what would follow has nothing to stand on.
        return


async def _perform(scene: Scene, kind: str, value: Any) -> None:
    if kind == "until":
        await _until(scene, value)
    elif kind == "check":
        await _check(scene, value)
    else:
        await {**ACTIONS, **PROCESSES}[kind](scene, value)


async def _until(scene: Scene, wanted: dict[str, Any]) -> None:
    """Wait until an observation holds."""
    within_s = wanted.get("within_ms", _WITHIN_MS) * scene.world.time_scale / 1000
    deadline, pause_s = time.monotonic() + within_s, _FIRST_POLL_S
    what, requirement = f"until {one_line(wanted)}", wanted.get("requirement")
    while True:
        scene.poll_logs()
        finding = await observe(scene, wanted)
        if finding.holds or finding.slow:
            break
        if finding.final:
            scene.miss(what, finding.expected, finding.got, requirement, finding.at)
        if time.monotonic() >= deadline:
            scene.late = True
            got = f"{finding.got}, after {within_s * 1000:.0f} ms{_ended(scene)}"
            scene.miss(what, finding.expected, got, requirement, finding.at)
            return
        await scene.history.wait(pause_s)
        pause_s = min(pause_s * 1.5, _LAST_POLL_S)
    if finding.slow:
        scene.failed(what, finding.expected, finding.got, requirement=requirement, at=finding.at, status=Status.SLOW)
    else:
        scene.passed(what, requirement, finding.expected)


async def _check(scene: Scene, wanted: dict[str, Any]) -> None:
    """Judge an observation now; go on with the case if it does not hold."""
    deadline = time.monotonic() + _ON_ITS_WAY_S * scene.world.time_scale
    what, requirement = f"check {one_line(wanted)}", wanted.get("requirement")
    # What the loop has received by now comes first.
    await asyncio.sleep(0)
    while True:
        scene.poll_logs()
        finding = await observe(scene, wanted)
        if finding.holds or not is_of_history(wanted) or time.monotonic() >= deadline:
            break
        await scene.history.wait(_LAST_POLL_S)
    if finding.holds:
        scene.passed(what, requirement, finding.expected)
        return
    status = Status.SLOW if finding.slow else scene.fault_of(requirement)
    scene.failed(what, finding.expected, finding.got, requirement=requirement, at=finding.at, status=status)


async def _check_rules(scene: Scene) -> None:
    """Look at what has to be so in every case."""
    for worker in scene.workers.values():
        for problem in worker.log.problems[:3]:
            scene.failed("always: log", "lines as the README of the suite says", problem, requirement="RUN-10")
    settings = Settings(scene.world.time_scale, scene.world.without)
    workers = {name: settings_of(worker) for name, worker in scene.case.workers.items()}
    # In a thread, as a long history must not hold up the proxies of other cases.
    scene.checks += await asyncio.to_thread(check_history, scene.history, workers, scene.namespace, settings)
    # A case that writes keys of its own accord breaks the invariant itself.
    if "keys in the server" not in scene.world.without and not any("redis" in step for step in scene.case.steps):
        try:
            scene.checks += await check_store(scene.store.client, scene.namespace)
        except redis.ConnectionError:
            return  # the case has stopped its server


def _result(scene: Scene, trouble: str, ms: float) -> CaseResult:
    case, status = scene.case, Status.ERROR if trouble else overall(scene.checks)
    return CaseResult(
        id=case.id,
        says=case.says,
        requirements=case.requirements,
        role=case.role,
        profile=case.profile,
        status=status,
        reason=trouble[-4000:] or _reason(scene, status),
        ms=ms,
        checks=tuple(scene.checks),
        events=tuple(short(event, _SHOWN) for event in scene.history.events),
        transcript=tuple(exchange.record(_SHOWN) for exchange in scene.history.transcript),
        stderr=scene.stderr(),
        steps=tuple(f"{kind}: {one_line(value)}" for step in case.steps for kind, value in step.items()),
    )


def _reason(scene: Scene, status: Status) -> str:
    worst = [check for check in scene.checks if check.status is status]
    if status is Status.PASS or not worst:
        return ""
    if scene.crashed:
        return f"{CRASHED}: {worst[0].what}"
    # If something else failed too, more time would not help.
    if scene.late and len(worst) == 1:
        return f"{LATE}: {worst[0].what}"
    return worst[0].what


def _ended(scene: Scene) -> str:
    """Tell which workers are gone, if that was nobody's wish."""
    gone = [
        f"{event['worker']} ended with status {event['status']}"
        for event in scene.history.events
        if event.get("process") == "exited" and not scene.worker(event["worker"]).running
    ]
    return f"; {', '.join(gone)}" if gone else ""
