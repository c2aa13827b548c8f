"""Random histories of workers that crash, calls that come twice and clocks that jump, against a plain model.

JOBWIRE_HISTORIES sets how many histories each server sees, JOBWIRE_SEED repeats a run; a failure prints its seed.
"""

import os
import secrets
from dataclasses import dataclass
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, Phase, assume, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from tests.lua.binding import SETS, Held, Queue, dump
from tests.lua.model import QueueModel
from tests.servers import Server

HISTORIES = int(os.environ.get("JOBWIRE_HISTORIES", "100"))
SEED = int(os.environ.get("JOBWIRE_SEED", secrets.randbits(32)))
FAR = 4_000_000_000_000
HOUR_MS = 3_600_000

HOMES = {"p0": "a", "p1": "a", "p2": "a", "p3": "a", "p4": "b", "c0": "a", "c1": "b", "c2": "a", "m0": "a", "m1": "b"}
HOMES |= {"done": "b"}
NEXT = {"c0": "c1", "c1": "c2"}
MEMBERS = {"m0": 0, "m1": 1}
PLAIN = [id for id in HOMES if id.startswith("p")]
STARTED = [*PLAIN, "c0", "m0", "m1"]
VERBS = ["succeed", "expire", "cancel", "fail", "retry", "release", "decide"]


@dataclass
class Slot:
    """A job in the hands of a worker: what it decided or was given, and whether that was handed over."""

    held: Held
    document: bytes = b""
    handed_over: bool = False

    @property
    def is_flow(self) -> bool:
        return self.held.id in NEXT or self.held.id in MEMBERS


