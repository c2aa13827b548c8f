"""The order of a run, and what its lines say."""

from benchmarks.figures import FIGURES
from benchmarks.modes import FULL, QUICK
from benchmarks.peers import QUICK as QUICK_PEERS
from benchmarks.peers import Kind, chosen, peer_names
from benchmarks.progress import clock, outcome, remaining_s
from benchmarks.results import Measurement
from benchmarks.run import tasks


def test_every_row_gets_every_figure_in_every_repeat() -> None:
    rows = chosen(tuple(peer_names()))
    todo = list(tasks(FULL, rows))
    assert len(todo) == len(set(todo))
    for name, figure in FIGURES.items():
        sizes = len(FULL.payloads) if figure.sized else 1
        wanted = sum(figure.includes(row) for row in rows) * sizes * FULL.repeats
        assert wanted == sum(task.figure == name for task in todo)


def test_rows_are_interleaved_and_take_turns() -> None:
    rows = chosen(QUICK_PEERS)
    first, second = (
        [task.row.name for task in tasks(QUICK, rows) if (task.repeat, task.figure) == (n, "trip")] for n in (0, 1)
    )
    assert sorted(first) == sorted(second)
    assert first != second


def test_the_quick_mode_has_three_peers() -> None:
    assert 3 == len(QUICK_PEERS)
    assert "bullmq" in QUICK_PEERS


def test_the_other_languages_are_in_the_whole_run_and_not_in_the_quick_one() -> None:
    names = {"Jobwire, TypeScript", "Jobwire, Go", "Jobwire, Rust", "Jobwire, Java"}
    assert names == {row.name for row in chosen(tuple(peer_names())) if row.kind is Kind.EXAMPLE}
    assert names.isdisjoint(row.name for row in chosen(QUICK_PEERS))
    assert names & {row.name for row in chosen(("go", "asynq"))} == {"Jobwire, Go"}


def test_an_example_has_the_figures_of_its_worker_and_its_producer() -> None:
    row = next(row for row in chosen(("rust",)) if row.kind is Kind.EXAMPLE)
    assert {"one", "process", "processes", "trip", "load"} == {
        name for name, figure in FIGURES.items() if figure.includes(row)
    }


def test_the_rest_takes_as_long_as_before() -> None:
    took_s = {("one", "RQ", 0): 2.0, ("trip", "RQ", 0): 6.0}
    assert 2.0 + 2.0 + 4.0 == remaining_s(took_s, [("one", "RQ", 0), ("one", "SAQ", 0), ("bulk", "RQ", 0)])
    assert "61:01" == clock(3661.9)


def test_outcomes() -> None:
    base = {"repeat": 0, "figure": "one", "row": "RQ", "payload": 0}
    assert "1,234 jobs/s" == outcome(Measurement(**base, values={"rate": 1234.0}))
    assert "FAILED died" == outcome(Measurement(**base, error="died"))
    assert "- (has none)" == outcome(Measurement(**base, unsupported="has none"))
    disturbed = Measurement(**base, values={"rate": 12.5}, foreign=0.5, disturbed=True)
    assert "12.50 jobs/s (others used 0.5 core)" == outcome(disturbed)
