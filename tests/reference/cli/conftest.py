"""Command lines: in this process, or as processes of their own."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import redis as redis_py

from jobwire import Jobwire, Worker, WorkerSettings
from jobwire.cli import run
from tests.servers import Server, until

APP = """
import gc, os, sys, threading, time
from jobwire import AsyncJobwire, Failure, Jobwire, current_job

app = Jobwire()
other = AsyncJobwire()
elsewhere = Jobwire("redis://127.0.0.1:1")
nothing = 5

class Holder:
    app = app

@app.job("add")
def add(a, b=0):
    return a + b

@app.job("boom")
def boom():
    raise LookupError("no\\nsuch \\x1b[31muser")

@app.job("pid")
def pid():
    return os.getpid()

@app.job("process")
def process():
    return {"modules": [*sys.modules], "frozen": gc.get_freeze_count(), "threshold": gc.get_threshold()[0]}

@app.job("hang")
def hang():
    app.store.client.rpush("hanging", os.getpid())
    threading.Event().wait()

@app.job("nap")
def nap(seconds):
    app.store.client.rpush("napping", os.getpid())
    time.sleep(seconds)
    return "rested"
"""


class Said(NamedTuple):
    """What one command line did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def call(*words: str) -> Said:
    """Run a command line here."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(words)
    return Said(code, out.getvalue(), err.getvalue())


Call = Callable[..., Said]


@pytest.fixture
def cli(server_url: str) -> Call:
    """Return what runs a command line against the server."""
    return lambda *words: call("--url", server_url, *words)


class Running:
    """A command line as a process; its output lies in files."""

    def __init__(self, folder: Path, words: tuple[str, ...], env: dict[str, str]) -> None:
        self._paths = {name: folder / f"{name}-{len(list(folder.iterdir()))}" for name in ("out", "err")}
        with self._paths["out"].open("wb") as out, self._paths["err"].open("wb") as err:
            command = [sys.executable, "-m", "jobwire", *words]
            self.process = subprocess.Popen(
                command, cwd=folder, env=os.environ | env, stdin=subprocess.DEVNULL, stdout=out, stderr=err
            )

    @property
    def out(self) -> str:
        return self._paths["out"].read_text()

    @property
    def err(self) -> str:
        return self._paths["err"].read_text()

    def ready(self) -> None:
        until(lambda: self.out == "ready\n", within_ms=30_000)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self, seconds: float = 30) -> int:
        return self.process.wait(seconds)

    def end(self) -> None:
        """Stop it with all that it started, hanging jobs or not."""
        for _ in range(2):
            if self.process.poll() is None:
                self.signal(signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.wait(1)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(20)
        self.process.kill()
        self.process.wait()

    def facts(self, fact: str) -> list[dict[str, str]]:
        """Return the fields of each log line with this fact."""
        lines = [line for line in self.err.splitlines() if f" {fact} " in f"{line} "]
        return [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in lines]


@pytest.fixture
def start(valkey_url: str, tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Return what starts a command line beside `app.py`."""
    (tmp_path / "app.py").write_text(APP)
    started: list[Running] = []

    def begin(*words: str, **env: str) -> Running:
        started.append(Running(tmp_path, words, {"JOBWIRE_REDIS_URL": valkey_url} | env))
        return started[-1]

    yield begin
    for each in started:
        each.end()


@pytest.fixture
def app(server_url: str) -> Iterator[Jobwire]:
    """Return an application whose jobs `work` runs."""
    with Jobwire(server_url) as app:
        app.job("add")(lambda a, b=0: a + b)
        app.job("echo")(lambda *args, **kwargs: [list(args), kwargs])

        @app.job("boom")
        def boom() -> None:
            raise LookupError("no\nsuch \x1b[31muser")

        yield app


@pytest.fixture
def work(app: Jobwire) -> Callable[[], None]:
    """Return what runs every job that is there."""
    return lambda: Worker(app, WorkerSettings(burst=True, concurrency=1, name="w")).run(signals=False)


@pytest.fixture
def db(server: Server) -> Iterator[redis_py.Redis]:
    with server.client() as client:
        yield client
