"""See the state of a job before and after it ran.

Prints:
    before: ready
    add(4, 4) = 8
    after: succeeded
"""

from app import add, app

app.configure("default", "paused", 1)  # or the worker would be done before we look
try:
    handle = add.enqueue(4, 4)
    print("before:", handle.state().value)
finally:
    app.configure("default", "paused", None)

print("add(4, 4) =", handle.result(timeout=10))
print("after:", handle.state().value)
