"""What Jobwire is to reach, each computed from one run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from .peers import ASYNQ, BARE_PUSH, BARE_SCRIPTS, BULLMQ, JOBWIRE, JOBWIRE_JSON, ROWS, Kind
from .results import Results

PEERS = [row.name for row in ROWS if row.kind is Kind.PEER]
PYTHON_PEERS = [row.name for row in ROWS if row.kind is Kind.PEER and row.language == "Python"]


class Verdict(NamedTuple):
    """One target: what it is about, what is wanted and what came, and whether that is met; None: not measured."""

    about: str
    wanted: str
    came: str
    met: bool | None


class Best(NamedTuple):
    """The best of some rows."""

    name: str
    value: float


def best(
    results: Results, figure: str, rows: list[str], value: str, pick: Callable[[list[float]], float] = max
) -> Best | None:
    """Return the row with the largest median, or the smallest if `pick` is min."""
    have = {name: median for name in rows if (median := results.median(figure, name, value)) is not None}
    if not have:
        return None
    wanted = pick(list(have.values()))
    return Best(next(name for name, median in have.items() if median == wanted), wanted)


def verdicts(results: Results) -> list[Verdict]:
    """Return all targets, in the order of the tables."""
    return [
        *_process(results),
        *_enqueue(results),
        *_trips(results),
        *_costs(results),
        *_growth(results),
        *_times(results),
    ]


def _process(results: Results) -> Iterator[Verdict]:
    own = results.median("process", JOBWIRE, "rate")
    fastest = best(results, "process", PYTHON_PEERS, "rate")
    yield _at_least("process rate, beside the fastest Python peer", own, fastest, 20)
    for name, factor in ((BULLMQ, 2.5), (ASYNQ, 2.0)):
        yield _at_least("process rate, beside", own, best(results, "process", [name], "rate"), factor, name)
    yield _limit("process rate", own, 40_000, "jobs/s", at_least=True)
    json = results.median("process", JOBWIRE_JSON, "rate")
    yield _at_least(
        "process rate with JSON, beside MessagePack", json, best(results, "process", [JOBWIRE], "rate"), 0.85
    )


def _enqueue(results: Results) -> Iterator[Verdict]:
    own = results.median("bulk", JOBWIRE, "rate")
    yield _at_least("bulk enqueue, beside the fastest peer", own, best(results, "bulk", PEERS, "rate"), 3)
    own = results.median("one", JOBWIRE, "rate")
    yield _at_least(
        "enqueue one by one, beside one bare EVALSHA a job", own, best(results, "one", [BARE_SCRIPTS], "rate"), 0.9
    )
    for row in ROWS:
        if row.atomic and row.name in results.peers:
            yield _at_least("enqueue one by one, beside", own, best(results, "one", [row.name], "rate"), 1, row.name)


def _trips(results: Results) -> Iterator[Verdict]:
    for value, name in (("p50_ms", "p50"), ("p99_ms", "p99")):
        own, fastest = results.median("trip", JOBWIRE, value), best(results, "trip", PEERS, value, min)
        about, wanted = f"round trip on an idle worker, {name}, beside the fastest peer", "at most 0.6 x"
        if own is None or fastest is None:
            yield Verdict(about, wanted, "", None)
        else:
            ratio = own / fastest.value
            yield Verdict(about, wanted, f"{ratio:.2f} x {fastest.name}", ratio <= 0.6)


def _costs(results: Results) -> Iterator[Verdict]:
    for batch, wanted_us in ((100, 20), (1, 130)):
        own = results.median("scripts", JOBWIRE, f"all_{batch}_us")
        about = f"server CPU of enqueue, claim and settle in batches of {batch}"
        yield _limit(about if batch > 1 else "server CPU of the same, unbatched", own, wanted_us, "us a job")
    used, envelope = (results.median("memory", JOBWIRE, name) for name in ("bytes", "envelope"))
    own = used - envelope if used is not None and envelope is not None else None
    yield _limit("memory of a waiting job, beside its envelope", own, 260, "bytes")


def _growth(results: Results) -> Iterator[Verdict]:
    value = results.median
    few, many = (value("growth", JOBWIRE, f"rate_waiting_{count}") for count in (1_000, 2_000_000))
    about = "process rate with 2 million jobs waiting, beside 1 thousand"
    yield _at_least(about, many, Best("1 thousand", few) if few else None, 0.8)
    alone, beside = (value("growth", JOBWIRE, f"rate_idle_{count}") for count in (0, 1_000))
    about = "process rate beside 1,000 idle workers, beside none"
    yield _at_least(about, beside, Best("none", alone) if alone else None, 0.9)


def _times(results: Results) -> Iterator[Verdict]:
    again_s = results.summary("crash", JOBWIRE, "again_s")
    yield _limit("a job whose worker was killed runs again, worst case", again_s.high if again_s else None, 17.5, "s")
    for value, about, wanted_ms in (
        ("import_ms", "import jobwire", 80),
        ("help_ms", "jobwire --help", 200),
        ("first_ms", "worker start to first job", 300),
    ):
        yield _limit(about, results.median("start", JOBWIRE, value), wanted_ms, "ms")


def _at_least(about: str, own: float | None, other: Best | None, factor: float, name: str = "") -> Verdict:
    about, wanted = f"{about} {name}".strip(), f"at least {factor:g} x"
    if own is None or other is None:
        return Verdict(about, wanted, "", None)
    ratio = own / other.value
    return Verdict(about, wanted, f"{ratio:.2f} x {other.name}", ratio >= factor)


def _limit(about: str, own: float | None, limit: float, unit: str, at_least: bool = False) -> Verdict:
    wanted = f"{'at least' if at_least else 'at most'} {limit:,g} {unit}"
    if own is None:
        return Verdict(about, wanted, "", None)
    return Verdict(
        about,
        wanted,
        f"{own:,.4g} {unit}" if own < 1000 else f"{own:,.0f} {unit}",
        (own >= limit) == at_least or own == limit,
    )


def shares(results: Results) -> list[tuple[str, str, float]]:
    """Return how near Jobwire comes to limits measured beside it: what, which limit, part of it."""
    scripts = "scripts by a client in C"
    limits = [
        ("one", BARE_PUSH, "one", "rate", "bare RPUSH a job, redis-py"),
        ("one", BARE_SCRIPTS, "one", "rate", "bare EVALSHA a job, redis-py"),
        ("bulk", BARE_PUSH, "bulk", "rate", "bare RPUSH of 500, redis-py"),
        ("bulk", BARE_SCRIPTS, "bulk", "rate", "bare EVALSHA of 500, redis-py"),
        ("bulk", JOBWIRE, "scripts", "enqueue_rate", f"{scripts}, batches of 100"),
        ("bulk", JOBWIRE, "scripts", "push_rate", "bare RPUSH of 100 by a client in C"),
        ("process", BARE_PUSH, "process", "rate", "bare LPOP of 100, redis-py"),
        ("process", BARE_SCRIPTS, "process", "rate", "bare claim and settle of 100, redis-py"),
        ("process", JOBWIRE, "scripts", "process_rate", f"{scripts}, batches of 100"),
        ("process", JOBWIRE, "scripts", "pop_rate", "bare LPOP of 100 by a client in C"),
    ]
    found = []
    for figure, row, other, value, about in limits:
        own, limit = results.median(figure, JOBWIRE, "rate"), results.median(other, row, value)
        if own and limit:
            found.append((figure, about, own / limit))
    return found
