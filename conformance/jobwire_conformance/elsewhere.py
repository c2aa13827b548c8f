"""Use a server that somebody else runs, in place of the one that all cases share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from .server import Server, ServerFailed


class Elsewhere(Server):
    """A server that is neither started nor ended; the programs under test reach it through their proxy, as any."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        parts = urlsplit(url)
        # The proxy passes on what a program says, and none is told of a password or of TLS.
        if parts.scheme != "redis" or not parts.hostname or parts.password or parts.path not in ("", "/", "/0"):
            raise ServerFailed(f"expected redis://host:port without a password, database 0, got {url}")
        self._hostname, self.port = parts.hostname, parts.port or 6379

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return self._hostname, self.port

    async def start(
        self, *, aof: bool = False, config: Mapping[str, str] | None = None, acl: str | None = None
    ) -> None:
        """See that it answers, and that it evicts nothing, as FAIL-2 asks."""
        client: Any = self.client()
        async with client:
            try:
                policy = (await client.info("memory"))["maxmemory_policy"]
            except (redis.RedisError, OSError) as error:
                raise ServerFailed(f"{self._url}: {error}") from error
        if policy != "noeviction":
            raise ServerFailed(f"{self._url}: expected maxmemory-policy noeviction, got {policy} [FAIL-2]")

    async def close(self) -> None:
        """Leave it as it is: each case deletes its own keys."""

    def client(self) -> redis.Redis:
        """Return a client of the suite, which never sends anything twice by itself; the caller closes it."""
        return redis.Redis(
            host=self._hostname, port=self.port, socket_timeout=30, retry=Retry(NoBackoff(), 0), protocol=2
        )
