"""The limit of one client library: the least that a producer and a worker can send to the server, by redis-py.

Variant `push` is RPUSH and LPOP of bytes as long as a Jobwire envelope of the same job; `scripts` is Jobwire's own
enqueue, claim and settle with all arguments made beforehand and nothing read from the replies but ids and tokens.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1]))

import common
import redis

from jobwire import scripts
from jobwire.envelope import Envelope, write
from jobwire.ids import new_id, new_nonce
from jobwire.keys import queue_keys
from jobwire.values import Encoding

BATCH = 100
# As many as the reference puts into a call.
BULK = 500
KEYS = queue_keys("jobwire", "default")


def connect(options: dict[str, Any]) -> redis.Redis:
    """Return a client whose connection is made, with the scripts loaded."""
    client = redis.Redis.from_url(options["url"])
    for script in scripts.scripts().values():
        client.script_load(script.text)
    return client


def envelopes(options: dict[str, Any], count: int) -> list[tuple[str, bytes]]:
    """Return ids with their envelopes, all alike but for these."""
    args, first = [count, 1, *common.text_of(options["payload"])], new_id()
    envelope = write(Envelope(jobwire="1.0", id=first, type="add", queue="default", args=args), Encoding.MSGPACK)
    before, _, after = envelope.partition(first.encode())
    ids = [f"{first[:24]}{i:012x}" for i in range(count)]
    return [(job_id, before + job_id.encode() + after) for job_id in ids]


def command(call: scripts.Call) -> tuple[Any, ...]:
    """Return the command of a script call."""
    return ("EVALSHA", scripts.scripts()[call.script].sha1, len(call.keys), *call.keys, *call.args)


def commands(options: dict[str, Any], chunk: int) -> list[tuple[Any, ...]]:
    """Return all that a producer sends, a chunk of jobs each."""
    jobs = envelopes(options, options["count"])
    parts = [jobs[first : first + chunk] for first in range(0, len(jobs), chunk)]
    if options["variant"] == "push":
        return [("RPUSH", "bare", *(envelope for _, envelope in part)) for part in parts]
    accepts = [[scripts.Accept(*job, 0, 3, 4) for job in part] for part in parts]
    return [command(scripts.enqueue(KEYS, part)) for part in accepts]


def send(options: dict[str, Any], chunk: int) -> dict[str, float]:
    """Send all commands, one call after the other."""
    client, made = connect(options), commands(options, chunk)
    client.execute_command(*made[0])
    began = time.perf_counter()
    for each in made[1:]:
        client.execute_command(*each)
    return {"seconds": (time.perf_counter() - began) * len(made) / (len(made) - 1)}


def about(_: dict[str, Any]) -> dict[str, str]:
    """Say what is measured."""
    settings = f"arguments made beforehand; bulk in calls of {BULK}, worker in batches of {BATCH}"
    return common.about(settings, "redis", "hiredis")


def one(options: dict[str, Any]) -> dict[str, float]:
    """Send one job a call."""
    return send(options, 1)


def bulk(options: dict[str, Any]) -> dict[str, float]:
    """Send `chunk` jobs a call."""
    return send(options, min(BULK, -(-options["count"] // 2)))


def worker(options: dict[str, Any]) -> None:
    """Take jobs in batches, do nothing but the job itself, and settle them."""
    client = connect(options)
    take = take_scripts if options["variant"] == "scripts" else take_push
    for _ in range(options["processes"] - 1):
        if os.fork() == 0:
            client = connect(options)
            break
    while True:
        taken = take(client)
        for _ in range(taken):
            common.stamp()
        if not taken:
            time.sleep(0.001)


def take_push(client: redis.Redis) -> int:
    """Take a batch off the list."""
    taken: Any = client.execute_command("LPOP", "bare", BATCH)
    return len(taken or ())


def take_scripts(client: redis.Redis) -> int:
    """Claim a batch and settle it with an outcome as long as Jobwire's."""
    reply: Any = client.execute_command(*command(scripts.claim(KEYS, new_nonce(), 15_000, BATCH, True)))
    ids, tokens = reply[3::5], reply[4::5]
    if ids:
        document = b"x" * 110
        ends = [(i.decode(), t.decode(), "succeed", document, 600_000) for i, t in zip(ids, tokens, strict=True)]
        client.execute_command(*command(scripts.settle(KEYS, ends)))
    return len(ids)


if __name__ == "__main__":
    common.main({"about": about, "one": one, "bulk": bulk, "worker": worker})
