"""The history of a case: what was said on the wire, decoded into events, and what else happened."""

from __future__ import annotations

import asyncio
import base64
import bisect
import contextlib
import time
from dataclasses import dataclass, field
from typing import Any

import hiredis

from .. import binding
from ..documents import Unreadable, read

SUBSCRIBING = frozenset({b"subscribe", b"ssubscribe", b"psubscribe"})
UNSUBSCRIBING = frozenset({b"unsubscribe", b"sunsubscribe", b"punsubscribe"})


def now_ms() -> float:
    """Return the suite's clock, which the logs of the handlers share."""
    return time.time() * 1000


@dataclass
class Exchange:
    """One command of a process and the reply to it, as bytes."""

    by: str
    connection: int
    n: int
    """Which command of the process this is."""
    at: float
    command: list[bytes]
    reply: bytes = b""
    replied_at: float | None = None
    lost: bool = False
    """Whether the connection ended before there was a reply."""
    lost_at: float | None = None
    opened_at: float | None = None
    """When its connection was made."""
    after_eof: bool = False
    """Whether the process had stopped sending before the reply came."""
    fault: str = ""
    _events: list[dict[str, Any]] | None = field(default=None, repr=False)

    @property
    def name(self) -> bytes:
        """The command, in lower case."""
        return self.command[0].lower() if self.command else b""

    @property
    def ended_at(self) -> float | None:
        """When the reply came, or the connection ended; None while it is waited for."""
        return self.lost_at if self.lost else self.replied_at

    @property
    def pending(self) -> bool:
        """Whether a reply is still waited for."""
        return self.replied_at is None and not self.lost

    def asked(self, namespace: str) -> list[dict[str, Any]]:
        """Return what the command says, an event an item."""
        if self._events is None:
            self._events = [self._stamp(event) for event in describe(self.command, namespace)]
        return self._events

    def told(self, namespace: str) -> list[dict[str, Any]]:
        """Return the events of command and reply together."""
        events = self.asked(namespace)
        for event in events:
            event["replied_at"] = self.replied_at
            if self.fault:
                event["fault"] = self.fault
            if self.lost:
                event["lost"] = True
        if self.lost:
            return events
        reply = parse(self.reply)
        if isinstance(reply, Exception):
            for event in events:
                event["error"] = str(reply)
            return events
        return events + [self._stamp(event, self.replied_at) for event in _answer(events, reply, namespace)]

    def record(self, limit: int = 4096) -> dict[str, Any]:
        """Return it as values of JSON, what is long cut to `limit` bytes."""
        return {
            "by": self.by,
            "connection": self.connection,
            "n": self.n,
            "at": self.at,
            "replied_at": self.replied_at,
            "command": [_shown(part, limit) for part in self.command],
            "reply": _shown(self.reply, limit),
            "lost": self.lost,
            "fault": self.fault,
        }

    def _stamp(self, event: dict[str, Any], at: float | None = None) -> dict[str, Any]:
        return {**event, "by": self.by, "at": at or self.at, "n": self.n}


