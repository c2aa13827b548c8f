"""How fast waiting jobs are processed, by one process and by as many as there are cores."""

from __future__ import annotations

import os
import time
from functools import partial

from ..context import Context
from ..pacing import most_for, slowed
from ..peers import Row
from ..programs import Worker
from ..statistics import rate_of
from .kinds import Values

# What a worker has still to write after it began its last job.
SETTLE_S = 0.1


def process(context: Context, row: Row, payload: int) -> Values:
    """Process waiting jobs by one process: jobs/s, and the CPU of server and worker for each."""
    return _paced(context, row, payload, 1)


def processes(context: Context, row: Row, payload: int) -> Values:
    """Process waiting jobs by as many processes as there are cores."""
    return _paced(context, row, payload, os.cpu_count() or 1)


def _paced(context: Context, row: Row, payload: int, count: int) -> Values:
    mode, pacing = context.mode, context.pacing
    plain = pacing.rate(("process", row.name, 0, count)) or pacing.rate(("process", row.name, 0, 1)) or row.guess
    return pacing.run(
        ("process", row.name, payload, count),
        mode.seconds(mode.process_s, payload),
        partial(_measure, context, row, payload, count),
        most=most_for(payload),
        guess=slowed(plain, payload),
    )


def _measure(context: Context, row: Row, payload: int, count: int, jobs: int) -> tuple[float, Values]:
    context.fill(row, payload, jobs)
    with context.working(row, payload, count) as worker:
        values = observe(context, worker, jobs)
    return jobs / float(values["rate"]), values


def observe(context: Context, worker: Worker, jobs: int) -> Values:
    """Watch a worker do its jobs; CPU is counted from its first job on, so that its start is left out."""
    worker.wait(1)
    first, cpu_s, before = worker.count(), worker.cpu_s(), context.server.counters()
    with context.watched():
        worker.wait(jobs)
    time.sleep(SETTLE_S)
    done, used_s = context.server.counters().since(before), worker.cpu_s() - cpu_s
    counted = max(1, jobs - first)
    return {
        "rate": rate_of(worker.times_s()),
        "server_us": done.cpu_s / counted * 1e6,
        "worker_us": used_s / counted * 1e6,
        "reads": done.reads / counted,
        "commands": done.commands / counted,
    }
