"""Rules for each command: section 7."""

from __future__ import annotations

import re
from collections import defaultdict

from .. import binding
from ..model import Status
from ..wire.events import SUBSCRIBING, UNSUBSCRIBING, Exchange, text
from .facts import Call, Facts, Findings, Problem

_ID = re.compile(r"\A[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}\Z")
# Reading by other means is unwise, but changes nothing.
_READS = frozenset(
    b"get mget hget hmget hgetall hkeys hlen hexists hvals strlen exists type ttl pttl zscore zmscore zcard zrange"
    b" zcount zrank llen lrange object memory dump eval_ro evalsha_ro fcall_ro".split()
)
_OWN_SCRIPTS = frozenset({b"fcall", b"function"})
_FOR_ALL = frozenset({b"flushall", b"flushdb", b"swapdb", b"debug", b"shutdown", b"replicaof"})


def commands(facts: Facts) -> Findings:
    """Look for commands that change keys by other means than the scripts. [KEY-1]"""
    for each in facts.exchanges:
        name = each.name
        if name == b"evalsha" and len(each.command) > 1:
            known = each.command[1].lower() in binding.SCRIPT_OF
            yield None if known else _wrong(each, "the scripts of Appendix B, by their digests")
        elif name in _OWN_SCRIPTS | _FOR_ALL:
            yield _wrong(each, "the scripts of Appendix B and BLPOP on wake")
        elif name == b"blpop" or name in SUBSCRIBING | UNSUBSCRIBING or name == b"eval":
            pass
        elif name not in _READS and _touches(each, facts.namespace):
            yield _wrong(each, "the scripts of Appendix B and BLPOP on wake")


def _touches(exchange: Exchange, namespace: str) -> bool:
    return any(part.startswith(namespace.encode() + b":{") for part in exchange.command[1:])


def _wrong(exchange: Exchange, expected: str) -> Problem:
    return Problem(expected, _shown(exchange), exchange.at)


def _shown(exchange: Exchange) -> str:
    return " ".join(text(part[:80]) for part in exchange.command[:5])


def keys(facts: Facts) -> Findings:
    """Compare the KEYS of each call with those that it has to have. [KEY-1] [CALL-3]"""
    for each in facts.exchanges:
        if each.name == b"blpop":
            found = [binding.split_key(facts.namespace, key) for key in each.command[1:-1]]
            right = all(key is not None and key[1] == "wake" for key in found)
            yield None if right else _wrong(each, f"BLPOP on keys {facts.namespace}:{{<queue>}}:wake")
        elif each.name in SUBSCRIBING:
            found = [binding.split_key(facts.namespace, key) for key in each.command[1:]]
            right = all(key is not None and key[1].startswith("result:") for key in found)
            yield None if right else _wrong(each, f"channels {facts.namespace}:{{<queue>}}:result:<id>")
        elif each.name == b"evalsha" and len(each.command) > 2 and each.command[1].lower() in binding.SCRIPT_OF:
            yield None if _count_is_right(each) else _wrong(each, "as many keys as the call says")
    for call in facts.calls:
        yield _keys(call, facts.namespace)


def _count_is_right(exchange: Exchange) -> bool:
    count = binding.number(exchange.command[2])
    return count is not None and count <= len(exchange.command) - 3


def _keys(call: Call, namespace: str) -> Problem | None:
    if call.script == "join":
        right = len(call.keys) == 1 and (binding.split_key(namespace, call.keys[0]) or ("", ""))[1].startswith("join:")
        return None if right else Problem(f"the key {namespace}:{{<queue>}}:join:<group>", _names(call.keys), call.at)
    ids = [text(item["id"]) for item in call.items]
    wanted = [key.encode() for key in binding.expected_keys(namespace, call.queue, call.script, ids)]
    if call.keys == wanted:
        return None
    queues = {found[0] for key in call.keys if (found := binding.split_key(namespace, key)) is not None}
    requirement = "CALL-3" if len(queues) > 1 else "KEY-1"
    return Problem(f"{call.script} with {_names(wanted)}", _names(call.keys), call.at, requirement)


