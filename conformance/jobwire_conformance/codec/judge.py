"""Judge what an adapter answered to a vector."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

import msgpack

from ..documents import MAX_INTEGER, Unreadable, complaints, read, violations
from ..model import Check, Status
from .jobs import INTEGERS, answered, differences, whole
from .vectors import Vector

Answer = Mapping[str, Any]
SHOWN: Final = 400


def judge(vector: Vector, answer: Answer) -> list[Check]:
    """Return what was looked at."""
    return list(_JUDGES[vector.verdict](vector, answer))


def check(vector: Vector, what: str, expected: Any, got: Any, holds: bool, requirement: str | None = None) -> Check:
    """Return one thing that was looked at; what was wanted and came only if they are not the same."""
    status = Status.PASS if holds else Status.FAIL
    words = ("", "") if holds else (shown(expected), shown(got))
    return Check(requirement or vector.requirements[0], what, status, *words)


def shown(value: Any) -> str:
    """Return a value as a text of bounded length."""
    if value is ...:
        return "nothing"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}... ({len(text)} characters)"


def _accept(vector: Vector, answer: Answer) -> Iterator[Check]:
    job = answer.get("job")
    if not isinstance(job, dict):
        yield check(vector, "it is read", {"job": vector.expected}, dict(answer), False)
        return
    wrong = list(differences(vector.expected, answered(job)))
    if not wrong:
        yield check(vector, "the job", vector.expected, job, True)
    for where, expected, got in wrong[:5]:
        yield check(vector, f"the job: {where}", expected, got, False)


def _reject(vector: Vector, answer: Answer) -> Iterator[Check]:
    error = answer.get("error")
    code = error.get("code") if isinstance(error, dict) else None
    yield check(vector, "the class", {"error": {"code": vector.code}}, dict(answer), code == vector.code)
    if isinstance(error, dict) and vector.fields and code == vector.code:
        wanted = vector.fields[0] if len(vector.fields) == 1 else {"one_of": vector.fields}
        field = error.get("field")
        yield check(vector, "the field", wanted, field, field in vector.fields, "FIELD-7")


def _survive(vector: Vector, answer: Answer) -> Iterator[Check]:
    error = answer.get("error")
    rejects = isinstance(error, dict) and error.get("code") == "malformed"
    holds = rejects or isinstance(answer.get("job"), dict) or (vector.unsayable and "failed" in answer)
    yield check(vector, "an answer", "a job, or the error malformed", dict(answer), holds)


def _refuse(vector: Vector, answer: Answer) -> Iterator[Check]:
    error = answer.get("error")
    wanted: Any = {"error": {"code": vector.code}} if vector.code else "an error"
    holds = isinstance(error, dict) and vector.code in ("", error.get("code"))
    yield check(vector, "it is refused", wanted, dict(answer), holds)
    if isinstance(error, dict) and vector.fields and holds:
        field = error.get("field")
        yield check(vector, "the field", vector.fields[0], field, field in vector.fields, "FIELD-7")


def _delay(vector: Vector, answer: Answer) -> Iterator[Check]:
    got = answer.get("ms")
    holds = isinstance(got, list) and not list(differences(vector.expected, got))
    yield check(vector, "the range", {"ms": vector.expected}, dict(answer), holds)


def _write(vector: Vector, answer: Answer) -> Iterator[Check]:
    if vector.may_refuse and (isinstance(answer.get("error"), dict) or (vector.unsayable and "failed" in answer)):
        yield check(vector, "it is refused", "an error", dict(answer), True)
        return
    try:
        data = base64.b64decode(answer["bytes"], validate=True)
        document = read(data)
    except (KeyError, TypeError, binascii.Error):
        yield check(vector, "it is written", "bytes in base64", dict(answer), False)
        return
    except Unreadable as error:
        yield check(vector, "what is written", "a document", f"{error}: {data[:200]!r}", False, "ENC-1")
        return
    format = vector.request["format"]
    yield check(vector, "the encoding", format, document.encoding, document.encoding == format)
    wrong = [*complaints(document), *violations("job", document.value), *_numbers(data, document.encoding)]
    yield from (check(vector, message, "none of this", data[:200].decode("utf-8", "replace"), False, requirement)
                for requirement, message in wrong)  # fmt: skip
    if not vector.unsayable:
        yield from _same(vector, document.value)


def _same(vector: Vector, value: Any) -> Iterator[Check]:
    wrong = list(differences(vector.expected, whole(value) if isinstance(value, dict) else value))
    if not wrong:
        yield check(vector, "the job that is written", vector.expected, value, True)
    for where, expected, got in wrong[:5]:
        yield check(vector, f"the job that is written: {where}", expected, got, False)


def _numbers(data: bytes, encoding: str) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the numbers as they stand. [VAL-3] [VAL-4]"""
    value = _lenient(data, encoding)
    for number in _all_numbers(value):
        if isinstance(number, int) and abs(number) > MAX_INTEGER and not _prints_a_double(number):
            yield "VAL-3", f"expected integers up to {MAX_INTEGER}, got {number}"
    for table in _tables(value) if encoding == "json" else ():
        for name, number in table.items():
            if name in INTEGERS and isinstance(number, float):
                yield "VAL-4", f"{name}: expected an integer without fraction or exponent, got a notation of {number}"


def _prints_a_double(number: int) -> bool:
    """Tell a double, which languages print whole or by its shortest digits, from an exact integer. [VAL-4]"""
    return number in (int(float(number)), int(Decimal(repr(float(number)))))


def _lenient(data: bytes, encoding: str) -> Any:
    """Decode what the strict reader has decoded already, the numbers as they stand."""
    if encoding == "json":
        return json.JSONDecoder().raw_decode(data.decode("utf-8", "replace"))[0]
    unpacker = msgpack.Unpacker(
        object_pairs_hook=list, strict_map_key=False, unicode_errors="replace", max_buffer_size=max(len(data), 1)
    )
    unpacker.feed(data)
    return unpacker.unpack()


def _all_numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict | list | tuple):
        for member in value.values() if isinstance(value, dict) else value:
            yield from _all_numbers(member)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value


def _tables(job: Any) -> Iterator[dict[str, Any]]:
    """Yield a job or step and its retry and join, and those of its steps."""
    if not isinstance(job, dict):
        return
    join = job.get("join")
    yield from (part for part in (job, job.get("retry"), join) if isinstance(part, dict))
    for steps in (job.get("then"), join.get("then") if isinstance(join, dict) else None):
        for step in steps if isinstance(steps, list) else ():
            yield from _tables(step)


_JUDGES: Final = {
    "accept": _accept,
    "reject": _reject,
    "survive": _survive,
    "refuse": _refuse,
    "delay": _delay,
    "write": _write,
}
