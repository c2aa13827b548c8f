"""Calls of every script: one right call each, and one short history of them all."""

from collections.abc import Sequence

from tests.lua.binding import Argument, Job, Queue

FAR = 9007199254740991
NONCE = "0123456789abcdef"
JOB: list[Argument] = ["new", "{}", 0, 3, 4]

# Arguments that are right and would write, once `furnish` has prepared the queue.
RIGHT: dict[str, list[Argument]] = {
    "cancel": ["waits", "D", 1000],
    "claim": [NONCE, 15000, 1, 1],
    "configure": ["max_active", "7"],
    "enqueue": JOB,
    "extend": [2000, "held", f"1.{NONCE}", "P"],
    "join": [0, 2, "V", 1000],
    "look": ["held"],
    "pass": JOB,
    "purge": [FAR, 10],
    "requeue": ["over"],
    "settle": ["held", f"1.{NONCE}", "succeed", "D", 1000],
}
WITH_RESULTS = {"enqueue": 5, "pass": 5, "settle": 5, "cancel": 3, "look": 1}
VERBS = {"done": "succeed", "fails": "fail", "retried": "retry", "freed": "release", "decided": "decide"}
EXPECTED = (
    "ok ok ok "
    "accepted accepted accepted accepted accepted accepted accepted accepted accepted "
    "dies done fails retried freed decided asked handed "
    "ok ok ok ok ok ok ok "
    "requested done done done done done cancelled finished "
    "failed finished failed scheduled ready active active unknown "
    "requeued unknown 1 2 freed handed fails retried 1"
)


def keys(queue: Queue, script: str, argv: Sequence[Argument]) -> list[str]:
    """Return the KEYS that go with these ARGV."""
    if script == "join":
        return [queue.key("join:g")]
    return queue.keys([str(id) for id in argv[:: WITH_RESULTS[script]]] if script in WITH_RESULTS else [])


def furnish(queue: Queue) -> None:
    """Give each call of RIGHT something to do."""
    queue.enqueue("over", "held", "waits", "ready")
    queue.end(queue.take(), "fail")
    queue.claim(1, nonce=NONCE)


def play(queue: Queue) -> str:
    """Run every script on an empty queue, and return the words that they answered."""
    told = [queue.configure("max_active", "100"), queue.configure("paused", "1"), queue.configure("paused", "")]
    queue.client.blpop([queue.key("wake")], 1)
    told += queue.enqueue(Job("dies", max_attempts=1), *VERBS, "asked")
    told += queue.enqueue("handed", Job("later", run_at=FAR), script="pass")
    told += queue.claim(9).ids
    queue.expire("dies")
    jobs = {job.id: job for job in queue.claim(9).jobs}
    told += jobs
    told += queue.extend(*[(job.id, job.token, b"half") for job in jobs.values()])
    told.append(queue.cancel("asked"))
    told += queue.settle(*[(id, jobs[id].token, verb, b"D", 60_000) for id, verb in VERBS.items()])
    told += [queue.cancel("later"), queue.cancel("done")]
    told += [seen.state for seen in queue.look("dies", *VERBS, "asked", "nobody")]
    told += queue.requeue("fails", "nobody")
    told += [str(queue.join("g", index, 2, b"v")[0]) for index in range(2)]
    queue.client.zadd(queue.key("scheduled"), {"retried": 1})
    queue.settle(("handed", jobs["handed"].token, "release", b"", 0))
    told += queue.claim(9, rescue=0).ids
    told.append(str(queue.purge(FAR)))
    return " ".join(told)
