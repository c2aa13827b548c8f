"""Make the bytes of a vector's input from what its file says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..documents import write

BASE: Final = {"jobwire": "1.0", "id": "a", "type": "t", "queue": "q"}

# A text, or a list of texts and of {"repeat": text, "times": n} and {"hex": bytes} objects.
Spelt = str | list[Any]


def members(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the base with what the entry puts over it and without what it leaves out."""
    left_out = entry.get("without", ())
    return {name: value for name, value in {**BASE, **entry.get("with", {})}.items() if name not in left_out}


def build(entry: Mapping[str, Any], encoding: str) -> bytes:
    """Return the input of an entry: `with` as either encoding writes it, or the `json` or `msgpack` that it spells."""
    if "with" in entry:
        data = write(members(entry), encoding)
    elif isinstance(entry[encoding], dict):
        data = _document(_values(entry, encoding), encoding)
    else:
        data = spelled(entry[encoding], encoding)
    return data[: entry["cut"]] if "cut" in entry else data


def _values(entry: Mapping[str, Any], encoding: str) -> list[tuple[bytes, bytes]]:
    values = {name: write(value, encoding) for name, value in BASE.items()}
    values |= {name: spelled(value, encoding) for name, value in entry[encoding].items()}
    left_out = entry.get("without", ())
    return [(write(name, encoding), value) for name, value in values.items() if name not in left_out]


def _document(values: list[tuple[bytes, bytes]], encoding: str) -> bytes:
    if encoding == "json":
        return b"{" + b",".join(name + b":" + value for name, value in values) + b"}"
    return bytes([0x80 | len(values)]) + b"".join(name + value for name, value in values)


def spelled(parts: Spelt, encoding: str) -> bytes:
    """Return the bytes that are spelt out: as text for JSON, in hex for MessagePack."""
    if isinstance(parts, str):
        return parts.encode("utf-8") if encoding == "json" else bytes.fromhex(parts)
    return b"".join(_part(part, encoding) for part in parts)


def _part(part: Any, encoding: str) -> bytes:
    if isinstance(part, str):
        return spelled(part, encoding)
    if "hex" in part:
        return bytes.fromhex(part["hex"])
    return spelled(part["repeat"], encoding) * int(part["times"])


def addressed(data: bytes, job_id: str, job_type: str, queue: str) -> bytes:
    """Return the input with another id, type and queue in place of the base's, where it has those."""
    there = {"id": job_id, "type": job_type, "queue": queue}
    for encoding in ("json", "msgpack"):
        data = data.replace(_inside(BASE, encoding), _inside(there, encoding))
    return data


def _inside(value: Mapping[str, str], encoding: str) -> bytes:
    written = write({name: value[name] for name in ("id", "type", "queue")}, encoding)
    return written[1:-1] if encoding == "json" else written[1:]
