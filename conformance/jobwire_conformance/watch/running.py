"""Rules for the handlers and their leases: sections 9.2 and 9.4."""

from __future__ import annotations

from itertools import pairwise

from ..model import Status
from .facts import Facts, Findings, Given, Problem


def documented(facts: Facts) -> Findings:
    """Look for handlers of jobs that came with a document. [RUN-1]"""
    for start in facts.logs("start"):
        claims = facts.claims_of(start)
        if claims:
            told = all(given.document for given in claims)
            got = f"the handler of {start.get('id')} ran, which came with a document"
            yield Problem("no run of the handler", got, start["at"]) if told else None


def as_given(facts: Facts) -> Findings:
    """Compare what the handlers were told with what was claimed. [RUN-10]"""
    for start in facts.logs("start"):
        claims = facts.claims_of(start)
        right = any(start.get("attempt") == given.attempt for given in claims)
        got = f"id {start.get('id')}, attempt {start.get('attempt')}, run {start.get('run')}"
        wanted = ", ".join(f"attempt {given.attempt}, run {given.run}" for given in claims) or "a claim of that run"
        yield None if right else Problem(wanted, got, start["at"])


def once(facts: Facts) -> Findings:
    """Look for handlers that ran twice for one claim. [RETRY-5]"""
    for given in facts.given:
        same = facts.claims_of({"worker": given.by, "id": given.id, "run": given.run})
        starts = facts.logs("start", given)
        if starts:
            again = len(starts) > len(same)
            yield Problem("one run a claim", f"{len(starts)} runs of {given.id}", starts[-1]["at"]) if again else None


def after_loss(facts: Facts) -> Findings:
    """Look for handlers that were started when the lease was known to be lost. [RUN-16]"""
    for given in facts.given:
        lost = facts.lost_at(given)
        for start in facts.logs("start", given):
            late = lost is not None and start["at"] > lost + 1000 * facts.scale
            if late and lost is not None and facts.frozen(given.by, lost, start["at"]):
                continue
            yield Problem("no run after the answer lost", f"{given.id} was started", start["at"]) if late else None


def expired(facts: Facts) -> Findings:
    """Look for handlers of jobs that had expired by the claim's own time. [RUN-7]"""
    for given in facts.given:
        expires = given.member("expires_at")
        starts = facts.logs("start", given)
        if starts and expires is not None and given.sound:
            late = given.now >= expires
            yield Problem("no run once it has expired", f"{given.id} was started", starts[0]["at"]) if late else None


def leases(facts: Facts) -> Findings:
    """Look at the time between the extends of each job that is held. [LEASE-1]

    Only more than a whole lease is a failure for certain; the server's and the machine's own troubles are left out.
    """
    for given in facts.given:
        if given.by in facts.workers and not given.unheard:
            yield _lease(facts, given, facts.workers[given.by]["lease_ms"])


def _lease(facts: Facts, given: Given, lease_ms: float) -> Problem | None:
    begin, end = given.at, _held_until(facts, given)
    extends = facts.extended.get((given.queue, given.id, given.token), [])
    moments = [begin, *sorted(call.at for call, _ in extends if begin < call.at < end), end]
    longest = lease_ms / 3 + max(lease_ms / 6, 1000 * facts.scale)
    for before, after in pairwise(moments):
        gap = after - before
        if gap <= longest or facts.frozen(given.by, before, after) or facts.disturbed(given.by, before, after):
            continue
        status = Status.FAIL if gap > lease_ms + 2000 * facts.scale else Status.SLOW
        wanted = f"an extend of {given.id} at least every {lease_ms / 3:.0f} ms"
        return Problem(wanted, f"none for {gap:.0f} ms", before, status=status)
    return None


def _held_until(facts: Facts, given: Given) -> float:
    """Return when the process no longer surely holds a job: when it began to settle it, lost it or ended."""
    settles = [settled.call.at for settled in facts.settles_of(given) if settled.ends]
    lost = facts.lost_at(given)
    stops = [at for at in facts.moments(given.by, "signalled", "STOP") if at > given.at]
    ends = [*settles, *stops, facts.life(given.by, given.at)[1], facts.last_at]
    return min(ends if lost is None else [*ends, lost])
