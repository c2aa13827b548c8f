"""What happens to process rate and claim time as jobs wait, as workers idle, as queues become many."""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from jobwire import scripts
from jobwire.ids import new_nonce
from jobwire.keys import QueueKeys, queue_keys

from ..context import Context
from ..peers import Row
from ..processes import kill_tree
from ..programs import Worker
from ..statistics import quantile, rate_of
from ..wire import Wire, jobs, packed
from .kinds import Values
from .process import observe

WAITING = (1_000, 100_000, 2_000_000)
IDLE = (0, 1, 10, 100, 1_000)
QUEUES = (1, 10, 100)
KEYS = queue_keys("jobwire", "default")
CLAIMS = 200
BATCH = 100
CHUNK = 1_000
BURSTS = 30


def measure(context: Context, row: Row, payload: int) -> Values:
    """Measure all three; the names end in what grew and how far."""
    values: Values = {}
    for count in WAITING:
        values |= _named(f"waiting_{count}", _waiting(context, row, count))
    fair = max(CHUNK * 10, int(float(values["rate_waiting_100000"]) * context.mode.process_s))
    for count in IDLE:
        values |= _named(f"idle_{count}", _idle(context, row, count, fair))
    for count in QUEUES:
        values |= _named(f"queues_{count}", _queues(context, row, count, fair))
    return values


def _named(end: str, values: Values) -> Values:
    return {f"{name}_{end}": value for name, value in values.items()}


def _waiting(context: Context, row: Row, count: int) -> Values:
    context.server.flush()
    with Wire(context.server.port) as wire:
        _fill(wire, KEYS, count)
        values = _claims(wire, KEYS)
        with context.working(row, 0) as worker:
            if count > CHUNK:
                return values | {"rate": _rate_at(context, worker, count)}
            worker.wait(count)
            return values | {"rate": _rate_of_bursts(context, wire, worker, count)}


def _rate_at(context: Context, worker: Worker, count: int) -> float:
    """Return the rate while at least half of the jobs still wait."""
    worker.wait(1)
    deadline = time.monotonic() + context.mode.process_s
    with context.watched():
        while time.monotonic() < deadline and worker.count() < count / 2:
            time.sleep(0.005)
    return rate_of(worker.times_s()[: max(2, worker.count())])


def _rate_of_bursts(context: Context, wire: Wire, worker: Worker, count: int) -> float:
    """Return the median rate of a running worker that finds so many jobs at once, again and again."""
    rates = []
    with context.watched():
        for _ in range(BURSTS):
            wire.exchange(packed(scripts.configure(KEYS, "paused", "1")))
            _fill(wire, KEYS, count)
            before = worker.count()
            wire.exchange(packed(scripts.configure(KEYS, "paused", "")))
            worker.wait(before + count)
            rates.append(rate_of(worker.times_s()[before : before + count]))
    return statistics.median(rates)


def _idle(context: Context, row: Row, count: int, waiting: int) -> Values:
    context.server.flush()
    with Wire(context.server.port) as wire, _idling(context.server.port, count):
        _fill(wire, KEYS, waiting)
        values = _claims(wire, KEYS)
        with context.working(row, 0) as worker:
            return values | {"rate": observe(context, worker, waiting)["rate"]}


@contextlib.contextmanager
def _idling(port: int, count: int) -> Iterator[None]:
    if not count:
        yield
        return
    command = [sys.executable, "-m", "benchmarks.idle", str(port), str(count)]
    root = Path(__file__).parent.parent.parent
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        # Their claims spread over the two seconds that each of them waits.
        time.sleep(2.5)
        yield
    finally:
        kill_tree(process.pid)
        process.wait()


def _queues(context: Context, row: Row, count: int, waiting: int) -> Values:
    names = [f"q{number}" for number in range(count)]
    each = max(1, waiting // count)
    context.server.flush()
    with Wire(context.server.port) as wire:
        for name in names:
            _fill(wire, queue_keys("jobwire", name), each)
        values = _claims(wire, queue_keys("jobwire", names[-1]), min(BATCH, each))
        with context.working(row, 0, queues=names) as worker:
            return values | {"rate": observe(context, worker, each * count)["rate"]}


def _fill(wire: Wire, keys: QueueKeys, count: int) -> None:
    sizes = [min(CHUNK, count - first) for first in range(0, count, CHUNK)]
    wire.pour((packed(scripts.enqueue(keys, jobs(keys, size, 0))) for size in sizes), len(sizes))


def _claims(wire: Wire, keys: QueueKeys, batch: int = BATCH) -> Values:
    """Time single claims of a batch; each is released, so that as many jobs wait as before."""
    times_ms = []
    for _ in range(CLAIMS):
        claim = packed(scripts.claim(keys, new_nonce(), 15_000, batch, True))
        began = time.perf_counter()
        reply = wire.exchange(claim)
        times_ms.append((time.perf_counter() - began) * 1000)
        given = scripts.claimed(reply).jobs
        wire.exchange(packed(scripts.settle(keys, [(job.id, job.token, "release", b"", 0) for job in given])))
    return {"claim_p50_ms": quantile(times_ms, 0.5), "claim_p99_ms": quantile(times_ms, 0.99)}
