"""What the history of a case says, put in order for the rules: calls, jobs given, lives of processes."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .. import binding
from ..documents import Document, Unreadable, encoding_of, read, violations
from ..model import Status
from ..wire.events import Exchange, History, cut, parse, text

DEFAULTS: dict[str, Any] = {"queues": ["default"], "concurrency": 1, "lease_ms": 15000, "grace_ms": 5000}


RETRY: dict[str, Any] = {
    "max_attempts": 3,
    "delay_ms": 1000,
    "factor": 2,
    "max_delay_ms": 300_000,
    "jitter": 0.1,
    "no_retry_on": [],
}


@dataclass(frozen=True)
class Problem:
    """What a rule did not find as it has to be; `requirement` where it is not that of the rule."""

    expected: str
    got: str
    at: float | None = None
    requirement: str | None = None
    status: Status = Status.FAIL


# None stands for something that was looked at and is right.
Findings = Iterator[Problem | None]


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a script, its arguments as bytes."""

    exchange: Exchange
    script: str
    queue: str
    keys: list[bytes]
    arguments: list[bytes]
    head: dict[str, bytes]
    items: list[dict[str, bytes]]
    reply: Any
    """Values of Python, an Exception for an error, None where there was none or it did not arrive."""

    @property
    def by(self) -> str:
        """The process."""
        return self.exchange.by

    @property
    def at(self) -> float:
        """When it was sent."""
        return self.exchange.at

    @property
    def heard_at(self) -> float | None:
        """When the reply was passed on to the process."""
        return None if self.reply is None else self.exchange.replied_at

    def answer(self, index: int) -> str | None:
        """Return the answer to an item, None where it did not arrive."""
        if not isinstance(self.reply, list) or len(self.reply) <= index + 1:
            return None
        word = self.reply[index + 1]
        return text(word) if isinstance(word, bytes) else None


@dataclass(frozen=True, eq=False)
class Given:
    """One job that a claim gave, and that the process has heard of."""

    by: str
    queue: str
    id: str
    token: str
    attempt: int
    document: bytes
    envelope: bytes
    taken: bool
    at: float
    now: int
    """The server's time."""
    unheard: bool
    """Whether the process had stopped sending by then, so that it may not have listened either."""

    @property
    def run(self) -> int | None:
        """The run, from the token."""
        head = self.token.partition(".")[0]
        return int(head) if head.isdigit() else None

    @cached_property
    def job(self) -> Document | None:
        """The envelope, None where nobody can read it."""
        return readable(self.envelope)

    @cached_property
    def stored(self) -> Document | None:
        """The document that it came with."""
        return readable(self.document)

    @cached_property
    def sound(self) -> bool:
        """Whether every reader has to accept the envelope."""
        if self.job is None or self.job.problems:
            return False
        if (self.member("queue"), self.member("id")) != (self.queue, self.id):
            return False  # [RUN-6]
        # Null means absence, and so does a later minor version nothing, to a reader. [FIELD-9] [FIELD-1]
        lenient = {"FIELD-10", "VER-1"}
        return all(name in lenient for name, _ in violations("job", self.job.value, handed_over=True))

    @cached_property
    def retry(self) -> dict[str, Any]:
        """The policy, with its defaults."""
        given = {name: value for name, value in (self.member("retry") or {}).items() if value is not None}
        return RETRY | given

    @property
    def ttl_ms(self) -> int:
        """The least time for which the outcome is kept. [RUN-11]"""
        ttl = self.member("result_ttl_ms")
        ttl_ms = 600_000 if ttl is None else int(ttl)
        return ttl_ms if self.member("parent_id") is None else max(ttl_ms, 3_600_000)

    @property
    def goes_on(self) -> bool:
        """Whether something follows when it succeeds."""
        return bool(self.member("then") or self.member("join"))

    def member(self, name: str) -> Any:
        """Return a member of the envelope, None where it is absent."""
        return self.job.value.get(name) if self.job is not None and isinstance(self.job.value, dict) else None


@dataclass(frozen=True, eq=False)
class Settled:
    """One item of a settle call."""

    call: Call
    id: str
    token: str
    verb: str
    document: bytes
    number: int | None
    answer: str | None

    @property
    def ends(self) -> bool:
        """Whether it ends the run."""
        return self.verb != "decide"

    @cached_property
    def outcome(self) -> dict[str, Any]:
        """The document, nothing where it cannot be read."""
        found = readable(self.document)
        return found.value if found is not None else {}

    @property
    def code(self) -> str | None:
        """The code of the error, if there is one."""
        error = self.outcome.get("error")
        return error.get("code") if isinstance(error, dict) else None


def readable(data: bytes) -> Document | None:
    """Read a document; None where nobody can."""
    try:
        return read(data) if encoding_of(data) else None
    except Unreadable:
        return None


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
        return [given for call in self.of("claim") for given in _given(call)]

    @cached_property
    def given_by_token(self) -> dict[tuple[str, str, str], Given]:
        """The jobs that were given, by queue, id and token."""
        return {(given.queue, given.id, given.token): given for given in self.given}

    @cached_property
    def settled(self) -> list[Settled]:
        """All items of settle calls, in order."""
        return [settled for call in self.of("settle") for settled in _settled(call)]

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
            return self._logs.get((kind, given.by, given.id, given.run), [])
        return [event for event in self.history.events if event.get("log") == kind]

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
        """Return the life of the process that sent a command: what a dead one has sent can arrive after its end."""
        return self.life(exchange.by, exchange.at if exchange.opened_at is None else exchange.opened_at)

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


def _given(call: Call) -> Iterator[Given]:
    if not isinstance(call.reply, list) or call.exchange.replied_at is None:
        return
    shape = binding.SHAPES["claim"]
    taken = len(call.reply) > 2 and call.reply[2] == 1
    for item in binding.items(call.reply[3:], shape.reply_item):
        raw: dict[str, Any] = item
        yield Given(
            call.by,
            call.queue,
            text(raw["id"]),
            text(raw["token"]),
            int(raw["attempt"]),
            raw["document"],
            raw["envelope"],
            taken,
            call.exchange.replied_at,
            int(call.reply[0]),
            call.exchange.after_eof,
        )


def _settled(call: Call) -> Iterator[Settled]:
    for index, item in enumerate(call.items):
        number = int(item["number"]) if item["number"].isdigit() else None
        yield Settled(
            call,
            text(item["id"]),
            text(item["token"]),
            text(item["verb"]),
            item["document"],
            number,
            call.answer(index),
        )
