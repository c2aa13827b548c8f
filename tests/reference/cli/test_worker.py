import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py

from jobwire import Jobwire, State, WorkerSettings
from jobwire.cli import collector
from jobwire.cli.worker import DEFAULTS
from tests.reference.cli.conftest import APP, Running, call
from tests.servers import Server, free_port, until

Start = Callable[..., Running]


@pytest.fixture
def client(valkey_url: str, valkey: Server) -> Any:
    with valkey.client() as client:
        yield client


@pytest.fixture
def app(valkey_url: str) -> Any:
    with Jobwire(valkey_url) as app:
        yield app


def alive(pid: int) -> bool:
    try:
        # A killed child of a killed parent may wait for somebody to reap it.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def pids(running: Running, count: int) -> list[int]:
    """Wait for so many starts of children and return the pids of all."""
    until(lambda: len(running.facts("process started")) >= count, within_ms=30_000)
    return [int(fact["pid"]) for fact in running.facts("process started")]


def test_a_worker_says_ready_runs_jobs_and_stops(start: Start, app: Jobwire) -> None:
    worker = start("worker", "app:app", "--queues", "mail, default", "--name", "w")
    worker.ready()
    assert app.enqueue("add", 1, kwargs={"b": 2}).result() == 3
    outcome = app.enqueue("add", 1, queue="mail").outcome()
    assert (outcome.result, outcome.worker) == (1, "w")
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    assert worker.out == "ready\n"
    assert worker.facts("worker ready") == [{"worker": "w", "queues": "mail,default"}]
    line = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3} (info|warning) [a-z ]+( \w+=\S+)*")
    assert all(line.fullmatch(each) for each in worker.err.splitlines())


def test_burst_ends_by_itself(start: Start, app: Jobwire) -> None:
    handle = app.enqueue("add", 1)
    worker = start("worker", "app:Holder.app", "--burst")
    assert worker.wait() == 0
    assert handle.result(0) == 1


@pytest.mark.parametrize("processes", ["1", "2"])
def test_what_the_process_of_a_worker_holds(start: Start, app: Jobwire, processes: str) -> None:
    handle = app.enqueue("process")
    start("worker", "app:app", "--burst", "--processes", processes).wait()
    found = handle.result(0)
    # Neither what only coroutines need nor what other commands do.
    unwanted = {"worker.loop", "checking", "cli.jobs", "cli.queues", "cli.failed", "cli.validate", "cli.dev"}
    assert {f"jobwire.{name}" for name in unwanted} & set(found["modules"]) == set()
    # The collector leaves modules alone, and comes less often.
    assert found["frozen"] > 10_000
    assert found["threshold"] == collector.THRESHOLDS[0]


def test_no_stacks(start: Start, app: Jobwire) -> None:
    handle = app.enqueue("boom", retry={"max_attempts": 1})
    start("worker", "app:app", "--burst", "--no-stacks").wait()
    error = handle.outcome(0).error
    assert error is not None
    assert error.stack is None


def test_the_second_signal_gives_a_hanging_job_back(start: Start, app: Jobwire, client: redis_py.Redis) -> None:
    worker = start("worker", "app:app")
    worker.ready()
    handle = app.enqueue("hang")
    client.blpop("hanging", 10)
    worker.signal(signal.SIGINT)
    until(lambda: worker.facts("worker stopping"))
    assert worker.process.poll() is None
    worker.signal(signal.SIGINT)
    # The thread of the handler still hangs, and does not hold the process.
    assert worker.wait() == 0
    assert handle.state() is State.READY


def test_the_grace_ends_a_hanging_job_too(start: Start, app: Jobwire, client: redis_py.Redis) -> None:
    worker = start("worker", "app:app", "--grace-ms", "0")
    worker.ready()
    handle = app.enqueue("hang")
    client.blpop("hanging", 10)
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    assert handle.state() is State.READY


def test_processes_share_the_work_and_stop(start: Start, app: Jobwire, client: redis_py.Redis) -> None:
    worker = start("worker", "app:app", "--processes", "2", "--concurrency", "1", "--name", "w")
    worker.ready()
    children = pids(worker, 2)
    handles = [app.enqueue("nap", 0.3) for _ in range(2)]
    assert {int(client.blpop("napping", 10)[1]) for _ in handles} == set(children)
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    # Both ran on and were settled.
    assert [handle.result(0) for handle in handles] == ["rested", "rested"]
    assert {handle.outcome(0).worker for handle in handles} == {"w-1", "w-2"}
    assert worker.out == "ready\n"
    assert worker.facts("all processes stopped")
    assert not any(map(alive, children))


def test_a_killed_child_is_started_again(start: Start, app: Jobwire, client: redis_py.Redis) -> None:
    worker = start("worker", "app:app", "--processes", "2", "--lease-ms", "1000")
    worker.ready()
    first = pids(worker, 2)
    handle = app.enqueue("pid", id="p")
    assert handle.result() in first
    os.kill(first[0], signal.SIGKILL)
    again = pids(worker, 3)
    died = until(lambda: worker.facts("process died"))
    assert (died[0]["number"], died[0]["pid"], died[0]["code"]) == ("1", str(first[0]), "-9")
    os.kill(first[1], signal.SIGKILL)
    again = pids(worker, 4)[2:]
    assert app.enqueue("pid").result() in again
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    assert not any(map(alive, again))
    assert worker.out == "ready\n"


def test_pauses_between_restarts_grow(start: Start) -> None:
    worker = start("worker", "app:app", "--processes", "2")
    worker.ready()
    for count in (3, 4, 5):
        os.kill(pids(worker, count - 1)[-1], signal.SIGKILL)
        pids(worker, count)
    last = worker.facts("process started")[1]["number"]
    died = [float(fact["restart_s"]) for fact in worker.facts("process died") if fact["number"] == last]
    assert died == sorted(set(died))
    assert len(died) == 3


