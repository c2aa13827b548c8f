"""Each rule: what breaks it, and what looks like it and does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jobwire_conformance import binding
from jobwire_conformance.documents import write
from jobwire_conformance.invariants import INVARIANTS
from jobwire_conformance.watch.claiming import random_bits
from jobwire_conformance.watch.settling import delay_bounds
from tests.conformance.stories import NONCES, NS, START, Story, envelope, outcome

FAST = {"retry": {"delay_ms": 100, "jitter": 0}}
STEP = {"id": "b", "type": "t", "queue": "default", "args": [7]}
JOIN = {"group": "g", "index": 0, "size": 1, "then": [STEP]}
PASSED = {"jobwire": "1.0", "parent_id": "a", "root_id": "a", "id": "b", "type": "t", "queue": "default"}


def right(**members: Any) -> tuple[Story, str]:
    """Begin as every worker does, claim a job and run its handler."""
    story = Story().load()
    token = story.job(**members)
    story.run()
    return story, token


def done(story: Story, token: str, **members: Any) -> None:
    story.settle("a", token, "succeed", outcome("a", result=1, **members), 600000)


def said(*parts: Any) -> Callable[[], Story]:
    def tell() -> Story:
        story, token = right()
        done(story, token)
        story.command(*parts)
        return story

    return tell


def told(**document: Any) -> Callable[[], Story]:
    """Settle with a document that differs."""

    def tell() -> Story:
        story, token = right(**FAST)
        story.settle("a", token, "fail", outcome("a", "failed", code="handler_error") | document)
        return story

    return tell


def settled(verb: str, number: int, document: dict[str, Any] | None = None, **job: Any) -> Callable[[], Story]:
    def tell() -> Story:
        story, token = right(**job)
        story.settle("a", token, verb, document or outcome("a", result=1), number)
        return story

    return tell


def retry(number: int, code: str = "handler_error", attempt: int = 1, **policy: Any) -> Callable[[], Story]:
    def tell() -> Story:
        story = Story().load()
        token = story.job("a", attempt, retry={"delay_ms": 100, "jitter": 0, "max_delay_ms": 5000, **policy})
        if code != "unknown_type":
            story.run(run=attempt, attempt=attempt)
        story.settle("a", token, "retry", outcome("a", "retrying", attempt, code=code), number)
        return story

    return tell


def enqueued(data: bytes, *numbers: int, id: str = "a") -> Callable[[], Story]:
    def tell() -> Story:
        story = Story().load(by="producer")
        story.call("enqueue", id, data, *(numbers or (0, 3, 4)), reply=[1, "accepted"], by="producer")
        return story

    return tell


def cancels(document: dict[str, Any]) -> Callable[[], Story]:
    def tell() -> Story:
        story = Story().load(by="producer")
        story.call("cancel", "a", write(document, "json"), 5, reply=[1, "cancelled"], by="producer")
        return story

    return tell


def reports(data: bytes) -> Callable[[], Story]:
    def tell() -> Story:
        story, token = right()
        story.extend("a", token, data)
        done(story, token)
        return story

    return tell


def flow(
    job: dict[str, Any], passed: dict[str, Any] | None, *, decide: bool = True, answer: str = "accepted", **closing: Any
) -> Callable[[], Story]:
    """Decide, hand over, close: each part can be left out or differ."""

    def tell() -> Story:
        story, token = right(**job)
        document = outcome("a", result=1)
        if decide:
            story.settle("a", token, "decide", document)
        if "join" in job:
            key = binding.join_key(NS, "default", "g")
            story.call("join", 0, 1, write(document, "json"), 9, reply=[1, 1, 1, write(document, "json")], keys=[key])
        if passed is not None:
            story.call("pass", "b", write(passed, closing.pop("encoding", "json")), 0, 3, 4, reply=[1, answer])
        story.settle("a", token, "succeed", document | closing, 600000)
        return story

    return tell


def ungranted_cancel() -> Story:
    story, token = right()
    story.settle("a", token, "cancel", outcome("a", "cancelled", code="cancelled"), 600000)
    return story


def granted_cancel() -> Story:
    story, token = right()
    story.extend("a", token, answer="cancel")
    story.settle("a", token, "cancel", outcome("a", "cancelled", code="cancelled"), 600000)
    return story


def held(gap_ms: float, lease_ms: int = 15000, **trouble: Any) -> Callable[[], Story]:
    """Hold a job for some time after one extend."""

    def tell() -> Story:
        story = Story(A={"lease_ms": lease_ms}).load()
        token = f"1.{story.claim(('a', 1, envelope('a')), lease_ms=lease_ms)}"
        story.extend("a", token, lease_ms=lease_ms)
        if trouble.get("stopped"):
            story.process("signalled", signal="STOP").later(gap_ms).process("signalled", signal="CONT")
        elif trouble.get("killed"):
            return story.process("signalled", signal="KILL").later(gap_ms).process("exited")
        elif trouble.get("cut"):
            story.command("PING", reply=...)
            story.later(gap_ms)
        else:
            story.later(gap_ms)
        story.run()
        story.settle("a", token, "succeed", outcome("a"), 600000)
        return story

    return tell


def stopped(after_ms: float, **options: Any) -> Callable[[], Story]:
    def tell() -> Story:
        story = Story().load().process("ready").process("signalled", signal="TERM").later(after_ms)
        story.claim(**options)
        return story

    return tell


def rescued(rescue: int, *, quiet: bool = False, document: Any = "", settle: bool = False) -> Callable[[], Story]:
    def tell() -> Story:
        story = Story(A={"concurrency": 2}).load()
        token = story.job(taken=1, document=document)
        if not quiet:
            story.extend("a", token)
        if settle:
            story.settle("a", token, "release", b"")
        story.later(200).claim(rescue=rescue)
        return story

    return tell


def blocked(concurrency: int, *logs: str) -> Callable[[], Story]:
    def tell() -> Story:
        story = Story(A={"concurrency": concurrency}).load()
        token = story.job()
        for kind in logs:
            story.log(kind)
        story.later(1000).extend("a", token)
        story.blpop()
        return story

    return tell


def two_waits(connection: int, apart_ms: float = 0) -> Callable[[], Story]:
    def tell() -> Story:
        story = Story().load()
        for number in (1, connection):
            wait = story.blpop(connection=number)
            wait.replied_at = wait.at + 1500
            story.later(apart_ms)
        return story

    return tell


def twice(
    verb: str = "succeed", code: str | None = None, gap_ms: float = 3000, answer: Any = "done"
) -> Callable[[], Story]:
    def tell() -> Story:
        story, token = right()
        document = outcome("a", code=code) if code is None else outcome("a", "failed", code=code)
        story.settle("a", token, verb if code is None else "fail", document, 600000, answer=answer)
        story.later(gap_ms)
        story.settle("a", token, "succeed", outcome("a"), 600000, answer="lost")
        return story

    return tell


def after_lost(gap_ms: float, *, before: bool = False, verb: str = "succeed") -> Callable[[], Story]:
    def tell() -> Story:
        story, token = right()
        document: Any = b"" if verb == "release" else outcome("a")
        if before:
            story.settle("a", token, verb, document, 600000, answer=...)
        story.extend("a", token, answer="lost")
        story.later(gap_ms)
        story.settle("a", token, verb, document, 600000, answer="lost")
        return story

    return tell


def unscripted(error: Any, times: int = 3, *, load: bool = False) -> Callable[[], Story]:
    def tell() -> Story:
        story = Story().load()
        for _ in range(times):
            story.later(600).claim(reply=error)
            if load:
                story.load()
        return story

    return tell


def lives(*steps: str) -> Callable[[], Story]:
    """A process loads, claims and ends, and another one begins."""

    def tell() -> Story:
        story = Story()
        for step in steps:
            if step == "load":
                story.load(opened_at=story.at)
            elif step == "claim":
                story.claim(opened_at=story.at)
            else:
                story.process(step, signal="KILL")
        return story

    return tell


def queues(*claims: str) -> Callable[[], Story]:
    def tell() -> Story:
        story = Story(A={"queues": ["one", "two"]}).load()
        for queue in claims:
            story.claim(queue=queue)
            story.later(100)
        return story

    return tell


def documented(**job: Any) -> Story:
    story, token = right(document=outcome("a"), **job)
    done(story, token)
    return story


def started(**members: Any) -> Callable[[], Story]:
    def tell() -> Story:
        story = Story().load()
        token = story.job(**members.get("job", {}))
        if "lost" in members:
            story.extend("a", token, answer="lost")
            story.later(members["lost"])
        for _ in range(members.get("times", 1)):
            story.log("start", **members.get("log", {}))
        story.log("end")
        return story

    return tell


def called(script: str, *arguments: Any, **options: Any) -> Callable[[], Story]:
    def tell() -> Story:
        story = Story().load()
        story.call(script, *arguments, **({"reply": [1]} | options))
        return story

    return tell


def encoded_as(job: str, document: str) -> Callable[[], Story]:
    def tell() -> Story:
        story = Story().load()
        token = f"1.{story.claim(('a', 1, envelope('a', encoding=job)))}"
        story.run()
        story.settle("a", token, "succeed", outcome("a"), 600000, encoding=document)
        return story

    return tell


def unended(*, starts: bool) -> Callable[[], Story]:
    def tell() -> Story:
        story = Story().load()
        token = story.job()
        if starts:
            story.log("start")
        done(story, token)
        return story

    return tell


def ended_late() -> Story:
    story = Story().load()
    token = story.job()
    story.log("start")
    story.settle("a", token, "fail", outcome("a", "failed", code="handler_error"))
    story.later(500).log("end")
    return story


BIG = envelope("a", args=["x" * 1_000_000])
KEYS = [binding.key(NS, "default", name) for name in binding.NAMES]
RESULTS = [binding.result_key(NS, "default", "a"), binding.result_key(NS, "q", "b")]

# Rule, requirement, status, and a story that breaks that rule and no other.
BROKEN: list[tuple[str, str, str, Callable[[], Story]]] = [
    ("commands", "KEY-1", "fail", said("HSET", KEYS[1], "a", "x")),
    ("commands", "KEY-1", "fail", said("DEL", KEYS[0])),
    ("commands", "KEY-1", "fail", said("FLUSHALL")),
    ("commands", "KEY-1", "fail", said("EVALSHA", "0" * 40, 0)),
    ("keys", "KEY-1", "fail", said("BLPOP", KEYS[2], 1)),
    ("keys", "KEY-1", "fail", called("join", 0, 1, b"{}", 5, keys=[KEYS[0]])),
    ("keys", "KEY-1", "fail", called("look", "a", keys=KEYS)),
    ("keys", "KEY-1", "fail", said("SSUBSCRIBE", "elsewhere")),
    (
        "keys",
        "CALL-3",
        "fail",
        called(
            "look", "a", "b", keys=[*KEYS, binding.result_key(NS, "default", "a"), binding.result_key(NS, "q", "b")]
        ),
    ),
    ("scripts loaded", "CALL-1", "fail", lives("claim")),
    ("scripts loaded", "CALL-1", "fail", lives("load", "claim", "exited", "claim")),
    ("scripts loaded", "CALL-1", "fail", lives("started", "load", "claim", "exited", "started", "claim")),
    ("scripts loaded", "CALL-1", "fail", said("EVAL", "return 1", 0)),
    ("scripts loaded again", "CALL-2", "fail", unscripted(Exception("NOSCRIPT no"))),
    ("size of calls", "CALL-3", "fail", called("look", *(f"i{number}" for number in range(1001)))),
    ("size of calls", "CALL-4", "warn", called("enqueue", *(b"a", BIG, 0, 3, 4) * 9, reply=Exception("ERR no"))),
    ("form of calls", "CALL-6", "fail", called("purge", "x", 1, reply=Exception("JOBWIRE_ARGUMENT before_ms"))),
    ("nonces", "CLAIM-1", "fail", lambda: _claims("short")),
    ("nonces", "CLAIM-1", "fail", lambda: _claims(NONCES[0], NONCES[0])),
    ("nonces", "CLAIM-1", "fail", lambda: _claims(*(f"worker-a-00000000000{number:04d}" for number in range(12)))),
    ("nonces", "CLAIM-1", "fail", lambda: _claims(*(f"{number * 7919 + 10**15:016d}"[:16] for number in range(4)))),
    ("rescues", "CLAIM-3", "fail", rescued(1)),
    ("order of queues", "CLAIM-5", "fail", queues("two", "one")),
    ("order of queues", "CLAIM-5", "fail", queues("two")),
    ("own queues", "CLAIM-5", "fail", queues("one", "two", "three")),
    ("waits", "CLAIM-7", "fail", lambda: _wait(seconds=0)),
    ("waits", "CLAIM-7", "fail", lambda: _wait(seconds=10)),
    ("waits", "CLAIM-7", "fail", lambda: _wait("other")),
    ("one wait", "CLAIM-8", "fail", two_waits(2)),
    ("free slot", "CLAIM-10", "fail", blocked(1, "start")),
    ("length of leases", "CLAIM-11", "fail", lambda: _leased(999)),
    ("length of leases", "CLAIM-11", "fail", lambda: _leased(20000)),
    ("stopping", "STOP-1", "fail", stopped(3000)),
    ("stopping", "STOP-1", "slow", stopped(500)),
    ("told as given", "RUN-10", "fail", started(log={"attempt": 2})),
    ("told as given", "RUN-10", "fail", started(log={"id": "z"})),
    ("one run a claim", "RETRY-5", "fail", started(times=2)),
    ("no start after loss", "RUN-16", "fail", started(lost=3000)),
    ("no start once expired", "RUN-7", "fail", started(job={"expires_at": int(START) - 1})),
    ("leases", "LEASE-1", "slow", held(9000)),
    ("leases", "LEASE-1", "fail", held(20000)),
    ("verbs and states", "RUN-11", "fail", settled("succeed", 600000, outcome("a", "failed", code="handler_error"))),
    ("verbs and states", "RETRY-4", "fail", settled("fail", 0)),
    ("verbs and states", "STOP-3", "fail", settled("release", 0)),
    ("verbs and states", "CALL-6", "fail", settled("finish", 0)),
    ("handlers ran", "RUN-9", "fail", unended(starts=False)),
    ("handlers ran", "RUN-11", "fail", unended(starts=True)),
    ("handlers ran", "RETRY-1", "fail", ended_late),
    ("settled once", "RUN-16", "fail", twice()),
    ("settled once", "RETRY-9", "fail", twice(code="timeout")),
    ("dropped after loss", "LEASE-3", "fail", after_lost(3000)),
    ("ttls", "RUN-11", "fail", settled("succeed", 5000)),
    ("ttls", "RUN-11", "fail", settled("succeed", 600000, parent_id="p")),
    ("ttls", "RUN-12", "fail", lambda: _expire(5000, int(START))),
    ("retries", "RETRY-6", "fail", retry(99)),
    ("retries", "RETRY-6", "fail", retry(100, jitter=0.5, attempt=3, max_attempts=9)),
    ("retries", "RETRY-8", "fail", retry(100, "timeout")),
    ("retries", "RUN-8", "fail", retry(100, "unknown_type")),
    ("retries", "RETRY-4", "fail", retry(400, attempt=3)),
    ("retries", "RETRY-2", "fail", retry(100, no_retry_on=["handler_error"])),
    ("cancelled on request", "CANCEL-3", "fail", ungranted_cancel),
    ("expired in time", "RUN-7", "fail", lambda: _expire(600000, int(START) + 60000)),
    ("outcomes", "OUT-1", "fail", told(attempt=2)),
    ("outcomes", "OUT-1", "fail", told(id="b")),
    ("outcomes", "FIELD-10", "fail", told(worker=None)),
    ("outcomes", "OUT-4", "fail", told(error={"code": "handler_error", "message": "é" * 3000})),
    ("outcomes", "VER-1", "fail", told(jobwire="1.1")),
    ("encodings", "OUT-1", "fail", encoded_as("msgpack", "json")),
    ("encodings", "OUT-1", "fail", encoded_as("json", "msgpack")),
    ("progress", "OUT-7", "fail", reports(b"[1]")),
    ("progress", "OUT-7", "fail", reports(b'{"a":"' + b"x" * 65536 + b'"}')),
    ("progress", "VAL-5", "fail", reports(b'{"a":NaN}')),
    ("envelopes", "FIELD-5", "fail", enqueued(envelope("a", args=5))),
    (
        "envelopes",
        "VAL-6",
        "fail",
        enqueued(envelope("a", x={"a": 1, "A": 2})),
    ),
    ("envelopes", "ENC-1", "fail", enqueued(b"O:8:stdClass")),
    ("arguments of envelopes", "PROD-1", "fail", enqueued(envelope("a", priority=5))),
    ("arguments of envelopes", "PROD-1", "fail", enqueued(envelope("a", run_at=5))),
    ("arguments of envelopes", "PROD-1", "fail", enqueued(envelope("a", queue="other"))),
    ("documents of cancellers", "OUT-1", "fail", cancels(outcome("a", "failed", 0, code="cancelled"))),
    ("envelopes handed over", "FLOW-6", "fail", flow({"then": [STEP]}, {**PASSED, "args": [1, 7], "priority": None})),
    ("decided first", "FLOW-15", "fail", lambda: _handed_over_undecided()),
    ("decided first", "FLOW-10", "fail", lambda: _handed_over_of("x")),
    ("closed last", "FLOW-12", "fail", flow({"then": [STEP]}, None)),
    ("closed last", "FLOW-12", "fail", flow({"then": [STEP]}, {**PASSED, "args": [1, 7]}, answer="refused")),
    ("closed last", "FLOW-12", "fail", flow({"then": [STEP]}, {**PASSED, "args": [1, 7]}, result=2)),
    ("next envelopes", "FLOW-7", "fail", flow({"then": [STEP]}, {**PASSED, "args": [7]})),
    ("next envelopes", "FLOW-8", "fail", flow({"join": JOIN}, {**PASSED, "args": [1, 7]})),
    ("next envelopes", "FLOW-9", "fail", flow({"then": [STEP, {**STEP, "id": "c"}]}, {**PASSED, "args": [1, 7]})),
    ("next envelopes", "FLOW-10", "fail", flow({"then": [STEP], "root_id": "r"}, {**PASSED, "args": [1, 7]})),
    ("next envelopes", "FLOW-6", "fail", flow({"then": [{**STEP, "x": 1}]}, {**PASSED, "args": [1, 7]})),
    ("next envelopes", "FLOW-6", "fail", flow({"then": [STEP]}, {**PASSED, "args": [1, 7]}, encoding="msgpack")),
]

# Rules that cannot be broken without another one.
TOGETHER: list[tuple[str, str, Callable[[], Story]]] = [
    ("documented jobs", "RUN-1", documented),
    ("plain values", "KEY-2", called("look", '"a"')),
    ("plain values", "KEY-2", said("EVALSHA", binding.SHA["look"], 1, "p:" + KEYS[0])),
    ("closed last", "FLOW-3", lambda: _closed_undecided()),
    ("envelopes", "FLOW-2", enqueued(envelope("a", then=[{**STEP, "id": "a"}]))),
    ("decided first", "FLOW-3", lambda: _handed_over_unheard()),
    ("next envelopes", "FLOW-15", flow({}, {**PASSED, "args": [1]})),
    ("outcomes", "OUT-1", settled("succeed", 600000, {"state": "succeeded"})),
]

# What looks wrong and is not.
FINE: list[Callable[[], Story]] = [
    said("GET", KEYS[0]),
    said("INFO"),
    said("CLIENT", "SETNAME", f"{NS}:x"),
    said("SUNSUBSCRIBE"),
    lives("load", "claim", "exited", "load", "claim"),
    # The connection of a dead process is noticed after its end.
    lives("started", "load", "claim", "exited", "claim"),
    unscripted(Exception("NOSCRIPT no"), load=True),
    unscripted(Exception("NOSCRIPT no"), times=2),
    lambda: _claims(NONCES[0], NONCES[0], error=Exception("NOSCRIPT no")),
    lambda: _claims(*("0123456789abcdef01234567",)),
    rescued(0),
    rescued(1, quiet=True),
    rescued(1, settle=True),
    rescued(1, document=outcome("a")),
    queues("one", "two", "one"),
    queues("one"),
    lambda: _wait(seconds=0.01),
    two_waits(1),
    two_waits(2, apart_ms=1300),
    blocked(2, "start"),
    blocked(1, "start", "end"),
    blocked(1),
    stopped(100),
    stopped(5000, max_jobs=0),
    started(lost=100),
    held(6000),
    held(60000, stopped=True),
    held(60000, killed=True),
    held(60000, cut=True),
    held(2500, 1000, cut=True),
    granted_cancel,
    settled("succeed", 3600000, parent_id="p"),
    settled("succeed", 4000000, parent_id="p", result_ttl_ms=4000000),
    settled("succeed", 5, result_ttl_ms=5),
    retry(100),
    retry(60, jitter=0.5),
    retry(400, attempt=3, max_attempts=9),
    retry(1000, "timeout"),
    retry(5000, "unknown_type"),
    retry(100, no_retry_on=["timeout", "LookupError"]),
    twice(gap_ms=100),
    twice(answer=...),
    twice(answer="refused"),
    after_lost(100),
    after_lost(3000, before=True),
    after_lost(3000, verb="release"),
    told(worker="A"),
    encoded_as("msgpack", "msgpack"),
    reports(b'{"a":1}'),
    enqueued(envelope("a", run_at=7, priority=9, retry={"max_attempts": 5}), 7, 5, 9),
    cancels(outcome("a", "cancelled", 0, code="cancelled")),
    flow({"then": [STEP]}, {**PASSED, "args": [1, 7]}),
    flow({"then": [STEP]}, {**PASSED, "args": [1.0, 7]}, answer="duplicate"),
    flow({"then": [{**STEP, "pass_result": False, "run_at": None, "x": []}]}, {**PASSED, "args": [7], "x": []}),
    flow({"then": [STEP, {**STEP, "id": "c"}]}, {**PASSED, "args": [1, 7], "then": [{**STEP, "id": "c"}]}),
    flow({"join": JOIN}, {**PASSED, "args": [[outcome("a", result=1)], 7]}),
    lambda: _expire(600000, int(START)),
]  # fmt: skip


def _claims(*nonces: str, error: Any = None) -> Story:
    story = Story().load()
    for number, nonce in enumerate(nonces):
        options = {"reply": error} if error is not None and number == 0 else {}
        story.claim(nonce=nonce, **options)
    return story


def _wait(*queues: str, seconds: float = 2) -> Story:
    story = Story().load()
    story.blpop(*queues, seconds=seconds)
    return story


def _leased(lease_ms: int) -> Story:
    story = Story().load()
    story.claim(lease_ms=lease_ms)
    return story


def _expire(number: int, expires_at: int) -> Story:
    story = Story().load()
    token = story.job(expires_at=expires_at)
    story.settle("a", token, "expire", outcome("a", "expired", code="expired"), number)
    return story


def _passed(story: Story, **members: Any) -> None:
    data = write({**PASSED, "args": [1, 7], **members}, "json")
    story.call("pass", "b", data, 0, 3, 4, reply=[1, "accepted"])


def _handed_over_undecided() -> Story:
    story, token = right(then=[STEP])
    _passed(story)
    story.settle("a", token, "fail", outcome("a", "failed", code="handler_error"))
    return story


def _handed_over_unheard() -> Story:
    story, token = right(then=[STEP])
    story.settle("a", token, "decide", outcome("a", result=1), answer=...)
    _passed(story)
    return story


def _handed_over_of(parent: str) -> Story:
    story = Story().load()
    _passed(story, parent_id=parent, root_id=parent)
    return story


def _closed_undecided() -> Story:
    story = Story().load()
    token = story.job(join=JOIN, taken=1)
    story.run()
    document = outcome("a", result=1)
    story.settle("a", token, "succeed", document, 600000)
    return story


@pytest.mark.parametrize(("rule", "requirement", "status", "tell"), BROKEN)
def test_a_story_breaks_one_rule(rule: str, requirement: str, status: str, tell: Callable[[], Story]) -> None:
    assert {(rule, requirement, status)} == tell().problems()


@pytest.mark.parametrize(("rule", "requirement", "tell"), TOGETHER)
def test_a_story_breaks_a_rule(rule: str, requirement: str, tell: Callable[[], Story]) -> None:
    assert (rule, requirement, "fail") in tell().problems()


@pytest.mark.parametrize("tell", FINE)
def test_what_is_right_breaks_none(tell: Callable[[], Story]) -> None:
    assert set() == tell().problems()


def test_each_rule_is_broken_by_a_story_and_can_be_left_out() -> None:
    broken = {rule for rule, *_ in BROKEN} | {rule for rule, *_ in TOGETHER}
    assert {invariant.name for invariant in INVARIANTS} == broken
    assert all(invariant.says for invariant in INVARIANTS)
    assert set() == stopped(3000)().problems(without={"stopping"})


@pytest.mark.parametrize(
    ("bits", "nonces"),
    [
        (96, ["0123456789abcdef01234567", "fedcba9876543210fedcba98", "a" * 24]),
        (96, ["aB-_0123456789xy"]),
        (64, ["0123456789abcdef"] * 1 + [f"{number:x}edcba9876543210" for number in range(1, 9)]),
        (96, ["aaaaaaaaaaaaaaaa"]),
    ],
)
def test_room_for_randomness_is_counted(bits: float, nonces: list[str]) -> None:
    assert bits == pytest.approx(random_bits([nonce.encode() for nonce in nonces]))


@pytest.mark.parametrize(
    ("expected", "policy", "attempt"),
    [
        ((900, 1000), {}, 1),
        ((28800, 32000), {}, 6),
        ((7593, 7593), {"factor": 1.5, "jitter": 0}, 6),
        ((300000, 300000), {"delay_ms": 600000, "jitter": 0}, 1),
        ((9007199254740991,) * 2, {"factor": 1000, "max_delay_ms": 9007199254740991, "jitter": 0}, 6),
        ((0, 0), {"max_delay_ms": 0}, 3),
    ],
)
def test_delays_are_those_of_appendix_c(expected: tuple[int, int], policy: dict[str, Any], attempt: int) -> None:
    defaults = {"delay_ms": 1000, "factor": 2, "max_delay_ms": 300000, "jitter": 0.1}
    assert expected == delay_bounds(defaults | policy, attempt)
