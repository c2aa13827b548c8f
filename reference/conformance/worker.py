"""Run the handlers of the conformance suite in a worker that its environment describes."""

import os
import sys

from jobwire.cli import run

OPTIONS = {
    "--queues": "JOBWIRE_QUEUES",
    "--concurrency": "JOBWIRE_CONCURRENCY",
    "--lease-ms": "JOBWIRE_LEASE_MS",
    "--grace-ms": "JOBWIRE_GRACE_MS",
    "--name": "JOBWIRE_WORKER",
}

if __name__ == "__main__":
    sys.exit(
        run(["worker", "handlers:app", *(word for name, key in OPTIONS.items() for word in (name, os.environ[key]))])
    )
