"""Run a driver: ask it for a role's answer, or keep its worker running."""

from __future__ import annotations

import array
import contextlib
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .environments import Broken, Program, last_line
from .processes import kill_tree, tree_cpu_s

ASK_S = 90.0
# How long a worker may do nothing before it is given up.
STALL_S = 20.0
POLL_S = 0.005
Options = Mapping[str, Any]


class Unsupported(Exception):
    """A role that a peer does not have, with the reason."""


class Asked:
    """A role that runs: `answer` waits for it, `stop` ends it."""

    def __init__(self, program: Program, role: str, options: Options, stamps: Path | None = None) -> None:
        self.role = role
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        self._process = _start(program, role, options, stamps, subprocess.PIPE, self._stderr)

    def answer(self, seconds: float = ASK_S) -> dict[str, Any]:
        """Return the line of JSON; raise Broken or Unsupported."""
        try:
            text, _ = self._process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise Broken(f"{self.role}: not done after {seconds:.0f} s") from None
        finally:
            self.stop()
        if self._process.returncode:
            raise Broken(_problem(self._stderr) or f"{self.role}: exit code {self._process.returncode}")
        try:
            answer: dict[str, Any] = json.loads(text.decode().splitlines()[-1])
        except (IndexError, ValueError):
            raise Broken(f"{self.role}: expected a line of JSON, got {text[-80:]!r}") from None
        if "unsupported" in answer:
            raise Unsupported(answer["unsupported"])
        return answer

    def stop(self) -> None:
        """End it at once, if it still runs."""
        kill_tree(self._process.pid)
        self._process.wait()


def ask(program: Program, role: str, options: Options, seconds: float = ASK_S) -> dict[str, Any]:
    """Run a role to its end."""
    return Asked(program, role, options).answer(seconds)


class Worker:
    """A worker that runs, with the stamps of the jobs that it began."""

    def __init__(self, program: Program, options: Options, folder: Path) -> None:
        number, name = tempfile.mkstemp(dir=folder, suffix=".stamps")
        os.close(number)
        self._stamps = Path(name)
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        self.process = _start(program, "worker", options, self._stamps, subprocess.DEVNULL, self._stderr)

    @property
    def pid(self) -> int:
        """The process that was started."""
        return self.process.pid

    def count(self) -> int:
        """Return how many jobs have begun."""
        return self._stamps.stat().st_size // 8

    def times_s(self) -> list[float]:
        """Return when each of them began, in order, in seconds of the wall clock."""
        stamps = array.array("Q", self._stamps.read_bytes()[: self.count() * 8])
        return sorted(stamp / 1e9 for stamp in stamps)

    def cpu_s(self) -> float:
        """Return the CPU seconds used so far."""
        return tree_cpu_s(self.pid)

    def wait(self, count: int, within_s: float = 120.0, stall_s: float = STALL_S) -> int:
        """Wait until so many jobs have begun and return how many have; raise Broken when nothing moves."""
        began = moved = time.monotonic()
        seen = 0
        while (have := self.count()) < count:
            now = time.monotonic()
            if have > seen:
                seen, moved = have, now
            if self.process.poll() is not None:
                raise Broken(_problem(self._stderr) or f"worker: exit code {self.process.returncode}")
            if now - moved > stall_s or now - began > within_s:
                raise Broken(f"worker: {have} of {count} jobs after {now - began:.0f} s")
            time.sleep(POLL_S)
        return have

    def kill(self) -> None:
        """End it and its children at once."""
        kill_tree(self.pid)
        self.process.wait()


@contextlib.contextmanager
def working(program: Program, options: Options, folder: Path) -> Iterator[Worker]:
    """Run a worker meanwhile."""
    worker = Worker(program, options, folder)
    try:
        yield worker
    finally:
        worker.kill()


def _start(
    program: Program, role: str, options: Options, stamps: Path | None, stdout: int, stderr: Any
) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items() if name != "BENCH_STAMPS"}
    if stamps is not None:
        environment["BENCH_STAMPS"] = str(stamps)
    return subprocess.Popen(
        [*program.command, role, json.dumps(options)],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        env=environment,
        start_new_session=True,
    )


def _problem(stderr: Any) -> str:
    stderr.seek(0)
    return last_line(stderr.read().decode(errors="replace"))
