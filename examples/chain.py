"""Run jobs one after the other: each gets the result of the one before, and may be in another queue.

Prints:
    default: 4
    reports: 14
    default: 114
"""

from app import add, app

handle = app.chain(
    add.step(2, 2),
    add.with_options(queue="reports").step(10),  # add(4, 10)
    add.step(100),  # add(14, 100)
).enqueue()

handle.result(timeout=10)
for (queue, _id), job in zip(handle.targets, handle.look_all(), strict=True):
    print(f"{queue}: {job.outcome.result}")
