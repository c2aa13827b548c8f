"""The steps in which the suite itself acts on jobs and the server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import groupby
from typing import Any, Final

import redis.asyncio as redis

from ..binding import key
from ..store import Item
from .jobs import document, envelopes, raw_item
from .matching import difference, render
from .scene import DEFAULT_QUEUE, Scene
from .values import key_of, plain

# Moves the lease or the due time of jobs into the past, and wakes a worker to see it.
_MOVE: Final = """
local moved = 0
local ids = ARGV
if #ids == 0 then ids = redis.call('ZRANGE', KEYS[1], 0, -1) end
for _, id in ipairs(ids) do
  if redis.call('ZSCORE', KEYS[1], id) then redis.call('ZADD', KEYS[1], 'XX', 1, id) moved = moved + 1 end
end
if redis.call('LLEN', KEYS[2]) == 0 then redis.call('LPUSH', KEYS[2], '1') end
return moved
"""
_ERROR_WORDS: Final = {redis.OutOfMemoryError: "OOM", redis.ReadOnlyError: "READONLY"}


async def enqueue(scene: Scene, step: Any) -> None:
    """Enqueue jobs; those of one queue in one call."""
    entries = step if isinstance(step, list) else [step]
    jobs = [
        (queue, item, entry.get("answer", "accepted"))
        for entry in entries
        for queue, item in envelopes(entry, DEFAULT_QUEUE)
    ]
    for queue, group in groupby(jobs, key=lambda job: job[0]):
        members = list(group)
        for start in range(0, len(members), 1000):
            part = members[start : start + 1000]
            await _enqueue(scene, queue, [item for _, item, _ in part], [answer for _, _, answer in part])


async def raw(scene: Scene, step: dict[str, Any]) -> None:
    """Enqueue bytes as an envelope."""
    await _enqueue(scene, _queue(step), [raw_item(step)], [step.get("answer", "accepted")])


async def _enqueue(scene: Scene, queue: str, items: list[Item], wanted: list[Any]) -> None:
    answers = await _asked(scene.store.enqueue(queue, items))
    texts = answers if isinstance(answers, list) else [answers] * len(items)
    for item, answer, pattern in zip(items, texts, wanted, strict=True):
        scene.history.add({"suite": "enqueue", "queue": queue, "id": item.id, "answer": answer})
        if answer == "accepted":
            scene.sent[queue, item.id] = item.envelope
        _expect(scene, f"enqueue {item.id}", pattern, answer)


async def claim(scene: Scene, step: dict[str, Any]) -> None:
    """Claim jobs as a worker of the suite's own, and keep the tokens."""
    queue = _queue(step)
    options = {name: step[name] for name in ("lease_ms", "max_jobs", "rescue") if name in step}
    reply = await scene.store.claim(queue, **options)
    ids = [job.id for job in reply.jobs]
    scene.history.add({"suite": "claim", "queue": queue, "ids": ids})
    for job in reply.jobs:
        scene.tokens[queue, job.id] = job.token
    _expect(scene, f"claim from {queue}", step["ids"], ids)


async def settle(scene: Scene, step: dict[str, Any]) -> None:
    """Settle a job that the suite claimed."""
    queue, id = _queue(step), step["id"]
    body = document(step.get("document", ""), step.get("encoding", "json"))
    answer = await _asked(
        scene.store.settle(queue, id, _token(scene, queue, id), step["verb"], body, step.get("number", 0))
    )
    scene.history.add({"suite": "settle", "queue": queue, "id": id, "verb": step["verb"], "answer": answer})
    _expect(scene, f"settle {id} {step['verb']}", step.get("answer", "done"), answer)


async def extend(scene: Scene, step: dict[str, Any]) -> None:
    """Extend the lease of a job that the suite claimed."""
    queue, id = _queue(step), step["id"]
    progress = document(step.get("progress", ""), "json")
    lease_ms = step.get("lease_ms", 15_000)
    answer = await _asked(scene.store.extend(queue, id, _token(scene, queue, id), lease_ms, progress))
    scene.history.add({"suite": "extend", "queue": queue, "id": id, "answer": answer})
    _expect(scene, f"extend {id}", step.get("answer", "ok"), answer)


async def join(scene: Scene, step: dict[str, Any]) -> None:
    """Store the outcome of a member of a group."""
    queue, value = _queue(step), document(step["value"], step.get("encoding", "json"))
    options = {"ttl_ms": step["ttl_ms"]} if "ttl_ms" in step else {}
    joined = await scene.store.join(queue, step["group"], step["index"], step["size"], value, **options)
    scene.history.add({"suite": "join", "queue": queue, "group": step["group"], "answer": joined.count})


