"""Random histories of workers that crash, calls that come twice and clocks that jump, against a plain model.

JOBWIRE_HISTORIES sets how many histories each server sees, JOBWIRE_SEED repeats a run; a failure prints its seed.
"""

import os
import secrets
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import initialize, rule, run_state_machine_as_test

from tests.lua.binding import SETS, Held, dump
from tests.lua.machine import HOMES, HOUR_MS, MEMBERS, NEXT, PLAIN, STARTED, Machine, Slot
from tests.servers import Server

HISTORIES = int(os.environ.get("JOBWIRE_HISTORIES", "60"))
SEED = int(os.environ.get("JOBWIRE_SEED", secrets.randbits(32)))
FAR = 4_000_000_000_000

SETTINGS = [("paused", ""), ("max_active", ""), ("paused", "1"), ("paused", "0"), ("max_active", "1")]
SETTINGS += [("max_active", "2"), ("failed_ttl_ms", "1"), ("failed_ttl_ms", "")]
VERBS = ["succeed", "expire", "cancel", "fail", "retry", "release", "decide"]


def action(weight: int = 1, **strategies: st.SearchStrategy[Any]) -> Callable[[Any], Any]:
    """Make a method one of the things that may happen next, so many times as likely as others."""

    def mark(method: Any) -> Any:
        method.strategies, method.weight, method.when = strategies, weight, lambda self: True
        return method

    return mark


