"""The events that a pattern of a case can name, with their members."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from .matching import faults, operator, render

_ALWAYS: Final = {"at"}
_WIRE: Final = {"by", "queue", "id", "answer", "replied_at", "n", "error", "lost"}
_LOG: Final = {"worker", "id", "type", "attempt", "run", "told"}
_PROCESS: Final = {"worker", "signal", "status"}
_ENQUEUED: Final = {"envelope", "encoding", "run_at", "max_attempts", "priority"}

CALLS: Final[dict[str, set[str]]] = {
    "enqueue": _ENQUEUED,
    "pass": _ENQUEUED,
    "claim": {"nonce", "lease_ms", "max_jobs", "rescue", "wait_ms", "taken", "ids"},
    "given": {"token", "attempt", "document", "nonce", "taken", "lease_ms"},
    "extend": {"lease_ms", "token", "progress"},
    "settle": {"token", "verb", "document", "encoding", "number"},
    "cancel": {"document", "ttl_ms"},
    "look": {"state", "attempt", "document"},
    "join": {"group", "index", "size", "value", "ttl_ms"},
    "requeue": set(),
    "blpop": {"queues", "timeout_ms"},
    "ssubscribe": {"channel"},
    "script load": {"script"},
    # Under the digest of no script of this release; the others have their names.
    "evalsha": {"args"},
}
# Other commands that a program can be seen to send, or has to be seen not to.
# fmt: off
_COMMANDS: Final = frozenset({
    "script exists", "script flush", "subscribe", "psubscribe", "sunsubscribe", "unsubscribe",
    "hello", "auth", "select", "ping", "client setname", "client setinfo", "client id", "client list", "client kill",
    "client unblock", "info", "config get", "config set", "command", "time", "wait", "waitaof", "eval", "multi", "exec",
    "get", "set", "del", "exists", "keys", "scan", "expire", "pexpire", "hget", "hset", "hdel", "hgetall", "llen",
    "lpush", "rpush", "lpop", "brpop", "zadd", "zrem", "zcard", "zscore", "zrange", "publish", "spublish", "monitor",
    "flushall", "flushdb", "function load", "fcall", "cluster slots", "cluster shards", "readonly", "quit",
})
# fmt: on
_VALUES: Final[dict[str, set[str]]] = {
    "log": {"start", "end"},
    "process": {"started", "ready", "signalled", "exited"},
    "verb": {"succeed", "fail", "retry", "release", "cancel", "expire", "decide"},
    "signal": {"TERM", "INT", "STOP", "CONT", "KILL"},
}
_KINDS: Final = ("log", "call", "process", "mark", "suite")


def event_faults(pattern: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the pattern of an event: a misspelt member would match nothing for ever."""
    yield from faults(pattern)
    kinds = [kind for kind in _KINDS if kind in pattern]
    if len(kinds) != 1:
        yield f"an event has one of {', '.join(_KINDS)}, got {render(pattern)}"
        return
    known = _members(kinds[0], pattern)
    if known is not None:
        for name in sorted(set(pattern) - known):
            yield f"an event {kinds[0]}: {render(pattern[kinds[0]])} has no member {name}"
    for name, values in (_VALUES | {"call": set(CALLS) | _COMMANDS}).items():
        if name in pattern:
            yield from _value_faults(name, pattern[name], values)


def _members(kind: str, pattern: dict[str, Any]) -> set[str] | None:
    """Return the members that such an event can have; none if that is open."""
    if kind == "log":
        return _ALWAYS | _LOG | {"log"}
    if kind == "process":
        return _ALWAYS | _PROCESS | {"process"}
    if kind == "mark":
        return _ALWAYS | {"mark"}
    if kind == "suite":
        return None
    # Any other command of Redis is an event too, with its arguments.
    extra = {name for call in _named(pattern["call"]) for name in CALLS.get(call, {"args"})}
    return _ALWAYS | _WIRE | {"call"} | extra


def _value_faults(name: str, wanted: Any, values: set[str]) -> Iterator[str]:
    for value in _named(wanted):
        if value not in values:
            wanted_text = ", ".join(sorted(values)) if len(values) < 20 else "a script or a command of the server"
            yield f"{name}: wanted {wanted_text}, got {render(value)}"


def _named(pattern: Any) -> list[str]:
    name = operator(pattern)
    if name is None:
        return [pattern] if isinstance(pattern, str) else []
    argument = pattern[name]
    if name in ("one_of", "not"):
        members = argument if isinstance(argument, list) else [argument]
        return [text for member in members for text in _named(member)]
    return []
