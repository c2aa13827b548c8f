"""Who takes part: every row of the tables, with the driver that speaks for it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What a row is compared as; an example is a worker of ours in another language, and never a peer."""

    OWN = "own"
    EXAMPLE = "example"
    PEER = "peer"
    LIMIT = "limit"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row: a variant of a driver.

    `chunk` is how many jobs its bulk API gets a call; `guess` is a process rate to begin with.
    `atomic` says why its enqueue counts as atomic and
    idempotent (one step on the server, and an id that is known is not enqueued again), and is empty if it does not.
    """

    name: str
    driver: str
    variant: str
    language: str = "Python"
    kind: Kind = Kind.PEER
    chunk: int = 1000
    guess: int = 1_000
    atomic: str = ""


JOBWIRE, JOBWIRE_JSON = "Jobwire", "Jobwire, JSON"
BARE_PUSH, BARE_SCRIPTS = "bare RPUSH/LPOP", "bare scripts"
BULLMQ, ASYNQ = "BullMQ", "asynq"

ROWS = (
    Row(name=JOBWIRE, driver="jobwire", variant="msgpack", kind=Kind.OWN, guess=25_000),
    Row(name=JOBWIRE_JSON, driver="jobwire", variant="json", kind=Kind.OWN, guess=20_000),
    Row(
        name="Jobwire, TypeScript",
        driver="typescript",
        variant="msgpack-c8",
        language="TypeScript",
        kind=Kind.EXAMPLE,
        guess=5_000,
    ),
    Row(name="Jobwire, Go", driver="go", variant="msgpack-c50", language="Go", kind=Kind.EXAMPLE, guess=5_000),
    Row(name="Jobwire, Rust", driver="rust", variant="msgpack-c50", language="Rust", kind=Kind.EXAMPLE, guess=5_000),
    Row(name="Jobwire, Java", driver="java", variant="msgpack-c50", language="Java", kind=Kind.EXAMPLE, guess=5_000),
    Row(name="RQ", driver="rq", variant="simple", guess=200),
    Row(name="Celery", driver="celery", variant="prefork", guess=600),
    Row(name="Dramatiq", driver="dramatiq", variant="threads8"),
    Row(name="Taskiq", driver="taskiq", variant="stream", chunk=100),
    Row(name="SAQ", driver="saq", variant="c10", atomic="one script, which looks for the key of the job", chunk=100),
    Row(name="arq", driver="arq", variant="tuned", atomic="WATCH, then MULTI, which looks for the id", chunk=100),
    Row(name="Huey", driver="huey", variant="notify"),
    Row(name="streaq", driver="streaq", variant="silent", atomic="one script, which looks for the id"),
    Row(name="docket", driver="docket", variant="tuned", atomic="one script, which looks for the key of the job"),
    Row(
        name=BULLMQ,
        driver="bullmq",
        variant="c50",
        language="Node",
        guess=10_000,
        atomic="one script, which looks for the id",
    ),
    Row(
        name=ASYNQ,
        driver="asynq",
        variant="check1",
        language="Go",
        guess=5_000,
        chunk=200,
        atomic="one script, which looks for the id",
    ),
    Row(name=BARE_PUSH, driver="bare", variant="push", kind=Kind.LIMIT, guess=200_000),
    Row(name=BARE_SCRIPTS, driver="bare", variant="scripts", kind=Kind.LIMIT, guess=25_000),
)

# Installed in seconds, and among the fastest at enqueueing, at processing and at answering.
QUICK = ("saq", "huey", "bullmq")
ALWAYS = ("jobwire", "bare")


def chosen(drivers: tuple[str, ...]) -> list[Row]:
    """Return the rows of these drivers, and those that are always there."""
    unknown = set(drivers) - {row.driver for row in ROWS}
    if unknown:
        raise ValueError(f"peers: expected some of {', '.join(peer_names())}, got {', '.join(sorted(unknown))}")
    return [row for row in ROWS if row.driver in drivers or row.driver in ALWAYS]


def peer_names() -> list[str]:
    """Return the drivers of all rows that can be left out: the examples, and the peers."""
    return list(dict.fromkeys(row.driver for row in ROWS if row.driver not in ALWAYS))


def row_named(name: str) -> Row:
    """Return a row by its name."""
    return next(row for row in ROWS if row.name == name)
