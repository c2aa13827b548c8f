"""Each example prints what its docstring says, on each engine, and leaves nothing behind.

The one that needs a worker for Node is run by the demo: see test_demo.py.
"""

import subprocess
import sys

import pytest

from examples.demo import EXAMPLES, HERE, IN_NODE, NODE_WORKER, WORKER, described, matches

pytestmark = pytest.mark.usefixtures("clean", "worker")


@pytest.mark.parametrize("example", [example for example in EXAMPLES if example != IN_NODE])
def test_example(example: str, environment: dict[str, str]) -> None:
    program = [sys.executable, "-W", "error", HERE / f"{example}.py"]
    ran = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=60)
    _, expected = described(example)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert expected
    assert matches(ran.stdout.splitlines(), expected), ran.stdout


def test_every_example_is_in_the_demo_and_the_readme() -> None:
    listed = (HERE / "README.md").read_text()
    programs = {path.stem for path in HERE.glob("*.py")} - {"app", "demo", "node_worker"}
    assert programs == set(EXAMPLES)
    assert [name for name in sorted(programs) if f"[`{name}.py`]({name}.py)" not in listed] == []


def test_the_readme_starts_the_workers_as_the_demo_does() -> None:
    listed = (HERE / "README.md").read_text().splitlines()
    assert {f"jobwire {' '.join(WORKER)}", NODE_WORKER} <= set(listed)


@pytest.mark.parametrize("example", EXAMPLES)
def test_example_reads_at_a_glance(example: str) -> None:
    assert len((HERE / f"{example}.py").read_text().splitlines()) <= 50
