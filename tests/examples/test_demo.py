"""`make demo` shows each example, fails when one does, and leaves nothing behind however it ends."""

import os
import re
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from examples.demo import BUILD_S, EXAMPLES, HERE, IN_NODE, described, matches
from tests.examples.programs import NODE, NPM, copied, program
from tests.servers import until


class Demo:
    """A demo in a process of its own, with a directory of its own for all that is temporary."""

    def __init__(self, examples: Path, scratch: Path, path: str) -> None:
        self.mark = f"DEMO_MARK={uuid.uuid4()}"
        self.scratch = scratch
        name, _, value = self.mark.partition("=")
        self.process = subprocess.Popen(
            [sys.executable, examples / "demo.py"],
            env=os.environ | {name: value, "TMPDIR": str(scratch), "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.printed = ""

    def read_until(self, text: str) -> None:
        assert self.process.stdout is not None
        while text not in self.printed:
            line = self.process.stdout.readline()
            assert line, f"{text!r} never came after:\n{self.printed}"
            self.printed += line

    def end(self) -> tuple[int, str]:
        """Wait for its end, check that nothing is left of it, and return status and stderr."""
        out, err = self.process.communicate(timeout=90)
        self.printed += out
        until(lambda: not self.processes())
        assert list(self.scratch.iterdir()) == []
        port = re.search(r"listens on port (\d+)", self.printed)
        assert port
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", int(port[1]))) != 0
        return self.process.returncode, err

    def processes(self) -> list[str]:
        """Return the ids of all processes that have the mark in their environment."""
        return [path.parent.name for path in Path("/proc").glob("[0-9]*/environ") if self.mark in _read(path)]


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode(errors="replace")
    except OSError:  # the process has ended
        return ""


@contextmanager
def demo_of(examples: Path, scratch: Path, path: str = os.environ["PATH"]) -> Iterator[Demo]:
    scratch.mkdir()
    demo = Demo(examples, scratch, path)
    try:
        yield demo
    finally:
        if demo.process.poll() is None:
            demo.process.terminate()
        demo.process.communicate()


def test_the_demo_shows_each_example(tmp_path: Path) -> None:
    build = subprocess.run([sys.executable, HERE / "node_worker.py"], capture_output=True, text=True, timeout=BUILD_S)
    with demo_of(HERE, tmp_path / "scratch") as demo:
        assert demo.end() == (0, "")
        shown = tuple(re.findall(r"python examples/(\w+)\.py", demo.printed))
        last = demo.printed.splitlines()[-1]
        if build.returncode == 0:
            assert shown == EXAMPLES
            assert matches([last], [f"All {len(EXAMPLES)} examples printed what they should, in ... s."])
            assert "\n  ".join(described(IN_NODE)[1][1:]) in demo.printed
        else:  # a machine without Node, or without a network
            assert shown == EXAMPLES[1:]
            assert f"{IN_NODE}.py was left out: {build.stderr.strip()}" in last


def few(directory: Path) -> Path:
    """Return copies of the examples, with a demo that shows only some of them."""
    examples = copied(directory)
    demo = (examples / "demo.py").read_text()
    (examples / "demo.py").write_text(re.sub(r'\n    "(?!sum"|chain")\w+",', "", demo))
    return examples


def path_of(directory: Path, programs: dict[str, str]) -> str:
    """Return a PATH with these programs alone."""
    directory.mkdir()
    for name, script in programs.items():
        program(directory, name, script)
    return str(directory)


@pytest.mark.parametrize(
    ("reason", "programs", "build_s"),
    [
        ("node is not installed", {}, 60),
        ("npm ci ended with status 1 and said: no network", {"node": NODE, "npm": "echo no network; exit 1"}, 60),
        ("its build was not done after 1 s", {"node": NODE, "npm": "sleep 60"}, 1),
    ],
)
def test_a_worker_for_node_that_cannot_be_had_is_left_out(
    reason: str, programs: dict[str, str], build_s: int, tmp_path: Path
) -> None:
    examples = few(tmp_path)
    source = (examples / "demo.py").read_text()
    (examples / "demo.py").write_text(source.replace(f"BUILD_S = {BUILD_S}", f"BUILD_S = {build_s}"))
    with demo_of(examples, tmp_path / "scratch", path_of(tmp_path / "path", programs)) as demo:
        assert demo.end() == (0, "")
        assert f"\nWithout a worker for Node, and so without in_node.py: {reason}.\n" in demo.printed
        assert ["sum", "chain"] == re.findall(r"python examples/(\w+)\.py", demo.printed)
        told = f"The other 2 examples printed what they should, in ... s; in_node.py was left out: {reason}."
        assert matches(demo.printed.splitlines()[-1:], [told])


def test_a_demo_interrupted_in_a_build_cleans_up(tmp_path: Path) -> None:
    path = path_of(tmp_path / "path", {"node": NODE, "npm": "sleep 60"})
    with demo_of(copied(tmp_path), tmp_path / "scratch", path) as demo:
        demo.read_until("npm ci")
        demo.process.send_signal(signal.SIGTERM)
        assert demo.end() == (128 + signal.SIGTERM, "")
        assert "Without a worker" not in demo.printed


def test_a_worker_for_node_that_does_not_start_fails_the_demo(tmp_path: Path) -> None:
    examples = copied(tmp_path)
    broken = f"[ $1 = --version ] || {{ echo broken on purpose >&2; exit 1; }}\n{NODE}"
    with demo_of(examples, tmp_path / "scratch", path_of(tmp_path / "path", {"node": broken, "npm": NPM})) as demo:
        status, err = demo.end()
        assert status == 1
        assert "broken on purpose" in err
        assert "the worker should have said 'ready', said 'nothing'" in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["listens on port", "ready", "worker A runs the job"])
def test_an_interrupted_demo_cleans_up(number: signal.Signals, moment: str, tmp_path: Path) -> None:
    with demo_of(HERE, tmp_path / "scratch") as demo:
        demo.read_until(moment)
        # A terminal's Ctrl+C reaches the whole group, kill only the one process.
        if number is signal.SIGINT:
            os.killpg(demo.process.pid, number)
        else:
            demo.process.send_signal(number)
        status, err = demo.end()
        assert status == 128 + number
        assert "Traceback" not in err


def test_an_example_that_prints_something_else_fails_the_demo(tmp_path: Path) -> None:
    examples = copied(tmp_path)
    changed = (examples / "sum.py").read_text().replace("sum([42, 43]) = 85", "sum([42, 43]) = 86")
    (examples / "sum.py").write_text(changed)
    with demo_of(examples, tmp_path / "scratch", path_of(tmp_path / "path", {})) as demo:
        status, err = demo.end()
        assert status == 1
        assert "sum.py ended with status 0, and should have printed:\nsum([42, 43]) = 86" in err
        assert "The log of the workers" in err
        assert "state.py" not in demo.printed


def test_a_worker_that_does_not_start_fails_the_demo(tmp_path: Path) -> None:
    examples = copied(tmp_path)
    (examples / "app.py").write_text("raise RuntimeError('broken on purpose')\n")
    with demo_of(examples, tmp_path / "scratch", path_of(tmp_path / "path", {})) as demo:
        status, err = demo.end()
        assert status == 1
        assert "broken on purpose" in err


@pytest.mark.parametrize(
    ("expected", "printed", "pattern"),
    [
        (True, ["a"], ["a"]),
        (False, ["a"], ["b"]),
        (False, ["a", "b"], ["a"]),
        (False, [], ["a"]),
        (True, ["took 0.25 s"], ["took ... s"]),
        (False, ["took  s"], ["took ... s"]),
        (False, ["a+b"], ["a.b"]),
    ],
)
def test_matches(expected: bool, printed: list[str], pattern: list[str]) -> None:
    assert matches(printed, pattern) is expected
