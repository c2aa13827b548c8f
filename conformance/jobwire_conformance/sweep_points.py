"""Find the commands of a worker before and after which it is worth killing it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
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


def points(
    exchanges: Iterable[Exchange], namespace: str, until: float, mark: str, ran: Sequence[float] = ()
) -> list[Point]:
    """Return the points that a run shows, up to an instant.

    `mark` ends the names of its queues; `ran` is when handlers started and ended.
    """
    sent = sorted(exchanges, key=lambda each: each.n)
    found: list[Point] = []
    for at, when, nth in _commands(sent, namespace, until, mark):
        if _is_news(sent[:at], sent[at], ran):
            found.append(Point("kill_before", when, nth))
        found.append(Point("kill_after", when, nth))
    return found


def _is_news(before: Sequence[Exchange], exchange: Exchange, ran: Sequence[float]) -> bool:
    """Whether a death before a command leaves something else than one after the command before it."""
    earlier = [each for each in before if each.name != b"blpop"]
    if any(each.replied_at is None or each.replied_at > exchange.at for each in earlier):
        return True
    since = max((each.at for each in earlier), default=exchange.at)
    return any(since <= at <= exchange.at for at in ran)


def _commands(
    exchanges: Sequence[Exchange], namespace: str, until: float, mark: str
) -> Iterator[tuple[int, When, int]]:
    """Yield the place of each command worth a death, what tells it from others, and which of its kind it is."""
    counted: Counter[When] = Counter()
    quiet: set[str] = set()
    for at, exchange in enumerate(exchanges):
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
        yield at, first, counted[first]


def _when(event: dict[str, Any], mark: str) -> When:
    members: dict[str, str] = {name: event[name] for name in ("call", "verb") if name in event}
    if event.get("queue") and event["call"] != "blpop":
        members["queue"] = event["queue"].removesuffix(mark)
    return tuple(members.items())
