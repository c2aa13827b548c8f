"""Be a worker that leaves out what a worker is for: the first argument says which part."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "specimen"))

import codec
import common
import settling
import state
import worker as specimen


def idle() -> None:
    """Claim nothing."""
    print("ready", flush=True)
    signal.pause()


def hollow() -> None:
    """Claim jobs and settle them, but run nothing."""
    link = common.Link()
    link.load(("claim", "settle"))
    queues = os.environ["JOBWIRE_QUEUES"].split(",")
    print("ready", flush=True)
    while True:
        waits = [empty(link, queue) for queue in queues]
        if min(waits) > 0:
            link.call("BLPOP", *[common.key(queue, "wake") for queue in queues], f"{min(waits) / 1000:.3f}")


def empty(link: common.Link, queue: str) -> int:
    """Settle what one claim gives, and return how long to wait for the next."""
    nonce = os.urandom(16).hex()
    reply = link.script("claim", common.keys(queue, []), [nonce, os.environ["JOBWIRE_LEASE_MS"], 10, 1])
    for at in range(3, len(reply), 5):
        id_, token, attempt = reply[at].decode(), reply[at + 1], reply[at + 2]
        outcome = {"jobwire": "1.0", "id": id_, "state": "succeeded", "attempt": attempt}
        outcome["finished_at"] = int(time.time() * 1000)
        arguments = [id_, token, "succeed", codec.write(outcome, "json"), 600000]
        link.script("settle", common.keys(queue, [id_]), arguments)
    wait_ms: int = reply[1]
    return wait_ms


def mute() -> None:
    """Run handlers as the specimen does, but settle nothing."""

    def unsent(worker: state.Worker, run: state.Run, verb: str, document: bytes, number: int) -> str:
        return "done"

    settling.send = unsent
    specimen.main()


if __name__ == "__main__":
    {"idle": idle, "hollow": hollow, "mute": mute}[sys.argv[1]]()
