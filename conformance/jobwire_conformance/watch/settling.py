"""Rules for how runs are settled: sections 8 to 9.4."""

from __future__ import annotations

import math
from typing import Any

from .facts import Facts, Findings, Given, Problem, Settled

_STATES = {
    "succeed": ("succeeded", "RUN-11"),
    "expire": ("expired", "RUN-7"),
    "cancel": ("cancelled", "CANCEL-3"),
    "fail": ("failed", "RETRY-4"),
    "retry": ("retrying", "RETRY-5"),
    "decide": ("succeeded", "FLOW-3"),
}
# Clocks of processes on one machine agree that far.
_SAME_MS = 50


def verbs(facts: Facts) -> Findings:
    """Compare the verb of each settle with the state of its document. [RUN-11] [RETRY-5] [RUN-7] [CANCEL-3]"""
    for settled in facts.settled:
        if settled.verb == "release":
            yield (
                None if not settled.document else _problem("no document with release", settled, "a document", "STOP-3")
            )
            continue
        state, requirement = _STATES.get(settled.verb, ("", "CALL-6"))
        got = settled.outcome.get("state")
        yield (
            None if got == state else _problem(f"state {state!r} with {settled.verb}", settled, repr(got), requirement)
        )


def _problem(expected: str, settled: Settled, got: str, requirement: str | None = None) -> Problem:
    return Problem(expected, f"{got} for {settled.id}", settled.call.at, requirement)


def ran(facts: Facts) -> Findings:
    """Look for results of handlers that did not run, or had not ended. [RUN-9] [RUN-11] [RETRY-1]"""
    for settled in facts.settled:
        given = facts.given_of(settled)
        if given is None or given.document or settled.verb not in ("succeed", "decide", "fail", "retry"):
            continue
        starts, ends = facts.logs("start", given), facts.logs("end", given)
        if settled.verb in ("succeed", "decide"):
            yield None if starts else _problem("a run of the handler", settled, f"{settled.verb} without one", "RUN-9")
            if starts and not ends:
                yield _problem("the end of the handler first", settled, settled.verb, "RUN-11")
        # What a time-out ends goes on, and a handler in a process of its own may never come to its end.
        if ends and settled.code != "timeout":
            late = ends[-1]["at"] > settled.call.at + _SAME_MS
            requirement = "RUN-11" if settled.verb in ("succeed", "decide") else "RETRY-1"
            yield _problem("the end of the handler first", settled, settled.verb, requirement) if late else None


def settled_once(facts: Facts) -> Findings:
    """Look for jobs that are settled again although it was done. [RUN-16] [RETRY-9]"""
    for given in facts.given:
        settles = facts.settles_of(given)
        done = next((each for each in settles if each.ends and each.answer == "done" and each.call.heard_at), None)
        if done is None or done.call.heard_at is None:
            continue
        begin = done.call.heard_at + 1000 * facts.scale
        again = [each for each in settles if each.call.at > begin and not facts.frozen(given.by, begin, each.call.at)]
        requirement = "RETRY-9" if done.code == "timeout" else "RUN-16"
        yield _problem(f"no settle after {done.verb} was done", again[0], again[0].verb, requirement) if again else None


def after_loss(facts: Facts) -> Findings:
    """Look for outcomes of jobs whose lease was known to be lost. [LEASE-3]

    What was under way by then can be sent again; what it is answered then is no news.
    """
    for given in facts.given:
        lost = facts.lost_at(given)
        if lost is None:
            continue
        begin = lost + 1000 * facts.scale
        late = [each for each in facts.settles_of(given) if each.call.at > begin and each.verb != "release"]
        under_way = any(each.call.at <= lost and each.answer is None for each in facts.settles_of(given))
        told = bool(late) and not under_way and not facts.frozen(given.by, lost, late[0].call.at)
        yield _problem("the outcome to be dropped after lost", late[0], late[0].verb) if told else None


