"""Enqueue jobs, wait for their outcomes, and cancel them."""

from __future__ import annotations

import threading
import time
from typing import Any

import codec
import common
import fields
from common import Gone, ServerError

SCRIPTS = ("enqueue", "look", "cancel")
PATIENCE_S = 20.0
LOOK_S = 1.0
MOST_IDS = 1000
CANCEL_TTL_MS = 3600000
ENDED = ("finished", "failed")

Job = tuple[str, str]


class Producer:
    """Everything a producer and a waiter does, over one link for calls."""

    def __init__(self) -> None:
        self.link = common.Link()
        self.confirmed: set[Job] = set()
        self.kept_nothing_of: set[Job] = set()
        self.loading = threading.Lock()
        self.loaded = False

    def call(self, name: str, keys: list[str], arguments: list[Any]) -> tuple[list[Any], bool]:
        """Call a script until it is answered; tell also whether a call before went without an answer."""
        unsure = False
        last = time.monotonic() + PATIENCE_S
        while True:
            try:
                self.load()
                return self.link.script(name, keys, arguments), unsure
            except Gone:
                unsure = True
                if time.monotonic() > last:
                    raise
            except ServerError as error:
                if error.code not in common.PASSING or time.monotonic() > last:
                    raise
            time.sleep(0.05)

    def load(self) -> None:
        """Load the scripts once. [CALL-1]"""
        with self.loading:
            if not self.loaded:
                self.link.load(SCRIPTS)
            self.loaded = True

    def enqueue(self, job: dict[str, Any], encoding: str) -> str:
        """Enqueue a job, and say what became of it."""
        job = {"jobwire": "1.0", "queue": "default", **job}
        envelope = fields.write_job(job, encoding)
        keys = common.keys(job["queue"], [job["id"]])
        reply, unsure = self.call("enqueue", keys, [job["id"], envelope, *fields.numbers(job)])
        status: str = reply[1].decode()
        if unsure and status in ("duplicate", "finished", "failed"):
            # Perhaps by the call that got no answer. [PROD-4]
            status = "accepted"
        if status != "refused":
            self.confirmed.add((job["queue"], job["id"]))
        if status == "accepted" and job.get("result_ttl_ms") == 0:
            self.kept_nothing_of.add((job["queue"], job["id"]))
        return status

    def cancel(self, queue: str, id_: str) -> str:
        """Ask a job to stop, and say how far that got."""
        document = {"jobwire": "1.0", "id": id_, "state": "cancelled", "attempt": 0}
        document["error"] = {"code": "cancelled", "message": "cancelled by a caller"}
        document["finished_at"] = int(time.time() * 1000)
        data = codec.write(document, "json")
        reply, _ = self.call("cancel", common.keys(queue, [id_]), [id_, data, CANCEL_TTL_MS])
        status: str = reply[1].decode()
        return status

    def wait(self, jobs: list[Job], timeout_ms: float) -> dict[str, Any]:
        """Wait for the outcome of a job, or of a workflow by its ids, first to last."""
        if jobs[-1] in self.kept_nothing_of:
            raise codec.Rejected("invalid", "result_ttl_ms")
        end = time.monotonic() + timeout_ms / 1000
        seen = any(job in self.confirmed for job in jobs)
        channel = Channel(jobs)
        told: dict[Job, bytes] = {}
        try:
            while True:
                states = self.look(jobs)
                states = [
                    ("finished", told[job]) if job in told else state for job, state in zip(jobs, states, strict=True)
                ]
                found = settled(states)
                if found is not None:
                    return {"outcome": fields.read_outcome(found)}
                seen = seen or any(state != "unknown" for state, _ in states)
                if seen and all(state == "unknown" for state, _ in states):
                    return {"gone": True}
                left_s = end - time.monotonic()
                if left_s <= 0:
                    return {"timeout": True}
                told |= channel.wait(min(left_s, LOOK_S))
        finally:
            channel.close()

    def look(self, jobs: list[Job]) -> list[tuple[str, bytes]]:
        """Look at all jobs, in order; return the state and the document of each."""
        states = []
        for queue, ids in batches(jobs):
            reply, _ = self.call("look", common.keys(queue, ids), [*ids])
            for at in range(1, len(reply), 4):
                states.append((reply[at].decode(), reply[at + 2]))
        return states


class Channel:
    """The messages about some jobs, as long as the server gives them; else the passing of time."""

    def __init__(self, jobs: list[Job]) -> None:
        self.jobs = {common.key(queue, f"result:{id_}"): (queue, id_) for queue, id_ in jobs}
        self.link = common.Link()
        self.subscribed = self.subscribe()

    def subscribe(self) -> bool:
        """Subscribe to the channel of each job; tell whether that is allowed."""
        try:
            for name in self.jobs:
                self.link.call("SSUBSCRIBE", name)
        except (Gone, ServerError):
            return False
        return True

    def wait(self, seconds: float) -> dict[Job, bytes]:
        """Wait for a message, at most for so long; return the outcome in it, if it is one, by its job."""
        if not self.subscribed:
            time.sleep(seconds)
            self.subscribed = self.subscribe()
            return {}
        try:
            message = self.link.wait(seconds)
        except OSError:
            self.link.close()
            self.subscribed = self.subscribe()
            return {}
        if message is None or message[0] != b"smessage":
            return {}
        return self.outcome(message[1].decode(), message[2])

    def outcome(self, name: str, data: bytes) -> dict[Job, bytes]:
        """Return a message by its job; one that cannot be read is a reason to look."""
        try:
            fields.read_outcome(data)
        except codec.Rejected:
            return {}
        return {self.jobs[name]: data}

    def close(self) -> None:
        """End the subscription."""
        self.link.close()


def batches(jobs: list[Job]) -> list[tuple[str, list[str]]]:
    """Return the ids in their order, those of one queue together where they stand together. [CALL-3]"""
    found: list[tuple[str, list[str]]] = []
    for queue, id_ in jobs:
        if not found or found[-1][0] != queue or len(found[-1][1]) == MOST_IDS:
            found.append((queue, []))
        found[-1][1].append(id_)
    return found


def settled(states: list[tuple[str, bytes]]) -> bytes | None:
    """Return the document that ends the wait: that of the last id, or one among the others that did not succeed."""
    last_state, last_document = states[-1]
    if last_state in ENDED:
        return last_document
    for state, document in states[:-1]:
        if state in ENDED and fields.read_outcome(document)["state"] != "succeeded":
            return document
    return None