class History:
    """The events of a case in the order of `at`, and the bytes on the wire."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.transcript: list[Exchange] = []
        self._waiters: list[asyncio.Future[None]] = []

    def add(self, event: dict[str, Any]) -> None:
        """Put an event in its place; one without a time happens now."""
        event.setdefault("at", now_ms())
        bisect.insort_right(self.events, event, key=lambda each: each["at"])
        self.wake()

    def wake(self) -> None:
        """Let those look again who wait for a change."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    async def wait(self, timeout_s: float) -> None:
        """Wait until something is added, at most so long."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(waiter, max(timeout_s, 0))

    def blocked(self, by: str) -> list[Exchange]:
        """Return the waits on `wake` of a process that have not ended."""
        return [each for each in self.transcript if each.by == by and each.pending and each.name == b"blpop"]


def parse(raw: bytes) -> Any:
    """Return a reply as Python values; an error is an Exception that is returned."""
    reader = hiredis.Reader(replyError=RuntimeError)
    reader.feed(raw)
    return reader.gets()


def describe(command: list[bytes], namespace: str) -> list[dict[str, Any]]:
    """Return what a command says, an event an item of a batch."""
    name = command[0].lower() if command else b""
    script = binding.SCRIPT_OF.get(command[1].lower()) if name == b"evalsha" and len(command) > 2 else None
    if script is not None:
        return _script(script, command, namespace)
    if name == b"blpop":
        return [_blpop(command, namespace)]
    if name in SUBSCRIBING | UNSUBSCRIBING:
        return [{"call": text(name), "channel": text(channel)} for channel in command[1:]] or [{"call": text(name)}]
    if name == b"script" and len(command) == 3 and command[1].lower() == b"load":
        loaded = next((each for each, source in binding.SCRIPTS.items() if source == command[2]), None)
        return [{"call": "script load", "script": loaded}]
    return [{"call": text(name), "args": [_shown(part, 200) for part in command[1:]]}]


def _blpop(command: list[bytes], namespace: str) -> dict[str, Any]:
    keys = [binding.split_key(namespace, key) for key in command[1:-1]]
    queues = [key[0] if key is not None and key[1] == "wake" else None for key in keys]
    try:
        timeout_ms: float | None = float(command[-1]) * 1000
    except ValueError:
        timeout_ms = None
    return {"call": "blpop", "queues": queues, "timeout_ms": timeout_ms}


def cut(command: list[bytes]) -> tuple[list[bytes], list[bytes]]:
    """Return KEYS and ARGV of an EVALSHA."""
    count = binding.number(command[2]) or 0
    return command[3 : 3 + count], command[3 + count :]


def _script(script: str, command: list[bytes], namespace: str) -> list[dict[str, Any]]:
    keys, arguments = cut(command)
    found = binding.split_key(namespace, keys[0]) if keys else None
    base: dict[str, Any] = {"call": script, "queue": found[0] if found else None}
    if script == "join" and found:
        base["group"] = found[1].removeprefix("join:")
    shape = binding.SHAPES[script]
    head = dict(zip(shape.head, arguments, strict=False))
    base |= _members(head)
    items = binding.items(arguments[len(shape.head) :], shape.item)
    return [{**base, **_members(item)} for item in items] or [base]


def _members(item: dict[str, bytes]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, data in item.items():
        if name in binding.DOCUMENTS:
            members |= _document(name, data)
        else:
            value = binding.number(data) if name in binding.NUMBERS else None
            members[name] = text(data) if value is None else value
    return members


def _document(name: str, data: bytes) -> dict[str, Any]:
    """Decode a document; what is empty is absent."""
    if not data:
        return {}
    try:
        document = read(data)
    except Unreadable:
        return {name: {"undecodable": base64.b64encode(data).decode()}, "encoding": None}
    # Of a job that is given both are there; its encoding is that of the envelope, which comes last.
    members: dict[str, Any] = {name: document.value, "encoding": document.encoding}
    if document.problems:
        members[f"{name}_problems"] = list(document.problems)
    return members


def _answer(events: list[dict[str, Any]], reply: Any, namespace: str) -> list[dict[str, Any]]:
    """Put what the reply says into the events; return the events that it adds."""
    call = events[0]["call"]
    if call == "blpop":
        found = binding.split_key(namespace, reply[0]) if isinstance(reply, list) else None
        events[0]["queue"] = found[0] if found else None
    elif call in binding.SHAPES and isinstance(reply, list):
        return _script_answer(call, events, reply[1:])
    elif isinstance(reply, bytes | str | int):
        events[0]["answer"] = (
            reply if isinstance(reply, int) else text(bytes(reply) if isinstance(reply, bytes) else reply.encode())
        )
    return []


def _script_answer(call: str, events: list[dict[str, Any]], reply: list[Any]) -> list[dict[str, Any]]:
    shape = binding.SHAPES[call]
    head = {name: _plain(value) for name, value in zip(shape.reply_head, reply, strict=False)}
    rest = reply[len(shape.reply_head) :]
    if call == "join":
        events[0] |= {"answer": head.get("count"), "complete": bool(rest)}
        return []
    if call != "claim":
        items = binding.items(rest, shape.reply_item)
        events[0] |= head
        for event, item in zip(events, items, strict=False):
            event |= {name: value for name, value in _reply_members(item).items() if name != "encoding"}
        return []
    given = [_reply_members(item) for item in binding.items(rest, shape.reply_item)]
    events[0] |= head | {"ids": [item.get("id") for item in given]}
    same: dict[str, Any] = {
        name: events[0][name] for name in ("queue", "nonce", "taken", "lease_ms") if name in events[0]
    }
    return [{**same, "call": "given", **item} for item in given]


def _reply_members(item: dict[str, Any]) -> dict[str, Any]:
    numbers = {name: value for name, value in item.items() if isinstance(value, int)}
    return numbers | _members({name: value for name, value in item.items() if isinstance(value, bytes)})


def _plain(value: Any) -> Any:
    return text(value) if isinstance(value, bytes) else value


def text(data: bytes) -> str:
    """Return bytes as text that can be shown and compared."""
    return data.decode("utf-8", "backslashreplace")


def _shown(data: bytes, limit: int) -> str:
    return text(data) if len(data) <= limit else f"{text(data[:limit])}… ({len(data)} bytes)"
