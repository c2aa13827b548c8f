"""Run all implementations with each other, and emit a record of each cell."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from ..about import header_of_many
from ..adapter import Adapter
from ..binding import key
from ..model import CaseResult, Check, Status
from ..report.verdict import VERDICTS, counts, exit_code
from ..server import Server
from ..store import Store
from ..wire.faults import Fault
from .cells import Item, do, not_run, pair, timed, verdict
from .parties import Company, Party, gather, started

ENCODINGS = ("json", "msgpack")
Emit = Callable[[dict[str, Any]], None]


async def interop(paths: Sequence[Path], emit: Emit, time_scale: float = 1.0) -> int:
    """Run the matrix, hand-over and shared workflows of these manifests, and return the exit code."""
    parties = await gather(paths)
    async with _server() as (server, folder):
        emit(await header_of_many([party.manifest for party in parties if party.manifest], server, time_scale))
        meeting = Meeting(parties, server, folder, emit, time_scale)
        try:
            await meeting.run()
        finally:
            await meeting.close()
    code = exit_code(meeting.results, False)
    emit({"kind": "footer", "counts": counts(meeting.results), "verdict": VERDICTS[code], "exit_code": int(code)})
    return int(code)


@contextlib.asynccontextmanager
async def _server() -> AsyncIterator[tuple[Server, Path]]:
    server = Server()
    folder = Path(tempfile.mkdtemp(prefix="jobwire-interop-"))
    try:
        await server.start()
        yield server, folder
    finally:
        await server.close()
        shutil.rmtree(folder, ignore_errors=True)


class Meeting:
    """One run of all implementations with each other."""

    def __init__(self, parties: Sequence[Party], server: Server, folder: Path, emit: Emit, time_scale: float) -> None:
        self.results: list[CaseResult] = []
        self._parties = list(parties)
        self._emit = emit
        self._time_scale = time_scale
        self._folder = folder
        self._client = server.client()
        self._namespace = "interop"
        self._store = Store(self._client, self._namespace)
        self._company = Company(server, self._namespace, folder, time_scale)
        self._producers: dict[str, Adapter] = {}

    async def run(self) -> None:
        """Start everybody, then run pairs, workflows through all, and hand-overs."""
        await started(self._parties, lambda party: self._company.worker(party, party.name, [_inbox(party)], 8))
        self._producers = await started(self._parties, self._company.producer)
        for producer, worker, encoding in itertools.product(self._parties, self._parties, ENCODINGS):
            await self._pair(producer, worker, encoding)
        for producer, encoding in itertools.product(self._parties, ENCODINGS):
            await self._shared(producer, encoding)
        for party in self._parties:
            await self._killed(party)
        for first, second in zip(self._parties, [*self._parties[1:], *self._parties[:1]], strict=True):
            await self._decided(first, second)

    async def close(self) -> None:
        """End all processes."""
        await self._company.close()
        await self._client.aclose()

    async def _case(
        self,
        id: str,
        says: str,
        axes: dict[str, str],
        who: Sequence[Party],
        checks: Callable[[], Awaitable[list[Check]]],
    ) -> None:
        missing = [f"{party.name}: {party.missing}" for party in who if party.missing]
        if missing:
            self._take(not_run(id, says, axes, "; ".join(missing)))
            return
        found, ms = await timed(checks)
        self._take(verdict(id, says, found, axes, ms))

    def _take(self, record: dict[str, Any]) -> None:
        self._emit(record)
        members = {name: value for name, value in record.items() if name not in ("kind", "axes", "checks")}
        checks = tuple(Check(**check) for check in record["checks"])
        self.results.append(CaseResult(**members, checks=checks))

    async def _pair(self, producer: Party, worker: Party, encoding: str) -> None:
        id = f"interop/pair/{producer.name}/{worker.name}/{encoding}"
        says = (
            f"{worker.name} runs what {producer.name} enqueues in {encoding}, and {producer.name} reads the outcomes."
        )
        axes = {"producer": producer.name, "worker": worker.name, "encoding": encoding}
        mark = f"{producer.name}-{encoding}"
        await self._case(
            id, says, axes, [producer, worker],
            lambda: pair(_inbox(worker), mark, self._producers[producer.name], encoding, self._time_scale),
        )  # fmt: skip

    async def _shared(self, producer: Party, encoding: str) -> None:
        able = [party for party in self._parties if not party.missing]
        id = f"interop/workflow/{producer.name}/{encoding}"
        says = f"A chain and a group of {producer.name} in {encoding} go through the workers of all."
        axes = {"from": producer.name, "encoding": encoding}
        mark = f"all-{producer.name}-{encoding}"
        found = [_chain(able, mark), _group(able, mark)]
        await self._case(
            id, says, axes, self._parties,
            lambda: self._items(found, self._producers[producer.name], encoding),
        )  # fmt: skip

    async def _items(self, items: Sequence[Item], producer: Adapter, encoding: str) -> list[Check]:
        return [await do(item, producer, encoding, self._time_scale) for item in items]

    async def _killed(self, first: Party) -> None:
        """Kill a worker in the middle of a job for each other one, which has to finish it."""
        others = [party for party in self._parties if party is not first and not party.missing]
        cells = [(other, encoding) for other in others for encoding in ENCODINGS]
        queues = [f"killed-{first.name}-{other.name}-{encoding}" for other, encoding in cells]
        gate = self._folder / f"gate-{first.name}"
        ready = not first.missing and await self._kill_in_the_middle(first, cells, queues, str(gate))
        gate.touch()
        for other in [party for party in self._parties if party is not first]:
            mine = [(queue, encoding) for queue, (party, encoding) in zip(queues, cells, strict=True) if party is other]
            await self._case(
                f"interop/killed/{first.name}/{other.name}",
                f"A worker of {first.name} is killed in the middle of a job, and {other.name} finishes it.",
                {"killed": first.name, "finished": other.name}, [first, other],
                lambda other=other, mine=mine: self._finished(first, other, mine, ready),  # type: ignore[misc]
            )  # fmt: skip

    async def _kill_in_the_middle(
        self, first: Party, cells: Sequence[tuple[Party, str]], queues: Sequence[str], gate: str
    ) -> bool:
        producer = self._producers[first.name]
        for queue, (_, encoding) in zip(queues, cells, strict=True):
            job = {"id": queue, "type": "conformance.barrier", "queue": queue, "args": [gate]}
            await producer.ask("enqueue", job=job, format=encoding)
        worker = await self._company.worker(first, f"killed-{first.name}", queues, max(1, len(queues)))
        begun = await self._await(lambda: {event["id"] for event in self._begun(worker.name)} >= set(queues))
        await worker.kill()
        for queue in queues:
            await self._client.zadd(key(self._namespace, queue, "active"), {queue: 1}, xx=True)
        return begun

    def _begun(self, worker: str) -> list[dict[str, Any]]:
        events = self._company.history.events
        return [event for event in events if event.get("log") == "start" and event.get("worker") == worker]

    async def _await(self, holds: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + 15 * self._time_scale
        while time.monotonic() < deadline:
            await self._company.look_again()
            if holds():
                return True
        return False

    async def _finished(self, first: Party, other: Party, cells: Sequence[tuple[str, str]], begun: bool) -> list[Check]:
        if not begun:
            what = f"{first.name} starts the jobs that it is to be killed in"
            return [Check("RUN-9", what, Status.FAIL, "a start of each", "not all within 15 s")]
        await self._company.worker(other, f"after-{first.name}-{other.name}", [queue for queue, _ in cells])
        wanted = {"state": "succeeded", "attempt": 2, "result": "open"}
        producer = self._producers[first.name]
        return [
            await self._waited(
                Item(f"{encoding} job", "CLAIM-4", [], [{"queue": queue, "id": queue}], wanted), producer
            )
            for queue, encoding in cells
        ]

    async def _waited(self, item: Item, producer: Adapter) -> Check:
        return await do(item, producer, "json", self._time_scale)

    async def _decided(self, first: Party, second: Party) -> None:
        """Kill a worker between decide and hand-over: another hands over, and does not run the handler again."""
        await self._case(
            f"interop/decided/{first.name}/{second.name}",
            f"{first.name} decides a job of a chain and dies before it hands over; {second.name} does that.",
            {"killed": first.name, "finished": second.name}, [first, second],
            lambda: self._handed_over(first, second),
        )  # fmt: skip

    async def _handed_over(self, first: Party, second: Party) -> list[Check]:
        queue = f"decided-{first.name}"
        step = {"id": f"{queue}-2", "type": "conformance.echo", "queue": queue}
        job = {"id": queue, "type": "conformance.add", "queue": queue, "args": [40, 2], "then": [step]}
        producer = self._producers[first.name]
        await producer.ask("enqueue", job=job, format="msgpack")
        fault = Fault({"call": "pass"}, "kill_before")
        worker = await self._company.worker(first, f"decides-{first.name}", [queue], faults=[fault])
        await worker.exited(15_000 * self._time_scale)
        died = fault.done.is_set()
        await self._client.zadd(key(self._namespace, queue, "active"), {queue: 1}, xx=True)
        await self._company.worker(second, f"hands-over-{first.name}", [queue])
        wanted = {"state": "succeeded", "result": {"args": [42], "kwargs": {}}}
        ids = [{"queue": queue, "id": queue}, {"queue": queue, "id": step["id"]}]
        check = await self._waited(Item("chain", "FLOW-5", [], ids, wanted), producer)
        await self._company.look_again()
        runs = [e for e in self._company.history.events if e.get("log") == "start" and e.get("id") == queue]
        once = Status.PASS if died and len(runs) == 1 else Status.FAIL
        got = f"{len(runs)} starts" if died else "no hand-over was begun"
        return [check, Check("RUN-1", "the handler of the decided job runs once", once, "1 start", got)]


def _inbox(party: Party) -> str:
    return f"to-{party.name}"


def _chain(parties: Sequence[Party], mark: str) -> Item:
    """Return a chain with a step on the worker of each: each adds its part to the result before it."""
    jobs: list[dict[str, Any]] = [
        {"id": f"chain-{number}-{mark}", "type": "conformance.add", "queue": _inbox(party), "args": [10**number]}
        for number, party in enumerate(parties)
    ]
    head = {**jobs[0], "args": [0, 1], "then": jobs[1:]}
    wanted = {"state": "succeeded", "result": sum(10**number for number in range(len(parties)))}
    return Item("chain", "FLOW-7", [head], [{"queue": job["queue"], "id": job["id"]} for job in jobs], wanted)


def _group(parties: Sequence[Party], mark: str) -> Item:
    """Return a group with a member on the worker of each, and a callback on the first."""
    callback = {"id": f"total-{mark}", "type": "conformance.echo", "queue": _inbox(parties[0]) if parties else "none"}
    members: list[dict[str, Any]] = [
        {
            "id": f"member-{number}-{mark}", "type": "conformance.add", "queue": _inbox(party), "args": [number, 1],
            "join": {"group": f"g-{mark}", "index": number, "size": len(parties), "then": [callback]},
        }
        for number, party in enumerate(parties)
    ]  # fmt: skip
    ids = [{"queue": job["queue"], "id": job["id"]} for job in [*members, callback]]
    results: list[Any] = [{"state": "succeeded", "result": number + 1} for number in range(len(parties))]
    wanted: dict[str, Any] = {"result": {"args": [results]}}
    return Item("group", "FLOW-8", members, ids, {"state": "succeeded"}, wanted)
