"""What a producer builds before it enqueues: steps, chains and groups."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple

import msgspec

from .envelope import DEFAULT_QUEUE, VERSION, Envelope, Join, Retry, check_id, check_queue, convert, write
from .envelope import Step as StepFields
from .errors import Refused, TooLarge
from .ids import new_id
from .scripts import Accept
from .values import MAX_BYTES, Encoding, check_value, encode, is_flat
from .workflow import accept

Instant = int | datetime.datetime
Duration = int | float | datetime.timedelta


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """How one job is enqueued.

    `queue` names the queue (default `default`). `run_at` and `expires_at` are ms or an aware datetime;
    `delay` and `expires_in` are seconds or a timedelta, counted on the server's clock. `timeout_ms`,
    `result_ttl_ms`, `priority` (0 to 9), `retry` and `headers` are SPEC section 4.2's; `pass_result=False`
    keeps the previous result out of a later step's arguments; `id` makes the job unique in its queue.
    """

    queue: str | None = None
    id: str | None = None
    run_at: Instant | None = None
    delay: Duration | None = None
    expires_at: Instant | None = None
    expires_in: Duration | None = None
    timeout_ms: int | None = None
    priority: int | None = None
    retry: Retry | None = None
    result_ttl_ms: int | None = None
    headers: Mapping[str, Any] | None = None
    pass_result: bool | None = None

    def over(self, base: Options) -> Options:
        """Return these options, with those of `base` where one is not set here."""
        given = {name: value for name in _OPTION_NAMES if (value := getattr(self, name)) is not None}
        return replace(base, **given) if given else base

    @property
    def relative(self) -> bool:
        """Whether the server's time is needed to build the envelope."""
        return self.delay is not None or self.expires_in is not None


_OPTION_NAMES = tuple(option.name for option in fields(Options))
NO_OPTIONS = Options()
_BLANK = {"jobwire": VERSION, "id": "-", "type": "-", "queue": "-"}


class Step(msgspec.Struct, frozen=True):
    """One job to be: its type, arguments and options. Its id is fixed from the start."""

    type: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = msgspec.field(default_factory=dict)
    options: Options = NO_OPTIONS
    id: str = msgspec.field(default_factory=new_id)

    @property
    def queue(self) -> str:
        """The queue that the job goes to. [PROD-3]"""
        return DEFAULT_QUEUE if self.options.queue is None else self.options.queue


@dataclass(frozen=True, slots=True)
class Chain:
    """Steps that run one after the other, each with the result of the one before as first argument."""

    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        if not self.steps:
            raise Refused("chain: expected at least one step, got none")


@dataclass(frozen=True, slots=True)
class Group:
    """Steps or chains that run side by side, and the steps that follow once all have succeeded."""

    members: tuple[Step | Chain, ...]
    then: Chain
    group: str = field(default_factory=new_id)
    ttl_ms: int | None = None

    def __post_init__(self) -> None:
        if len(self.members) > 1000:
            raise Refused(f"group: expected at most 1000 members, got {len(self.members)} [FIELD-5]")
        if self.ttl_ms is not None and self.ttl_ms < 1:
            raise Refused(f"group: expected ttl_ms of at least 1, got {self.ttl_ms} [FIELD-5]")
        ids = ids_of(self)
        if len(set(ids)) < len(ids):
            # The second of them would be a duplicate, and the group never complete.
            raise Refused("group: expected another id for each job, got one twice")


class Ready(NamedTuple):
    """One job, encoded for its queue."""

    queue: str
    job: Accept


class Known(NamedTuple):
    """A job that somebody else enqueued."""

    queue: str
    id: str


class _Template(NamedTuple):
    """What the envelopes of one type and its options share.

    `heads` holds their encoded beginning, by how many members of its own a job adds. `options` keeps alive what the
    template is found by.
    """

    heads: tuple[bytes, ...]
    queue: str
    run_at: int
    max_attempts: int
    priority: int
    options: Options


# By type, identity of the options and encoding.
_templates: dict[tuple[str, int, Encoding], _Template] = {}
_MOST_TEMPLATES = 1000


