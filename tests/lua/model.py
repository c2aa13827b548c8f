"""What each script does to a queue, as plain Python over the table of lifecycle.py."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.lua.binding import DEFAULT_RECORD, PRIORITY, SETS
from tests.lua.lifecycle import Job, is_flagged, repaired, step

WEEK_MS = 604_800_000
ERRORS = {
    "lease_expired": {"code": "lease_expired", "message": "the lease of the last attempt ran out"},
    "invalid": {
        "code": "invalid",
        "message": "the record of this job is not readable",
        "details": {"field": "record"},
    },
}


@dataclass
class QueueModel:
    """One queue. Each method takes the server's `now` and the arguments of its script, and returns the reply."""

    jobs: dict[str, Job] = field(default_factory=dict)
    results: dict[str, bytes] = field(default_factory=dict)
    groups: dict[str, dict[str, bytes]] = field(default_factory=dict)
    control: dict[str, int] = field(default_factory=dict)
    wake: bool = False

    def run(self, script: str, now: int, argv: list[Any]) -> list[Any]:
        """Return the reply to a script without its `now`, flat."""
        match script:
            case "enqueue" | "pass":
                return self.enqueue(now, rows(argv, 5))
            case "claim":
                wait_ms, taken, jobs = self.claim(now, *argv)
                return [wait_ms, taken, *(word for job in jobs for word in job)]
            case "extend":
                return self.extend(now, argv[0], rows(argv[1:], 3))
            case "settle":
                return self.settle(now, rows(argv, 5))
            case "look":
                return [word for seen in self.look(argv) for word in seen]
            case "requeue":
                return self.requeue(argv)
            case _:
                return [getattr(self, script)(*argv)]

    def of(self, state: str, until: float = float("inf")) -> list[Job]:
        """Return the jobs of a state up to a score, in the order of the set."""
        jobs = [job for job in self.jobs.values() if job.state == state and job.score <= until]
        return sorted(jobs, key=lambda job: (job.score, job.id))

    def is_full(self) -> bool:
        return len(self.of("active")) >= self.control.get("max_active", float("inf"))

    def arm(self) -> None:
        self.wake = self.wake or not (self.control.get("paused") == 1 or self.is_full())

    def rank(self, priority: int) -> int:
        self.control["seq"] = self.control.get("seq", 0) + 1
        return (9 - priority) * PRIORITY + self.control["seq"]

    def end(self, job: Job, document: bytes, ttl_ms: int) -> None:
        del self.jobs[job.id]
        if ttl_ms > 0:
            self.results[job.id] = document

    def bury(self, jobs: list[Job], now: int) -> None:
        """Place jobs that failed, and trim four for each that are older than the retention."""
        for job in jobs:
            job.state, job.score = "failed", now
        keep_ms = self.control.get("failed_ttl_ms", WEEK_MS)
        for job in self.of("failed", now - keep_ms)[: 4 * len(jobs)]:
            del self.jobs[job.id]

    def enqueue(self, now: int, jobs: Iterable[tuple[str, bytes, int, int, int]]) -> list[str]:
        answers, added = [], []
        for id, envelope, run_at, max_attempts, priority in jobs:
            if id in self.jobs:
                answers.append("failed" if self.jobs[id].state == "failed" else "duplicate")
            elif id in self.results:
                answers.append("finished")
            else:
                answers.append("accepted")
                job = self.jobs[id] = Job(id, envelope, max_attempts, priority)
                job.state = "scheduled" if run_at > now else "ready"
                job.score = run_at if run_at > now else self.rank(priority)
                added.append(job)
                self.control["layout"] = 1
        if any(job.state == "ready" or job is self.of("scheduled")[0] for job in added):
            self.arm()
        return answers

    def claim(self, now: int, nonce: str, lease_ms: int, max_jobs: int, rescue: int) -> list[Any]:
        """Return wait_ms (0, or 10 for any other), taken, and the jobs given out."""
        if self.control.get("paused") == 1:
            return [10, 0, []]
        buried, given, active = [], [], len(self.of("active"))
        for job in self.of("scheduled", now)[:64]:
            job.score = self.rank(job.priority)
            if self._fails(job, "due", now):
                buried.append(job)
        for job in self.of("active", now)[:64] if rescue and max_jobs else []:
            if self._fails(job, "over", now):
                buried.append(job)
            else:
                given.append(job)
                break
        taken = len(given)
        room = 0 if taken else min(max_jobs, self.control.get("max_active", 1000) - active)
        for job in self.of("ready")[: max(room, 0)]:
            is_last = not job.broken and not is_flagged(job) and job.attempt + 1 >= job.max
            if is_last and given:
                break
            job.place = str(job.score)
            if self._fails(job, "claim", now):
                buried.append(job)
                continue
            given.append(job)
            if is_last:
                break
        for job in given:
            job.nonce, job.score = nonce, now + lease_ms
        self.bury(buried, now)
        more = bool(self.of("ready")) and not self.is_full()
        if more:
            self.wake = True
        documents = [(job.document if is_flagged(job) else None) or b"" for job in given]
        rows = [(job.id, job.token, job.attempt, doc, job.envelope) for job, doc in zip(given, documents, strict=True)]
        return [0 if more else 10, taken, rows]

    def _fails(self, job: Job, event: str, now: int) -> bool:
        """Move a job on in a claim, and say whether that made it fail."""
        row = step(job, event)
        if row.answer:
            error = ERRORS[row.answer]
            document = {"jobwire": "1.0", "id": job.id, "state": "failed", "attempt": job.attempt, "error": error}
            job.document = json.dumps(document | {"finished_at": now}, separators=(",", ":")).encode()
        return row.to == "failed"

    def extend(self, now: int, lease_ms: int, jobs: Iterable[tuple[str, str, bytes]]) -> list[str]:
        answers = []
        for id, token, progress in jobs:
            job = self.jobs.get(id)
            if job is None or job.token != token:
                answers.append("lost")
                continue
            answers.append(step(job, "extend").answer)
            job.score, job.progress = now + lease_ms, progress or job.progress
        return answers

    def settle(self, now: int, jobs: Iterable[tuple[str, str, str, bytes, int]]) -> list[str]:
        answers, buried, arm, was_full = [], [], False, self.is_full()
        retried = []
        for id, token, verb, document, number in jobs:
            job = self.jobs.get(id)
            if job is None or job.token != token:
                answers.append("lost")
                continue
            place = job.place
            row = step(job, verb, document)
            answers.append(row.answer)
            if row.to == "gone":
                self.end(job, document, number)
            elif row.to == "failed":
                buried.append(job)
            elif row.to == "scheduled":
                job.score = now + number
                retried.append(job)
            elif row.to == "ready":
                job.score, arm = int(place), True
        self.bury(buried, now)
        arm = arm or any(job is self.of("scheduled")[0] for job in retried)
        if arm or (was_full and "max_active" in self.control and self.of("ready")):
            self.arm()
        return answers

    def cancel(self, id: str, document: bytes, ttl_ms: int) -> str:
        job = self.jobs.get(id)
        if job is None:
            return "finished" if id in self.results else "unknown"
        if job.broken and job.state == "active":
            return "requested"
        if job.broken and job.state != "failed":
            job.flags = "-"
        row = step(job, "please cancel", document)
        if row.to == "gone":
            self.end(job, document, ttl_ms)
        return row.answer

    def look(self, ids: Iterable[str]) -> list[tuple[str, int, bytes, bytes]]:
        reply = []
        for id in ids:
            job = self.jobs.get(id)
            if job is not None:
                attempt = 0 if job.broken else job.attempt
                reply.append((job.state, attempt, job.document or b"", job.progress or b""))
            else:
                reply.append(("finished" if id in self.results else "unknown", 0, self.results.get(id, b""), b""))
        return reply

    def requeue(self, ids: Iterable[str]) -> list[str]:
        answers = []
        for id in ids:
            job = self.jobs.get(id)
            if job is not None and job.broken and job.state == "failed":
                repaired(job, job.document or b"")
            answers.append(step(job, "requeue").answer if job else "unknown")
            if job and answers[-1] == "requeued":
                job.score = self.rank(job.priority)
                self.wake = True
        return answers

    def purge(self, before_ms: int, limit: int) -> int:
        old = self.of("failed", before_ms)[:limit]
        for job in old:
            del self.jobs[job.id]
        return len(old)

    def configure(self, name: str, value: str) -> str:
        if value == "":
            self.control.pop(name, None)
        else:
            self.control |= {"layout": 1, name: int(value)}
        self.wake = True
        return "ok"

    def join(self, group: str, index: int, size: int, value: bytes) -> tuple[int, int, list[bytes]]:
        values = self.groups.setdefault(group, {"size": str(size).encode(), "bytes": b"0"})
        if str(index) not in values:
            values |= {str(index): value, "bytes": str(int(values["bytes"]) + len(value)).encode()}
        count = len(values) - 2
        return count, size, [values[str(n)] for n in range(size)] if count == size else []

    def dump(self, prefix: str) -> dict[str, Any]:
        """Return what the keys of this queue hold."""
        jobs = self.jobs.values()
        keys: dict[str, Any] = {
            "jobs": {job.id: job.envelope for job in jobs},
            "record": {job.id: job.record for job in jobs if job.record != DEFAULT_RECORD},
            "outcomes": {job.id: job.document for job in jobs if job.document is not None},
            "progress": {job.id: job.progress for job in jobs if job.progress is not None},
            "control": {name: str(value) for name, value in self.control.items()},
            "wake": [b"1"] if self.wake else [],
        }
        keys |= {name: [(job.id.encode(), job.score) for job in self.of(name)] for name in SETS}
        keys |= {f"join:{group}": values for group, values in self.groups.items()}
        keys |= {f"result:{id}": document for id, document in self.results.items()}
        return {prefix + name: to_bytes(value) for name, value in keys.items() if value}


def rows(argv: list[Any], width: int) -> Iterable[Any]:
    return zip(*[iter(argv)] * width, strict=True)


def to_bytes(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {name.encode(): text.encode() if isinstance(text, str) else text for name, text in value.items()}
