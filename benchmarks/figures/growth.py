"""What happens to process rate and claim time as jobs wait, as workers idle, as queues become many."""

from __future__ import annotations

import contextlib
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
from ..statistics import quantile
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
WARM_UP_S = 0.5


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
            worker.wait(1)
            _feed(wire, worker, count, WARM_UP_S)
            began, before = time.monotonic(), worker.count()
            with context.watched():
                _feed(wire, worker, count, context.mode.process_s)
            return values | {"rate": (worker.count() - before) / (time.monotonic() - began)}


def _feed(wire: Wire, worker: Worker, waiting: int, seconds: float) -> None:
    """Enqueue a new job for each that begins, so that as many wait as before."""
    deadline = time.monotonic() + seconds
    fed = worker.count()
    while (now := time.monotonic()) < deadline:
        if worker.count() - fed >= BATCH:
            wire.exchange(packed(scripts.enqueue(KEYS, jobs(KEYS, BATCH, 0))))
            fed += BATCH
        else:
            time.sleep(min(0.001, deadline - now))


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
    """Time single claims of a batch; as many new jobs follow each, so that as many wait as before."""
    times_ms = []
    for _ in range(CLAIMS):
        claim = packed(scripts.claim(keys, new_nonce(), 15_000, batch, True))
        began = time.perf_counter()
        reply = wire.exchange(claim)
        times_ms.append((time.perf_counter() - began) * 1000)
        given = scripts.claimed(reply).jobs
        wire.exchange(packed(scripts.settle(keys, [(job.id, job.token, "succeed", b"x", 0) for job in given])))
        wire.exchange(packed(scripts.enqueue(keys, jobs(keys, len(given), 0))))
    return {"claim_p50_ms": quantile(times_ms, 0.5), "claim_p99_ms": quantile(times_ms, 0.99)}
