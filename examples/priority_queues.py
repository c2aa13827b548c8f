"""Serve one queue before another: the worker claims from `--queues default,low-priority` in that order.

The worker runs one job at a time here (`--concurrency 1`), so that the order can be seen.

Prints:
    default: invoice 1
    default: invoice 2
    low-priority: newsletter 1
    low-priority: newsletter 2
"""

from app import app, order, sleep

later = order.with_options(queue="low-priority")
jobs = {
    "low-priority: newsletter 1": later.step(),
    "low-priority: newsletter 2": later.step(),
    "default: invoice 1": order.step(),
    "default: invoice 2": order.step(),
}

sleep.enqueue(1)  # keeps the worker busy until all four are there
handles = app.enqueue_many(jobs.values())

number = dict(zip(jobs, [handle.result(timeout=10) for handle in handles], strict=True))
for name in sorted(number, key=number.get):
    print(name)