def make_step(kind: str, args: Sequence[Any], kwargs: Mapping[str, Any], options: Options) -> Step:
    """Return a step, with the id of its options if they name one."""
    if options.id is None:
        return Step(kind, tuple(args), dict(kwargs), options)
    return Step(kind, tuple(args), dict(kwargs), options, options.id)


def keeps_outcome(work: Step | Chain | Group | Known) -> bool:
    """Whether an outcome will be there to wait for; a later step always keeps one. [RUN-11]"""
    if isinstance(work, Chain) and len(work.steps) == 1:
        return keeps_outcome(work.steps[0])
    return not isinstance(work, Step) or work.options.result_ttl_ms != 0


def chain_of(steps: Iterable[Step | Chain]) -> Chain:
    """Return one chain of all the steps given."""
    flat: list[Step] = []
    for step in steps:
        flat.extend(step.steps if isinstance(step, Chain) else [step])
    return Chain(tuple(flat))


def ids_of(work: Step | Chain | Group | Known) -> list[tuple[str, str]]:
    """Return queue and id of every job of a workflow, in the order in which a waiter looks. [FLOW-16]"""
    if isinstance(work, Step | Known):
        return [(work.queue, work.id)]
    if isinstance(work, Chain):
        return [(step.queue, step.id) for step in work.steps]
    return [pair for part in (*work.members, work.then) for pair in ids_of(part)]


def needs_clock(work: Step | Chain | Group) -> bool:
    """Whether the server's time is needed to build the envelopes."""
    if isinstance(work, Step):
        return work.options.relative
    parts: tuple[Step | Chain, ...] = work.steps if isinstance(work, Chain) else (*work.members, work.then)
    return any(needs_clock(part) for part in parts)


def build(work: Step | Chain | Group, encoding: Encoding, now_ms: int) -> list[Ready]:
    """Encode what must be enqueued now; raise Invalid, ValueRefused or TooLarge. [PROD-2]"""
    if isinstance(work, Step):
        return [build_step(work, encoding, now_ms)]
    if isinstance(work, Chain):
        return [_ready(work.steps[0], encoding, now_ms, work.steps[1:], None)]
    if not work.members:
        first, *rest = work.then.steps
        if first.options.pass_result is not False:
            first = msgspec.structs.replace(first, args=([], *first.args))
        return [_ready(first, encoding, now_ms, rest, None)]
    then = [_later(step, now_ms, None) for step in work.then.steps]
    ready = []
    for index, member in enumerate(work.members):
        join = _join(work, index, then)
        steps = member.steps if isinstance(member, Chain) else (member,)
        ready.append(_ready(steps[0], encoding, now_ms, steps[1:], join))
    return ready


def build_step(step: Step, encoding: Encoding, now_ms: int) -> Ready:
    """Encode one job; raise Invalid, ValueRefused or TooLarge. [PROD-2]"""
    options, kind = step.options, step.type
    template = _templates.get((kind, id(options), encoding)) if isinstance(kind, str) else None
    if template is None:
        template = _template(kind, options, encoding, now_ms)
    job_id = check_id(step.id, "id")
    own: dict[str, Any] = {"id": job_id}
    if step.args:
        own["args"] = step.args
        if not is_flat(step.args):
            check_value(step.args, "args", 31)
    if step.kwargs:
        own["kwargs"] = step.kwargs
        check_value(step.kwargs, "kwargs", 31)
    # The first byte of a small map or object is not needed: the template has begun one.
    data = template.heads[len(own)] + encode(own, encoding, "envelope")[1:]
    if len(data) > MAX_BYTES:
        raise TooLarge(f"envelope: expected at most {MAX_BYTES} bytes, got {len(data)} [VAL-10]")
    return Ready(template.queue, Accept(job_id, data, template.run_at, template.max_attempts, template.priority))


