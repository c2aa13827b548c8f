"""Judge what happened when: events that match, their order, the time between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .finding import Finding
from .matching import ABSENT, matches, render

Event = dict[str, Any]
_KINDS = ("log", "call", "process", "mark", "suite")


def of_events(events: Sequence[Event], wanted: dict[str, Any]) -> Finding:
    """Count the events that match, in the part of the history that is asked for."""
    pattern = wanted["events"]
    part = list(events)
    for name in ("after", "before"):
        if name in wanted:
            place = first(part, wanted[name])
            if place is None:
                return Finding(False, f"{name} an event {render(wanted[name])}", f"none: {_near(events, wanted[name])}")
            part = part[place + 1 :] if name == "after" else part[:place]
    found = [event for event in part if matches(pattern, event)]
    low, high = _bounds(wanted)
    if not low <= len(found) <= high:
        what = f"{_range(low, high)} events {render(pattern)}"
        shown = "; ".join(brief(event) for event in found[:4]) or _near(part, pattern)
        return Finding(False, what, f"{len(found)}: {shown}", found[-1]["at"] if found else None)
    return _distinct(found, wanted) or Finding(True, f"{_range(low, high)} events {render(pattern)}")


def of_order(events: Sequence[Event], patterns: Sequence[Event]) -> Finding:
    """See whether the first matches come one after the other."""
    places = [first(events, pattern) for pattern in patterns]
    for pattern, place in zip(patterns, places, strict=True):
        if place is None:
            return Finding(False, f"an event {render(pattern)}", f"none: {_near(events, pattern)}")
    found = [place for place in places if place is not None]
    for index in range(1, len(found)):
        if found[index] <= found[index - 1]:
            earlier, later = events[found[index - 1]], events[found[index]]
            wanted = f"{render(patterns[index - 1])} before {render(patterns[index])}"
            got = f"{brief(later)} first, {brief(earlier)} {earlier['at'] - later['at']:.1f} ms later"
            return Finding(False, wanted, got, later["at"])
    return Finding(True, " before ".join(map(render, patterns)))


def of_gap(events: Sequence[Event], wanted: dict[str, Any], time_scale: float) -> Finding:
    """Compare the time between two events: the first match, and the first match of the other after it."""
    begin = first(events, wanted["gap"]["from"])
    if begin is None:
        return Finding(False, f"an event {render(wanted['gap']['from'])}", _near(events, wanted["gap"]["from"]))
    rest = events[begin + 1 :]
    end = first(rest, wanted["gap"]["to"])
    if end is None:
        what = f"an event {render(wanted['gap']['to'])} after {brief(events[begin])}"
        return Finding(False, what, f"none: {_near(rest, wanted['gap']['to'])}")
    gap_ms = rest[end]["at"] - events[begin]["at"]
    low, high = wanted.get("min_ms", 0), wanted.get("max_ms", float("inf")) * time_scale
    what = f"{low} to {high:.0f} ms from {brief(events[begin])} to {brief(rest[end])}"
    return Finding(low <= gap_ms <= high, what, f"{gap_ms:.1f} ms", rest[end]["at"], slow=gap_ms > high)


def first(events: Sequence[Event], pattern: Event) -> int | None:
    """Return the place of the first event that matches."""
    return next((place for place, event in enumerate(events) if matches(pattern, event)), None)


def brief(event: Event, besides: Iterable[str] = ()) -> str:
    """Write an event in one line, without what is large but for the members that are asked for."""
    kind = next((kind for kind in _KINDS if kind in event), None)
    if kind is None:
        return render(event, 120)
    usual = ("by", "worker", "id", "queue", "verb", "answer", "attempt", "state", "signal", "status", "error", "ids")
    names = [*usual, *(name for name in besides if name not in (*usual, kind))]
    details = ", ".join(f"{name} {render(event[name], 60)}" for name in names if event.get(name) is not None)
    return f"{kind} {event[kind]} ({details})" if details else f"{kind} {event[kind]}"


def _bounds(wanted: dict[str, Any]) -> tuple[int, float]:
    if "count" in wanted:
        return wanted["count"], wanted["count"]
    return wanted.get("min", 0 if "max" in wanted else 1), wanted.get("max", float("inf"))


def _range(low: int, high: float) -> str:
    if low == high:
        return f"{low}"
    return f"at least {low}" if high == float("inf") else f"{low} to {high}"


def _distinct(found: list[Event], wanted: dict[str, Any]) -> Finding | None:
    name = wanted.get("distinct")
    if name is None:
        return None
    seen: dict[str, Event] = {}
    for event in found:
        value = render(event.get(name, ABSENT))
        if value in seen:
            what = f"events {render(wanted['events'])} that differ in {name}"
            return Finding(False, what, f"{value} in {brief(seen[value])} and in {brief(event)}", event["at"])
        seen[value] = event
    return None


def _near(events: Sequence[Event], pattern: Event) -> str:
    """Tell which events are of the kind that a pattern asks for, to show in what they differ."""
    for names in (("log", "call", "process", "mark", "suite", "id"), ("log", "call", "process", "mark", "suite")):
        part = {name: pattern[name] for name in names if name in pattern}
        found = [event for event in events if matches(part, event)]
        if found:
            shown = "; ".join(brief(event, pattern) for event in found[:4])
            return f"there are {shown}" if len(found) <= 4 else f"there are {len(found)}, the first {shown}"
    return "nothing of the kind"
