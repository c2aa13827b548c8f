"""One call, one job given, one run settled: what the rules look at, and what a rule finds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .. import binding
from ..documents import Document, Unreadable, encoding_of, read, violations
from ..model import Status
from ..wire.events import Exchange, text

_VERSION_1 = re.compile(r"1\.[0-9]+\Z")

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
        return binding.number(head.encode())

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
        if not _VERSION_1.match(str(self.member("jobwire"))):
            return False  # [FIELD-3] [FIELD-4]
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


def given_by(call: Call) -> Iterator[Given]:
    """Return what a claim gave."""
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


def settled_by(call: Call) -> Iterator[Settled]:
    """Return what a settle says."""
    for index, item in enumerate(call.items):
        yield Settled(
            call,
            text(item["id"]),
            text(item["token"]),
            text(item["verb"]),
            item["document"],
            binding.number(item["number"]),
            call.answer(index),
        )
