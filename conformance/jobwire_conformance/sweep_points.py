"""Find the commands of a worker before and after which it is worth killing it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from .wire.events import Exchange

# What sets up a connection, or only reads: nobody notices a death beside it.
_SETTING_UP = "hello auth select ping echo quit reset info time command client script config readonly cluster look"
_LISTENING = "ssubscribe sunsubscribe subscribe unsubscribe"
BESIDES: Final = frozenset(f"{_SETTING_UP} {_LISTENING}".split())

When = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Point:
    """A death before the nth command of a kind reaches the server, or after it did and before the reply came."""

    do: str
    when: When
    nth: int

    @property
    def kind(self) -> str:
        """The verb of a settle, else the call."""
        members = dict(self.when)
        return members.get("verb") or members["call"]

    def __str__(self) -> str:
        members = dict(self.when)
        what = " ".join(members[name] for name in ("call", "verb") if name in members)
        where = f" in {members['queue']}" if "queue" in members else ""
        return f"killed {self.do.removeprefix('kill_')} {what}{where} ({self.nth})"


def points(exchanges: Iterable[Exchange], namespace: str, until: float, mark: str) -> list[Point]:
    """Return the points that a run shows, up to an instant; `mark` ends the names of its queues."""
    commands = list(_commands(exchanges, namespace, until, mark))
    both = [Point(do, when, nth) for when, nth in commands for do in ("kill_before", "kill_after")]
    # Before its first command the worker has not been there.
    return both[1:]


def _commands(exchanges: Iterable[Exchange], namespace: str, until: float, mark: str) -> Iterator[tuple[When, int]]:
    counted: Counter[When] = Counter()
    quiet: set[str] = set()
    for exchange in sorted(exchanges, key=lambda each: each.n):
        events = exchange.told(namespace)
        if not events or events[0]["call"].split()[0] in BESIDES:
            continue
        kinds = dict.fromkeys(_when(event, mark) for event in events if event["call"] != "given")
        counted.update(list(kinds))
        call = events[0]["call"]
        # Of the rounds that give nothing, one is enough.
        gave_nothing = call == "blpop" or (call == "claim" and not events[0].get("ids"))
        if exchange.at > until or (gave_nothing and call in quiet):
            continue
        if gave_nothing:
            quiet.add(call)
        first = next(iter(kinds))
        yield first, counted[first]


def _when(event: dict[str, Any], mark: str) -> When:
    members: dict[str, str] = {name: event[name] for name in ("call", "verb") if name in event}
    if event.get("queue") and event["call"] != "blpop":
        members["queue"] = event["queue"].removesuffix(mark)
    return tuple(members.items())