def ttls(facts: Facts) -> Findings:
    """Compare the ttl of each outcome that ends a job with that of the envelope. [RUN-11] [RUN-12]"""
    for settled in facts.settled:
        given = facts.given_of(settled)
        if given is None or not given.sound or settled.verb not in ("succeed", "expire", "cancel"):
            continue
        wanted, got = given.ttl_ms, settled.number
        right = got == wanted or (given.member("parent_id") is not None and got is not None and got >= wanted)
        requirement = "RUN-11" if settled.verb == "succeed" else "RUN-12"
        yield None if right else _problem(f"a ttl of {wanted} ms", settled, str(got), requirement)


def delay_bounds(retry: dict[str, Any], attempt: int) -> tuple[int, int]:
    """Return the shortest and the longest delay after an attempt. [RETRY-6]"""
    longest = float(retry["max_delay_ms"])
    delay = min(float(retry["delay_ms"]), longest)
    for _ in range(attempt - 1):
        delay = min(delay * float(retry["factor"]), longest)
    return math.floor(delay * (1 - float(retry["jitter"]))), math.floor(delay)


def retries(facts: Facts) -> Findings:
    """Look whether each retry is allowed, and its delay. [RETRY-2] [RETRY-4] [RETRY-6] [RETRY-8] [RUN-3] [RUN-8]"""
    for settled in facts.settled:
        given = facts.given_of(settled)
        if given is None or not given.sound or settled.verb != "retry":
            continue
        yield _allowed(settled, given)
        yield _delay(settled, given)


def _allowed(settled: Settled, given: Given) -> Problem | None:
    most = int(given.retry["max_attempts"])
    if given.attempt >= most and not given.document:
        requirement = "RUN-8" if settled.code == "unknown_type" else "RETRY-4"
        return _problem(f"fail after attempt {given.attempt} of {most}", settled, "retry", requirement)
    error = settled.outcome.get("error")
    name = error.get("type") or error.get("code") if isinstance(error, dict) else None
    if settled.code in ("handler_error", "timeout") and name in given.retry["no_retry_on"]:
        return _problem(f"fail, as no_retry_on holds {name}", settled, "retry", "RETRY-2")
    return None


def _delay(settled: Settled, given: Given) -> Problem | None:
    requirement = "RETRY-6"
    low, high = delay_bounds(given.retry, max(given.attempt, 1))
    if settled.code == "unknown_type":
        requirement = "RUN-3" if given.document else "RUN-8"
        low = high = int(given.retry["max_delay_ms"])
    elif settled.code == "timeout":
        requirement = "RETRY-8" if high < 1000 else "RETRY-6"
        low, high = max(low, 1000), max(high, 1000)
    right = settled.number is not None and low <= settled.number <= high
    wanted = f"{low} to {high} ms" if low < high else f"{low} ms"
    return None if right else _problem(f"a delay of {wanted}", settled, str(settled.number), requirement)


def cancelled(facts: Facts) -> Findings:
    """Look for jobs that are cancelled although nobody asked for it. [CANCEL-3]"""
    for settled in facts.settled:
        given = facts.given_of(settled)
        if given is None or settled.verb != "cancel":
            continue
        extends = facts.extended.get((given.queue, given.id, given.token), [])
        told = any(answer == "cancel" and call.at <= settled.call.at for call, answer in extends)
        told = told or any(each.answer == "cancel" for each in facts.settles_of(given)) or bool(given.document)
        yield None if told else _problem("cancel only when it is asked for", settled, "cancel")
        if not given.document and settled.code != "cancelled":
            yield _problem("code 'cancelled'", settled, repr(settled.code))


def expired(facts: Facts) -> Findings:
    """Look for jobs that are settled as expired before their time. [RUN-7]"""
    for settled in facts.settled:
        given = facts.given_of(settled)
        if given is None or not given.sound or given.document or settled.verb != "expire":
            continue
        expires = given.member("expires_at")
        right = expires is not None and expires <= settled.call.at + _SAME_MS
        yield (
            None if right else _problem(f"expire once {expires} has come", settled, f"expire at {settled.call.at:.0f}")
        )
        if settled.code != "expired":
            yield _problem("code 'expired'", settled, repr(settled.code))
