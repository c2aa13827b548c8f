"""Turn replies and names of keys into what patterns compare, and back."""

from __future__ import annotations

import base64
import json
import re
from typing import Any, Final

from ..binding import key
from ..documents import Unreadable, read
from .matching import ABSENT, render

_PLAIN: Final = re.compile(r"(?!(?:true|false|null|~)?\Z)[A-Za-z_/.][A-Za-z0-9_/.+-]*")


def key_of(namespace: str, part: Any) -> Any:
    """Return `@name` or `@queue/name` as the key that it stands for; anything else as it is."""
    if not isinstance(part, str) or not part.startswith("@"):
        return part
    queue, slash, name = part[1:].partition("/")
    return key(namespace, queue, name) if slash else key(namespace, "default", queue)


def plain(reply: Any) -> Any:
    """Return a reply of the server as a value of JSON."""
    if isinstance(reply, bytes):
        return reply.decode("utf-8", "backslashreplace")
    if isinstance(reply, list | tuple):
        return [plain(member) for member in reply]
    if isinstance(reply, dict):
        return {str(plain(name)): plain(member) for name, member in reply.items()}
    return reply


def as_number(reply: Any) -> Any:
    """Return a reply whose text is a number as that number: RESP2 has scores and fields as text."""
    if isinstance(reply, str):
        try:
            return float(reply)
        except ValueError:
            return reply
    return reply


def decoded(data: bytes) -> Any:
    """Return a document as a value, absent if empty."""
    if not data:
        return ABSENT
    try:
        return read(data).value
    except Unreadable:
        return {"undecodable": base64.b64encode(data).decode()}


def short(value: Any, limit: int) -> Any:
    """Return a value for the report, its long strings and lists cut."""
    if isinstance(value, str):
        return value if len(value) <= limit else f"{value[:limit]}… ({len(value)} characters)"
    if isinstance(value, dict):
        return {name: short(member, limit) for name, member in value.items()}
    if isinstance(value, list):
        shown = [short(member, limit) for member in value[:100]]
        return [*shown, f"… ({len(value)} members)"] if len(value) > 100 else shown
    return value if value is None or isinstance(value, bool | int | float) else render(value)


def one_line(value: Any, limit: int = 300) -> str:
    """Write a step in one line of YAML, as in its file."""
    text = _flow(short(value, limit))
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_flow(name)}: {_flow(member)}" for name, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    return json.dumps(value, ensure_ascii=False)
