"""Make envelopes that are mostly good, with one to three things done to them, in either encoding."""

from __future__ import annotations

import copy
from collections.abc import Callable
from random import Random
from typing import Any, Final

from .spelling import damaged, spell
from .values import (
    HARD_KEYS,
    IDS,
    KEYS,
    LIMITS,
    MOST,
    ODD,
    VERSIONS,
    Pairs,
    any_value,
    deep_value,
    long_value,
    no_value,
    spelt_number,
    spelt_text,
)

Job = dict[str, Any]


def envelope(chance: Random) -> bytes:
    """Return the bytes of an envelope."""
    job = good_job(chance)
    for _ in range(chance.choice((0, 1, 1, 1, 1, 2, 3))):
        chance.choice(CHANGES)(chance, job)
    whole: Any = Pairs((*job.items(), twice(chance, job))) if chance.random() < 0.03 else job
    data = spell(chance, whole, chance.choice(("json", "msgpack")))
    return damaged(chance, data) if chance.random() < 0.12 else data


def twice(chance: Random, job: Job) -> tuple[str, Any]:
    name = chance.choice([*job, "id"])
    return chance.choice((name, name.upper())), chance.choice((job.get(name), *ODD))


# Good jobs.


def good_job(chance: Random) -> Job:
    job: Job = {"jobwire": chance.choice(("1.0", "1.0", "1.7")), **good_work(chance, "a")}
    job |= {name: chance.choice(IDS) for name in ("root_id", "parent_id") if chance.random() < 0.15}
    flow = chance.random()
    if flow < 0.2:
        job["then"] = good_steps(chance, "s", 2)
    elif flow < 0.4:
        job["join"] = good_join(chance, "j", 2)
    return dict(chance.sample(list(job.items()), len(job))) if chance.random() < 0.3 else job


def good_work(chance: Random, id: str) -> Job:
    optional = {name: make(chance) for name, make in GOOD.items() if chance.random() < 0.15}
    return {"id": id, "type": "t", "queue": "q", **optional}


def good_steps(chance: Random, id: str, depth: int) -> list[Job]:
    steps = [good_work(chance, f"{id}{number}") for number in range(chance.randint(1, 3))]
    if chance.random() < 0.3:
        steps[0]["pass_result"] = chance.choice((True, False))
    if depth and chance.random() < 0.4:
        steps[-1]["join"] = good_join(chance, f"{id}j", depth - 1)
    return steps


def good_join(chance: Random, id: str, depth: int) -> Job:
    size = chance.choice((1, 2, 10, 1000))
    join = {"group": id, "index": chance.randrange(size), "size": size, "then": good_steps(chance, id, depth)}
    return join | {"ttl_ms": chance.choice((1, 5000, MOST))} if chance.random() < 0.3 else join


def instant(chance: Random) -> int:
    return chance.choice((0, 1, 1795383432378, MOST))


GOOD: Final[dict[str, Callable[[Random], Any]]] = {
    "args": lambda chance: [any_value(chance) for _ in range(chance.randint(0, 3))],
    "kwargs": lambda chance: {chance.choice(KEYS): any_value(chance) for _ in range(chance.randint(0, 3))},
    "headers": lambda chance: {chance.choice(KEYS): any_value(chance)},
    **dict.fromkeys(("created_at", "run_at", "expires_at", "result_ttl_ms"), instant),
    "timeout_ms": lambda chance: chance.choice((1, 30_000, MOST)),
    "priority": lambda chance: chance.randint(0, 9),
    "retry": lambda chance: {"max_attempts": chance.randint(1, 1000), "jitter": chance.random(), "factor": 1.5},
}


# Changes. Each object that has a table can be changed: the job, its steps, their retry and join.

RETRY: Final = ("max_attempts", "delay_ms", "factor", "max_delay_ms", "jitter", "no_retry_on")
JOIN: Final = ("group", "index", "size", "then", "ttl_ms")
WORK: Final = ("id", "type", "queue", "join", *GOOD)
STEP: Final = (*WORK, "pass_result")
JOB: Final = (*WORK, "jobwire", "root_id", "parent_id", "then")
NOT_NUMBERS: Final = {
    "id",
    "type",
    "queue",
    "group",
    "args",
    "kwargs",
    "headers",
    "retry",
    "join",
    "then",
    "no_retry_on",
}


def tables(value: Any, names: tuple[str, ...] = JOB) -> list[tuple[Job, tuple[str, ...]]]:
    """Return each object that has a table, with the names in it."""
    if not isinstance(value, dict):
        return []
    found = [(value, names)]
    if names in (JOB, STEP):
        found += tables(value.get("retry"), RETRY) + tables(value.get("join"), JOIN)
    steps = value.get("then")
    return found + [each for step in (steps if isinstance(steps, list) else ()) for each in tables(step, STEP)]


def works(job: Job) -> list[Job]:
    return [table for table, names in tables(job) if names in (JOB, STEP)]


def put(chance: Random, job: Job, make: Callable[[str], Any]) -> None:
    """Put a value in place of a field somewhere."""
    table, names = chance.choice(tables(job))
    name = chance.choice(names)
    table[name] = copy.deepcopy(make(name))


def put_limit(chance: Random, job: Job) -> None:
    put(chance, job, lambda name: chance.choice(LIMITS[name]))


def put_odd(chance: Random, job: Job) -> None:
    put(chance, job, lambda name: chance.choice((*ODD, no_value(chance))))


def put_null(chance: Random, job: Job) -> None:
    put(chance, job, lambda name: None)


def put_number(chance: Random, job: Job) -> None:
    table, names = chance.choice(tables(job))
    table[chance.choice([name for name in names if name not in NOT_NUMBERS])] = spelt_number(chance)


def leave_out(chance: Random, job: Job) -> None:
    table, names = chance.choice(tables(job))
    table.pop(chance.choice([name for name in names if name in table] or ["id"]), None)


def put_unknown(chance: Random, job: Job) -> None:
    table, _ = chance.choice(tables(job))
    name = chance.choice(("x", "Id", "jobWire", "pass_result", "then", "root_id", "retry", "size", *KEYS))
    table[name] = copy.deepcopy(chance.choice((*ODD, any_value(chance), spelt_number(chance))))


def put_same_id(chance: Random, job: Job) -> None:
    chance.choice(works(job))["id"] = chance.choice(works(job)).get("id")


def put_join(chance: Random, job: Job) -> None:
    chance.choice(works(job))["join"] = good_join(chance, "z", 1)


def put_then(chance: Random, job: Job) -> None:
    table, _ = chance.choice(tables(job))
    table["then"] = chance.choice((good_steps(chance, "y", 1), [], None))


def put_version(chance: Random, job: Job) -> None:
    job["jobwire"] = chance.choice(VERSIONS)


def put_argument(chance: Random, job: Job) -> None:
    value = chance.choice((no_value, hard_keys, deep_value, spelt_number, long_value, spelt_text))(chance)
    name = chance.choice(("args", "kwargs", "headers"))
    chance.choice(works(job))[name] = [value] if name == "args" else {chance.choice(KEYS): value}


def hard_keys(chance: Random) -> Any:
    return chance.choice(({chance.choice(HARD_KEYS): 1}, Pairs((("a", 1), (chance.choice("aAb"), 2)))))


CHANGES: Final[tuple[Callable[[Random, Job], None], ...]] = (
    *(put_limit, put_limit, put_limit, put_odd, put_odd, put_number, put_number, put_null, leave_out, put_unknown),
    *(put_same_id, put_join, put_then, put_version, put_argument, put_argument),
)