async def cancel(scene: Scene, step: dict[str, Any]) -> None:
    """Cancel a job."""
    queue, id = _queue(step), step["id"]
    answer = await _asked(scene.store.cancel(queue, id))
    scene.history.add({"suite": "cancel", "queue": queue, "id": id, "answer": answer})
    _expect(scene, f"cancel {id}", step.get("answer", {"present": True}), answer)


async def requeue(scene: Scene, step: dict[str, Any]) -> None:
    """Requeue failed jobs."""
    queue, ids = _queue(step), step["ids"]
    answers = await _asked(scene.store.requeue(queue, ids))
    wanted = step.get("answer", "requeued")
    for index, id in enumerate(ids):
        answer = answers[index] if isinstance(answers, list) else answers
        scene.history.add({"suite": "requeue", "queue": queue, "id": id, "answer": answer})
        _expect(scene, f"requeue {id}", wanted[index] if isinstance(wanted, list) else wanted, answer)


async def configure(scene: Scene, step: dict[str, Any]) -> None:
    """Set or unset one setting of a queue."""
    await scene.store.configure(_queue(step), step["field"], step["value"])
    scene.history.add({"suite": "configure", **step})


async def lapse(scene: Scene, step: dict[str, Any]) -> None:
    """Let a lease be over, or all leases of the queue."""
    await _move(scene, "lapse", "active", step)


async def due(scene: Scene, step: dict[str, Any]) -> None:
    """Let a scheduled job be due."""
    await _move(scene, "due", "scheduled", step)


async def _move(scene: Scene, kind: str, name: str, step: dict[str, Any]) -> None:
    queue = _queue(step)
    ids = [step["id"]] if "id" in step else []
    keys = [key(scene.namespace, queue, each) for each in (name, "wake")]
    # The clock is moved, nobody sleeps.
    moved = await scene.store.client.eval(_MOVE, 2, *keys, *ids)
    scene.history.add({"suite": kind, "queue": queue, **({"id": step["id"]} if ids else {})})
    if not moved:
        raise scene.fail(f"{kind} {render(step)}", f"a job in {name}", "none")


async def command(scene: Scene, step: dict[str, Any]) -> None:
    """Send any command."""
    parts = [key_of(scene.namespace, part) for part in step["command"]]
    answer = await _asked(scene.store.raw(*parts))
    scene.history.add({"suite": "redis", "command": step["command"], "answer": plain(answer)})
    if "answer" in step:
        _expect(scene, f"redis {render(step['command'])}", step["answer"], plain(answer))


async def server(scene: Scene, step: str) -> None:
    """Flush the scripts, or end and start the server."""
    scene.history.add({"suite": "server", "does": step})
    if step == "flush_scripts":
        await scene.store.client.execute_command("SCRIPT FLUSH")
        return
    await {"restart": scene.server.restart, "stop": scene.server.stop, "start": scene.server.resume}[step]()
    await scene.store.client.connection_pool.disconnect()


async def open_barrier(scene: Scene, step: str) -> None:
    """Create the file that handlers wait for."""
    await asyncio.to_thread((scene.folder / step).touch)
    scene.history.add({"suite": "open", "name": step})


async def mark(scene: Scene, step: str) -> None:
    """Put a mark into the history."""
    scene.history.add({"mark": step})


async def _asked(call: Awaitable[Any]) -> Any:
    """Return the answer to a call, the text of an error too."""
    try:
        return await call
    except redis.ConnectionError:
        raise
    except redis.ResponseError as error:
        word = next((word for kind, word in _ERROR_WORDS.items() if isinstance(error, kind)), "")
        text = str(error)
        return text if text.startswith(word) else f"{word} {text}"


def _queue(step: dict[str, Any]) -> str:
    return str(step.get("queue", DEFAULT_QUEUE))


def _token(scene: Scene, queue: str, id: str) -> str:
    token = scene.tokens.get((queue, id))
    if token is None:
        raise scene.fail(f"token of {id}", f"a claim of {id} from {queue} by the suite", "none before this step")
    return token


def _expect(scene: Scene, what: str, pattern: Any, answer: Any) -> None:
    wrong = difference(pattern, answer)
    if wrong:
        raise scene.fail(what, wrong.expected, wrong.got)


ACTIONS: Final[dict[str, Callable[[Scene, Any], Awaitable[None]]]] = {
    "enqueue": enqueue,
    "raw": raw,
    "claim": claim,
    "settle": settle,
    "extend": extend,
    "join": join,
    "cancel": cancel,
    "requeue": requeue,
    "configure": configure,
    "lapse": lapse,
    "due": due,
    "redis": command,
    "server": server,
    "open": open_barrier,
    "mark": mark,
}
