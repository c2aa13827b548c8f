"""How long it takes until something happens: the import, the help, a worker's first job."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time

from ..context import Context
from ..environments import DRIVERS, ROOT
from ..peers import Row
from ..processes import kill_tree
from .kinds import Values

IMPORT = "import time; began = time.perf_counter(); import jobwire; print((time.perf_counter() - began) * 1000)"
WORKER = ("-m", "jobwire", "worker", "driver:app", "--concurrency", "1", "--log-level", "error")


def _environment() -> dict[str, str]:
    """Return this environment, with compiled modules kept, as they are where a package was installed."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": str(ROOT / "pycache")}


def measure(context: Context, row: Row, payload: int) -> Values:
    """Take the median of fresh processes for each."""
    times = range(context.mode.starts)
    with context.watched():
        return {
            "import_ms": statistics.median(_import_ms() for _ in times),
            "help_ms": statistics.median(_help_ms() for _ in times),
            "first_ms": statistics.median(_first_ms(context, row) for _ in times),
        }


def _import_ms() -> float:
    return float(subprocess.check_output([sys.executable, "-c", IMPORT], env=_environment()))


def _help_ms() -> float:
    began = time.perf_counter()
    subprocess.check_output([sys.executable, "-m", "jobwire", "--help"], env=_environment())
    return (time.perf_counter() - began) * 1000


def _first_ms(context: Context, row: Row) -> float:
    """Return the ms from the start of the process until a waiting job begins, a little after it was claimed."""
    context.fill(row, 0, 2)
    stamps = context.folder / "first.stamps"
    stamps.unlink(missing_ok=True)
    options = json.dumps(context.options(row, 0))
    environment = _environment() | {"BENCH_STAMPS": str(stamps), "BENCH_OPTIONS": options}
    began = time.time_ns()
    worker = subprocess.Popen(
        [sys.executable, *WORKER], env=environment, cwd=DRIVERS / "jobwire", stdout=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 10
        while (not stamps.exists() or stamps.stat().st_size < 8) and time.monotonic() < deadline:
            time.sleep(0.001)
        return (int.from_bytes(stamps.read_bytes()[:8], "little") - began) / 1e6
    finally:
        kill_tree(worker.pid)
        worker.wait()