class Histories(RuleBasedStateMachine):
    server: Server

    def __init__(self) -> None:
        super().__init__()
        self.client = self.server.client()
        self.client.flushall()
        self.queues = {name: Queue(self.client, name) for name in "ab"}
        self.models = {name: QueueModel() for name in "ab"}
        self.slots: list[Slot] = []
        self.tokens: list[tuple[str, str]] = []
        self.calls: list[tuple[str, str, list[Any]]] = []
        self.runs: dict[str, int] = {}
        self.accepted: dict[str, bytes] = {}
        self.freed: set[str] = set()
        self.clock = 0

    # How the machine talks to both sides.

    def call(self, name: str, script: str, *argv: Any) -> list[Any]:
        """Run a script, hold its reply against the model, and return the reply without `now`."""
        self.calls.append((name, script, list(argv)))
        queue, model = self.queues[name], self.models[name]
        step = {"enqueue": 5, "pass": 5, "settle": 5, "cancel": 3, "look": 1}.get(script)
        keys = [queue.key("join:g")] if script == "join" else queue.keys(argv[::step] if step else ())
        failed = {job.id for job in model.of("failed")}
        now, *reply = queue.run(script, keys, argv)
        if script == "join":
            count, size, values = model.join("g", *argv[:3])
            expected = [count, size, *values]
        else:
            expected = model.run(script, now, list(argv))
        self.freed |= failed - model.jobs.keys()
        if script == "claim":
            reply[0] = min(reply[0], 10)
        assert reply == [word.encode() if isinstance(word, str) else word for word in expected]
        return reply

    def document(self, kind: str) -> bytes:
        self.clock += 1
        return f"{kind}:{self.clock}".encode()

    def settle(self, slot: Slot, verb: str, document: bytes, number: int = HOUR_MS) -> bytes:
        held = slot.held
        (answer,) = self.call(HOMES[held.id], "settle", held.id, held.token, verb, document, number)
        return answer

    def slot(self, data: st.DataObject, slots: list[Slot]) -> Slot:
        assume(slots)
        return data.draw(st.sampled_from(slots))

    # What producers do.

    @rule(
        ids=st.lists(st.sampled_from(STARTED), min_size=1, max_size=3),
        later_ms=st.sampled_from([0, 0, 5, 9]),
        max_attempts=st.sampled_from([1, 2, 3]),
        priority=st.sampled_from([4, 4, 0, 9]),
    )
    def enqueue(self, ids: list[str], later_ms: int, max_attempts: int, priority: int) -> None:
        home = HOMES[ids[0]]
        run_at = FAR + later_ms if later_ms else 0
        jobs = [(id, b"E:" + id.encode(), run_at, max_attempts, priority) for id in ids if HOMES[id] == home]
        self.call(home, "enqueue", *(word for job in jobs for word in job))

    @rule(id=st.sampled_from(sorted(HOMES)), ttl_ms=st.sampled_from([0, HOUR_MS]))
    def cancel(self, id: str, ttl_ms: int) -> None:
        self.call(HOMES[id], "cancel", id, self.document("C"), ttl_ms if id in PLAIN else HOUR_MS)

    @rule(name=st.sampled_from("ab"))
    def look(self, name: str) -> None:
        self.call(name, "look", *HOMES)

    # What workers do.

    @rule(name=st.sampled_from("aab"), max_jobs=st.integers(0, 4), rescue=st.sampled_from([0, 1, 1]))
    def claim(self, name: str, max_jobs: int, rescue: int) -> None:
        self.receive(self.call(name, "claim", secrets.token_hex(8), HOUR_MS, max_jobs, rescue))

    def receive(self, reply: list[Any]) -> None:
        for id, token, attempt, document, envelope in zip(*[iter(reply[2:])] * 5, strict=True):
            held = Held(id.decode(), token.decode(), attempt, document, envelope)
            run = int(held.token.partition(".")[0])
            assert run > self.runs.get(held.id, 0), "run never falls while the id is known"
            self.slots.append(Slot(held, document))
            self.tokens.append((held.id, held.token))

    @rule(data=st.data(), verb=st.sampled_from(VERBS), number=st.sampled_from([0, HOUR_MS]))
    def settle_plain(self, data: st.DataObject, verb: str, number: int) -> None:
        slot = self.slot(data, [slot for slot in self.slots if not slot.is_flow])
        answer = self.settle(slot, verb, self.document("R"), number)
        if verb != "decide" and answer != b"cancel":
            self.slots.remove(slot)

    @rule(data=st.data(), verb=st.sampled_from(VERBS), number=st.sampled_from([0, HOUR_MS]))
    def settle_all_that_one_worker_holds(self, data: st.DataObject, verb: str, number: int) -> None:
        slots = [slot for slot in self.slots if slot.held.id in PLAIN[:4]]
        assume(slots)
        argv = [(slot.held.id, slot.held.token, verb, self.document("B"), number) for slot in slots]
        self.call("a", "settle", *(word for words in argv for word in words))

    @rule(data=st.data(), progress=st.sampled_from([b"", b"half"]))
    def extend(self, data: st.DataObject, progress: bytes) -> None:
        slot = self.slot(data, self.slots)
        self.call(HOMES[slot.held.id], "extend", HOUR_MS, slot.held.id, slot.held.token, progress)

    @rule(data=st.data())
    def crash(self, data: st.DataObject) -> None:
        self.slots.remove(self.slot(data, self.slots))

    # What workers do with a workflow: decide, hand over, close. They give up a decided job only by retry or release.

    @rule(data=st.data())
    def decide(self, data: st.DataObject) -> None:
        slot = self.slot(data, [slot for slot in self.slots if slot.is_flow and not slot.document])
        document = self.document("S")
        if self.settle(slot, "decide", document) == b"done":
            slot.document = document

    @rule(data=st.data())
    def hand_over(self, data: st.DataObject) -> None:
        self.hand_over_slot(
            self.slot(data, [slot for slot in self.slots if slot.is_flow and slot.document[:1] == b"S"])
        )

    def hand_over_slot(self, slot: Slot) -> None:
        id, envelope = slot.held.id, slot.document
        successor = NEXT.get(id, "done")
        if id in MEMBERS:
            count, size, *values = self.call("b", "join", MEMBERS[id], len(MEMBERS), slot.document, HOUR_MS)
            slot.handed_over = count < size
            envelope = b" ".join(values)
        if not slot.handed_over:
            (answer,) = self.call(HOMES[successor], "pass", successor, envelope, 0, 3, 4)
            if answer == b"accepted":
                self.accepted[successor] = envelope
        slot.handed_over = True

    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        self.close_slot(self.slot(data, [slot for slot in self.slots if slot.is_flow]))

    def close_slot(self, slot: Slot) -> None:
        if slot.document[:1] == b"S":
            assume(slot.handed_over)
            self.settle(slot, "succeed", slot.document)
        else:
            self.settle(slot, "cancel" if slot.document else "fail", slot.document or self.document("F"))
        self.slots.remove(slot)

    @rule(data=st.data(), verb=st.sampled_from(["retry", "release"]))
    def give_up_for_now(self, data: st.DataObject, verb: str) -> None:
        slot = self.slot(data, [slot for slot in self.slots if slot.is_flow])
        self.settle(slot, verb, self.document("T"), 0)
        self.slots.remove(slot)

    # What networks, clocks and operators do.

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def resend(self, data: st.DataObject) -> None:
        name, script, argv = data.draw(st.sampled_from(self.calls[-40:]))
        reply = self.call(name, script, *argv)
        if script == "claim":
            self.receive(reply)
        if script == "pass" and reply == [b"accepted"]:
            self.accepted[argv[0]] = argv[1]

    @rule(data=st.data(), verb=st.sampled_from([*VERBS, "extend"]))
    def use_a_stale_token(self, data: st.DataObject, verb: str) -> None:
        stale = [(id, token) for id, token in self.tokens if not self.is_current(id, token)]
        assume(stale)
        id, token = data.draw(st.sampled_from(stale))
        before = dump(self.client)
        if verb == "extend":
            assert self.call(HOMES[id], "extend", HOUR_MS, id, token, b"stale") == [b"lost"]
        else:
            assert self.call(HOMES[id], "settle", id, token, verb, b"stale", HOUR_MS) == [b"lost"]
        assert dump(self.client) == before

    def is_current(self, id: str, token: str) -> bool:
        job = self.models[HOMES[id]].jobs.get(id)
        return job is not None and job.token == token

    @rule(data=st.data(), state=st.sampled_from(["active", "active", "scheduled", "scheduled", "failed"]))
    def move_a_clock(self, data: st.DataObject, state: str) -> None:
        jobs = [job for model in self.models.values() for job in model.of(state)]
        assume(jobs)
        self.make_over(data.draw(st.sampled_from(sorted(job.id for job in jobs))), state)

    def make_over(self, id: str, state: str) -> None:
        """Give an id the next instant of 1970 in its set: over, due, or older than any retention."""
        self.clock += 1
        self.models[HOMES[id]].jobs[id].score = self.clock
        self.client.zadd(self.queues[HOMES[id]].key(state), {id: self.clock}, xx=True)

    @rule(id=st.sampled_from(PLAIN))
    def garble_a_record(self, id: str) -> None:
        job = self.models[HOMES[id]].jobs.get(id)
        assume(job is not None)
        self.client.hset(self.queues[HOMES[id]].key("record"), id, "?")
        job.broken = True
        self.runs.pop(id, None)

    @rule(ids=st.lists(st.sampled_from(sorted(HOMES)), min_size=1, max_size=3))
    def requeue(self, ids: list[str]) -> None:
        self.call(HOMES[ids[0]], "requeue", *ids)

    @rule(name=st.sampled_from("ab"), before_ms=st.sampled_from([20, FAR]), limit=st.integers(1, 2))
    def purge(self, name: str, before_ms: int, limit: int) -> None:
        self.call(name, "purge", before_ms, limit)

    @rule(
        name=st.sampled_from("ab"),
        setting=st.sampled_from(
            [
                *[("paused", value) for value in ("1", "0", "")],
                *[("max_active", value) for value in ("1", "2", "")],
                *[("failed_ttl_ms", value) for value in ("1", "")],
            ]
        ),
    )
    def configure(self, name: str, setting: tuple[str, str]) -> None:
        self.call(name, "configure", *setting)

    @rule(name=st.sampled_from("ab"))
    def take_the_wake_token(self, name: str) -> None:
        self.queues[name].disarm()
        self.models[name].wake = False

    # What holds after each step, and at the end.

    @invariant()
    def keys_are_what_the_model_says(self) -> None:
        expected: dict[str, Any] = {}
        for name, model in self.models.items():
            expected |= model.dump(self.queues[name].prefix)
        found = dump(self.client)
        assert found == expected
        for queue in self.queues.values():
            self.each_job_is_in_one_place(queue, found)

    def each_job_is_in_one_place(self, queue: Queue, found: dict[str, Any]) -> None:
        held = {name: found.get(queue.key(name), {}) for name in ("jobs", "record", "outcomes", "progress")}
        places = [id for name in SETS for id, _ in found.get(queue.key(name), [])]
        assert sorted(places) == sorted(held["jobs"])
        assert held["record"].keys() | held["outcomes"].keys() | held["progress"].keys() <= held["jobs"].keys()
        assert {id for id, _ in found.get(queue.key("active"), [])} <= held["record"].keys()
        assert len(found.get(queue.key("wake"), [])) <= 1
        for id, record in held["record"].items():
            run = 0 if record == b"?" else int(record.split()[3])
            assert record in (b"?", b"0 1 0 0 - - -") or run >= self.runs.get(id.decode(), 0)
            self.runs[id.decode()] = run
        self.runs = {id: run for id, run in self.runs.items() if HOMES[id] != queue.name or id.encode() in held["jobs"]}

    def teardown(self) -> None:
        try:
            self.drain()
            self.keys_are_what_the_model_says()
            self.workflows_went_on()
        finally:
            self.client.close()

    def drain(self) -> None:
        """Let one good worker do all that is left."""
        for name in "ab":
            self.call(name, "configure", "paused", "")
            self.call(name, "configure", "max_active", "")
        for _ in range(300):
            waiting = [(job.id, job.state) for model in self.models.values() for job in model.jobs.values()]
            if all(state == "failed" for _, state in waiting):
                return
            for id, state in waiting:
                if state in ("active", "scheduled"):
                    self.make_over(id, state)
            for name in "ab":
                self.slots = []
                self.claim(name, 4, 1)
                for slot in list(self.slots):
                    self.finish(slot)
        raise AssertionError("the queues do not drain")

    def finish(self, slot: Slot) -> None:
        if not slot.is_flow:
            self.settle(slot, "succeed", slot.document or self.document("R"))
            return
        if not slot.document:
            slot.document = self.document("S")
            self.settle(slot, "decide", slot.document)
        if slot.document[:1] == b"S":
            self.hand_over_slot(slot)
        self.close_slot(slot)

    def workflows_went_on(self) -> None:
        ended = {id: self.queues[home].result(id) or b"" for id, home in HOMES.items() if id not in self.freed}
        for id, successor in NEXT.items():
            if ended.get(id, b"").startswith(b"S"):
                assert self.accepted[successor] == ended[id]
        members = [ended.get(id, b"") for id in MEMBERS]
        if all(document.startswith(b"S") for document in members):
            assert self.accepted["done"] == b" ".join(members)


def test_random_histories(server: Server) -> None:
    print(f"to repeat: JOBWIRE_SEED={SEED} JOBWIRE_HISTORIES={HISTORIES}")
    machine = seed(SEED)(type("SeededHistories", (Histories,), {"server": server}))
    profile = settings(
        max_examples=HISTORIES,
        stateful_step_count=50,
        deadline=None,
        database=None,
        print_blob=True,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=profile)
