"""Both encodings against independent libraries, the schema, and whatever bytes a peer could send."""

import copy
import gc
import json
import math
import tracemalloc
from typing import Any

import msgpack
import msgspec
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from jobwire.envelope import Envelope, check, decode, write
from jobwire.errors import Invalid, Rejected
from jobwire.outcome import decode_outcome
from jobwire.values import MAX_BYTES, Encoding, decode_object
from tests.reference.documents import ABSENT, JOB, JOIN, LARGEST, STEP, job, pack, unpack
from tests.schemas.documents import examples, validator

BOTH = pytest.mark.parametrize("encoding", Encoding)
SCHEMA = validator("job")

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NUMBERS = st.integers(-LARGEST, LARGEST) | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXT


def objects(members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(TEXT.map(str.casefold).filter(str.isascii), members, max_size=3)


VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | objects(inner), max_leaves=8)
ARRAYS = st.lists(VALUES, max_size=3)
IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,20}", fullmatch=True)
QUEUES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,20}", fullmatch=True)
INSTANTS = st.integers(0, LARGEST)
POSITIVE = st.integers(1, LARGEST)
RETRIES = st.fixed_dictionaries(
    {},
    optional={
        "max_attempts": st.integers(1, 1000),
        "delay_ms": INSTANTS,
        "factor": st.floats(1, 1000) | st.integers(1, 1000),
        "max_delay_ms": INSTANTS,
        "jitter": st.floats(0, 1),
        "no_retry_on": st.lists(TEXT, max_size=2),
    },
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "args": ARRAYS,
    "kwargs": objects(VALUES),
    "created_at": INSTANTS,
    "run_at": INSTANTS,
    "expires_at": INSTANTS,
    "timeout_ms": POSITIVE,
    "priority": st.integers(0, 9),
    "retry": RETRIES,
    "result_ttl_ms": INSTANTS,
    "headers": objects(VALUES),
}
NEEDED: dict[str, st.SearchStrategy[Any]] = {"type": IDS, "queue": QUEUES}
STEPS = st.fixed_dictionaries(NEEDED, optional=FIELDS | {"pass_result": st.booleans(), "later": VALUES})


