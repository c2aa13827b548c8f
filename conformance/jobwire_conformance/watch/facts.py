"""What the history of a case says, put in order for the rules: calls, jobs given, lives of processes."""

from __future__ import annotations

import bisect
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from .. import binding
from ..wire.events import Exchange, History, cut, parse, text
from .items import Call, Findings, Given, Problem, Settled, given_by, readable, settled_by

__all__ = ["Call", "Facts", "Findings", "Given", "Problem", "Settled", "readable"]

DEFAULTS: dict[str, Any] = {"queues": ["default"], "concurrency": 1, "lease_ms": 15000, "grace_ms": 5000}


class Facts:
    """All that the rules look at."""

    def __init__(
        self, history: History, workers: Mapping[str, Mapping[str, Any]], namespace: str, time_scale: float = 1.0
    ) -> None:
        self.history = history
        self.namespace = namespace
        self.scale = max(time_scale, 1.0)
        self._ends_of: dict[str, list[float]] = {}
        self.workers = {name: DEFAULTS | dict(given or {}) for name, given in workers.items()}

    @property
    def exchanges(self) -> list[Exchange]:
        """All commands, in the order in which they were sent."""
        return self.history.transcript

    @cached_property
    def calls(self) -> list[Call]:
        """All calls of scripts that begin with keys of the namespace."""
        return [call for exchange in self.exchanges if (call := self._call(exchange)) is not None]

    def of(self, *scripts: str) -> list[Call]:
        """Return the calls of these scripts."""
        return [call for call in self.calls if call.script in scripts]

    def _call(self, exchange: Exchange) -> Call | None:
        command = exchange.command
        script = binding.SCRIPT_OF.get(command[1].lower()) if exchange.name == b"evalsha" and len(command) > 2 else None
        if script is None:
            return None
        keys, arguments = cut(command)
        found = binding.split_key(self.namespace, keys[0]) if keys else None
        shape = binding.SHAPES[script]
        head = dict(zip(shape.head, arguments, strict=False))
        items = binding.items(arguments[len(shape.head) :], shape.item)
        reply = None if exchange.lost or not exchange.reply else parse(exchange.reply)
        return Call(exchange, script, found[0] if found else "", keys, arguments, head, items, reply)

    @cached_property
    def given(self) -> list[Given]:
        """All jobs that were given, in order."""
        return [given for call in self.of("claim") for given in given_by(call)]

    @cached_property
    def given_by_token(self) -> dict[tuple[str, str, str], Given]:
        """The jobs that were given, by queue, id and token."""
        return {(given.queue, given.id, given.token): given for given in self.given}

    @cached_property
    def settled(self) -> list[Settled]:
        """All items of settle calls, in order."""
        return [settled for call in self.of("settle") for settled in settled_by(call)]

    def given_of(self, settled: Settled) -> Given | None:
        """Return the claim that a settle speaks for, if the process has heard of it."""
        return self.given_by_token.get((settled.call.queue, settled.id, settled.token))

    def settles_of(self, given: Given) -> list[Settled]:
        """Return what was sent to settle a job with this token."""
        return self._settles.get((given.queue, given.id, given.token), [])

    @cached_property
    def _settles(self) -> dict[tuple[str, str, str], list[Settled]]:
        found: dict[tuple[str, str, str], list[Settled]] = {}
        for each in self.settled:
            found.setdefault((each.call.queue, each.id, each.token), []).append(each)
        return found

    @cached_property
    def extended(self) -> dict[tuple[str, str, str], list[tuple[Call, str | None]]]:
        """The extend calls and their answers, by queue, id and token."""
        found: dict[tuple[str, str, str], list[tuple[Call, str | None]]] = {}
        for call in self.of("extend"):
            for index, item in enumerate(call.items):
                name = (call.queue, text(item["id"]), text(item["token"]))
                found.setdefault(name, []).append((call, call.answer(index)))
        return found

    def lost_at(self, given: Given) -> float | None:
        """Return when the process was told that the lease of a job is lost."""
        extends = self.extended.get((given.queue, given.id, given.token), [])
        told = [call.heard_at for call, answer in extends if answer == "lost"]
        told += [each.call.heard_at for each in self.settles_of(given) if each.answer == "lost"]
        return min((at for at in told if at is not None), default=None)

    def logs(self, kind: str, given: Given | None = None) -> list[dict[str, Any]]:
        """Return what the handlers wrote down, of one claim of a job or of all."""
        if given is not None:
            found = self._logs.get((kind, given.by, given.id, given.run), [])
            again_at = self._again_at(given)
            return [event for event in found if again_at is None or (event["at"] < again_at) == (given.at < again_at)]
        return [event for event in self.history.events if event.get("log") == kind]

    def _again_at(self, given: Given) -> float | None:
        """Return when an id that had become free was given to the same process again, None if it was not."""
        same = self._claims.get((given.by, given.id, given.run), [])
        times = sorted(other.at for other in same if other.queue == given.queue)
        return times[1] if len(times) > 1 else None

    @cached_property
    def _logs(self) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
        found: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
        for event in self.history.events:
            if "log" in event:
                name = (event["log"], event.get("worker"), event.get("id"), event.get("run"))
                found.setdefault(name, []).append(event)
        return found

    def claims_of(self, event: Mapping[str, Any]) -> list[Given]:
        """Return the claims that a line of the log can be about; an id can stand in several queues."""
        return self._claims.get((event.get("worker"), event.get("id"), event.get("run")), [])

    @cached_property
    def _claims(self) -> dict[tuple[Any, ...], list[Given]]:
        found: dict[tuple[Any, ...], list[Given]] = {}
        for given in self.given:
            found.setdefault((given.by, given.id, given.run), []).append(given)
        return found

    # Processes.

    def moments(self, by: str, kind: str, *signals: str) -> list[float]:
        """Return when a process was started, ready, signalled or exited."""
        found = self._moments.get((by, kind), [])
        return [at for at, signal in found if not signals or signal in signals]

    @cached_property
    def _moments(self) -> dict[tuple[Any, Any], list[tuple[float, str]]]:
        found: dict[tuple[Any, Any], list[tuple[float, str]]] = {}
        for event in self.history.events:
            if "process" in event:
                moment = (event["at"], str(event.get("signal", "")).removeprefix("SIG"))
                found.setdefault((event.get("worker"), event["process"]), []).append(moment)
        return found

    def life(self, by: str, at: float) -> tuple[float, float]:
        """Return between which instants the process ran that was there at an instant; unknown ones are infinite."""
        ends = self._ends(by)
        place = bisect.bisect_right(ends, at)
        return ends[place - 1] if place else float("-inf"), ends[place] if place < len(ends) else float("inf")

    def life_of(self, exchange: Exchange) -> tuple[float, float]:
        """Return the life of the process that sent a command.

        What a dead one has sent can arrive after its end, and so can the connection that it sent it on.
        """
        at = exchange.at if exchange.opened_at is None else exchange.opened_at
        started = [start for start in self.moments(exchange.by, "started") if start <= at]
        return self.life(exchange.by, started[-1] if started else at)

    def _ends(self, by: str) -> list[float]:
        if by not in self._ends_of:
            kills = self.moments(by, "signalled", "KILL") + self._kills.get(by, [])
            self._ends_of[by] = sorted(self.moments(by, "exited") + kills)
        return self._ends_of[by]

    @cached_property
    def _kills(self) -> dict[str, list[float]]:
        found: dict[str, list[float]] = {}
        for each in self.exchanges:
            if each.fault.startswith("kill_"):
                found.setdefault(each.by, []).append(each.ended_at or each.at)
        return found

    def frozen(self, by: str, begin: float, end: float) -> bool:
        """Whether a process was stopped in a span of time, or has just gone on."""
        stops = self.moments(by, "signalled", "STOP")
        for stop in stops:
            going_on = [at for at in self.moments(by, "signalled", "CONT") if at >= stop]
            until = min(going_on, default=float("inf")) + 2000 * self.scale
            if begin <= until and end >= stop:
                return True
        return False

    def disturbed(self, by: str, begin: float, end: float) -> bool:
        """Whether the server or the way to it was in trouble in a span of time."""
        for each in self.exchanges:
            if each.by != by or each.at > end or (each.ended_at or float("inf")) < begin:
                continue
            if each.fault or each.lost or (each.reply[:1] == b"-" and not each.reply.startswith(b"-JOBWIRE")):
                return True
        return any(event.get("wire") and event.get("by") == by and begin <= event["at"] <= end for event in self._wire)

    @cached_property
    def _wire(self) -> list[dict[str, Any]]:
        return [event for event in self.history.events if event.get("wire")]

    @cached_property
    def last_at(self) -> float:
        """The last instant of which something is known."""
        return max((event["at"] for event in self.history.events), default=0.0)
