"""Run jobs side by side, and one more when all have succeeded.

Prints:
    add(1, 1) = 2, add(2, 2) = 4, add(3, 3) = 6
    total = 12
"""

from app import add, app, total

handle = app.group(*[add.step(n, n) for n in (1, 2, 3)], then=total.step()).enqueue()

sum_of_all = handle.result(timeout=10)
members = handle.look_all()[:-1]
print(", ".join(f"add({n}, {n}) = {member.outcome.result}" for n, member in enumerate(members, 1)))
print("total =", sum_of_all)