@st.composite
def workflows(draw: st.DrawFn) -> dict[str, Any]:
    """Return the members `then` or `join`, or neither, of an envelope; every id once."""
    steps = [step | {"id": f"s{number}"} for number, step in enumerate(draw(st.lists(STEPS, min_size=1, max_size=3)))]
    join = {"group": draw(IDS), "index": draw(st.integers(0, 4)), "size": 5, "then": steps[-1:]}
    last = [{"id": "last", "type": "t", "queue": "q", "join": join}]
    return draw(st.sampled_from([{}, {"then": steps}, {"join": join}, {"then": steps[:-1] + last}]))


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Return a legal envelope as plain values."""
    optional = FIELDS | {"root_id": IDS, "parent_id": IDS, "later": VALUES}
    fields = draw(st.fixed_dictionaries(NEEDED, optional=optional))
    return {"jobwire": "1.0", "id": "the-first"} | fields | draw(workflows())


def read(data: bytes) -> Envelope:
    return check(decode(data))


def code_of(data: bytes) -> str:
    """Return the class of a document, `ok` for a good one; raise what is not Rejected."""
    try:
        read(data)
    except Rejected as error:
        return error.code if str(error) and isinstance(error, Invalid) == (error.code == "invalid") else "nameless"
    return "ok"


@given(documents())
def test_both_encodings_say_the_same(document: dict[str, Any]) -> None:
    envelope = read(pack(document, Encoding.JSON))
    assert envelope == read(pack(document, Encoding.MSGPACK))
    assert envelope == read(write(envelope, Encoding.JSON)) == read(write(envelope, Encoding.MSGPACK))


@BOTH
@given(documents())
def test_independent_libraries_read_what_is_written(encoding: Encoding, document: dict[str, Any]) -> None:
    envelope = read(pack(document, encoding))
    written = unpack(write(envelope, encoding), encoding)
    assert envelope == read(pack(written, Encoding.JSON))
    known = {name: document[name] for name in ("id", "args", "kwargs", "headers", "then") if document.get(name)}
    assert known == {name: written[name] for name in known}
    assert list(SCHEMA.iter_errors(written)) == []


@BOTH
@given(documents())
def test_any_legal_envelope_is_read_and_written_with_the_same_members(encoding: Encoding, document: Any) -> None:
    assert list(SCHEMA.iter_errors(document)) == []
    envelope = read(pack(document, encoding))
    given_members = {name: value for name, value in document.items() if name in Envelope.__struct_fields__}
    assert given_members == {name: plain(getattr(envelope, name), value) for name, value in given_members.items()}


def plain(value: Any, like: Any) -> Any:
    """Return a struct as plain members, those that were given."""
    if not isinstance(value, msgspec.Struct):
        return value
    return {name: getattr(value, name) for name in like}


# What may stand in the place of any member.
STRANGE = st.sampled_from(
    [
        *(ABSENT, None, True, False, 0, 1, -1, 0.5, 5.0, -0.0, 10, 1001, LARGEST, LARGEST + 1, 1e300),
        *("", "a", "1.0", "2.0", "1", "a\n", "a b", "a:b", "é", "x" * 129, "x" * 128),
        *([], {}, [None], ["a"], [{}], {"a": 1}, {"id": "z"}),
        *([STEP], [STEP, STEP], JOIN, {"max_attempts": 0}, {"factor": 1}, {"jitter": 2}),
    ]
)
BASES = st.sampled_from([*examples("job", "valid").values(), JOB | {"then": [STEP]}, JOB | {"join": JOIN}])


@st.composite
def mutants(draw: st.DrawFn) -> dict[str, Any]:
    """Return a legal envelope with one to three members changed, at any level."""
    document = copy.deepcopy(draw(BASES | documents()))
    for _ in range(draw(st.integers(1, 3))):
        *path, name = draw(st.sampled_from(places(document)))
        parent = document
        for part in path:
            parent = parent[part]
        value = draw(STRANGE)
        if value is not ABSENT:
            parent[name] = copy.deepcopy(value)
        elif isinstance(parent, list):
            parent.pop(name)
        else:
            parent.pop(name, None)
    return document


KNOWN = [*Envelope.__struct_fields__, "pass_result", *(f"retry.{name}" for name in ("factor", "jitter"))]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Name every member of a document, and of the envelope those that it lacks."""
    own = dict.fromkeys(KNOWN[:-2]) if not path else {}
    members = own | value if isinstance(value, dict) else dict(enumerate(value)) if isinstance(value, list) else {}
    return [each for name, member in members.items() for each in [(*path, name), *places(member, (*path, name))]]


def repeats(envelope: dict[str, Any]) -> bool:
    """Say whether an envelope breaks what no schema can say. [FLOW-1] [FLOW-2]"""
    ids, misplaced = [], []

    def walk(work: dict[str, Any]) -> None:
        ids.append(work.get("id"))
        join = work.get("join")
        if join is not None:
            misplaced.append(join["index"] >= join["size"])
        for steps in (work.get("then") or [], join["then"] if join else []):
            misplaced.extend(step.get("join") is not None for step in steps[:-1])
            for step in steps:
                walk(step)

    walk(envelope)
    return len(set(ids)) < len(ids) or any(misplaced)


@settings(max_examples=300)
@BOTH
@given(mutants())
@example(JOB | {"retry": None, "priority": 5.0, "later": None})
@example(JOB | {"join": JOIN | {"index": 2}})
@example(JOB | {"then": [STEP, STEP]})
@example(JOB | {"then": [STEP | {"join": JOIN}, STEP | {"id": "c"}]})
def test_the_schema_and_the_reader_agree(encoding: Encoding, document: dict[str, Any]) -> None:
    is_valid = SCHEMA.is_valid(document)
    assert (is_valid and not repeats(document)) == (code_of(pack(document, encoding)) == "ok")


@settings(max_examples=300)
@given(st.binary(max_size=60) | st.binary(max_size=60).map(lambda rest: b"{" + rest))
def test_random_bytes_are_never_worse_than_rejected(data: bytes) -> None:
    assert code_of(data) in ("malformed", "invalid", "unsupported_version")
    read_outcome(data)


def read_outcome(data: bytes) -> None:
    """Read bytes as an outcome and as a bare document; let through what is not Rejected."""
    for reader in (decode_outcome, decode_object):
        try:
            reader(data)
        except Rejected:
            continue


