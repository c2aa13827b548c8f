"""Enqueue a job that a worker for Node runs; then a chain from Python to Node and back, each step in its own queue.

Node's handlers are in node_handlers.mjs; a producer names them, and needs nothing else of them.

Prints:
    hello, Ann, from Node v...
    default: 1234.5
    node: $1,234.50
    default: Ann pays $1,234.50
"""

from app import app, bill, sum_of

print(app.enqueue("hello", "Ann", queue="node").result(timeout=10))

handle = app.chain(
    sum_of.step([1200, 34.5]),
    app.step("price", "USD", queue="node"),  # price(1234.5, "USD")
    bill.step("Ann"),  # bill("$1,234.50", "Ann")
).enqueue()

handle.result(timeout=10)
for (queue, _id), job in zip(handle.targets, handle.look_all(), strict=True):
    print(f"{queue}: {job.outcome.result}")