def _template(kind: str, options: Options, encoding: Encoding, now_ms: int) -> _Template:
    queue = DEFAULT_QUEUE if options.queue is None else options.queue
    check_id(kind, "type")
    check_queue(queue)
    envelope = convert({"jobwire": VERSION, "id": "-", "type": kind, "queue": queue, **_given(options, now_ms)})
    # `to_builtins` makes strings of much that is no value. [VAL-8]
    check_value(envelope.headers, "headers", 31)
    shared: dict[str, Any] = {"jobwire": VERSION, **msgspec.to_builtins(envelope)}
    del shared["id"]
    data = encode(shared, encoding, "envelope")
    heads: tuple[bytes, ...]
    if encoding is Encoding.JSON:
        heads = (data[:-1] + b",",) * 4
    else:
        # A map of up to 15 members, which is more than there are, tells their number in its first byte.
        heads = tuple(bytes([data[0] + count]) + data[1:] for count in range(4))
    made = _Template(heads, queue, envelope.run_at or 0, envelope.policy.max_attempts, envelope.priority, options)
    if not (options.relative or options.headers or options.retry):
        if len(_templates) >= _MOST_TEMPLATES:
            _templates.clear()
        # What an application could change or what depends on the time is encoded anew for each job.
        _templates[kind, id(options), encoding] = made
    return made


def _join(group: Group, index: int, then: list[dict[str, Any]]) -> Join:
    if group.ttl_ms is None:
        return Join(group=group.group, index=index, size=len(group.members), then=then)
    return Join(group=group.group, index=index, size=len(group.members), then=then, ttl_ms=group.ttl_ms)


def _ready(step: Step, encoding: Encoding, now_ms: int, rest: Sequence[Step], join: Join | None) -> Ready:
    fields = _fields(step, now_ms)
    if rest:
        fields["then"] = [
            _later(later, now_ms, join if number == len(rest) else None) for number, later in enumerate(rest, 1)
        ]
    elif join is not None:
        fields["join"] = join
    envelope = Envelope(jobwire=VERSION, **fields)
    return Ready(step.queue, accept(envelope, write(envelope, encoding)))


def _later(step: Step, now_ms: int, join: Join | None) -> dict[str, Any]:
    fields = _fields(step, now_ms)
    if step.options.pass_result is False:
        fields["pass_result"] = False
    if join is not None:
        fields["join"] = join
    # `to_builtins` makes strings of much that is no value. [VAL-8]
    for name in ("args", "kwargs", "headers"):
        check_value(fields.get(name), f"{step.type}: {name}", 30)
    later: dict[str, Any] = msgspec.to_builtins(StepFields(**fields))
    return later


def _fields(step: Step, now_ms: int) -> dict[str, Any]:
    options = step.options
    fields: dict[str, Any] = {"id": step.id, "type": step.type, "queue": step.queue}
    if step.args:
        fields["args"] = list(step.args)
    if step.kwargs:
        fields["kwargs"] = dict(step.kwargs)
    if options is NO_OPTIONS:
        return fields
    given = _given(options, now_ms)
    if given:
        # Constructing a struct checks nothing, so the options are held against the tables here. [PROD-2]
        checked = convert({**_BLANK, **given})
        fields.update({name: getattr(checked, name) for name in given})
    return fields


def _given(options: Options, now_ms: int) -> dict[str, Any]:
    given: dict[str, Any] = {}
    run_at = _instant("run_at", options.run_at, "delay", options.delay, now_ms)
    expires_at = _instant("expires_at", options.expires_at, "expires_in", options.expires_in, now_ms)
    for name, value in (("run_at", run_at), ("expires_at", expires_at)):
        if value is not None:
            given[name] = value
    for name in ("timeout_ms", "priority", "retry", "result_ttl_ms", "headers"):
        if (value := getattr(options, name)) is not None:
            given[name] = value
    if isinstance(options.retry, Retry):
        given["retry"] = msgspec.structs.asdict(options.retry)
    if isinstance(options.headers, Mapping):
        given["headers"] = dict(options.headers)
    return given


def _instant(name: str, at: Instant | None, relative: str, after: Duration | None, now_ms: int) -> int | None:
    if at is not None and after is not None:
        raise Refused(f"{name}: expected {name} or {relative}, got both")
    if after is not None:
        seconds = after.total_seconds() if isinstance(after, datetime.timedelta) else after
        if not isinstance(seconds, int | float) or not math.isfinite(seconds):
            raise Refused(f"{relative}: expected seconds or a timedelta, got {after!r:.80}")
        return now_ms + round(seconds * 1000)
    if isinstance(at, datetime.datetime):
        if at.tzinfo is None:
            raise Refused(f"{name}: expected an aware datetime or ms, got {at!r} without a time zone")
        return round(at.timestamp() * 1000)
    return at
