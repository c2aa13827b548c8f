"""What to ask a codec, and what a right answer is."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from .inputs import BASE, build, spelled
from .jobs import whole
from .tables import written_out

ENCODINGS: Final = ("json", "msgpack")
Verdict = Literal["accept", "reject", "survive", "write", "refuse", "delay"]
Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Vector:
    """One request to a codec and its right answer; it passes only if its twin does."""

    id: str
    says: str
    requirements: tuple[str, ...]
    profile: str
    request: Mapping[str, Any]
    verdict: Verdict
    expected: Any = None
    code: str = ""
    fields: tuple[str, ...] = ()
    twin: str | None = None
    may_refuse: bool = False
    unsayable: bool = False
    smoke: bool = False
    data: bytes = field(default=b"", repr=False)
    encoding: str = ""
    role: str = "codec"

    @property
    def op(self) -> str:
        """What is asked for."""
        return str(self.request["op"])


def vectors_of(topic: str, file: Entry, entry: Entry) -> Iterator[Vector]:
    """Yield the vectors that an entry of a file stands for; their twins are not looked up yet."""
    if "at" in entry:
        for row in written_out(entry):
            yield from _decoded(topic, file, row)
    elif "delay" in entry:
        yield _delay(topic, file, entry)
    elif "encode" in entry:
        yield from _encoded(topic, file, entry)
    else:
        yield from _decoded(topic, file, entry)


def _common(topic: str, file: Entry, entry: Entry, encoding: str, suffix: str) -> dict[str, Any]:
    return {
        "id": f"codec/{topic}/{entry['name']}{suffix}",
        "requirements": tuple(entry.get("requirements", file["requirements"])),
        "profile": file["profile"],
        "smoke": entry.get("smoke", False),
        "twin": entry.get("twin"),
        "unsayable": entry.get("unsayable", False),
        "encoding": encoding,
    }


def _title(entry: Entry, encoding: str = "") -> str:
    shown = {"json": " in JSON", "msgpack": " in MessagePack", "": ""}[encoding]
    return str(entry.get("says", entry["name"])) + shown


def _decoded(topic: str, file: Entry, entry: Entry) -> Iterator[Vector]:
    for encoding in ENCODINGS:
        if "with" not in entry and encoding not in entry:
            continue
        given = _common(topic, file, entry, encoding, f"-{encoding}" if "with" in entry else "")
        given["data"] = build(entry, encoding)
        given["request"] = {"op": "decode", "bytes": base64.b64encode(given["data"]).decode()}
        yield _judged(entry, _title(entry, encoding), given)


def _judged(entry: Entry, title: str, given: dict[str, Any]) -> Vector:
    if "accept" in entry:
        job = whole({**BASE, **entry["accept"]})
        return Vector(says=f"{title}: is read, with the defaults.", verdict="accept", expected=job, **given)
    if "survive" in entry:
        says = f"{title}: is read or rejected as malformed, and what comes behind it is read."
        return Vector(says=says, verdict="survive", **given)
    code, fields = entry["reject"]["code"], _fields(entry["reject"].get("field"))
    if fields and "FIELD-7" not in given["requirements"]:
        given["requirements"] += ("FIELD-7",)
    says = f"{title}: is rejected as {code}{_naming(fields)}."
    return Vector(says=says, verdict="reject", code=code, fields=fields, **given)


def _fields(field: Any) -> tuple[str, ...]:
    return (field,) if isinstance(field, str) else tuple(field or ())


def _naming(fields: tuple[str, ...]) -> str:
    return f", naming {' or '.join(fields)}" if fields else ""


def _encoded(topic: str, file: Entry, entry: Entry) -> Iterator[Vector]:
    spelt = {name: json.loads(spelled(value, "json")) for name, value in entry.get("spelt", {}).items()}
    job = {
        name: value
        for name, value in {**BASE, **entry["encode"], **spelt}.items()
        if name not in entry.get("without", ())
    }
    for encoding in ENCODINGS:
        if entry.get("format", encoding) != encoding:
            continue
        given = _common(topic, file, entry, encoding, f"-{encoding}")
        given["request"] = {"op": "encode", "job": job, "format": encoding}
        given["may_refuse"] = entry.get("may_refuse", False)
        title = _title(entry, encoding)
        if "writes" in entry:
            also = ", or refused" if given["may_refuse"] else ""
            yield Vector(says=f"{title}: is written as it is{also}.", verdict="write", expected=whole(job), **given)
            continue
        fields = () if entry["refuses"] is True else _fields(entry["refuses"])
        code = "invalid" if fields else ""
        yield Vector(says=f"{title}: is refused{_naming(fields)}.", verdict="refuse", code=code, fields=fields, **given)


def _delay(topic: str, file: Entry, entry: Entry) -> Vector:
    low, high = entry["ms"]
    return Vector(
        says=f"{_title(entry)}: {low} to {high} ms after attempt {entry['attempt']}.",
        request={"op": "delay", "retry": entry["delay"], "attempt": entry["attempt"]},
        verdict="delay",
        expected=[low, high],
        **_common(topic, file, entry, "", ""),
    )
