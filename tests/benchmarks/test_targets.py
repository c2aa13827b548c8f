"""The targets, each from the figures of one run."""

import pytest

from benchmarks.targets import shares, verdicts
from tests.benchmarks.runs import results

FIGURES = (
    ("process", "Jobwire", {"rate": 50_000.0}),
    ("process", "Jobwire, JSON", {"rate": 40_000.0}),
    ("process", "SAQ", {"rate": 1_000.0}),
    ("process", "Huey", {"rate": 2_000.0}),
    ("process", "BullMQ", {"rate": 20_000.0}),
    ("one", "Jobwire", {"rate": 4_000.0}),
    ("one", "SAQ", {"rate": 3_000.0}),
    ("one", "Huey", {"rate": 9_000.0}),
    ("one", "BullMQ", {"rate": 5_000.0}),
    ("one", "bare scripts", {"rate": 5_000.0}),
    ("trip", "Jobwire", {"p50_ms": 0.6, "p99_ms": 1.3}),
    ("trip", "Huey", {"p50_ms": 1.0, "p99_ms": 2.0}),
    ("scripts", "Jobwire", {"all_100_us": 20.0, "all_1_us": 131.0}),
    ("memory", "Jobwire", {"bytes": 350.0, "envelope": 89.5}),
    ("growth", "Jobwire", {"rate_waiting_1000": 100.0, "rate_waiting_2000000": 79.0}),
    ("crash", "Jobwire", {"again_s": 14.2}),
)


@pytest.mark.parametrize(
    ("met", "came", "about"),
    [
        (True, "25.00 x Huey", "process rate, beside the fastest Python peer"),
        (True, "2.50 x BullMQ", "process rate, beside BullMQ"),
        (None, "", "process rate, beside asynq"),
        (True, "50,000 jobs/s", "process rate"),
        (False, "0.80 x Jobwire", "process rate with JSON, beside MessagePack"),
        (None, "", "bulk enqueue, beside the fastest peer"),
        (False, "0.80 x bare scripts", "enqueue one by one, beside one bare EVALSHA a job"),
        (True, "1.33 x SAQ", "enqueue one by one, beside SAQ"),
        (False, "0.80 x BullMQ", "enqueue one by one, beside BullMQ"),
        (True, "0.60 x Huey", "round trip on an idle worker, p50, beside the fastest peer"),
        (False, "0.65 x Huey", "round trip on an idle worker, p99, beside the fastest peer"),
        (True, "20 us a job", "server CPU of enqueue, claim and settle in batches of 100"),
        (False, "131 us a job", "server CPU of the same, unbatched"),
        (False, "260.5 bytes", "memory of a waiting job, beside its envelope"),
        (False, "0.79 x 1 thousand", "process rate with 2 million jobs waiting, beside 1 thousand"),
        (None, "", "process rate beside 1,000 idle workers, beside none"),
        (True, "14.2 s", "a job whose worker was killed runs again, worst case"),
        (None, "", "import jobwire"),
    ],
)
def test_verdicts(met: bool | None, came: str, about: str) -> None:
    verdict = next(each for each in verdicts(results(*FIGURES)) if each.about == about)
    assert (met, came) == (verdict.met, verdict.came)


def test_a_peer_whose_enqueue_can_double_a_job_is_not_counted() -> None:
    assert not [each for each in verdicts(results(*FIGURES)) if each.about == "enqueue one by one, beside Huey"]


@pytest.mark.parametrize("name", ["Jobwire, TypeScript", "Jobwire, Go", "Jobwire, Rust", "Jobwire, Java"])
def test_another_language_counts_neither_as_a_peer_nor_as_jobwire(name: str) -> None:
    best = {"rate": 900_000.0, "p50_ms": 0.01, "p99_ms": 0.01, "again_s": 90.0}
    figures = ("one", "bulk", "process", "processes", "trip", "load", "crash")
    assert verdicts(results(*FIGURES)) == verdicts(results(*FIGURES, *((figure, name, best) for figure in figures)))


def test_nothing_measured_is_nothing_met() -> None:
    assert {None} == {each.met for each in verdicts(results())}
    assert [] == shares(results())


def test_shares_of_limits() -> None:
    assert [("one", "bare EVALSHA a job, redis-py", 0.8)] == shares(results(*FIGURES))
