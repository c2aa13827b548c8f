"""The scripts as a client calls them: keys, arguments, replies. Nothing here comes from the Python reference."""

import hashlib
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import redis

LUA = Path(__file__).parents[2] / "lua"
SCRIPTS = {path.stem: path.read_text(encoding="ascii") for path in sorted(LUA.glob("*.lua"))}
SHA = {name: hashlib.sha1(text.encode()).hexdigest() for name, text in SCRIPTS.items()}
NAMES = ("jobs", "record", "ready", "scheduled", "active", "failed", "outcomes", "progress", "control", "wake")
SETS = ("ready", "scheduled", "active", "failed")
PRIORITY = 2**48
DEFAULT_RECORD = "0 3 4 0 - - -"

Argument = str | int | bytes


class Job(NamedTuple):
    """The arguments that enqueue takes for one job."""

    id: str
    envelope: bytes = b"{}"
    run_at: Argument = 0
    max_attempts: Argument = 3
    priority: Argument = 4


class Held(NamedTuple):
    """One job as claim gives it out."""

    id: str
    token: str
    attempt: int
    document: bytes
    envelope: bytes


class Claim(NamedTuple):
    """The reply of claim."""

    now: int
    wait_ms: int
    taken: int
    jobs: list[Held]

    @property
    def ids(self) -> list[str]:
        return [job.id for job in self.jobs]


class Seen(NamedTuple):
    """What look says of one id."""

    state: str
    attempt: int
    document: bytes
    progress: bytes


class Queue:
    """One queue: a method a script, and a few reads to see what the script left."""

    def __init__(self, client: redis.Redis, name: str = "q", namespace: str = "jobwire") -> None:
        self.client = client
        self.name = name
        self.prefix = f"{namespace}:{{{name}}}:"

    def key(self, name: str) -> str:
        return self.prefix + name

    def keys(self, ids: Sequence[str] = ()) -> list[str]:
        return [self.key(name) for name in NAMES] + [self.key(f"result:{id}") for id in ids]

    def run(self, script: str, keys: Sequence[str], argv: Sequence[Argument]) -> list[Any]:
        """Run a script by its SHA-1; load it where the server does not know it yet."""
        try:
            return self.client.evalsha(SHA[script], len(keys), *keys, *argv)
        except redis.exceptions.NoScriptError:
            self.client.script_load(SCRIPTS[script])
            return self.client.evalsha(SHA[script], len(keys), *keys, *argv)

    def enqueue(self, *jobs: Job | str, script: str = "enqueue") -> list[str]:
        wanted = [Job(job) if isinstance(job, str) else job for job in jobs]
        reply = self.run(script, self.keys([job.id for job in wanted]), [word for job in wanted for word in job])
        return words(reply[1:])

    def claim(self, max_jobs: int = 1, *, rescue: int = 1, lease_ms: int = 15_000, nonce: str = "") -> Claim:
        nonce = nonce or secrets.token_hex(12)
        now, wait_ms, taken, *rest = self.run("claim", self.keys(), [nonce, lease_ms, max_jobs, rescue])
        jobs = [
            Held(id.decode(), token.decode(), attempt, document, envelope)
            for id, token, attempt, document, envelope in zip(*[iter(rest)] * 5, strict=True)
        ]
        return Claim(now, wait_ms, taken, jobs)

    def take(self, **settings: Any) -> Held:
        """Claim exactly one job."""
        (job,) = self.claim(1, **settings).jobs
        return job

    def extend(self, *jobs: tuple[str, str, bytes], lease_ms: int = 15_000) -> list[str]:
        return words(self.run("extend", self.keys(), [lease_ms, *(word for job in jobs for word in job)])[1:])

    def settle(self, *jobs: tuple[str, str, str, bytes, Argument]) -> list[str]:
        argv = [word for job in jobs for word in job]
        return words(self.run("settle", self.keys([job[0] for job in jobs]), argv)[1:])

    def end(self, job: Held, verb: str, document: bytes = b"D", number: Argument = 60_000) -> str:
        """Settle one held job."""
        (word,) = self.settle((job.id, job.token, verb, b"" if verb == "release" else document, number))
        return word

    def cancel(self, id: str, document: bytes = b"C", ttl_ms: int = 60_000) -> str:
        return words(self.run("cancel", self.keys([id]), [id, document, ttl_ms])[1:])[0]

    def look(self, *ids: str) -> list[Seen]:
        rest = self.run("look", self.keys(ids), ids)[1:]
        return [Seen(state.decode(), *seen) for state, *seen in zip(*[iter(rest)] * 4, strict=True)]

    def requeue(self, *ids: str) -> list[str]:
        return words(self.run("requeue", self.keys(), ids)[1:])

    def purge(self, before_ms: int, limit: int = 1000) -> int:
        count: int = self.run("purge", self.keys(), [before_ms, limit])[1]
        return count

    def configure(self, field: str, value: Argument) -> str:
        return words(self.run("configure", self.keys(), [field, value])[1:])[0]

    def join(
        self, group: str, index: int, size: int, value: bytes, ttl_ms: int = 60_000
    ) -> tuple[int, int, list[bytes]]:
        _, count, total, *values = self.run("join", [self.key(f"join:{group}")], [index, size, value, ttl_ms])
        return count, total, values

    def where(self, id: str) -> str:
        """Name the sets that hold the id: one word for a job that is alive, '' for one that is gone."""
        return " ".join(name for name in SETS if self.client.zscore(self.key(name), id) is not None)

    def record(self, id: str) -> str:
        text = self.client.hget(self.key("record"), id)
        return DEFAULT_RECORD if text is None else text.decode()

    def outcome(self, id: str) -> bytes | None:
        return self.client.hget(self.key("outcomes"), id)

    def result(self, id: str) -> bytes | None:
        return self.client.get(self.key(f"result:{id}"))

    def ready(self) -> list[str]:
        return words(self.client.zrange(self.key("ready"), 0, -1))

    def is_armed(self) -> bool:
        count = self.client.llen(self.key("wake"))
        assert count <= 1
        return count == 1

    def disarm(self) -> None:
        self.client.delete(self.key("wake"))

    def expire(self, *ids: str) -> None:
        """Let the leases of these jobs be over."""
        self.client.zadd(self.key("active"), dict.fromkeys(ids, 1), xx=True)

    def now(self) -> int:
        seconds, microseconds = self.client.time()
        return seconds * 1000 + microseconds // 1000


def words(reply: Sequence[bytes]) -> list[str]:
    return [word.decode() for word in reply]


def dump(client: redis.Redis) -> dict[str, Any]:
    """Read the whole keyspace; fail on a key that is none of Jobwire's."""
    keys = sorted(words(client.keys()))
    pipe = client.pipeline(transaction=False)
    for key in keys:
        name = key.partition("}:")[2]
        if name in SETS:
            pipe.zrange(key, 0, -1, withscores=True)
        elif name == "wake":
            pipe.lrange(key, 0, -1)
        elif name.startswith("result:"):
            pipe.get(key)
        else:
            assert name in NAMES or name.startswith("join:"), f"{key} is not a key of Jobwire"
            pipe.hgetall(key)
    return dict(zip(keys, pipe.execute(), strict=True))
