"""The steps that start, end and disturb programs under test."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from ..adapter import Adapter, AdapterError
from ..wire.faults import Fault
from ..wire.proxy import Proxy
from ..workers import WorkerFailed, WorkerLate
from .matching import difference, render
from .scene import PRODUCER, Scene

_EXIT_WITHIN_MS: Final = 5_000


async def start(scene: Scene, step: Any) -> None:
    """Start workers and wait until they are ready."""
    names = [step] if isinstance(step, str) else step
    results = await asyncio.gather(*(scene.worker(name).start() for name in names), return_exceptions=True)
    for name, result in zip(names, results, strict=True):
        if isinstance(result, WorkerFailed):
            scene.late = isinstance(result, WorkerLate)
            scene.crashed = not scene.late
            tail = scene.worker(name).stderr_tail.strip()[-1000:]
            raise scene.fail(f"start {name}", "a worker that is ready", f"{result}{': ' + tail if tail else ''}")
        if isinstance(result, BaseException):
            raise result


async def kill(scene: Scene, step: str) -> None:
    """End a worker at once."""
    worker = scene.worker(step)
    if not worker.running:
        raise scene.fail(f"kill {step}", "a worker that runs", "it has ended")
    await worker.kill()


async def send(scene: Scene, step: dict[str, str]) -> None:
    """Send a signal to a worker."""
    worker = scene.worker(step["worker"])
    if not worker.running:
        raise scene.fail(f"signal {step['worker']} {step['signal']}", "a worker that runs", "it has ended")
    worker.signal(step["signal"])


async def exited(scene: Scene, step: dict[str, Any]) -> None:
    """Wait until a worker has ended, and judge its status."""
    within_ms = step.get("within_ms", _EXIT_WITHIN_MS) * scene.world.time_scale
    requirement = step.get("requirement")
    status = await scene.worker(step["worker"]).exited(within_ms)
    what = f"exited {step['worker']}"
    if status is None:
        scene.late = True
        # Without an exit nothing that follows can be judged.
        raise scene.fail(what, f"an exit within {within_ms:.0f} ms", "it still runs", requirement)
    wrong = difference(step.get("status", {"present": True}), status)
    if wrong:
        scene.miss(what, f"status {wrong.expected}", wrong.got, requirement)
    else:
        scene.passed(what, requirement, f"status {status}")


async def fault(scene: Scene, step: dict[str, Any]) -> None:
    """Let a proxy disturb what a program says."""
    options = {name: step[name] for name in ("ms", "error", "times") if name in step}
    when = {name: value for name, value in step["when"].items() if name != "nth"}
    planned = Fault(when, step["do"], nth=step["when"].get("nth", 1), **options)
    if "worker" in step:
        scene.worker(step["worker"]).plan(planned)
    else:
        (await _producer_proxy(scene)).faults.add(planned)


async def call(scene: Scene, step: dict[str, Any]) -> None:
    """Ask the producer and judge its answer."""
    request, pattern, requirement = _request(step), step.get("answer"), step.get("requirement")
    what = f"call {render(request, 120)}"
    producer = await _producer(scene)
    timeout_ms = (10_000 + request.get("timeout_ms", 0)) * scene.world.time_scale
    try:
        # A wait has a timeout_ms of its own.
        answer = await producer.answer(producer.begin(**_renamed(request)), timeout_ms)
    except AdapterError as error:
        scene.crashed, scene.late = not producer.running, producer.running
        raise scene.fail(what, render(pattern), str(error), requirement) from error
    scene.history.add({"suite": "call", "op": request["op"], "answer": answer})
    if "answer" in step:
        _judge(scene, what, pattern, answer, requirement)


async def begin(scene: Scene, step: dict[str, Any]) -> None:
    """Ask the producer; the answer is looked at later."""
    producer = await _producer(scene)
    request = _renamed(_request(step))
    scene.begun[step["as"]] = producer.begin(**request)
    scene.history.add({"suite": "begin", "as": step["as"], "op": request["op"]})


async def answered(scene: Scene, step: dict[str, Any]) -> None:
    """Wait for an answer of the producer and judge it."""
    within_ms = step.get("within_ms", 10_000) * scene.world.time_scale
    what = f"answer of {step['of']}"
    producer = await _producer(scene)
    try:
        answer = await producer.answer(scene.begun[step["of"]], within_ms)
    except AdapterError as error:
        scene.crashed, scene.late = not producer.running, producer.running
        raise scene.fail(what, render(step["is"]), str(error), step.get("requirement")) from error
    scene.history.add({"suite": "answer", "of": step["of"], "answer": answer})
    _judge(scene, what, step["is"], answer, step.get("requirement"))


async def producer(scene: Scene, step: str) -> None:
    """Start the producer anew."""
    if scene.producer is not None:
        await scene.producer.close()
        scene.producer = None
    await _producer(scene)


def _judge(scene: Scene, what: str, pattern: Any, answer: Any, requirement: str | None) -> None:
    wrong = difference(pattern, answer)
    if wrong is None:
        scene.passed(what, requirement, render(pattern))
        return
    scene.miss(what, f"{wrong.path} {wrong.expected}".strip(), f"{wrong.got} in {render(answer)}", requirement)


def _request(step: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in step.items() if name not in ("answer", "requirement", "as")}


def _renamed(request: dict[str, Any]) -> dict[str, Any]:
    """Fill in the format of an enqueue, which a case may leave out."""
    return {"format": "json", **request} if request["op"] == "enqueue" else request


async def _producer_proxy(scene: Scene) -> Proxy:
    if scene.producer_proxy is None:
        scene.producer_proxy = Proxy(scene.server.address, PRODUCER, scene.history, scene.namespace)
        scene.producer_url = await scene.producer_proxy.start()
    return scene.producer_proxy


async def _producer(scene: Scene) -> Adapter:
    """Return the producer of the case; the first hello says that it is up."""
    if scene.producer is not None:
        return scene.producer
    proxy = await _producer_proxy(scene)
    manifest = scene.world.manifest
    if manifest.producer is None:
        raise scene.fail("producer", "a producer in the manifest", "none")
    env = {**manifest.env, "JOBWIRE_REDIS_URL": scene.producer_url, "JOBWIRE_NAMESPACE": scene.namespace}
    adapter = Adapter()
    scene.producer = adapter
    await adapter.start(manifest.producer, manifest.folder, env)
    proxy.on_kill = adapter.program.kill_now
    try:
        await adapter.ask("hello", timeout_ms=manifest.startup_ms * scene.world.time_scale)
    except AdapterError as error:
        scene.crashed = True
        raise scene.fail("hello", "an answer of the producer", f"{error}: {adapter.stderr_tail[-1000:]}") from error
    return adapter


PROCESSES: Final[dict[str, Callable[[Scene, Any], Awaitable[None]]]] = {
    "start": start,
    "kill": kill,
    "signal": send,
    "exited": exited,
    "fault": fault,
    "call": call,
    "begin": begin,
    "answer": answered,
    "producer": producer,
}
