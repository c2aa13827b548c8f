"""One short history that runs every script, and every command that a script may run."""

from tests.lua.binding import Job, Queue

FAR = 9007199254740991
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
