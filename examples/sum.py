"""Enqueue a job and wait for its result.

Prints:
    sum([42, 43]) = 85
"""

from app import sum_of

handle = sum_of.enqueue([42, 43])
print("sum([42, 43]) =", handle.result(timeout=10))
