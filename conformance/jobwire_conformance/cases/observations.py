"""Look at one fact of a case: a job, events, a key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import redis.asyncio as redis

from ..binding import key
from .chronicle import of_events, of_gap, of_order
from .finding import Finding
from .matching import ABSENT, difference, render
from .scene import DEFAULT_QUEUE, Scene
from .values import as_number, decoded, key_of, plain

_JOB: Final = ("state", "attempt", "document", "progress")
# No worker can change what has ended so.
_FINAL: Final = ("finished", "failed")


async def observe(scene: Scene, observation: dict[str, Any]) -> Finding:
    """Judge an observation as things are now."""
    kind = next(kind for kind in OBSERVATIONS if kind in observation)
    try:
        return await OBSERVATIONS[kind].look(scene, observation)
    except redis.RedisError as error:
        return Finding(False, "an answer of the server", f"{type(error).__name__}: {error}")


async def _job(scene: Scene, wanted: dict[str, Any]) -> Finding:
    """Compare what the script look says."""
    queue = wanted.get("queue", DEFAULT_QUEUE)
    (look,) = await scene.store.look(queue, [wanted["job"]])
    found: dict[str, Any] = {"state": look.state, "attempt": look.attempt}
    # A map of patterns cannot hold that something is absent but by its absence.
    found |= {name: value for name, value in _documents(look.document, look.progress) if value is not ABSENT}
    wrong = difference({name: wanted[name] for name in _JOB if name in wanted}, found)
    if wrong is None:
        return Finding(True, render({name: wanted[name] for name in _JOB if name in wanted}))
    got = wrong.got if wrong.path in found else f"{wrong.got} in {render(found)}"
    final = look.state in _FINAL and wanted.get("state") in _FINAL
    return Finding(False, f"{wrong.path} {wrong.expected}", got, _settled_at(scene, queue, wanted["job"]), final=final)


def _settled_at(scene: Scene, queue: str, id: str) -> float | None:
    """Return when a worker last settled a job."""
    pattern = {"call": "settle", "queue": queue, "id": id}
    found = (event["at"] for event in reversed(scene.history.events) if pattern.items() <= event.items())
    return next(found, None)


def _documents(document: bytes, progress: bytes) -> list[tuple[str, Any]]:
    return [("document", decoded(document)), ("progress", decoded(progress))]


async def _redis(scene: Scene, wanted: dict[str, Any]) -> Finding:
    """Compare the reply to a command."""
    parts = [key_of(scene.namespace, part) for part in wanted["redis"]]
    reply = plain(await scene.store.raw(*parts))
    pattern = wanted["equals"] if "equals" in wanted else wanted["matches"]
    value = ABSENT if reply is None and pattern is not None else reply
    wrong = difference(pattern, value)
    if wrong and difference(pattern, as_number(value)) is None:
        wrong = None
    what = render(wanted["redis"])
    return Finding(wrong is None, f"{what} to be {render(pattern)}", render(value))


async def _envelope(scene: Scene, wanted: dict[str, Any]) -> Finding:
    """Compare the stored bytes of an envelope with those that were enqueued."""
    queue, id = wanted.get("queue", DEFAULT_QUEUE), wanted["envelope"]
    sent = scene.sent.get((queue, id))
    stored = await scene.store.client.hget(key(scene.namespace, queue, "jobs"), id)
    if sent is None:
        return Finding(False, f"{id} to be enqueued by the suite", "it was not")
    return Finding(stored == sent, f"the envelope {render(plain(sent))}", render(plain(stored)))


async def _ttl(scene: Scene, wanted: dict[str, Any]) -> Finding:
    """Compare how long a key is kept."""
    ttl = await scene.store.client.pttl(key_of(scene.namespace, wanted["ttl"]))
    low, high = wanted.get("min_ms", 0), wanted.get("max_ms", float("inf"))
    got = {-2: "no such key", -1: "no TTL"}.get(ttl, f"{ttl} ms")
    return Finding(low <= ttl <= high and ttl >= 0, f"{wanted['ttl']} to be kept {low} to {high} ms", got)


async def _idle(scene: Scene, wanted: dict[str, Any]) -> Finding:
    """See whether a worker has claimed nothing and blocks."""
    name = wanted["idle"]
    expected = f"{name} to wait on wake, having claimed nothing"
    waits = scene.history.blocked(name)
    if not waits:
        return Finding(False, expected, "it waits on nothing")
    began = max(
        (event["at"] for event in scene.history.events if event.get("process") == "started"
         and event["worker"] == name), default=0.0,
    )  # fmt: skip
    claims = [event for event in scene.history.events if event.get("call") == "claim" and event["by"] == name]
    last = next((event for event in reversed(claims) if event["at"] >= began and "ids" in event), None)
    if last is None:
        return Finding(False, expected, "no claim that was answered")
    return Finding(not last["ids"], expected, f"its last claim gave {render(last['ids'])}")


async def _events(scene: Scene, wanted: dict[str, Any]) -> Finding:
    return of_events(scene.history.events, wanted)


async def _order(scene: Scene, wanted: dict[str, Any]) -> Finding:
    return of_order(scene.history.events, wanted["order"])


async def _gap(scene: Scene, wanted: dict[str, Any]) -> Finding:
    return of_gap(scene.history.events, wanted, scene.world.time_scale)


@dataclass(frozen=True)
class _Kind:
    look: Callable[[Scene, dict[str, Any]], Awaitable[Finding]]
    of_history: bool = False


OBSERVATIONS: Final[dict[str, _Kind]] = {
    "job": _Kind(_job),
    "events": _Kind(_events, of_history=True),
    "order": _Kind(_order, of_history=True),
    "gap": _Kind(_gap, of_history=True),
    "redis": _Kind(_redis),
    "envelope": _Kind(_envelope),
    "ttl": _Kind(_ttl),
    "idle": _Kind(_idle, of_history=True),
}


def is_of_history(observation: dict[str, Any]) -> bool:
    """Tell whether it is about events, which can be on their way to the suite."""
    return any(kind.of_history for name, kind in OBSERVATIONS.items() if name in observation)