def test_a_stop_while_a_restart_is_due(start: Start) -> None:
    worker = start("worker", "app:app", "--processes", "2")
    worker.ready()
    for child in pids(worker, 2):
        os.kill(child, signal.SIGKILL)
    until(lambda: len(worker.facts("process died")) == 2)
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0


def test_the_second_signal_reaches_all_children(start: Start, app: Jobwire, client: redis_py.Redis) -> None:
    worker = start("worker", "app:app", "--processes", "2", "--concurrency", "1")
    worker.ready()
    handles = [app.enqueue("hang") for _ in range(2)]
    for _ in handles:
        client.blpop("hanging", 10)
    worker.signal(signal.SIGINT)
    until(lambda: len(worker.facts("worker stopping")) == 2)
    worker.signal(signal.SIGINT)
    assert worker.wait() == 0
    assert [handle.state() for handle in handles] == [State.READY, State.READY]


def test_children_end_with_a_killed_parent(start: Start, app: Jobwire, client: redis_py.Redis) -> None:
    worker = start("worker", "app:app", "--processes", "2")
    worker.ready()
    children = pids(worker, 2)
    handle = app.enqueue("nap", 0.2)
    client.blpop("napping", 10)
    worker.process.kill()
    worker.wait()
    until(lambda: not any(map(alive, children)), within_ms=15_000)
    assert handle.result(0) == "rested"


def test_children_are_in_sessions_of_their_own(start: Start) -> None:
    worker = start("worker", "app:app", "--processes", "2")
    worker.ready()
    assert all(os.getsid(child) == child for child in pids(worker, 2))


def test_burst_with_processes(start: Start, app: Jobwire) -> None:
    handles = [app.enqueue("add", 1) for _ in range(20)]
    worker = start("worker", "app:app", "--processes", "2", "--burst")
    assert worker.wait(60) == 0
    assert [handle.result(0) for handle in handles] == [1] * 20


def test_options_reach_the_children(start: Start, app: Jobwire) -> None:
    words = ["--queues", "a,b", "--concurrency", "3", "--no-stacks", "--grace-ms", "7"]
    worker = start("--url", app.url or "", "worker", "app:app", *words, "--processes", "2")
    worker.ready()
    child = pids(worker, 2)[0]
    line = Path(f"/proc/{child}/cmdline").read_text().split("\0")
    for name, value in {"--url": app.url, "--queues": "a,b", "--concurrency": "3", "--grace-ms": "7"}.items():
        assert line[line.index(name) + 1] == value
    assert "--no-stacks" in line


def test_a_server_that_comes_later(start: Start, tmp_path: Path) -> None:
    port = free_port()
    worker = start("worker", "app:app", JOBWIRE_REDIS_URL=f"redis://127.0.0.1:{port}")
    until(lambda: worker.facts("server not reached, tried again"), 30_000)
    assert worker.out == ""
    server = start("dev", "--port", str(port))
    worker.ready()
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    server.signal(signal.SIGTERM)
    assert server.wait() == 0


def test_another_layout_ends_the_worker(start: Start, client: redis_py.Redis) -> None:
    client.hset("jobwire:{default}:control", "layout", "2")
    worker = start("worker", "app:app")
    assert worker.wait() == 1
    assert worker.err.splitlines()[-1] == "jobwire: control.layout: expected '1', got '2' [CALL-5]"


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("expected MODULE:APP, got 'app'", ["app"]),
        ("expected to import 'nope', got ModuleNotFoundError", ["nope:app"]),
        ("expected to import 'broken', got ZeroDivisionError", ["broken:app"]),
        ("expected to import 'leaving', got SystemExit", ["leaving:app"]),
        ("expected 'nope' in module 'app', got none", ["app:nope"]),
        ("expected 'Holder.nope' in module 'app', got none", ["app:Holder.nope"]),
        ("expected 'app:nothing' to be a Jobwire or AsyncJobwire, got int", ["app:nothing"]),
        ("concurrency: expected 1 to 1000, got 0", ["app:app", "--concurrency", "0"]),
        ("queues: expected at least one, each once", ["app:app", "--queues", "a,a"]),
        ("queue: expected 1 to 128", ["app:app", "--queues", "a,,b"]),
        ("name: expected 1 to 128", ["app:app", "--name", "a b"]),
        ("--processes", ["app:app", "--processes", "0"]),
        ("Missing argument", []),
        ("--url: expected that of 'app:elsewhere'", ["app:elsewhere"]),
        ("--namespace: expected that of 'app:app', 'jobwire', got 'x'", ["app:app"]),
    ],
)
def test_what_is_refused(message: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {"app": APP, "broken": "1 / 0", "leaving": "raise SystemExit(3)"}.items():
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", sys.path[:])
    monkeypatch.setenv("JOBWIRE_REDIS_URL", "redis://127.0.0.1:1")
    options = ["--url", "redis://127.0.0.1:2"] if "--url" in message else []
    options += ["--namespace", "x"] if "--namespace" in message else []
    code, out, err = call(*options, "worker", *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err


def test_ctrl_c_ends_a_waiting_command(start: Start, client: redis_py.Redis) -> None:
    waiting = start("result", "a")
    until(lambda: client.execute_command("PUBSUB", "SHARDCHANNELS"), within_ms=30_000)
    waiting.signal(signal.SIGINT)
    assert waiting.wait() == 130
    assert waiting.err.strip() == "jobwire: interrupted"


def test_defaults_are_those_of_the_settings() -> None:
    settings = WorkerSettings()
    for name in ("queues", "concurrency", "lease_ms", "grace_ms"):
        assert DEFAULTS[name] == getattr(settings, name)
