"""Call the scripts as the suite itself, past the proxies."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import redis.asyncio as redis
from redis.exceptions import NoScriptError

from .binding import NAMES, SCRIPTS, SHA, join_key, key, result_key

DEFAULT_TTL_MS = 3_600_000
GROUP_TTL_MS = 2_592_000_000


@dataclass(frozen=True)
class Item:
    """A job to enqueue, as the script takes it."""

    id: str
    envelope: bytes
    run_at: int = 0
    max_attempts: int = 3
    priority: int = 4


@dataclass(frozen=True)
class Given:
    """A job that a claim gave."""

    id: str
    token: str
    attempt: int
    document: bytes
    envelope: bytes


@dataclass(frozen=True)
class Claim:
    """The reply to a claim."""

    now: int
    wait_ms: int
    taken: int
    jobs: tuple[Given, ...]


@dataclass(frozen=True)
class Look:
    """What is known of a job; `document` and `progress` are empty where there is none."""

    state: str
    attempt: int
    document: bytes
    progress: bytes


@dataclass(frozen=True)
class Joined:
    """The reply to a join; the values are there once the group is complete."""

    count: int
    size: int
    values: tuple[bytes, ...]


class Store:
    """The scripts in one namespace."""

    def __init__(self, client: redis.Redis, namespace: str) -> None:
        # Its stubs leave out the types of execute_command().
        self.client: Any = client
        self.namespace = namespace

    async def enqueue(self, queue: str, items: Sequence[Item]) -> list[str]:
        """Enqueue jobs in one call; return the answer to each."""
        arguments: list[Any] = []
        for item in items:
            arguments += [item.id, item.envelope, item.run_at, item.max_attempts, item.priority]
        return _texts(await self._call("enqueue", queue, arguments, [item.id for item in items]))

    async def claim(self, queue: str, *, lease_ms: int = 15_000, max_jobs: int = 1000, rescue: int = 0) -> Claim:
        """Claim jobs under a fresh nonce."""
        reply = await self._call("claim", queue, [secrets.token_hex(12), lease_ms, max_jobs, rescue])
        jobs = [reply[at : at + 5] for at in range(3, len(reply), 5)]
        given = (
            Given(id.decode(), token.decode(), attempt, document, job) for id, token, attempt, document, job in jobs
        )
        return Claim(reply[0], reply[1], reply[2], tuple(given))

    async def settle(self, queue: str, id: str, token: str, verb: str, document: bytes = b"", number: int = 0) -> str:
        """Settle one job."""
        return _texts(await self._call("settle", queue, [id, token, verb, document, number], [id]))[0]

    async def extend(self, queue: str, id: str, token: str, lease_ms: int = 15_000, progress: bytes = b"") -> str:
        """Extend the lease of one job."""
        return _texts(await self._call("extend", queue, [lease_ms, id, token, progress]))[0]

    async def cancel(self, queue: str, id: str, document: bytes | None = None, ttl_ms: int = DEFAULT_TTL_MS) -> str:
        """Cancel one job, with the document of a canceller that knows no more."""
        if document is None:
            document = cancelled(id, await self.now())
        return _texts(await self._call("cancel", queue, [id, document, ttl_ms], [id]))[0]

    async def look(self, queue: str, ids: Sequence[str]) -> list[Look]:
        """Return what is known of each job."""
        reply = await self._call("look", queue, list(ids), ids)
        parts = [reply[at : at + 4] for at in range(1, len(reply), 4)]
        return [Look(state.decode(), attempt, document, progress) for state, attempt, document, progress in parts]

    async def join(
        self, queue: str, group: str, index: int, size: int, value: bytes, ttl_ms: int = GROUP_TTL_MS
    ) -> Joined:
        """Store the outcome of one member of a group."""
        arguments = [index, size, value, ttl_ms]
        reply = await self._run("join", [join_key(self.namespace, queue, group)], arguments)
        return Joined(reply[1], reply[2], tuple(reply[3:]))

    async def requeue(self, queue: str, ids: Sequence[str]) -> list[str]:
        """Put failed jobs back."""
        return _texts(await self._call("requeue", queue, list(ids)))

    async def configure(self, queue: str, field: str, value: str | int) -> None:
        """Set or unset one setting of a queue."""
        await self._call("configure", queue, [field, value])

    async def now(self) -> int:
        """Return the server's time in ms."""
        seconds, micros = await self.client.execute_command("TIME")
        return int(seconds) * 1000 + int(micros) // 1000

    async def raw(self, *command: Any) -> Any:
        """Send any command and return the reply as it came: the client would turn numbers into booleans."""
        pool = self.client.connection_pool
        connection = await pool.get_connection()
        try:
            await connection.send_command(*command)
            return await connection.read_response()
        finally:
            await pool.release(connection)

    async def clear(self) -> None:
        """Delete all keys of the namespace."""
        keys = [found async for found in self.client.scan_iter(match=f"{self.namespace}:*", count=2000)]
        if keys:
            await self.client.unlink(*keys)

    async def _call(self, script: str, queue: str, arguments: list[Any], ids: Sequence[str] = ()) -> list[Any]:
        keys = [key(self.namespace, queue, name) for name in NAMES]
        keys += [result_key(self.namespace, queue, id) for id in ids]
        return await self._run(script, keys, arguments)

    async def _run(self, script: str, keys: list[str], arguments: list[Any]) -> list[Any]:
        command = ["EVALSHA", SHA[script], len(keys), *keys, *arguments]
        try:
            reply = await self.client.execute_command(*command)
        except NoScriptError:
            await self.client.execute_command("SCRIPT LOAD", SCRIPTS[script])
            reply = await self.client.execute_command(*command)
        return list(reply)


def cancelled(id: str, now: int) -> bytes:
    """Return the document of a canceller that knows only the id."""
    error = {"code": "cancelled", "message": "cancelled by the suite"}
    value = {"jobwire": "1.0", "id": id, "state": "cancelled", "attempt": 0, "error": error, "finished_at": now}
    return json.dumps(value, separators=(",", ":")).encode()


def _texts(reply: list[Any]) -> list[str]:
    return [answer.decode() for answer in reply[1:]]
