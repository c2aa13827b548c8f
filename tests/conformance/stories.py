"""Histories made by hand: what a worker said, and what it was answered."""

from __future__ import annotations

from typing import Any

from jobwire_conformance import binding
from jobwire_conformance.documents import write
from jobwire_conformance.invariants import Settings, check_history
from jobwire_conformance.model import Status
from jobwire_conformance.wire.events import Exchange, History

NS = "story"
START = 1_795_000_000_000.0
# A fresh one for each claim, as random as it looks.
NONCES = [f"{number:02d}a9Zq-{'x_Y7' * 4}{number * 7919 % 9973:04d}" for number in range(100)]


def encoded(value: Any) -> bytes:
    """Return a value as a reply."""
    if isinstance(value, Exception):
        return f"-{value}\r\n".encode()
    if isinstance(value, int):
        return b":%d\r\n" % value
    if value is None:
        return b"*-1\r\n"
    if isinstance(value, list):
        return b"*%d\r\n" % len(value) + b"".join(map(encoded, value))
    data = value if isinstance(value, bytes) else str(value).encode()
    return b"$%d\r\n%s\r\n" % (len(data), data)


def envelope(id: str, **members: Any) -> bytes:
    """Return an envelope in JSON, or in the `encoding` that is named."""
    encoding = members.pop("encoding", "json")
    job = {"jobwire": "1.0", "id": id, "type": "conformance.echo", "queue": "default", **members}
    return write(job, encoding)


def outcome(id: str, state: str = "succeeded", attempt: int = 1, **members: Any) -> dict[str, Any]:
    """Return an outcome; `code` makes an error of it."""
    code = members.pop("code", None)
    document = {"jobwire": "1.0", "id": id, "state": state, "attempt": attempt, "finished_at": int(START), **members}
    return document | ({"error": {"code": code, "message": "m"}} if code else {})


class Story:
    """What happens, step by step; each step takes 10 ms unless it says when it is."""

    def __init__(self, **workers: Any) -> None:
        self.history = History()
        self.workers = workers or {"A": {}}
        self.at = START
        self.claims = 0

    def later(self, ms: float) -> Story:
        self.at += ms
        return self

    def command(self, *parts: Any, reply: Any = "OK", by: str = "A", connection: int = 1, **members: Any) -> Exchange:
        """Say a command; a reply of Ellipsis never comes."""
        self.at += 10
        command = [part if isinstance(part, bytes) else str(part).encode() for part in parts]
        n = len(self.history.transcript) + 1
        exchange = Exchange(by, connection, n, self.at, command, **members)
        if reply is not ...:
            exchange.reply, exchange.replied_at = encoded(reply), self.at + 1
        else:
            exchange.lost, exchange.lost_at = True, self.at + 1
        self.history.transcript.append(exchange)
        for event in exchange.told(NS):
            self.history.add(event)
        return exchange

    def load(self, **options: Any) -> Story:
        for source in binding.SCRIPTS.values():
            self.command("SCRIPT", "LOAD", source, **options)
        return self

    def call(self, script: str, *arguments: Any, reply: Any, queue: str = "default", **options: Any) -> Exchange:
        shape = binding.SHAPES[script]
        parts = [part if isinstance(part, bytes) else str(part).encode() for part in arguments]
        ids = [item["id"].decode() for item in binding.items(parts[len(shape.head) :], shape.item)]
        keys = options.pop("keys", None) or binding.expected_keys(NS, queue, script, ids)
        sha = options.pop("sha", binding.SHA[script])
        return self.command("EVALSHA", sha, len(keys), *keys, *parts, reply=reply, **options)

    def claim(self, *jobs: tuple[Any, ...], taken: int = 0, **options: Any) -> str:
        """Claim and be given jobs, each an id, an attempt, an envelope and a document; return the nonce."""
        nonce: str = options.pop("nonce", NONCES[self.claims])
        self.claims += 1
        flat: list[Any] = []
        for id, attempt, data, *document in jobs:
            flat += [id, f"{attempt}.{nonce}", attempt, document[0] if document else "", data]
        arguments = nonce, options.pop("lease_ms", 15000), options.pop("max_jobs", 1), options.pop("rescue", 1)
        reply = options.pop("reply", [int(self.at), options.pop("wait_ms", 2000), taken, *flat])
        self.call("claim", *arguments, reply=reply, **options)
        return nonce

    def job(self, id: str = "a", attempt: int = 1, *, document: Any = "", taken: int = 0, **members: Any) -> str:
        """Claim a job; return its token."""
        if isinstance(document, dict):
            document = write(document, "json")
        return f"{attempt}.{self.claim((id, attempt, envelope(id, **members), document), taken=taken)}"

    def settle(self, id: str, token: str, verb: str, document: Any, number: int = 0, answer: Any = "done", **options: Any) -> Exchange:  # fmt: skip  # noqa: E501
        data = write(document, options.pop("encoding", "json")) if isinstance(document, dict) else document
        reply = answer if answer is ... else [int(self.at), answer]
        return self.call("settle", id, token, verb, data, number, reply=reply, **options)

    def extend(self, id: str, token: str, progress: Any = "", answer: Any = "ok", lease_ms: int = 15000, **options: Any) -> Exchange:  # fmt: skip  # noqa: E501
        return self.call("extend", lease_ms, id, token, progress, reply=[int(self.at), answer], **options)

    def blpop(self, *queues: str, seconds: Any = 2, reply: Any = None, **options: Any) -> Exchange:
        keys = [binding.key(NS, queue, "wake") for queue in queues or ("default",)]
        return self.command("BLPOP", *keys, seconds, reply=reply, **options)

    def log(self, kind: str, id: str = "a", run: int = 1, attempt: int = 1, by: str = "A", **members: Any) -> Story:
        self.at += 10
        event = {"log": kind, "id": id, "type": "conformance.echo", "attempt": attempt, "run": run, "worker": by}
        self.history.add({**event, "at": self.at, **members})
        return self

    def run(self, id: str = "a", run: int = 1, attempt: int = 1) -> Story:
        return self.log("start", id, run, attempt).log("end", id, run, attempt)

    def process(self, kind: str, worker: str = "A", **members: Any) -> Story:
        self.at += 10
        self.history.add({"process": kind, "worker": worker, "at": self.at, **members})
        return self

    def problems(self, **settings: Any) -> set[tuple[str, str, str]]:
        """Return rule, requirement and status of each check that does not pass."""
        checks = check_history(self.history, self.workers, NS, Settings(**settings))
        return {
            (check.what.removeprefix("always: "), check.requirement, check.status.value)
            for check in checks
            if check.status is not Status.PASS
        }
