"""What a run says, and what is read back."""

import math
from pathlib import Path

from benchmarks.results import Measurement, Results
from tests.benchmarks.runs import results


def test_disturbed_repeats_count_only_where_there_are_no_others() -> None:
    run = results()
    for repeat, (rate, disturbed) in enumerate([(10.0, False), (99.0, True), (12.0, False)]):
        values = {"rate": rate}
        run.add(Measurement(repeat=repeat, figure="one", row="RQ", payload=0, values=values, disturbed=disturbed))
    assert 11.0 == run.median("one", "RQ", "rate")
    run.measurements.pop()
    assert 54.5 == run.median("one", "RQ", "rate")


def test_failures_are_told_once() -> None:
    run = results(("one", "RQ", {"rate": 1.0}))
    run.peers["Celery"] = {"error": "no wheel"}
    for repeat in range(2):
        run.add(Measurement(repeat=repeat, figure="trip", row="RQ", payload=0, error="died"))
    run.add(Measurement(repeat=0, figure="bulk", row="RQ", payload=0, unsupported="has none"))
    assert ["Celery: no wheel", "RQ, trip: died"] == run.failures
    assert "died" == run.error("trip", "RQ")
    assert "has none" == run.error("bulk", "RQ")
    assert "no wheel" == run.error("one", "Celery")
    assert "" == run.error("one", "RQ")


def test_written_and_read(tmp_path: Path) -> None:
    run = results(("crash", "RQ", {"again_s": math.inf}), ("one", "RQ", {"rate": 5.0}))
    run.write(tmp_path / "latest.json")
    again = Results.read(tmp_path / "latest.json")
    assert run.measurements == again.measurements
    assert (run.about, run.peers) == (again.about, again.peers)
