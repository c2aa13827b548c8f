"""Workers: their environment, when they are ready, their logs, their ends."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from jobwire_conformance.cases.loader import WorkerSettings
from jobwire_conformance.manifest import Manifest
from jobwire_conformance.wire.events import History
from jobwire_conformance.wire.faults import Fault
from jobwire_conformance.workers import HandlerLog, Worker, WorkerFailed
from tests.servers import Server, until

pytestmark = pytest.mark.asyncio

READY = "import os, sys, time; print('hello'); print('ready', flush=True)\n"
SAYS_ENV = (
    "import os\nfor name in sorted(os.environ):\n"
    "    if name.startswith('JOBWIRE_'): sys.stderr.write(f'{name}={os.environ[name]}\\n')\n"
)
PINGS = (
    "import socket\nfrom urllib.parse import urlparse\nat = urlparse(os.environ['JOBWIRE_REDIS_URL'])\n"
    "line = socket.create_connection((at.hostname, at.port))\nline.sendall(b'PING\\r\\n')\nline.recv(100)\n"
)
WAITS = "time.sleep(1000)\n"


@pytest.fixture
def history() -> History:
    return History()


@pytest_asyncio.fixture
async def make(tmp_path: Path, history: History, valkey: Server) -> AsyncIterator[Any]:
    made: list[Worker] = []

    def worker(code: str, settings: WorkerSettings | None = None, startup_ms: int = 10_000) -> Worker:
        manifest = Manifest(
            "n", "1", "Python", "1.0", ("core",), tmp_path / "jobwire.toml", "", worker=(sys.executable, "-c", code),
            startup_ms=startup_ms, env={"JOBWIRE_OWN": "given"},
        )  # fmt: skip
        address = ("127.0.0.1", valkey.port)
        made.append(Worker("A", manifest, settings or WorkerSettings(), tmp_path, address, history, "ns"))
        return made[-1]

    yield worker
    for each in made:
        await each.close()


def process_events(history: History) -> list[tuple[str, Any]]:
    return [
        (event["process"], event.get("signal", event.get("status"))) for event in history.events if "process" in event
    ]


async def test_it_is_ready_when_it_says_so(make: Any, history: History) -> None:
    worker = make(READY + WAITS)
    await worker.start()
    assert worker.running
    assert [("started", None), ("ready", None)] == process_events(history)


async def test_it_gets_its_environment(make: Any, tmp_path: Path) -> None:
    worker = make(READY + SAYS_ENV + WAITS, WorkerSettings(("a", "b"), 3, 2000, 100))
    await worker.start()
    await asyncio.to_thread(until, lambda: "JOBWIRE_WORKER" in worker.stderr_tail)
    wanted = {
        "JOBWIRE_CONCURRENCY=3", f"JOBWIRE_CONFORMANCE_LOG={tmp_path / 'A.log'}", "JOBWIRE_GRACE_MS=100",
        "JOBWIRE_LEASE_MS=2000", "JOBWIRE_NAMESPACE=ns", "JOBWIRE_OWN=given", "JOBWIRE_QUEUES=a,b", "JOBWIRE_WORKER=A",
    }  # fmt: skip
    lines = set(worker.stderr_tail.split())
    assert wanted < lines
    (url,) = lines - wanted
    assert url.startswith("JOBWIRE_REDIS_URL=redis://127.0.0.1:")
    assert url.endswith("/0")


async def test_what_it_says_is_recorded(make: Any, history: History) -> None:
    worker = make(READY + PINGS + WAITS)
    await worker.start()
    await asyncio.to_thread(until, lambda: [event for event in history.events if event.get("call") == "ping"])


async def test_one_that_dies_at_its_start_is_told(make: Any) -> None:
    with pytest.raises(WorkerFailed, match="wanted the line ready, got status 4"):
        await make("import sys; sys.exit('no') if False else sys.exit(4)").start()


async def test_one_that_is_never_ready_is_told(make: Any) -> None:
    with pytest.raises(WorkerFailed, match="got nothing within 200 ms"):
        await make("import time; print('soon', flush=True); " + WAITS, startup_ms=200).start()


async def test_it_is_killed_and_started_again(make: Any, history: History) -> None:
    worker = make(READY + WAITS)
    await worker.start()
    await worker.kill()
    await worker.start()
    worker.signal("TERM")
    assert -15 == await worker.exited(10_000)
    assert [
        ("started", None), ("ready", None), ("signalled", "KILL"), ("exited", -9),
        ("started", None), ("ready", None), ("signalled", "TERM"), ("exited", -15),
    ] == process_events(history)  # fmt: skip


async def test_a_fault_meets_the_next_process(make: Any, history: History) -> None:
    worker = make(READY + PINGS + WAITS)
    for _ in range(2):
        # Planned before the first start, and after an exit.
        fault = Fault({"call": "ping"}, "kill_before")
        worker.plan(fault)
        await worker.start()
        await asyncio.wait_for(fault.done.wait(), 10)
        assert -9 == await worker.exited(10_000)


async def test_its_log_comes_into_the_history(make: Any, history: History, tmp_path: Path) -> None:
    log = HandlerLog(tmp_path / "A.log", "A", history)
    log.poll()
    now = time.time() * 1000
    lines = [
        f'{{"event":"start","id":"j","type":"t","attempt":1,"run":1,"worker":"A","at":{now}}}',
        f'{{"event":"end","id":"j","type":"t","attempt":1,"run":1,"worker":"A","at":{now + 1},"told":null}}',
    ]
    with log.path.open("a") as file:
        file.write(f"{lines[0]}\n{lines[1][:30]}")
        file.flush()
        log.poll()
        # Half a line waits for its end.
        assert ["start"] == [event["log"] for event in history.events]
        file.write(f"{lines[1][30:]}\n")
    log.poll()
    assert [
        {"log": "start", "id": "j", "type": "t", "attempt": 1, "run": 1, "worker": "A", "at": now},
        {"log": "end", "id": "j", "type": "t", "attempt": 1, "run": 1, "worker": "A", "at": now + 1, "told": None},
    ] == history.events
    assert [] == log.problems


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("a JSON object with event and at", "start j"),
        ("a JSON object with event and at", '{"event":"start"}'),
        ("event start or end", '{"event":"begin","at":1}'),
        ("at in ms of the machine", '{"event":"start","at":1}'),
        ("at in ms of the machine", '{"event":"start","at":"now"}'),
    ],
)
async def test_a_line_that_is_not_as_agreed_is_told(tmp_path: Path, history: History, message: str, line: str) -> None:
    log = HandlerLog(tmp_path / "A.log", "A", history)
    log.path.write_text(line + "\n")
    log.poll()
    (problem,) = log.problems
    assert message in problem
    assert [] == history.events
