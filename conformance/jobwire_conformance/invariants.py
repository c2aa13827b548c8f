"""The rules that hold in every case: what each looks at, and the requirement that it speaks for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import redis.asyncio as redis

from .model import Check, Status
from .watch import calling, claiming, running, settling, stored, workflows, writing
from .watch.facts import Facts, Findings, Problem
from .wire.events import History

# One fault shows again and again; so many of its appearances are enough.
MOST_OF_A_KIND = 5


@dataclass(frozen=True)
class Invariant:
    """One rule: a name, the requirement that it speaks for, and the function that looks."""

    name: str
    requirement: str
    find: Callable[[Facts], Findings]

    @property
    def says(self) -> str:
        """What it looks at."""
        return (self.find.__doc__ or "").partition("\n")[0].partition(" [")[0]


INVARIANTS: tuple[Invariant, ...] = (
    Invariant("commands", "KEY-1", calling.commands),
    Invariant("keys", "KEY-1", calling.keys),
    Invariant("plain values", "KEY-2", calling.plain_values),
    Invariant("scripts loaded", "CALL-1", calling.loaded),
    Invariant("scripts loaded again", "CALL-2", calling.loaded_again),
    Invariant("size of calls", "CALL-3", calling.sizes),
    Invariant("form of calls", "CALL-6", calling.arguments),
    Invariant("nonces", "CLAIM-1", claiming.nonces),
    Invariant("rescues", "CLAIM-3", claiming.rescues),
    Invariant("order of queues", "CLAIM-5", claiming.order),
    Invariant("own queues", "CLAIM-5", claiming.queues),
    Invariant("waits", "CLAIM-7", claiming.waits),
    Invariant("one wait", "CLAIM-8", claiming.one_wait),
    Invariant("free slot", "CLAIM-10", claiming.free_slot),
    Invariant("length of leases", "CLAIM-11", claiming.leases),
    Invariant("stopping", "STOP-1", claiming.stopping),
    Invariant("documented jobs", "RUN-1", running.documented),
    Invariant("told as given", "RUN-10", running.as_given),
    Invariant("one run a claim", "RETRY-5", running.once),
    Invariant("no start after loss", "RUN-16", running.after_loss),
    Invariant("no start once expired", "RUN-7", running.expired),
    Invariant("leases", "LEASE-1", running.leases),
    Invariant("verbs and states", "RUN-11", settling.verbs),
    Invariant("handlers ran", "RUN-9", settling.ran),
    Invariant("settled once", "RUN-16", settling.settled_once),
    Invariant("dropped after loss", "LEASE-3", settling.after_loss),
    Invariant("ttls", "RUN-12", settling.ttls),
    Invariant("retries", "RETRY-6", settling.retries),
    Invariant("cancelled on request", "CANCEL-3", settling.cancelled),
    Invariant("expired in time", "RUN-7", settling.expired),
    Invariant("outcomes", "OUT-1", writing.outcomes),
    Invariant("encodings", "OUT-1", writing.encodings),
    Invariant("progress", "OUT-7", writing.progress),
    Invariant("envelopes", "PROD-2", writing.enqueued),
    Invariant("arguments of envelopes", "PROD-1", writing.arguments),
    Invariant("documents of cancellers", "OUT-1", writing.cancels),
    Invariant("envelopes handed over", "FLOW-6", writing.handed_over),
    Invariant("decided first", "FLOW-15", workflows.decided_first),
    Invariant("closed last", "FLOW-12", workflows.closed_last),
    Invariant("next envelopes", "FLOW-5", workflows.next_envelopes),
)


@dataclass(frozen=True)
class Settings:
    """How a run looks at histories; `without` names the rules that a self-test leaves out."""

    time_scale: float = 1.0
    without: Collection[str] = ()


def check_history(
    history: History,
    workers: Mapping[str, Mapping[str, Any]],
    namespace: str,
    settings: Settings | None = None,
) -> list[Check]:
    """Return a check for each rule that had something to look at, and one for each time that it did not hold."""
    settings = settings or Settings()
    facts = Facts(history, workers, namespace, settings.time_scale)
    checks: list[Check] = []
    for invariant in INVARIANTS:
        if invariant.name not in settings.without:
            found = list(invariant.find(facts))
            checks += _checks(invariant.name, invariant.requirement, invariant.says, found)
    return checks


def _checks(name: str, requirement: str, says: str, found: list[Problem | None]) -> list[Check]:
    problems = [problem for problem in found if problem is not None]
    if found and not problems:
        return [Check(requirement, f"always: {name}", Status.PASS, says)]
    checks: list[Check] = []
    for problem in problems:
        named = problem.requirement or requirement
        expected = f"{problem.expected} [{named}]"
        if sum(check.requirement == named for check in checks) < MOST_OF_A_KIND:
            checks.append(Check(named, f"always: {name}", problem.status, expected, problem.got, problem.at))
    return checks


async def check_store(client: redis.Redis, namespace: str) -> list[Check]:
    """Look at what lies in the server; not for a case that has put something broken there by itself."""
    found = [problem async for problem in stored.findings(client, namespace)]
    says = "Look at the keys of the namespace: types, TTLs, and the invariant of section 7.1."
    return _checks("keys in the server", "KEY-1", says, found)