def when(condition: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Let an action happen only while a condition holds."""

    def mark(method: Any) -> Any:
        method.when = condition
        return method

    return mark


class Histories(Machine):
    # One rule, not twenty: Hypothesis leaves out some rules of each history, and too few would hold all that it takes.
    @rule(data=st.data())
    def happens(self, data: st.DataObject) -> None:
        methods = [method for method in vars(Histories).values() if hasattr(method, "strategies")]
        possible = [method for method in methods for _ in range(method.weight) if method.when(self)]
        method = data.draw(st.sampled_from(possible), label="action")
        drawn = {name: data.draw(each, label=name) for name, each in method.strategies.items() if name != "data"}
        method(self, **drawn, **({"data": data} if "data" in method.strategies else {}))

    # What producers do.

    @initialize(
        policies=st.lists(st.tuples(st.sampled_from([1, 2, 3]), st.sampled_from([0, 4, 9])), min_size=8, max_size=8)
    )
    def start(self, policies: list[tuple[int, int]]) -> None:
        for id, policy in zip(STARTED, policies, strict=True):
            self.call(HOMES[id], "enqueue", id, b"E:" + id.encode(), 0, *policy)

    @action(
        weight=2,
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

    @when(lambda self: self.live(*SETS))
    @action(data=st.data(), ttl_ms=st.sampled_from([0, HOUR_MS]))
    def cancel(self, data: st.DataObject, ttl_ms: int) -> None:
        id = data.draw(st.sampled_from(self.live(*SETS)))
        self.call(HOMES[id], "cancel", id, self.document("C"), ttl_ms if id in PLAIN else HOUR_MS)

    # What workers do.

    @when(lambda self: self.live("ready", "scheduled", "active"))
    @action(
        weight=8, name=st.sampled_from("aab"), max_jobs=st.sampled_from([4, 2, 1, 0]), rescue=st.sampled_from([1, 1, 0])
    )
    def claim(self, name: str, max_jobs: int, rescue: int) -> None:
        self.receive(self.call(name, "claim", secrets.token_hex(8), HOUR_MS, max_jobs, rescue))

    def receive(self, reply: list[Any]) -> None:
        for id, token, attempt, document, envelope in zip(*[iter(reply[2:])] * 5, strict=True):
            held = Held(id.decode(), token.decode(), attempt, document, envelope)
            run = int(held.token.partition(".")[0])
            assert run > self.runs.get(held.id, 0), "run never falls while the id is known"
            self.slots.append(Slot(held, document))
            self.tokens.append((held.id, held.token))

    @when(Machine.plain)
    @action(weight=3, data=st.data(), verb=st.sampled_from(VERBS), number=st.sampled_from([0, HOUR_MS]))
    def settle_plain(self, data: st.DataObject, verb: str, number: int) -> None:
        slot = data.draw(st.sampled_from(self.plain()))
        answer = self.settle(slot, verb, self.document("R"), number)
        if verb != "decide" and answer != b"cancel":
            self.slots.remove(slot)

    @when(Machine.plain)
    @action(verb=st.sampled_from(VERBS), number=st.sampled_from([0, HOUR_MS]))
    def settle_a_batch(self, verb: str, number: int) -> None:
        slots = [slot for slot in self.plain() if HOMES[slot.held.id] == "a"] or self.plain()
        home = HOMES[slots[0].held.id]
        argv = [(slot.held.id, slot.held.token, verb, self.document("B"), number) for slot in slots]
        self.call(home, "settle", *(word for words in argv for word in words))

    @when(lambda self: self.slots)
    @action(data=st.data(), progress=st.sampled_from([b"", b"half"]))
    def extend(self, data: st.DataObject, progress: bytes) -> None:
        slot = data.draw(st.sampled_from(self.slots))
        self.call(HOMES[slot.held.id], "extend", HOUR_MS, slot.held.id, slot.held.token, progress)

    @when(lambda self: self.slots)
    @action(weight=5, data=st.data())
    def crash(self, data: st.DataObject) -> None:
        """Forget a job that is held, and let its lease be over unless somebody else has it."""
        slot = data.draw(st.sampled_from(self.slots))
        self.slots.remove(slot)
        if self.is_current(slot.held.id, slot.held.token):
            self.make_over(slot.held.id, "active")

    # What workers do with a workflow: decide, hand over, close. They give up a decided job only by retry or release.

    @when(Machine.undecided)
    @action(weight=5, data=st.data())
    def decide(self, data: st.DataObject) -> None:
        slot = data.draw(st.sampled_from(self.undecided()))
        document = self.document("S")
        if self.settle(slot, "decide", document) == b"done":
            slot.document = document

    @when(Machine.decided)
    @action(weight=5, data=st.data())
    def hand_over(self, data: st.DataObject) -> None:
        self.hand_over_slot(data.draw(st.sampled_from(self.decided())))

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

    @when(Machine.closable)
    @action(weight=2, data=st.data())
    def close(self, data: st.DataObject) -> None:
        self.close_slot(data.draw(st.sampled_from(self.closable())))

    def close_slot(self, slot: Slot) -> None:
        if slot.document[:1] == b"S":
            self.settle(slot, "succeed", slot.document)
        else:
            self.settle(slot, "cancel" if slot.document else "fail", slot.document or self.document("F"))
        self.slots.remove(slot)

    @when(Machine.flow)
    @action(data=st.data(), verb=st.sampled_from(["retry", "release"]))
    def give_up_for_now(self, data: st.DataObject, verb: str) -> None:
        slot = data.draw(st.sampled_from(self.flow()))
        self.settle(slot, verb, self.document("T"), 0)
        self.slots.remove(slot)

    # What networks, clocks and operators do.

    @when(lambda self: self.calls)
    @action(weight=2, data=st.data())
    def resend(self, data: st.DataObject) -> None:
        name, script, argv = data.draw(st.sampled_from(self.calls[-40:]))
        reply = self.call(name, script, *argv)
        if script == "claim":
            self.receive(reply)
        if script == "pass" and reply == [b"accepted"]:
            self.accepted[argv[0]] = argv[1]

    @when(Machine.stale)
    @action(weight=2, data=st.data(), verb=st.sampled_from([*VERBS, "extend"]))
    def use_a_stale_token(self, data: st.DataObject, verb: str) -> None:
        id, token = data.draw(st.sampled_from(self.stale()))
        before = dump(self.client)
        if verb == "extend":
            assert self.call(HOMES[id], "extend", HOUR_MS, id, token, b"stale") == [b"lost"]
        else:
            assert self.call(HOMES[id], "settle", id, token, verb, b"stale", HOUR_MS) == [b"lost"]
        assert dump(self.client) == before

    @when(lambda self: self.live("active", "scheduled", "failed"))
    @action(weight=2, data=st.data())
    def move_a_clock(self, data: st.DataObject) -> None:
        id = data.draw(st.sampled_from(self.live("active", "scheduled", "failed")))
        self.make_over(id, self.models[HOMES[id]].jobs[id].state)

    @when(lambda self: set(self.live(*SETS)) & set(PLAIN))
    @action(data=st.data())
    def garble_a_record(self, data: st.DataObject) -> None:
        id = data.draw(st.sampled_from(sorted(set(self.live(*SETS)) & set(PLAIN))))
        self.client.hset(self.queues[HOMES[id]].key("record"), id, "?")
        self.models[HOMES[id]].jobs[id].broken = True
        self.runs.pop(id, None)

    @when(lambda self: self.live("failed"))
    @action(weight=2, data=st.data())
    def requeue(self, data: st.DataObject) -> None:
        ids = data.draw(st.lists(st.sampled_from([*self.live("failed"), "p0", "c0"]), min_size=1, max_size=3))
        self.call(HOMES[ids[0]], "requeue", *ids)

    @when(lambda self: self.live("failed"))
    @action(name=st.sampled_from("ab"), before_ms=st.sampled_from([20, FAR]), limit=st.integers(1, 2))
    def purge(self, name: str, before_ms: int, limit: int) -> None:
        self.call(name, "purge", before_ms, limit)

    @action(name=st.sampled_from("ab"), setting=st.sampled_from(SETTINGS))
    def configure_and_look(self, name: str, setting: tuple[str, str]) -> None:
        self.call(name, "configure", *setting)
        self.call(name, "look", *HOMES)
        # Somebody took the token that configure left, and did nothing with it.
        self.queues[name].disarm()
        self.models[name].wake = False

    # What holds at the end.

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
        stateful_step_count=100,
        deadline=None,
        database=None,
        print_blob=True,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=profile)
