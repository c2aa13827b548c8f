"""The limit that the scripts set, by a client that costs next to nothing: jobs/s, and server CPU for each."""

from __future__ import annotations

from functools import partial

from jobwire import scripts
from jobwire.ids import new_nonce
from jobwire.keys import queue_keys

from ..context import Context
from ..peers import Row
from ..wire import Wire, command, jobs, packed
from .kinds import Values

KEYS = queue_keys("jobwire", "default")
TTL_MS = 600_000
# About as long as what Jobwire writes for the job that is measured.
OUTCOME = b"x" * 110
PHASES = ("enqueue", "claim", "settle")
# Jobs in a call, and how many jobs there are for each second of measuring.
BATCHES = {100: 7_000, 1: 1_000}


def rounds(made: list[scripts.Accept], batch: int) -> dict[str, list[bytes]]:
    """Build all calls of all jobs: the ids are known, and so is each token, as it is the claim's own nonce."""
    calls: dict[str, list[bytes]] = {phase: [] for phase in PHASES}
    for first in range(0, len(made), batch):
        part, nonce = made[first : first + batch], new_nonce()
        ends = [(job.id, f"1.{nonce}", "succeed", OUTCOME, TTL_MS) for job in part]
        calls["enqueue"].append(packed(scripts.enqueue(KEYS, part)))
        calls["claim"].append(packed(scripts.claim(KEYS, nonce, 15_000, batch, True)))
        calls["settle"].append(packed(scripts.settle(KEYS, ends)))
    return calls


def measure(context: Context, row: Row, payload: int) -> Values:
    """Send all three scripts, waiting for each reply, for the CPU; and without waiting, for the rate."""
    values: Values = {}
    with Wire(context.server.port) as wire:
        for batch, count in BATCHES.items():
            count = _count(context, count, payload, batch)
            for phase, used_us in _cpu(context, wire, payload, batch, count).items():
                values[f"{phase}_{batch}_us"] = used_us
            values[f"all_{batch}_us"] = sum(float(values[f"{phase}_{batch}_us"]) for phase in PHASES)
        values |= _rates(context, wire, payload)
    return values


def _cpu(context: Context, wire: Wire, payload: int, batch: int, count: int) -> dict[str, float]:
    calls = rounds(jobs(KEYS, count, payload), batch)
    context.server.flush(connected=2)
    used_us = {}
    for phase in PHASES:
        before = context.server.counters().cpu_s
        with context.watched():
            wire.exchange_all(calls[phase])
        used_us[phase] = (context.server.counters().cpu_s - before) / count * 1e6
    return used_us


def _rates(context: Context, wire: Wire, payload: int) -> Values:
    batch = 100
    count = _count(context, BATCHES[batch], payload, batch)
    made = jobs(KEYS, count, payload)
    calls = rounds(made, batch)
    push = [command("RPUSH", "bare", *[job.envelope for job in made[at : at + batch]]) for at in range(0, count, batch)]
    pop = [command("LPOP", "bare", batch)] * len(push)
    pour = partial(_pour, context, wire)
    context.server.flush(connected=2)
    seconds = {phase: pour(calls[phase]) for phase in PHASES}
    bare = {"push": pour(push), "pop": pour(pop)}
    return {
        "enqueue_rate": count / seconds["enqueue"],
        "process_rate": count / (seconds["claim"] + seconds["settle"]),
        "push_rate": count / bare["push"],
        "pop_rate": count / bare["pop"],
    }


def _count(context: Context, each_s: int, payload: int, batch: int) -> int:
    count = int(each_s * context.mode.seconds(context.mode.process_s, payload))
    return (count if payload < 10_000 else count // 2) // batch * batch


def _pour(context: Context, wire: Wire, blocks: list[bytes]) -> float:
    with context.watched():
        return wire.pour(blocks, len(blocks))
