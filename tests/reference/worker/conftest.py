"""Worker processes and worker threads on a fresh server."""

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py

from jobwire import Jobwire, Worker, WorkerSettings
from tests.reference.worker import handlers
from tests.servers import Server, until

ROOT = Path(__file__).parents[3]
Start = Callable[..., subprocess.Popen[bytes]]


class Bench:
    """A server with an application, and ways to run workers for it."""

    def __init__(self, server: Server, client: redis_py.Redis) -> None:
        self.server = server
        self.client = client
        self.notes = server.client(db=1)
        self.app = Jobwire(server.url)
        self.app.jobs = handlers.app.jobs  # type: ignore[assignment]
        self.msgpack = Jobwire(server.url, encoding="msgpack")
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self, **options: Any) -> subprocess.Popen[bytes]:
        """Start a worker process."""
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.reference.worker.handlers", json.dumps({"lease_ms": 1000} | options)],
            cwd=ROOT,
            env=os.environ | {"JOBWIRE_REDIS_URL": self.server.url},
        )
        self._processes.append(process)
        return process

    def wait_ready(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until a worker process claims, and so takes a signal for a request to stop."""
        until(lambda: self.notes.exists(f"ready:{process.pid}"), within_ms=30_000)

    @contextlib.contextmanager
    def worker(self, **options: Any) -> Iterator[Worker]:
        """Run a worker in a thread of this process."""
        worker = Worker(self.app, WorkerSettings(**options))
        failures: list[BaseException] = []

        def work() -> None:
            try:
                worker.run(signals=False)
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            assert worker.wait_ready(10)
            yield worker
        finally:
            worker.stop()
            worker.stop()
            thread.join(20)
        assert not thread.is_alive()
        if failures:
            raise failures[0]

    def set_size(self, name: str, queue: str = "default") -> int:
        """Return how many ids one of the four sets holds."""
        size: int = self.client.zcard(f"jobwire:{{{queue}}}:{name}")
        return size

    def close(self) -> None:
        """End everything."""
        for process in self._processes:
            process.kill()
            process.wait()
        self.app.close()
        self.msgpack.close()
        self.notes.close()


@pytest.fixture
def bench(server: Server, client: redis_py.Redis, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setenv("JOBWIRE_REDIS_URL", server.url)
    bench = Bench(server, client)
    yield bench
    bench.close()
