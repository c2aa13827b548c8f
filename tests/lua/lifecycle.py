"""The life of a job as one table, for the model of the scripts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple


@dataclass
class Job:
    """One job; `score` is its score in the set that is its state."""

    id: str
    envelope: bytes
    max: int
    priority: int
    state: str = "new"
    score: int = 0
    attempt: int = 0
    run: int = 0
    flags: str = "-"
    nonce: str = "-"
    place: str = "-"
    document: bytes | None = None
    progress: bytes | None = None
    broken: bool = False

    @property
    def token(self) -> str | None:
        return None if self.nonce == "-" or self.broken else f"{self.run}.{self.nonce}"

    @property
    def record(self) -> str:
        numbers = f"{self.attempt} {self.max} {self.priority} {self.run}"
        return "?" if self.broken else f"{numbers} {self.flags} {self.nonce} {self.place}"


class Row(NamedTuple):
    """A job in a state, an event, a condition: the state after it, the answer, and what else changes."""

    states: str
    event: str
    when: Callable[[Job], bool]
    to: str
    answer: str
    effect: Callable[[Job, bytes], None]


def always(_: Job) -> bool:
    return True


def is_decided(job: Job) -> bool:
    return "s" in job.flags


def is_cancelling(job: Job) -> bool:
    return job.flags == "c"


def is_flagged(job: Job) -> bool:
    return job.flags != "-"


def nothing(job: Job, document: bytes) -> None:
    pass


def claimed(job: Job, document: bytes) -> None:
    job.attempt, job.run, job.progress = job.attempt + 1, job.run + 1, None


def left(job: Job, document: bytes) -> None:
    job.nonce, job.place, job.progress = "-", "-", None


def decided(job: Job, document: bytes) -> None:
    job.flags, job.document = ("cs" if job.flags == "c" else "s"), document


def failed(job: Job, document: bytes) -> None:
    left(job, document)
    job.flags, job.document = "-", document


def retried(job: Job, document: bytes) -> None:
    left(job, document)
    job.document = job.document if is_flagged(job) else document


def released(job: Job, document: bytes) -> None:
    left(job, document)
    job.attempt = max(job.attempt - 1, 0)


def asked(job: Job, document: bytes) -> None:
    job.flags, job.document = "c", document


def repaired(job: Job, document: bytes) -> None:
    """Give an unreadable job the record that says so: one attempt, lowest priority."""
    left(job, document)
    job.attempt, job.max, job.priority, job.run, job.flags = 0, 1, 0, 0, "-"
    job.document, job.broken = document, False


def requeued(job: Job, document: bytes) -> None:
    job.attempt, job.document = 0, job.document if is_flagged(job) else None


def is_broken(job: Job) -> bool:
    return job.broken


# The first row that fits wins. An empty `to` leaves the job where it is; "gone" keeps at most its outcome.
TABLE = (
    Row("scheduled", "due", is_broken, "failed", "invalid", repaired),
    Row("scheduled", "due", always, "ready", "", nothing),
    Row("ready", "claim", is_broken, "failed", "invalid", repaired),
    Row("ready", "claim", always, "active", "", claimed),
    Row("active", "over", is_broken, "failed", "invalid", repaired),
    Row("active", "over", lambda job: is_flagged(job) and job.attempt >= job.max + 3, "failed", "", left),
    Row("active", "over", is_flagged, "active", "", claimed),
    Row("active", "over", is_broken, "failed", "invalid", repaired),
    Row("active", "over", lambda job: job.attempt < job.max, "active", "", claimed),
    Row("active", "over", always, "failed", "lease_expired", failed),
    Row("active", "extend", is_cancelling, "", "cancel", nothing),
    Row("active", "extend", always, "", "ok", nothing),
    Row("active", "decide", is_decided, "", "done", nothing),
    Row("active", "decide", always, "", "done", decided),
    Row("active", "succeed", always, "gone", "done", nothing),
    Row("active", "expire", always, "gone", "done", nothing),
    Row("active", "cancel", always, "gone", "done", nothing),
    Row("active", "fail", always, "failed", "done", failed),
    Row("active", "retry", is_cancelling, "", "cancel", nothing),
    Row("active", "retry", always, "scheduled", "done", retried),
    Row("active", "release", always, "ready", "done", released),
    Row("failed", "please cancel", always, "", "finished", nothing),
    Row("scheduled ready active", "please cancel", is_decided, "", "finished", nothing),
    Row("scheduled ready", "please cancel", always, "gone", "cancelled", nothing),
    Row("active", "please cancel", is_flagged, "", "requested", nothing),
    Row("active", "please cancel", always, "", "requested", asked),
    Row("failed", "requeue", always, "ready", "requeued", requeued),
    Row("scheduled ready active", "requeue", always, "", "unknown", nothing),
)


def step(job: Job, event: str, document: bytes = b"") -> Row:
    """Move a job by the first row that fits."""
    row = next(row for row in TABLE if job.state in row.states.split() and row.event == event and row.when(job))
    row.effect(job, document)
    job.state = row.to or job.state
    return row