@settings(max_examples=300)
@BOTH
@given(data=st.data(), document=documents())
def test_changed_bytes_are_never_worse_than_rejected(encoding: Encoding, data: st.DataObject, document: Any) -> None:
    packed = bytearray(pack(document, encoding))
    for _ in range(data.draw(st.integers(1, 4))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    code_of(bytes(packed))
    read_outcome(bytes(packed))


RICH = JOB | {"args": [1.5, "é\U0001f600", None, True, {"a": []}], "retry": {"factor": 2.5}, "then": [STEP]}


@BOTH
def test_what_ends_before_its_value_is_malformed(encoding: Encoding) -> None:
    whole = pack(RICH, encoding)
    assert {"malformed"} == {code_of(whole[:length]) for length in range(len(whole))}
    assert code_of(whole) == "ok"


def head() -> bytes:
    """Begin a MessagePack envelope with one more member, `args`, still to come."""
    packed: bytes = msgpack.packb(JOB | {"args": None})
    return packed[:-1]


def text(args: bytes) -> bytes:
    return job().replace(b"}", b', "args": ' + args + b"}")


def deep(levels: int) -> list[bytes]:
    """Return documents of that depth: in values, in steps, in what is not looked at; closed and open."""
    array, map_ = b"[" * levels + b"]" * levels, b'{"a":' * levels + b"1" + b"}" * levels
    packed = b"\x91" * levels + b"\xc0"
    steps = b'{"group":"g","index":0,"size":1,"then":[{"id":"s","type":"t","queue":"q","join":'
    return [
        text(array),
        text(b"[" + map_ + b"]"),
        text(b"[" * levels),
        job().replace(b"}", b', "later": ' + array + b"}"),
        job(parent_id=None).replace(b"}", b', "args": ' + array + b"}"),
        job().replace(b'"a"', array),
        job().replace(b'"1.0"', array),
        text(b"[9007199254740993," + array + b"]"),
        job().replace(b"}", b', "join": ' + steps * levels + b"null" + b"}]}" * levels + b"}"),
        head() + packed,
        head() + b"\x81\xa1a" * levels + b"\xc0",
        head() + b"\x91" * levels,
    ]


@pytest.mark.parametrize("levels", [30, 33, 64, 300, *range(960, 1000, 3), 1000, 5000, 100_000])
def test_depth_is_never_worse_than_rejected(levels: int) -> None:
    for data in deep(levels):
        assert code_of(data) in ("ok", "malformed", "invalid")
        read_outcome(data)


# Documents about which libraries differ: read or rejected, as long as that is all. [VAL-12] [VAL-13]
DIFFERENT = {
    "equal keys": (b'{"jobwire":"1.0","id":"a","type":"t","queue":"q","id":"b"}', {"ok", "malformed"}),
    "equal keys in args": (text(b'[{"a":1,"a":2}]'), {"ok", "malformed"}),
    "keys of another case": (b'{"jobwire":"1.0","id":"a","ID":"b","type":"t","queue":"q"}', {"ok", "malformed"}),
    "lone surrogate": (text(b'["\\ud800"]'), {"ok", "malformed"}),
    "surrogates turned round": (text(b'["\\udc00\\ud800"]'), {"ok", "malformed"}),
    "lone surrogate in a key": (text(b'[{"\\udfff":1}]'), {"ok", "malformed"}),
    "lone surrogate in an id": (job().replace(b'"a"', b'"\\ud800"'), {"malformed", "invalid"}),
    "invalid UTF-8": (text(b'["\xff\xfe"]'), {"ok", "malformed"}),
    "surrogate in UTF-8": (text(b'["\xed\xa0\x80"]'), {"ok", "malformed"}),
    "overlong UTF-8": (text(b'["\xc0\xaf"]'), {"ok", "malformed"}),
    "invalid UTF-8 in msgpack": (head() + b"\x91\xa2\xff\xfe", {"ok", "malformed"}),
    "NaN": (text(b"[NaN]"), {"ok", "malformed"}),
    "Infinity": (text(b"[-Infinity]"), {"ok", "malformed"}),
    "1e400": (text(b"[1e400]"), {"ok", "malformed"}),
    "minus 1e400": (text(b"[-1e400]"), {"ok", "malformed"}),
    "10**400 in digits": (text(b"[1" + b"0" * 400 + b"]"), {"malformed"}),
    "a million digits": (text(b"[" + b"9" * 1_000_000 + b"]"), {"ok", "malformed"}),
    "a million digits of a fraction": (text(b"[0." + b"9" * 1_000_000 + b"]"), {"ok"}),
    "1e400 in a field": (job().replace(b"}", b', "priority": 1e400}'), {"invalid", "malformed"}),
    "NaN in a field": (job().replace(b"}", b', "retry": {"factor": NaN}}'), {"invalid", "malformed"}),
    "msgpack NaN": (msgpack.packb(JOB | {"args": [math.nan]}), {"malformed"}),
    "10**400 as factor": (text(b"[]").replace(b"}", b', "retry": {"factor": 1' + b"0" * 400 + b"}}"), {"malformed"}),
    "msgpack NaN as factor": (msgpack.packb(JOB | {"retry": {"factor": math.nan}}), {"malformed"}),
    "msgpack infinity as jitter": (msgpack.packb(JOB | {"retry": {"jitter": math.inf}}), {"malformed"}),
    "msgpack infinity as delay": (msgpack.packb(JOB | {"retry": {"delay_ms": math.inf}}), {"malformed"}),
    "bin": (msgpack.packb(JOB | {"args": [b"x"]}), {"malformed"}),
    "bin as id": (msgpack.packb(JOB | {"id": b"a"}), {"malformed", "invalid"}),
    "bin as a key": (msgpack.packb(JOB | {b"args": []}), {"ok", "malformed"}),
    "ext": (head() + b"\x91\xd4\x05\x00", {"malformed"}),
    "timestamp": (head() + b"\x91\xd6\xff\x00\x00\x00\x05", {"malformed"}),
    "timestamp as run_at": (msgpack.packb(JOB | {"run_at": msgpack.Timestamp(5)}), {"malformed", "invalid"}),
    "broken timestamp": (head() + b"\x91\xc7\x0c\xff" + b"\xff" * 12, {"malformed"}),
    "number as a key": (msgpack.packb(JOB | {"kwargs": {1: 1}}), {"ok", "malformed", "invalid"}),
    "number as a key of the envelope": (msgpack.packb({**JOB, 5: 5}), {"ok", "malformed"}),
    "nil as a key": (msgpack.packb(JOB | {"args": [{None: 1}]}), {"malformed"}),
    "array as a key": (head() + b"\x91\x81\x91\x01\x01", {"malformed"}),
    "map as a key": (head() + b"\x91\x81\x80\x01", {"malformed"}),
    "never used": (head() + b"\xc1", {"malformed"}),
    "bytes after JSON": (job() + b"x", {"ok", "malformed"}),
    "blanks after JSON": (job() + b" \n\t", {"ok"}),
    "two documents": (job() + job(), {"ok", "malformed"}),
    "bytes after msgpack": (msgpack.packb(JOB) + b"\xc0", {"ok", "malformed"}),
    "comment": (job().replace(b"}", b"/* */}"), {"ok", "malformed"}),
    "hash of prototypes": (job().replace(b"}", b', "__proto__": {"constructor": 1}, "\\u0000": 1}'), {"ok"}),
    "escaped key": (job().replace(b'"type"', b'"t\\u0079pe"'), {"ok"}),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_what_libraries_differ_about_does_no_harm(name: str) -> None:
    data, allowed = DIFFERENT[name]
    assert code_of(data) in allowed
    read_outcome(data)


# Lengths that promise far more than there is.
HUGE = {
    "array": b"\xdd\xff\xff\xff\xff",
    "map": b"\xdf\xff\xff\xff\xff",
    "str": b"\xdb\xff\xff\xff\xff",
    "bin": b"\xc6\xff\xff\xff\xff",
    "ext": b"\xc9\xff\xff\xff\xff\x05",
    "arrays in arrays": b"\xdd\xff\xff\xff\xff" * 100,
    "maps in maps": b"\xdf\xff\xff\xff\xff\xa1a" * 100,
    "many maps": b"\xdc\xff\xff" + b"\xdf\xff\xff\xff\xff" * 10,
}


@pytest.mark.parametrize("name", HUGE)
def test_a_huge_declared_length_allocates_little(name: str) -> None:
    hostile = [head() + HUGE[name], msgpack.packb(JOB)[:1] + HUGE[name], HUGE["map"] + HUGE[name]]
    gc.collect()
    tracemalloc.start()
    try:
        codes = {code_of(data) for data in hostile}
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (codes, peak < 4 * MAX_BYTES) == ({"malformed"}, True)


# Celery's and RQ's messages that killed a worker, as they would look here: research/celery_rq.md 1.5 and 2.4.
POISON: dict[str, tuple[str, bytes]] = {
    "Celery: two parts instead of three": ("malformed", b'[[1],{},"t"]'),
    "Celery: empty body": ("malformed", b""),
    "Celery: empty string as eta": ("invalid", job(run_at="")),
    "Celery: eta as a number of seconds": ("invalid", job(run_at=1795383432.5)),
    "Celery: eta as ISO 8601": ("invalid", job(run_at="2026-11-22T16:11:53.809339+00:00")),
    "Celery: list of one as timelimit": ("invalid", job(timeout_ms=[None])),
    "Celery: no version, as no content-type": ("invalid", job(jobwire=ABSENT)),
    "Celery: wrong content-type": ("unsupported_version", job(jobwire="9.0")),
    "Celery: base64 instead of the document": ("malformed", b"eyJqb2J3aXJlIjoiMS4wIn0="),
    "Celery: list item not JSON": ("malformed", b"not json"),
    "Celery: JSON array": ("malformed", b"[]"),
    "Celery: no id": ("invalid", job(id=ABSENT)),
    "Celery: id is a number": ("invalid", job(id=5)),
    "Celery: no queue, as no delivery_info": ("invalid", job(queue=ABSENT)),
    "Celery: properties are null": ("ok", job(retry=None)),
    "Celery: headers are null": ("ok", job(headers=None)),
    "Celery: kwargs are null": ("ok", job(kwargs=None)),
    "Celery: args are null": ("ok", job(args=None)),
    "Celery: args are a scalar": ("invalid", job(args=5)),
    "Celery: args are an object": ("invalid", job(args={"x": 2})),
    "Celery: a step without options": ("invalid", job(then=[{"type": "t"}])),
    "Celery: a chain is null": ("ok", job(then=None)),
    "Celery: a chord without a body": ("invalid", job(join={"group": "g", "index": 0, "size": 1})),
    "Celery: NaN as written by kombu": ("malformed", text(b"[NaN]")),
    "Celery: unknown task": ("ok", job(type="nobody.knows")),
    "RQ: created_at with an offset": ("invalid", job(created_at="2026-11-22T16:11:53+00:00")),
    "RQ: created_at with 9 digits": ("invalid", job(created_at="2026-11-22T16:11:53.123456789Z")),
    "RQ: unknown status": ("ok", job(status="of_a_later_version")),
    "RQ: timeout as text": ("invalid", job(timeout_ms="1.5")),
    "RQ: timeout -1 for none": ("invalid", job(timeout_ms=-1)),
    "RQ: id with a dot": ("ok", job(id="a.b")),
    "RQ: gzip instead of zlib": ("malformed", b"\x1f\x8b\x08\x00"),
    "RQ: zlib": ("malformed", b"\x78\x9c\x03\x00\x00\x00\x00\x01"),
    "RQ: three parts instead of four": ("malformed", msgpack.packb(["f", None, []])),
    "RQ: pickle": ("malformed", b"\x80\x04\x95\x0f\x00\x00\x00\x00\x00\x00\x00]\x94(K\x01e."),
    "RQ: bad JSON": ("malformed", b"{'a': 1}"),
    "RQ: no origin": ("invalid", job(queue=None)),
    "RQ: empty strings for what is absent": ("invalid", job(parent_id="")),
}


@pytest.mark.parametrize("name", POISON)
def test_a_message_that_killed_other_workers_has_its_class(name: str) -> None:
    expected, data = POISON[name]
    assert expected == code_of(data)


@given(documents())
def test_a_document_of_the_independent_libraries_is_read_whatever_the_order(document: dict[str, Any]) -> None:
    turned = dict(reversed(document.items()))
    assert read(json.dumps(turned, indent=1, ensure_ascii=False).encode()) == read(pack(document, Encoding.MSGPACK))
    wide = msgpack.packb(turned, use_single_float=False)
    assume(len(wide) < MAX_BYTES)
    assert read(wide) == read(pack(document, Encoding.JSON))


@pytest.mark.parametrize("code", [b"\xcc\x05", b"\xcd\x00\x05", b"\xce\0\0\0\x05", b"\xcf" + b"\0" * 7 + b"\x05"])
@pytest.mark.parametrize("signed", [False, True])
def test_a_number_of_any_width_is_read(code: bytes, signed: bool) -> None:
    number = bytes([code[0] + 4 * signed]) + code[1:]
    priority = msgpack.packb(JOB | {"priority": None})[:-1] + number
    assert read(priority).priority == 5
    for wide in (b"\xca\x40\xa0\x00\x00", b"\xcb\x40\x14" + b"\0" * 6):
        assert read(priority[: -len(number)] + wide).priority == 5
