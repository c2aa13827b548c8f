"""Rules for claiming, idling and stopping: sections 9.1 and 9.5."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator

from .. import binding
from ..model import Status
from ..wire.events import Exchange, text
from .facts import Call, Facts, Findings, Given, Problem

_NONCE = re.compile(rb"\A[A-Za-z0-9_-]{16,64}\Z")
_BITS = 96
# From so many nonces on, a place that is the same in all of them is no chance.
_ENOUGH = 10


def nonces(facts: Facts) -> Findings:
    """Look at the nonce of each claim: its grammar, whether it is new, and whether it can be random. [CLAIM-1]"""
    used: dict[bytes, Call] = {}
    of_process: dict[str, list[bytes]] = defaultdict(list)
    for call in facts.of("claim"):
        nonce = call.head.get("nonce", b"")
        if not _NONCE.match(nonce):
            yield Problem("16 to 64 letters, digits, - or _ as nonce", repr(nonce[:80]), call.at)
            continue
        before = used.get(nonce)
        # What met NOSCRIPT was not run, and is to be repeated. [CALL-2]
        if before is not None and not _unknown_script(before):
            yield Problem("a fresh nonce for each claim", f"{text(nonce)} again", call.at)
        used[nonce] = call
        of_process[call.by].append(nonce)
        yield None
    for by, found in of_process.items():
        bits = random_bits(found)
        yield (
            None
            if bits >= _BITS
            else Problem(
                f"nonces of at least {_BITS} random bits", f"room for {bits:.0f} in those of {by}, as {text(found[-1])}"
            )
        )


def _unknown_script(call: Call) -> bool:
    return isinstance(call.reply, Exception) and str(call.reply).startswith("NOSCRIPT")


def random_bits(nonces: list[bytes]) -> float:
    """Return how many bits the nonces have room for, in the places where they differ, by the letters that they use."""
    distinct = sorted(set(nonces))
    places = min(map(len, distinct))
    if len(distinct) >= _ENOUGH:
        places = sum(len({nonce[at] for nonce in distinct}) > 1 for at in range(places))
    letters = b"".join(distinct)
    # Of a few letters one cannot tell which alphabet they are from.
    size = _size(set(letters) - set(b"-_")) if len(letters) >= 64 else 64
    return places * math.log2(size)


def _size(alphabet: set[int]) -> int:
    """Return the size of the smallest usual alphabet that has these letters."""
    for letters in (b"0123456789", b"0123456789abcdef", b"0123456789ABCDEF"):
        if alphabet <= set(letters):
            return len(letters)
    text = bytes(alphabet)
    return 36 if text in (text.lower(), text.upper()) else 64


def leases(facts: Facts) -> Findings:
    """Compare the lease of each claim and extend with the allowed and the configured one. [CLAIM-11]"""
    for call in facts.of("claim", "extend"):
        lease = call.head.get("lease_ms", b"")
        got = binding.number(lease)
        allowed = got is not None and 1000 <= got <= 86400000
        yield None if allowed else Problem("a lease_ms of 1000 to 86400000", repr(lease[:40]), call.at)
        wanted = facts.workers.get(call.by, {}).get("lease_ms")
        if allowed and wanted is not None and 1000 <= wanted <= 86400000 and got != wanted:
            yield Problem(f"the lease_ms that it is configured with, {wanted}", text(lease), call.at)


def rescues(facts: Facts) -> Findings:
    """Look for claims that would take over while the process works at a job that it took over. [CLAIM-3]

    That it has learnt of the take-over is taken for certain only once it has said or logged something about the job.
    """
    spans = [span for given in facts.given if given.taken and not given.document for span in _held(facts, given)]
    for call in facts.of("claim"):
        if call.head.get("rescue") != b"1" or call.head.get("max_jobs") == b"0":
            continue
        met = next((span for span in spans if span[0].by == call.by and span[1] < call.at < span[2]), None)
        yield (
            None
            if met is None
            else Problem("rescue 0 while it holds what it took over", f"rescue 1, {met[0].id} held", call.at)
        )


def _held(facts: Facts, given: Given) -> Iterator[tuple[Given, float, float]]:
    """Return the span in which a process surely knows that it holds a job, and has not begun to settle it."""
    name = (given.queue, given.id, given.token)
    signs = [call.at for call, _ in facts.extended.get(name, []) if call.by == given.by]
    signs += [event["at"] for event in facts.logs("start", given)]
    ends = [settled.call.at for settled in facts.settles_of(given)]
    ends += [at for at in (facts.lost_at(given),) if at is not None]
    ends.append(facts.life(given.by, given.at)[1])
    if signs:
        yield given, min(signs) + 100 * facts.scale, min(ends)


def order(facts: Facts) -> Findings:
    """Look whether each process claims from its queues first to last when it begins. [CLAIM-5]"""
    for by, settings in facts.workers.items():
        queues = list(settings["queues"])
        first: dict[tuple[float, str], Exchange] = {}
        for call in facts.of("claim"):
            if call.by == by and call.head.get("max_jobs") != b"0":
                first.setdefault((facts.life_of(call.exchange)[0], call.queue), call.exchange)
        for (life, queue), claim in first.items():
            before = queues[: queues.index(queue)] if queue in queues else []
            begun = {name: first[life, name].at for name in before if (life, name) in first}
            # What is sent on two connections at once can come in any order.
            over = math.inf if claim.ended_at is None else claim.ended_at
            late = [name for name in before if begun.get(name, math.inf) > over]
            yield None if not late else Problem(f"a claim from {late[0]} before one from {queue}", queue, claim.at)


def queues(facts: Facts) -> Findings:
    """Look whether a worker claims from, and waits for, its own queues only. [CLAIM-5]"""
    for call in facts.of("claim"):
        if call.by in facts.workers:
            own = facts.workers[call.by]["queues"]
            yield None if call.queue in own else Problem(f"claims from {', '.join(own)}", call.queue, call.at)


def waits(facts: Facts) -> Findings:
    """Look at the time-out and the lists of each wait. [CLAIM-7]"""
    for each in _waits(facts):
        yield _timeout(each)
        own = facts.workers[each.by]["queues"]
        fatal = {call.queue for call in facts.of("claim") if str(call.reply).startswith("JOBWIRE_LAYOUT")}
        found = [binding.split_key(facts.namespace, key) for key in each.command[1:-1]]
        missing = set(own) - {key[0] for key in found if key is not None} - fatal
        yield None if not missing else Problem("BLPOP on the wake lists of all its queues", _shown(each), each.at)


def _waits(facts: Facts) -> list[Exchange]:
    return [each for each in facts.exchanges if each.name == b"blpop" and each.by in facts.workers]


def _shown(exchange: Exchange) -> str:
    return " ".join(text(part) for part in exchange.command[:8])


def _timeout(exchange: Exchange) -> Problem | None:
    try:
        seconds = float(exchange.command[-1])
    except ValueError:
        seconds = 0.0
    if 0 < seconds <= 2.001:
        return None
    return Problem("BLPOP for more than 0 s and at most the longest wait_ms, 2 s", _shown(exchange), exchange.at)


def one_wait(facts: Facts) -> Findings:
    """Look for two connections of a process that block at the same time. [CLAIM-8]

    A connection that was given up can seem to block until its end arrives, so a short while of both is no sign.
    """
    waits = [(each, *_blocks(facts, each)) for each in _waits(facts)]
    for at, (each, begin, end) in enumerate(waits):
        both = [
            other
            for other, starts, ends in waits[:at]
            if other.by == each.by
            and other.connection != each.connection
            and min(end, ends) - max(begin, starts) > 500 * facts.scale
        ]
        calm = not both or facts.frozen(each.by, begin, end) or facts.disturbed(each.by, begin - 5000, begin)
        yield (
            None
            if calm
            else Problem("one blocked connection", f"connections {both[0].connection} and {each.connection}", begin)
        )


def _blocks(facts: Facts, exchange: Exchange) -> tuple[float, float]:
    if exchange.ended_at is not None:
        return exchange.at, exchange.ended_at
    seconds = exchange.command[-1].decode("ascii", "replace")
    longest = float(seconds) if seconds.replace(".", "").isdigit() else 2.0
    return exchange.at, min(facts.last_at, exchange.at + longest * 1000, facts.life_of(exchange)[1])


def free_slot(facts: Facts) -> Findings:
    """Look for waits that begin while handlers take all slots. [CLAIM-10]"""
    for each in _waits(facts):
        slots = facts.workers[each.by]["concurrency"]
        at = each.at
        if facts.frozen(each.by, at - 1000, at):
            continue
        running = [given for given in facts.given if given.by == each.by and _runs(facts, given, at)]
        names = ", ".join(given.id for given in running)
        yield None if len(running) < slots else Problem("BLPOP only with a free slot", f"BLPOP while {names} ran", at)


def _runs(facts: Facts, given: Given, at: float) -> bool:
    """Whether the handler of a job surely ran at an instant, and for a while before, and was to be waited for."""
    if any(settled.call.at <= at + 100 * facts.scale for settled in facts.settles_of(given)):
        return False
    begin, end = facts.life(given.by, given.at)
    starts = [event["at"] for event in facts.logs("start", given) if event["at"] < at - 250 * facts.scale]
    ends = [event["at"] for event in facts.logs("end", given) if event["at"] <= at + 100 * facts.scale]
    lost = facts.lost_at(given)
    return bool(starts) and not ends and begin <= at < end and (lost is None or lost > at)


def stopping(facts: Facts) -> Findings:
    """Look for claims that were sent after SIGTERM or SIGINT. [STOP-1]"""
    for by in facts.workers:
        for signal in facts.moments(by, "signalled", "TERM", "INT"):
            begin, end = facts.life(by, signal)
            if not any(begin <= ready <= signal for ready in facts.moments(by, "ready")):
                continue
            late = [call for call in facts.of("claim") if call.by == by and signal < call.at < end]
            late = [
                call for call in late if call.head.get("max_jobs") != b"0" and not facts.frozen(by, signal, call.at)
            ]
            yield from _late(late, signal, facts.scale)


def _late(calls: list[Call], signal: float, scale: float) -> Findings:
    """Judge claims by how long after the signal they came; the process needs a moment to hear of it."""
    yield None
    for call in calls:
        after = call.at - signal
        if after > 250 * scale:
            status = Status.FAIL if after > 1500 * scale else Status.SLOW
            yield Problem("no claim once it was told to stop", f"one {after:.0f} ms later", call.at, status=status)
