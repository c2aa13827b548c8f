"""Many mixed jobs, workers killed at random: each job reaches its right end, and nothing is left behind."""

import random
import time

import pytest

from jobwire import Retry, State
from tests.reference.worker.conftest import Bench
from tests.servers import assert_clean, until

JOBS = 10_000
# Far more than the kills can burn, so that only the jobs that are meant to fail do.
PATIENT = Retry(max_attempts=1000, delay_ms=20, max_delay_ms=200)


def _enqueue(bench: Bench, chance: random.Random) -> dict[tuple[str, str], int | None]:
    """Enqueue the jobs and return what each must give; None where it must fail."""
    wanted: dict[tuple[str, str], int | None] = {}
    steps: dict[object, list] = {bench.app: [], bench.msgpack: []}
    count = 0
    while count < JOBS:
        app = chance.choice(list(steps))
        queue = chance.choice(("default", "other"))
        number = chance.randrange(1000)
        common = {"queue": queue, "retry": PATIENT, "priority": chance.randrange(10)}
        kind = chance.choices(
            ("add", "add.async", "delayed", "flaky", "fail", "chain", "group"), (50, 20, 10, 8, 4, 4, 4)
        )[0]
        if kind in ("add", "add.async", "delayed"):
            delay = {"delay": chance.random() * 3} if kind == "delayed" else {}
            step = app.step("add" if kind == "delayed" else kind, number, 1, **common, **delay)
            wanted[queue, step.id] = number + 1
            steps[app].append(step)
        elif kind == "flaky":
            step = app.step("flaky", 2, number, **common)
            wanted[queue, step.id] = number
            steps[app].append(step)
        elif kind == "fail":
            step = app.step("fail", "no", "Final", **(common | {"retry": Retry(no_retry_on=["Final"])}))
            wanted[queue, step.id] = None
            steps[app].append(step)
        elif kind == "chain":
            parts = [app.step("add", number, **common), *(app.step("add", 1, **common) for _ in range(3))]
            app.chain(*parts).enqueue()
            wanted |= {(part.queue, part.id): number + i for i, part in enumerate(parts)}
            count += 3
        else:
            members = [app.step("add", number, i, **common) for i in range(4)]
            then = app.step("total", 1, retry=PATIENT)
            app.group(*members, then=then).enqueue()
            wanted |= {(part.queue, part.id): number + i for i, part in enumerate(members)}
            wanted[then.queue, then.id] = number * 4 + 6 + 1
            count += 4
        count += 1
    for app, waiting in steps.items():
        app.enqueue_many(waiting)
    return wanted


@pytest.mark.timeout(240)
def test_every_job_reaches_its_right_end(bench: Bench) -> None:
    seed = random.SystemRandom().randrange(1_000_000)
    print(f"seed {seed}")
    chance = random.Random(seed)
    wanted = _enqueue(bench, chance)
    queues = ["default", "other"]
    workers = [bench.start(queues=queues, concurrency=8, grace_ms=5000) for _ in range(2)]

    def live() -> int:
        return sum(bench.set_size(name, queue) for name in ("ready", "scheduled", "active") for queue in queues)

    for _ in range(25):
        if not live():
            break
        until_kill = time.monotonic() + chance.uniform(0.2, 0.9)
        until(lambda until_kill=until_kill: time.monotonic() > until_kill or not live(), within_ms=10_000)
        victim = chance.randrange(2)
        workers[victim].kill()
        workers[victim].wait()
        workers[victim] = bench.start(queues=queues, concurrency=8, grace_ms=5000)
    until(lambda: not live(), within_ms=120_000)

    views: dict[tuple[str, str], object] = {}
    for queue in queues:
        ids = [job_id for name, job_id in wanted if name == queue]
        views |= {(queue, job_id): view for job_id, view in zip(ids, bench.app.look(ids, queue), strict=True)}
    wrong = {
        key: (views[key].state, views[key].outcome)
        for key, value in wanted.items()
        if views[key].state is not (State.FAILED if value is None else State.SUCCEEDED)
        or (value is not None and views[key].outcome.result != value)
    }
    assert wrong == {}
    assert sum(v.outcome.result or 0 for v in views.values()) == sum(value or 0 for value in wanted.values())
    for process in workers:
        bench.wait_ready(process)
        process.terminate()
    assert [process.wait(20) for process in workers] == [0, 0]
    assert_clean(bench.client)
