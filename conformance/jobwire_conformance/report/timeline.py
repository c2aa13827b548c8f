"""Tell what happened in a case, moment by moment: what went over the wire, and what the handlers wrote."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import hiredis

from ..binding import SCRIPT_OF, SCRIPTS
from ..model import CaseResult
from .text import compact, of_bytes, raw, short, visible


@dataclass(frozen=True)
class Moment:
    """One thing that happened, `at` ms after the case began; `sign` says which way: > to the server, < from it."""

    at: float
    who: str
    sign: str
    text: str


def wire(case: CaseResult, limit: int = 2000) -> list[Moment]:
    """Return all commands and replies of a case in order of time, each argument cut to the limit."""
    return sorted(_exchanges(case, limit), key=lambda moment: moment.at)


def history(case: CaseResult, limit: int = 400) -> list[Moment]:
    """Return what the suite made of it: calls with their answers, starts and ends of handlers, processes."""
    start = begin(case)
    return [_event(event, start, limit) for event in case.events]


def everything(case: CaseResult, limit: int) -> list[Moment]:
    """Return what was said on the wire, and between it what else happened."""
    found = [*_exchanges(case, limit), *_off_the_wire(case, begin(case), limit)]
    return sorted(found, key=lambda moment: moment.at)


def around(case: CaseResult, at: float | None, before: int = 6, after: int = 2) -> list[Moment]:
    """Return the few moments on the wire and in the handlers around an instant; the last ones without it."""
    start = begin(case)
    moments = everything(case, 160) if case.transcript else history(case, 160)
    cut = len(moments) if at is None else sum(moment.at <= at - start for moment in moments)
    return moments[max(0, cut - before) : cut + after]


def is_here(case: CaseResult, moment: Moment, at: float | None) -> bool:
    """Return whether a moment is that of an instant, which is exact to what a record keeps."""
    return at is not None and moment.sign != "<" and abs(begin(case) + moment.at - at) < 0.01


def begin(case: CaseResult) -> float:
    """Return the instant from which the times of a case count."""
    return min((float(item["at"]) for item in (*case.events, *case.transcript) if _timed(item)), default=0.0)


def _timed(item: Mapping[str, Any]) -> bool:
    return isinstance(item.get("at"), int | float)


def _off_the_wire(case: CaseResult, start: float, limit: int) -> Iterator[Moment]:
    return (_event(event, start, limit) for event in case.events if not {"call", "suite"} & event.keys())


def _exchanges(case: CaseResult, limit: int) -> Iterator[Moment]:
    start = begin(case)
    for item in filter(_timed, case.transcript):
        who = str(item.get("by", "?"))
        parts = [raw(part) for part in item.get("command") or ()]
        yield Moment(float(item["at"]) - start, who, ">", command(parts, limit))
        if item.get("fault"):
            yield Moment(float(item["at"]) - start, "suite", "·", f"fault: {visible(item['fault'])}")
        if isinstance(item.get("replied_at"), int | float):
            yield Moment(float(item["replied_at"]) - start, who, "<", reply(item.get("reply"), limit))


def command(parts: Sequence[bytes], limit: int) -> str:
    """Return a command as a person writes it; a call of a script by its name, with its queue for the ten keys."""
    name = parts[0].upper() if parts else b""
    if name == b"EVALSHA" and len(parts) > 2 and parts[1].lower() in SCRIPT_OF and parts[2].isdigit():
        keys, arguments = parts[3 : 3 + int(parts[2])], parts[3 + int(parts[2]) :]
        return " ".join([SCRIPT_OF[parts[1].lower()], _queue(keys), *_quoted(arguments, limit)])
    if name == b"SCRIPT" and len(parts) == 3:
        # A long argument is cut in the record.
        begun = parts[2].split("…".encode())[0]
        known = next((script for script, text in SCRIPTS.items() if text.startswith(begun)), None)
        return f"SCRIPT LOAD {known}.lua" if known and begun else " ".join(_quoted(parts, limit))
    return " ".join(_quoted(parts, limit))


def _queue(keys: Sequence[bytes]) -> str:
    first = of_bytes(keys[0]) if keys else ""
    return first[first.find("{") : first.find("}") + 1] or first or "(no keys)"


def _quoted(parts: Iterable[bytes], limit: int) -> Iterator[str]:
    for part in parts:
        text = short(of_bytes(part), limit)
        yield f"'{text}'" if not text or " " in text or "'" in text else text


_ESCAPED = re.compile(rb"\\x([0-9a-f]{2})")


def reply(value: Any, limit: int) -> str:
    """Return a reply on a line: its values, or its bytes where the record holds only a part of them."""
    data = raw(value)
    # Bytes that are no text stand as escapes in the record.
    for candidate in (data, _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), data)):
        try:
            return _values(_parse(candidate), limit)
        except hiredis.HiredisError:
            continue
    return short(of_bytes(data), limit)


def _parse(data: bytes) -> Any:
    reader = hiredis.Reader(replyError=RuntimeError)
    reader.feed(data)
    parsed = reader.gets()
    if parsed is False or reader.has_data():
        raise hiredis.ProtocolError("not one whole reply")
    return parsed


def _values(value: Any, limit: int) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_values(item, limit) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_values(name, limit)}: {_values(item, limit)}" for name, item in value.items()) + "}"
    if isinstance(value, Exception):
        return f"error {visible(value)}"
    if isinstance(value, bytes):
        return f"'{short(of_bytes(value), limit)}'"
    return visible("nil" if value is None else value)


_HIDDEN = {"at", "replied_at", "by", "n", "worker"}


def _event(event: Mapping[str, Any], start: float, limit: int) -> Moment:
    at = float(event["at"]) - start if _timed(event) else 0.0
    who = str(event.get("by") or event.get("worker") or "suite")
    kind = next((name for name in ("log", "call", "process", "suite", "mark") if name in event), "")
    facts = [
        f"{name}={short(compact(value), limit)}"
        for name, value in event.items()
        if name not in _HIDDEN and name != kind and value is not None
    ]
    what = visible(event.get(kind, "?"))
    title = {"log": f"handler {what}", "process": f"process {what}", "mark": f"mark {what}"}.get(kind, what)
    return Moment(at, who, "·" if kind in ("log", "process", "mark") else ">", " ".join([title, *facts]))
