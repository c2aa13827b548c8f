"""How fast jobs are accepted: one call after the other, and in bulk."""

from __future__ import annotations

from functools import partial

from ..context import Context
from ..pacing import FEWEST, most_for, slowed
from ..peers import Row
from ..programs import Unsupported
from .kinds import Values

# Jobs/s to begin with.
GUESS = 3_000


def one(context: Context, row: Row, payload: int) -> Values:
    """Enqueue one by one: jobs/s, and the server's work for each."""
    return _paced(context, row, payload, "one")


def bulk(context: Context, row: Row, payload: int) -> Values:
    """Enqueue by the bulk API: jobs/s, and the server's work for each."""
    return _paced(context, row, payload, "bulk")


def memory(context: Context, row: Row, payload: int) -> Values:
    """Take the server's memory with some thousand jobs waiting, the same number for everybody."""
    # Tables of the server double at powers of two; so many jobs fill them for all peers alike.
    count = 8_000 if payload < 10_000 else 1_000
    # Once before, so that what the server keeps of scripts and connections is there already.
    if row.name not in context.warmed:
        context.fill(row, payload, 2)
        context.warmed.add(row.name)
    context.server.flush()
    before = context.server.counters()
    try:
        context.ask(row, payload, "bulk", count=count, chunk=row.chunk)
    except Unsupported:
        context.ask(row, payload, "one", count=count)
    values: Values = {"bytes": context.server.counters().since(before).memory / count}
    if row.driver == "jobwire":
        client, key = context.server.client, "jobwire:{default}:jobs"
        sizes = [client.hstrlen(key, field) for field in client.hrandfield(key, 100)]
        values["envelope"] = sum(sizes) / len(sizes)
    return values


def _paced(context: Context, row: Row, payload: int, role: str) -> Values:
    mode, pacing = context.mode, context.pacing
    return pacing.run(
        (role, row.name, payload),
        mode.seconds(mode.enqueue_s, payload),
        partial(_measure, context, row, payload, role),
        fewest=row.chunk if role == "bulk" else FEWEST,
        most=most_for(payload),
        guess=slowed(pacing.rate((role, row.name, 0)) or GUESS, payload),
    )


def _measure(context: Context, row: Row, payload: int, role: str, count: int) -> tuple[float, Values]:
    context.server.flush()
    context.warmed.add(row.name)
    before = context.server.counters()
    with context.watched():
        answer = context.ask(row, payload, role, count=count, chunk=row.chunk)
    done = context.server.counters().since(before)
    seconds = answer["seconds"]
    values: Values = {
        "rate": count / seconds,
        "server_us": done.cpu_s / count * 1e6,
        "reads": done.reads / count,
        "commands": done.commands / count,
    }
    if "note" in answer:
        values["note"] = answer["note"]
    return seconds, values
