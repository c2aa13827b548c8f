"""The tables."""

import math

import pytest

from benchmarks.report import comparison, growth, rewritten, settings, table, whole
from benchmarks.results import Measurement
from tests.benchmarks.runs import results


def test_table() -> None:
    assert "| a | b |\n| --- | ---: |\n| x | 1 |\n" == table(["a", "b"], [["x", "1"]])


def test_comparison() -> None:
    run = results(
        ("one", "Jobwire", {"rate": 4_000.0, "server_us": 50.0}),
        ("one", "RQ", {"rate": 1_000.0, "server_us": 90.0}),
        ("crash", "RQ", {"again_s": math.inf}),
        repeats=2,
    )
    run.add(Measurement(repeat=3, figure="one", row="RQ", payload=0, values={"rate": 1_400.0}))
    run.add(Measurement(repeat=0, figure="crash", row="Jobwire", payload=0, error="no | server"))
    lines = comparison(run).splitlines()
    assert "|  | enqueue, jobs/s | server CPU enqueue, us/job | killed worker's job again, s |" == lines[0]
    assert "| **Jobwire** | 4,000 ±0 % | 50 ±0 % | – <sup>1</sup> |" == lines[2]
    assert "| RQ | 1,000 ±20 % | 90 ±0 % | never |" == lines[3]
    assert "<sup>1</sup> Jobwire: no | server" == lines[5]


def test_a_figure_that_a_row_has_not_is_a_dash_without_a_note() -> None:
    run = results(("bulk", "Jobwire", {"rate": 9.0}), ("trip", "Jobwire, Go", {"p50_ms": 0.5, "p99_ms": 2.0}))
    lines = comparison(run).splitlines()
    assert ["| **Jobwire** | 9 | – | – |", "| Jobwire, Go | – | 0.50 | 2.00 |"] == lines[2:]


def test_growth() -> None:
    run = results(("growth", "Jobwire", {"rate_idle_0": 2.0, "rate_waiting_2000000": 5.0, "rate_waiting_1000": 9.0}))
    assert ["1,000 jobs waiting", "2,000,000 jobs waiting", "0 idle workers beside it"] == [
        line.split("|")[1].strip() for line in growth(run).splitlines()[2:]
    ]


def test_all_of_it() -> None:
    run = results(("one", "Jobwire", {"rate": 4_000.0}))
    run.peers["RQ"] = {"language": "Python", "error": "no wheel"}
    text = whole(run)
    assert "2026-01-01 00:00 UTC, 3 repeats" in text
    assert "## The job with no payload" in text
    assert "- RQ: no wheel" in text
    assert "## Growth" not in text
    assert "| RQ | Python | - | no wheel |" in settings(run)


def test_a_block_is_rewritten_in_place() -> None:
    text = "# Title\n<!-- benchmarks -->\nold\n<!-- /benchmarks -->\nafter\n"
    once = rewritten(text, "new\n\n")
    assert "# Title\n<!-- benchmarks -->\nnew\n<!-- /benchmarks -->\nafter\n" == once
    assert once == rewritten(once, "new")


@pytest.mark.parametrize("text", ["", "<!-- benchmarks -->", "<!-- /benchmarks -->"])
def test_a_document_without_a_block_is_left_alone(text: str) -> None:
    with pytest.raises(ValueError, match="expected <!-- benchmarks -->"):
        rewritten(text, "new")
