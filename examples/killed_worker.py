"""Kill a worker by SIGKILL in the middle of a job: another worker takes the job over once its lease is over.

Starts its own workers, with leases of 2 s (the default is 15 s).

Prints:
    worker A runs the job: active, attempt 1
    worker A is dead: signal 9
    worker B: 'written at attempt 2'
"""

import contextlib
import subprocess
import sys
import time
from pathlib import Path

from app import report

COMMAND = ["-m", "jobwire", "worker", "app:app", "--queues", "fragile", "--lease-ms", "2000", "--log-level", "warning"]


@contextlib.contextmanager
def worker():
    with subprocess.Popen([sys.executable, *COMMAND], cwd=Path(__file__).parent, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout.readline() == b"ready\n"
            yield process
        finally:
            process.terminate()


with worker() as a:
    handle = report.with_options(queue="fragile").enqueue()
    while (job := handle.look()).state.value != "active":
        time.sleep(0.01)
    print(f"worker A runs the job: {job.state.value}, attempt {job.attempt}")
    a.kill()
    print("worker A is dead: signal", -a.wait())

with worker() as b:
    print(f"worker B: {handle.result(timeout=20)!r}")
