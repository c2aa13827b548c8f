"""`make demo` shows each example, fails when one does, and leaves nothing behind however it ends."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from examples.demo import EXAMPLES, HERE, matches
from tests.servers import until


class Demo:
    """A demo in a process of its own, with a directory of its own for all that is temporary."""

    def __init__(self, examples: Path, scratch: Path) -> None:
        self.mark = f"DEMO_MARK={uuid.uuid4()}"
        self.scratch = scratch
        name, _, value = self.mark.partition("=")
        self.process = subprocess.Popen(
            [sys.executable, examples / "demo.py"],
            env=os.environ | {name: value, "TMPDIR": str(scratch)},
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
def demo_of(examples: Path, scratch: Path) -> Iterator[Demo]:
    scratch.mkdir()
    demo = Demo(examples, scratch)
    try:
        yield demo
    finally:
        if demo.process.poll() is None:
            demo.process.terminate()
        demo.process.communicate()


def test_the_demo_shows_each_example(tmp_path: Path) -> None:
    with demo_of(HERE, tmp_path / "scratch") as demo:
        assert demo.end() == (0, "")
        shown = re.findall(r"python examples/(\w+)\.py", demo.printed)
        assert tuple(shown) == EXAMPLES


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
    examples = tmp_path / "examples"
    shutil.copytree(HERE, examples, ignore=shutil.ignore_patterns("__pycache__"))
    changed = (examples / "sum.py").read_text().replace("sum([42, 43]) = 85", "sum([42, 43]) = 86")
    (examples / "sum.py").write_text(changed)
    with demo_of(examples, tmp_path / "scratch") as demo:
        status, err = demo.end()
        assert status == 1
        assert "sum.py ended with status 0, and should have printed:\nsum([42, 43]) = 86" in err
        assert "The worker's log" in err
        assert "state.py" not in demo.printed


def test_a_worker_that_does_not_start_fails_the_demo(tmp_path: Path) -> None:
    examples = tmp_path / "examples"
    shutil.copytree(HERE, examples, ignore=shutil.ignore_patterns("__pycache__"))
    (examples / "app.py").write_text("raise RuntimeError('broken on purpose')\n")
    with demo_of(examples, tmp_path / "scratch") as demo:
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
