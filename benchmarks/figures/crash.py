"""When a job runs again whose worker was killed, on an idle queue, with the defaults."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..environments import Broken, Program
from ..peers import Row
from ..programs import ask, working
from ..server import running
from .kinds import Values

# How long the job sleeps, and how long it has slept when its worker is killed.
NAP_S = 2.0
KILLED_AFTER_S = 1.0
WATCHED_S = 100.0


def measure(
    rows: Sequence[tuple[Row, Program]], engine: str, folder: Path, told: Callable[[Row, Values | Exception], None]
) -> None:
    """Kill a worker of every row, all at the same time, each on a server of its own; there is nothing else to do."""

    def run(row: Row, program: Program) -> None:
        try:
            told(row, _again(row, program, engine, folder))
        except Exception as error:
            told(row, error)

    with ThreadPoolExecutor(len(rows)) as pool:
        for row, program in rows:
            pool.submit(run, row, program)


def _again(row: Row, program: Program, engine: str, folder: Path) -> Values:
    with running(engine) as server, contextlib.ExitStack() as workers:
        options = {"url": server.url, "variant": row.variant, "payload": 0, "processes": 1}
        first = workers.enter_context(working(program, options, folder))
        ask(program, "one", options | {"count": 2})
        first.wait(2)
        ask(program, "nap", options | {"seconds": NAP_S})
        time.sleep(KILLED_AFTER_S)
        first.kill()
        killed_at = time.time()
        second = workers.enter_context(working(program, options, folder))
        try:
            second.wait(1, WATCHED_S, WATCHED_S)
        except Broken:
            return {"again_s": float("inf"), "note": f"not in {WATCHED_S:.0f} s"}
        # The stamp is written after the nap.
        return {"again_s": second.times_s()[0] - NAP_S - killed_at}
