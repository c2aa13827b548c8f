"""The Redis binding of SPEC.md section 7: names of keys, scripts, and the shape of arguments and replies."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from .model import PACKAGE

NAMES = ("jobs", "record", "ready", "scheduled", "active", "failed", "outcomes", "progress", "control", "wake")

# Section 13, and those that a client sends before its first call.
ALLOWED = frozenset(
    [
        "evalsha",
        "script|load",
        "blpop",
        "ssubscribe",
        "sunsubscribe",
        "ping",
        "hello",
        "auth",
        "client|setname",
        "time",
        "wait",
        "cluster|slots",
        "cluster|shards",
        "cluster|nodes",
        "asking",
        "readonly",
        "client|setinfo",
        "client|id",
        "select",
        "quit",
        "command",
    ]
)


def key(namespace: str, queue: str, name: str) -> str:
    """Return the key `name` of a queue."""
    return f"{namespace}:{{{queue}}}:{name}"


def result_key(namespace: str, queue: str, id: str) -> str:
    """Return the key, and the channel, of the outcome of a job."""
    return key(namespace, queue, f"result:{id}")


def join_key(namespace: str, queue: str, group: str) -> str:
    """Return the key of a group, in the queue of its callback."""
    return key(namespace, queue, f"join:{group}")


def split_key(namespace: str, key: bytes) -> tuple[str, str] | None:
    """Return the queue and the name of a key, or None if it is no key of the namespace."""
    text = key.decode("utf-8", "replace")
    head = f"{namespace}:{{"
    queue, end, name = text.removeprefix(head).partition("}:")
    if not text.startswith(head) or not end or not _is_queue(queue):
        return None
    return (queue, name) if name in NAMES or name.startswith(("result:", "join:")) else None


def _is_queue(text: str) -> bool:
    plain = text.replace("_", "").replace(".", "").replace("-", "")
    return plain.isascii() and (plain.isalnum() or not plain) and text[:1].isalnum() and len(text) <= 128


def _load() -> dict[str, bytes]:
    entries = json.loads((PACKAGE / "lua" / "scripts.json").read_text(encoding="utf-8"))
    return {entry["name"]: (PACKAGE / "lua" / entry["file"]).read_bytes() for entry in entries}


SCRIPTS: dict[str, bytes] = _load()
SHA: dict[str, str] = {name: hashlib.sha1(text).hexdigest() for name, text in SCRIPTS.items()}
SCRIPT_OF: dict[bytes, str] = {sha.encode(): name for name, sha in SHA.items()}


@dataclass(frozen=True)
class Shape:
    """What a script takes and gives: members that stand once, and those that stand once an item."""

    head: tuple[str, ...] = ()
    item: tuple[str, ...] = ()
    reply_head: tuple[str, ...] = ()
    reply_item: tuple[str, ...] = ("answer",)
    result_keys: bool = False
    """Whether `result:<id>` follows the ten keys, for each id."""


_JOB = ("id", "envelope", "run_at", "max_attempts", "priority")

SHAPES: dict[str, Shape] = {
    "enqueue": Shape(item=_JOB, result_keys=True),
    "pass": Shape(item=_JOB, result_keys=True),
    "claim": Shape(
        head=("nonce", "lease_ms", "max_jobs", "rescue"),
        reply_head=("wait_ms", "taken"),
        reply_item=("id", "token", "attempt", "document", "envelope"),
    ),
    "extend": Shape(head=("lease_ms",), item=("id", "token", "progress")),
    "settle": Shape(item=("id", "token", "verb", "document", "number"), result_keys=True),
    "cancel": Shape(item=("id", "document", "ttl_ms"), result_keys=True),
    "look": Shape(item=("id",), reply_item=("state", "attempt", "document", "progress"), result_keys=True),
    "join": Shape(head=("index", "size", "value", "ttl_ms"), reply_head=("count", "size"), reply_item=("value",)),
    "requeue": Shape(item=("id",)),
    "purge": Shape(head=("before_ms", "limit"), reply_head=("count",), reply_item=()),
    "configure": Shape(head=("field", "amount"), reply_head=("answer",), reply_item=()),
}

NUMBERS = frozenset(
    [
        "run_at",
        "max_attempts",
        "priority",
        "lease_ms",
        "max_jobs",
        "rescue",
        "wait_ms",
        "taken",
        "attempt",
        "number",
        "ttl_ms",
        "index",
        "size",
        "count",
        "before_ms",
        "limit",
    ]
)
DOCUMENTS = frozenset({"envelope", "document", "progress", "value"})


def number(data: bytes) -> int | None:
    """Return what decimal digits mean, as section 7.2 has them; None for anything else."""
    return int(data) if data.isdigit() and len(data) <= 16 else None


def expected_keys(namespace: str, queue: str, script: str, ids: list[str]) -> list[str]:
    """Return the KEYS that a call has to have; those of `join` are not told by the ids."""
    keys = [key(namespace, queue, name) for name in NAMES]
    if SHAPES[script].result_keys:
        keys += [result_key(namespace, queue, id) for id in ids]
    return keys


def items(arguments: list[bytes], members: tuple[str, ...]) -> list[dict[str, bytes]]:
    """Cut a flat list into items; what is left over, when the list has no such shape, is dropped."""
    width = len(members)
    if not width:
        return []
    whole = len(arguments) - len(arguments) % width
    return [dict(zip(members, arguments[start : start + width], strict=True)) for start in range(0, whole, width)]
