"""What the random histories stand on: two queues, a model beside each, and what must hold after each step."""

from dataclasses import dataclass
from typing import Any

from hypothesis.stateful import RuleBasedStateMachine, invariant

from tests.lua.binding import SETS, Held, Queue, dump
from tests.lua.model import QueueModel
from tests.servers import Server

HOUR_MS = 3_600_000

# Each id lives in one queue: five plain jobs, a chain over both queues, a group of two and its callback.
HOMES = {"p0": "a", "p1": "a", "p2": "a", "p3": "a", "p4": "b", "c0": "a", "c1": "b", "c2": "a", "m0": "a", "m1": "b"}
HOMES |= {"done": "b"}
NEXT = {"c0": "c1", "c1": "c2"}
MEMBERS = {"m0": 0, "m1": 1}
PLAIN = [id for id in HOMES if id.startswith("p")]
STARTED = [*PLAIN, "c0", "m0", "m1"]


@dataclass
class Slot:
    """A job in the hands of a worker: what it decided or was given, and whether that was handed over."""

    held: Held
    document: bytes = b""
    handed_over: bool = False

    @property
    def is_flow(self) -> bool:
        return self.held.id in NEXT or self.held.id in MEMBERS


class Machine(RuleBasedStateMachine):
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

    def plain(self) -> list[Slot]:
        return [slot for slot in self.slots if not slot.is_flow]

    def flow(self) -> list[Slot]:
        return [slot for slot in self.slots if slot.is_flow]

    def undecided(self) -> list[Slot]:
        return [slot for slot in self.flow() if not slot.document]

    def decided(self) -> list[Slot]:
        return [slot for slot in self.flow() if slot.document[:1] == b"S"]

    def closable(self) -> list[Slot]:
        return [slot for slot in self.flow() if slot.handed_over or slot.document[:1] != b"S"]

    def stale(self) -> list[tuple[str, str]]:
        return [(id, token) for id, token in self.tokens if not self.is_current(id, token)]

    def live(self, *states: str) -> list[str]:
        return sorted(job.id for model in self.models.values() for state in states for job in model.of(state))

    def is_current(self, id: str, token: str) -> bool:
        job = self.models[HOMES[id]].jobs.get(id)
        return job is not None and job.token == token

    def make_over(self, id: str, state: str) -> None:
        """Give an id the next instant of 1970 in its set: over, due, or older than any retention."""
        self.clock += 1
        self.models[HOMES[id]].jobs[id].score = self.clock
        self.client.zadd(self.queues[HOMES[id]].key(state), {id: self.clock}, xx=True)

    # What holds after each step.

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