def _names(names: list[bytes]) -> str:
    shown = ", ".join(text(name) for name in names[:16])
    return shown + (f", … ({len(names)} keys)" if len(names) > 16 else "") or "no keys"


def plain_values(facts: Facts) -> Findings:
    """Look for the marks that prefixing and serialising clients leave. [KEY-2]"""
    inner = re.compile(rb".+" + re.escape(facts.namespace.encode()) + rb":\{[^}]*\}:[a-z]+")
    for each in facts.exchanges:
        if each.name not in (b"evalsha", b"blpop"):
            continue
        prefixed = [part for part in each.command[1:13] if inner.fullmatch(part)]
        yield Problem("keys as they are", text(prefixed[0]), each.at) if prefixed else None
    for call in facts.calls:
        for item in call.items:
            id = text(item["id"])
            yield None if _ID.match(id) else Problem("an id as it is", repr(id[:200]), call.at)


def loaded(facts: Facts) -> Findings:
    """Look whether scripts are loaded by SCRIPT LOAD before they are used, and called by EVALSHA. [CALL-1]"""
    known: dict[tuple[str, float], set[bytes]] = defaultdict(set)
    for each in facts.exchanges:
        life = each.by, facts.life_of(each)[0]
        if each.name == b"eval":
            yield _wrong(each, "SCRIPT LOAD and EVALSHA")
        elif each.name == b"script" and len(each.command) == 3 and each.command[1].lower() == b"load":
            known[life].update(
                sha.encode() for name, sha in binding.SHA.items() if binding.SCRIPTS[name] == each.command[2]
            )
        elif each.name == b"evalsha" and len(each.command) > 1 and each.command[1].lower() in binding.SCRIPT_OF:
            right = each.command[1].lower() in known[life]
            name = binding.SCRIPT_OF[each.command[1].lower()]
            yield None if right else Problem(f"SCRIPT LOAD of {name} before its first call", _shown(each), each.at)


def loaded_again(facts: Facts) -> Findings:
    """Look for calls that meet NOSCRIPT time and again while nothing is loaded. [CALL-2]

    One connection can still call while another has just been told; three in a row, well apart, is no such race.
    """
    met: dict[tuple[str, bytes], list[float]] = defaultdict(list)
    for each in facts.exchanges:
        if each.name == b"script":
            met = defaultdict(list, {name: times for name, times in met.items() if name[0] != each.by})
        elif each.name == b"evalsha" and len(each.command) > 1 and each.replied_at is not None and not each.fault:
            times = met[each.by, each.command[1]]
            if not each.reply.startswith(b"-NOSCRIPT"):
                times.clear()
            elif not times or each.at > times[-1] + 500 * facts.scale:
                times.append(each.replied_at)
                yield Problem("SCRIPT LOAD after NOSCRIPT", f"{len(times)} calls", each.at) if len(times) == 3 else None


def sizes(facts: Facts) -> Findings:
    """Count the jobs of each call, and its bytes. [CALL-3] [CALL-4]"""
    for call in facts.calls:
        count = len(call.items)
        yield None if count <= 1000 else Problem("at most 1000 jobs in a call", f"{call.script} with {count}", call.at)
        size = sum(map(len, call.arguments))
        if size > 8 * 1024 * 1024 and count > 1:
            yield Problem("arguments under 8 MiB", f"{call.script} with {size} bytes", call.at, "CALL-4", Status.WARN)


def arguments(facts: Facts) -> Findings:
    """Look for calls that the scripts refuse as ill-formed. [CALL-6]"""
    for call in facts.calls:
        # A member that another size was given for is refused by join, and its worker cannot know. [FLOW-19]
        if call.script == "join" or call.exchange.fault or call.reply is None:
            continue
        refused = isinstance(call.reply, Exception) and str(call.reply).startswith("JOBWIRE_ARGUMENT")
        got = f"{call.script}: {call.reply}"
        yield Problem("arguments as section 7.2 says", got, call.at) if refused else None
