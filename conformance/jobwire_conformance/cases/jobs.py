"""Build what the suite sends of its own: envelopes and documents as bytes."""

from __future__ import annotations

import base64
from typing import Any

from ..documents import write
from ..store import Item

_OWN = ("encoding", "answer", "copies")


def envelopes(step: dict[str, Any], queue: str) -> list[tuple[str, Item]]:
    """Return the jobs of one entry of `enqueue`, each with its queue."""
    job = {"jobwire": "1.0", "queue": queue} | {name: value for name, value in step.items() if name not in _OWN}
    encoding = step.get("encoding", "json")
    copies = step.get("copies")
    ids = [f"{job['id']}-{number}" for number in range(1, copies + 1)] if copies else [job["id"]]
    return [(job["queue"], _item({**job, "id": id}, encoding)) for id in ids]


def raw_item(step: dict[str, Any]) -> Item:
    """Return a job whose envelope is given as text or bytes."""
    return Item(
        step["id"], _bytes(step), step.get("run_at", 0), step.get("max_attempts", 3), step.get("priority", 4)
    )  # fmt: skip


def document(value: Any, encoding: str) -> bytes:
    """Return a document: text as it is, anything else encoded."""
    return value.encode() if isinstance(value, str) else write(value, encoding)


def _bytes(step: dict[str, Any]) -> bytes:
    if "json" in step:
        return str(step["json"]).encode("utf-8", "surrogatepass")
    if "hex" in step:
        return bytes.fromhex(step["hex"])
    return base64.b64decode(step["base64"])


def _item(job: dict[str, Any], encoding: str) -> Item:
    retry = job.get("retry")
    attempts = retry.get("max_attempts") if isinstance(retry, dict) else None
    return Item(
        job["id"],
        write(job, encoding),
        _integer(job.get("run_at"), 0, 2**53 - 1, 0),
        _integer(attempts, 1, 1000, 3),
        _integer(job.get("priority"), 0, 9, 4),
    )


def _integer(value: Any, low: int, high: int, default: int) -> int:
    """Return the value as an argument of the script; a bad one is left to the reader of the envelope."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return default
    return int(value) if value == int(value) and low <= value <= high else default
