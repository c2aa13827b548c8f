"""How long a job takes from enqueue to result, on an idle worker and under half the load it can bear."""

from __future__ import annotations

import time
from functools import partial

from ..context import Context
from ..pacing import slowed
from ..peers import Row
from ..programs import Asked
from ..statistics import quantile
from .kinds import Values
from .process import process

WARM_UP = 10
# The load has settled after this time.
LOAD_FIRST_S = 0.7
LOAD_LONGEST_S = 45.0
# What is asked for but not reached beyond this is said in a note.
KEPT_UP = 0.9


def trip(context: Context, row: Row, payload: int) -> Values:
    """Enqueue a job and wait for its result, again and again, with nothing else to do."""
    context.server.flush()
    with context.working(row, payload):
        return _paced(context, row, payload, "trip")


def load(context: Context, row: Row, payload: int) -> Values:
    """The same while another producer enqueues half of what the worker was seen to process."""
    key = ("process", row.name, payload, 1)
    if not context.pacing.rate(key):
        process(context, row, payload)
    wanted = context.pacing.rate(key) / 2
    context.server.flush()
    with context.working(row, payload) as worker:
        context.ask(row, payload, "trip", count=1, warmup=0)
        options = context.options(row, payload, rate=wanted, seconds=LOAD_LONGEST_S)
        other = Asked(context.program(row), "load", options)
        try:
            worker.wait(2)  # the one above, and one of the load
            time.sleep(LOAD_FIRST_S)
            began, before = time.monotonic(), worker.count()
            values = _paced(context, row, payload, "load")
            achieved = (worker.count() - before) / (time.monotonic() - began)
        finally:
            other.stop()
    values |= {"wanted": wanted, "achieved": achieved}
    if achieved < KEPT_UP * wanted:
        values["note"] = f"load of {achieved:.0f}/s, not {wanted:.0f}/s"
    return values


def _paced(context: Context, row: Row, payload: int, figure: str) -> Values:
    mode, pacing = context.mode, context.pacing
    return pacing.run(
        (figure, row.name, payload),
        mode.seconds(mode.trip_s, payload),
        partial(_measure, context, row, payload),
        fewest=20,
        most=1000,
        guess=slowed(pacing.rate((figure, row.name, 0)), payload),
    )


def _measure(context: Context, row: Row, payload: int, count: int) -> tuple[float, Values]:
    with context.watched():
        times_ms: list[float] = context.ask(row, payload, "trip", count=count, warmup=WARM_UP)["ms"]
    values: Values = {"p50_ms": quantile(times_ms, 0.5), "p99_ms": quantile(times_ms, 0.99), "count": len(times_ms)}
    return sum(times_ms) / 1000, values
